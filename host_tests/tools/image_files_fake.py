"""Stand-ins of MicroPython images for tests: as much of the formats as our tools look at. No code is in them."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
from pathlib import Path

from fieldgate import image_esp32, image_uf2
from fieldgate.board_data import Board

APP_AT = 0x10000


def copy_boards(source: Path, target: Path) -> Path:
    """A copy of boards/ that pins no hash, so that these stand-ins and other builds of MicroPython can be used."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.glob("*/board.json"):
        path.write_text(re.sub(r'("sha256": )"[0-9a-f]+"', r"\1null", path.read_text()))
    return target


def banner(board: Board, version: str | None = None, name: str | None = None) -> bytes:
    said = f"MicroPython v{version or board.firmware['version']} on 2026-04-06\0"
    return said.encode() + f"; {name or board.firmware['banner']}\0".encode()


def esp_segment_image(chip_id: int, payload: bytes) -> bytes:
    """An application with one segment, as `esptool image-info` reads it: header, segment, checksum, SHA-256."""
    payload = payload.ljust(-(-len(payload) // 4) * 4, b"\0")
    head = struct.pack("<BBBBI", 0xE9, 1, 0x02, 0x20, 0x40080000)
    head += struct.pack("<BBBBHBHHBBBBB", 0xEE, 0, 0, 0, chip_id, 0, 0, 0xFFFF, 0, 0, 0, 0, 1)
    assert len(head) == 24
    body = head + struct.pack("<II", 0x3F400020, len(payload)) + payload
    checksum = 0xEF
    for byte in payload:
        checksum ^= byte
    body = body.ljust(-(-(len(body) + 1) // 16) * 16 - 1, b"\0") + bytes([checksum])
    return body + hashlib.sha256(body).digest()


def esp_firmware(board: Board, rows: bytes | None = None, version: str | None = None, name: str | None = None) -> bytes:
    """A .bin as MicroPython publishes it: from the bootloader's place to the end of the application."""
    chip = board.chip
    assert chip is not None and chip.image_id is not None
    if rows is None:
        rows = image_esp32.entry(1, 2, 0x9000, 0x6000, "nvs") + image_esp32.entry(1, 1, 0xF000, 0x1000, "phy_init")
        rows += image_esp32.entry(0, 0, APP_AT, 0x1F0000, "factory")
    content = bytearray(b"\xff" * (APP_AT - chip.bootloader_at))
    loader = esp_segment_image(chip.image_id, b"bootloader" * 40)
    content[: len(loader)] = loader
    table_at = image_esp32.TABLE_AT - chip.bootloader_at
    table = rows + image_esp32.MD5_MAGIC + hashlib.md5(rows).digest()
    content[table_at : table_at + len(table)] = table
    return bytes(content) + esp_segment_image(chip.image_id, banner(board, version, name) + bytes(range(256)) * 64)


def uf2_firmware(
    board: Board, family: int | None = None, version: str | None = None, name: str | None = None, pages: int = 40
) -> bytes:
    """A .uf2 as MicroPython publishes it; for an RP2350 with the block of the absolute family in front."""
    chip = board.chip
    assert chip is not None and chip.uf2_family is not None
    text = (bytes(range(256)) + banner(board, version, name)).ljust(pages * 256, b"\x55")
    blocks = [(family or chip.uf2_family, 0x10000000 + at, text[at : at + 256]) for at in range(0, len(text), 256)]
    content = b"".join(image_uf2.block(*each, number, len(blocks)) for number, each in enumerate(blocks))
    if chip.name == "rp2350":
        content = image_uf2.block(0xE48BFF57, 0x10FFFF00, b"\xef" * 256, 0, 2) + content
    return content


def firmware(board: Board) -> bytes:
    assert board.chip is not None
    return uf2_firmware(board) if board.chip.uf2_family else esp_firmware(board)
