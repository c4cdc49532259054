"""The UF2 of an RP2 board: MicroPython and file system in one file for the boot drive.

Promises: MicroPython's blocks keep their order and content; of the file system all sectors that hold something are
written whole (the boot drive erases by sectors), blank ones are left out; blocks are numbered through, as the boot ROM
counts them before it starts the new image.

Source: Microsoft's UF2 specification; RP2040 datasheet 2.8.4.2 (a UF2 with numbered blocks of one family).
"""

from __future__ import annotations

import struct

from fieldgate.board_data import SECTOR, Board
from fieldgate.image_firmware import ABSOLUTE_FAMILY, UF2_BLOCK, UF2_END, UF2_FAMILY_PRESENT, UF2_MAGIC, XIP_BASE

PAGE = 256
BLANK = b"\xff" * SECTOR


def block(family: int, address: int, payload: bytes, number: int, total: int) -> bytes:
    head = struct.pack("<8I", *UF2_MAGIC, UF2_FAMILY_PRESENT, address, len(payload), number, total, family)
    return (head + payload).ljust(UF2_BLOCK - 4, b"\0") + struct.pack("<I", UF2_END)


def join(board: Board, firmware: bytes, blocks: list[tuple[int, int, bytes]], files: bytes) -> bytes:
    """`firmware` is MicroPython's file and `blocks` what is in it; `files` is the file system's image."""
    chip = board.chip
    assert chip is not None and chip.uf2_family is not None
    # A block of the absolute family stands outside of the count and is taken over byte for byte.
    content = b"".join(
        firmware[number * UF2_BLOCK : (number + 1) * UF2_BLOCK]
        for number, each in enumerate(blocks)
        if each[0] == ABSOLUTE_FAMILY
    )
    rest = [each for each in blocks if each[0] != ABSOLUTE_FAMILY]
    start = XIP_BASE + board.flash["files_at"]
    for at in range(0, len(files), SECTOR):
        if files[at : at + SECTOR] != BLANK:
            for page in range(at, at + SECTOR, PAGE):
                rest.append((chip.uf2_family, start + page, files[page : page + PAGE]))
    return content + b"".join(block(*each, number, len(rest)) for number, each in enumerate(rest))


def flash_of(board: Board, blocks: list[tuple[int, int, bytes]]) -> bytes:
    """The chip's content after a blank chip took the blocks: what tests and the emulator look at."""
    content = bytearray(b"\xff" * board.flash["bytes"])
    for family, address, payload in blocks:
        if family != ABSOLUTE_FAMILY:
            content[address - XIP_BASE : address - XIP_BASE + len(payload)] = payload
    return bytes(content)
