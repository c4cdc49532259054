"""Reads a MicroPython image that somebody downloaded, and refuses what is not the one that board.json wants.

Promises: `read` gives a Firmware whose chip, board and version were found in the file itself, or raises FirmwareError
with one line that says what to do. Formats: Espressif's image header and application descriptor (esptool documentation,
"Firmware image format"; chip id at byte 12), Microsoft's UF2.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from fieldgate.board_data import Board

UF2_MAGIC = (0x0A324655, 0x9E5D5157)
UF2_END = 0x0AB16F30
UF2_BLOCK = 512
UF2_FAMILY_PRESENT = 0x2000
# A block of this family at the end of the address space works around an RP2350 erratum (E10) in UF2 drives.
ABSOLUTE_FAMILY = 0xE48BFF57
XIP_BASE = 0x10000000
ESP_MAGIC = 0xE9


class FirmwareError(Exception):
    """Its text is the one line that the user sees."""


@dataclass(frozen=True)
class Firmware:
    """`data` is the file, `version` what it says of itself ("v1.28.0"), `name` what it calls the board."""

    path: Path
    data: bytes
    sha256: str
    version: str
    name: str


def read(board: Board, path: Path | None, any_version: bool = False) -> Firmware:
    """The image for `board`, its hash not compared yet."""
    wanted = board.firmware
    where = f"download {wanted['file']} from {wanted['source']}"
    if path is None:
        raise FirmwareError(f"no MicroPython image was named: {where} and give it as FIRMWARE=file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FirmwareError(f"{path}: {error.strerror}: {where} and give it as FIRMWARE=file") from None
    chip = board.chip
    assert chip is not None
    content = uf2_content(path, data, board) if chip.uf2_family else esp_content(path, data, board)
    version, name = banner(content)
    if not version:
        raise FirmwareError(f"{path}: this is not MicroPython: {where}")
    if name != wanted["banner"]:
        raise FirmwareError(f"{path}: it is MicroPython for {name!r}, the board needs {wanted['banner']!r}: {where}")
    if version != f"v{wanted['version']}" and not any_version:
        raise FirmwareError(f"{path}: it is MicroPython {version}, board.json has {wanted['version']}: {where}")
    return Firmware(path, data, hashlib.sha256(data).hexdigest(), version, name)


def check_pin(board: Board, firmware: Firmware, unpinned: bool) -> None:
    """Compare with the SHA-256 in board.json. Raises FirmwareError."""
    pinned = board.firmware["sha256"]
    if pinned is None and not unpinned:
        raise FirmwareError(
            f"boards/{board.name}/board.json pins no SHA-256: compare {firmware.sha256} with where you got the file "
            f"from, then run: fieldgate firmware pin {board.name} {firmware.path}"
        )
    if pinned is not None and pinned != firmware.sha256:
        raise FirmwareError(
            f"{firmware.path}: SHA-256 is {firmware.sha256}, board.json pins {pinned}: refused; download it again, or "
            f"pin it on purpose: fieldgate firmware pin {board.name} {firmware.path}"
        )


def banner(content: bytes) -> tuple[str, str]:
    """(version, name of the board) as the REPL shows them, or empty texts."""
    version = re.search(rb"MicroPython (v\d[\w.+-]*) on \d{4}-\d\d-\d\d", content)
    name = re.search(rb"; ([\x20-\x7e]{3,60} with [\w.-]+)\x00", content)
    return (version.group(1).decode() if version else "", name.group(1).decode() if name else "")


def esp_content(path: Path, data: bytes, board: Board) -> bytes:
    """The file, checked to begin with an image for the board's chip."""
    if len(data) < 0x10000 or data[0] != ESP_MAGIC:
        what = "a UF2 file" if data[:4] == struct.pack("<I", UF2_MAGIC[0]) else "no image for an Espressif chip"
        raise FirmwareError(f"{path}: this is {what}: {board.firmware['file']} is wanted")
    found = struct.unpack_from("<H", data, 12)[0]
    assert board.chip is not None
    if found != board.chip.image_id:
        raise FirmwareError(
            f"{path}: it is for the chip with id {found}, the {board.chip.name} has id {board.chip.image_id}: "
            f"{board.firmware['file']} is wanted"
        )
    if len(data) + board.chip.bootloader_at > board.flash["files_at"]:
        raise FirmwareError(f"{path}: {len(data)} bytes reach into the file system at {board.flash['files_at']:#x}")
    return data


def uf2_blocks(path: Path, data: bytes) -> list[tuple[int, int, bytes]]:
    """(family, address, payload) of every block. Raises FirmwareError."""
    if not data or len(data) % UF2_BLOCK:
        raise FirmwareError(f"{path}: this is no UF2 file: its size is no multiple of {UF2_BLOCK} bytes")
    blocks = []
    for at in range(0, len(data), UF2_BLOCK):
        *magic, flags, address, size, _, _, family = struct.unpack_from("<8I", data, at)
        if tuple(magic) != UF2_MAGIC or struct.unpack_from("<I", data, at + 508)[0] != UF2_END or size > 476:
            raise FirmwareError(f"{path}: this is no UF2 file, or it is damaged at byte {at}: download it again")
        if not flags & UF2_FAMILY_PRESENT:
            raise FirmwareError(f"{path}: this UF2 file does not say for which chip it is")
        blocks.append((family, address, data[at + 32 : at + 32 + size]))
    return blocks


def uf2_content(path: Path, data: bytes, board: Board) -> bytes:
    """What the file puts into flash, from its first address to its last, checked to be for the board's chip."""
    assert board.chip is not None
    blocks = [block for block in uf2_blocks(path, data) if block[0] != ABSOLUTE_FAMILY]
    strangers = {family for family, _, _ in blocks} - {board.chip.uf2_family}
    if strangers or not blocks:
        found = ", ".join(f"{family:#x}" for family in sorted(strangers)) or "nothing"
        raise FirmwareError(
            f"{path}: it is for the chip family {found}, the {board.chip.name} is {board.chip.uf2_family:#x}: "
            f"{board.firmware['file']} is wanted"
        )
    end = max(address + len(payload) for _, address, payload in blocks) - XIP_BASE
    if end > board.flash["files_at"]:
        raise FirmwareError(f"{path}: it ends at {end:#x}, in the file system at {board.flash['files_at']:#x}")
    return b"".join(payload for _, _, payload in sorted(blocks, key=lambda block: block[1]))
