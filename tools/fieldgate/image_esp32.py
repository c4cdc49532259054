"""The merged image of an ESP32 board: bootloader, partition table, MicroPython and file system in one file.

Promises: the rows of MicroPython's own table stay as they are; behind them come `vfs` and the log's raw region `fglog`;
the table carries its MD5. `esptool merge-bin`, called as a program, puts the parts together; the log's region is not
part of the file, so writing it keeps a log that is there.

Source: ESP-IDF programming guide, "Partition tables": entries of 32 bytes at 0x8000, magic 0x50AA, MD5 row EB EB.
"""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from fieldgate.board_data import SECTOR, Board
from fieldgate.image_files import ImageError

TABLE_AT = 0x8000
TABLE_BYTES = 0x1000
TABLE_USED = 0xC00
ENTRY = struct.Struct("<2sBBII16sI")
ENTRY_MAGIC = b"\xaa\x50"
MD5_MAGIC = b"\xeb\xeb" + b"\xff" * 14
TYPE_APP, TYPE_DATA = 0, 1
SUBTYPE_FAT = 0x81  # what MicroPython registers its "vfs" with
SUBTYPE_LOG = 0x40  # the first of those that are free for applications
FILES_LABEL, LOG_LABEL = "vfs", "fglog"


def entry(kind: int, subtype: int, at: int, size_bytes: int, label: str) -> bytes:
    return ENTRY.pack(ENTRY_MAGIC, kind, subtype, at, size_bytes, label.encode(), 0)


def read_table(content: bytes) -> list[tuple[int, int, int, int, str]]:
    """(type, subtype, place, size, label) of each row. Raises ImageError."""
    rows = []
    for at in range(0, min(len(content), TABLE_USED), ENTRY.size):
        magic, kind, subtype, place, size_bytes, label, _ = ENTRY.unpack_from(content, at)
        if magic == ENTRY_MAGIC:
            rows.append((kind, subtype, place, size_bytes, label.rstrip(b"\0").decode(errors="replace")))
            continue
        if content[at : at + 16] == MD5_MAGIC and content[at + 16 : at + 32] != hashlib.md5(content[:at]).digest():
            raise ImageError("the partition table does not match its MD5: download the MicroPython image again")
        break
    if not any(row[0] == TYPE_APP for row in rows):
        raise ImageError("no partition table with an application at 0x8000 of the MicroPython image")
    return rows


def make_table(board: Board, rows: list[tuple[int, int, int, int, str]]) -> bytes:
    """MicroPython's rows, then file system and log. Raises ImageError."""
    flash = board.flash
    kept = [row for row in rows if row[4] not in (FILES_LABEL, LOG_LABEL)]
    end = max(place + size for _, _, place, size, _ in kept)
    if end > flash["files_at"]:
        raise ImageError(
            f"MicroPython's partitions end at {end:#x}, the file system of {board.name} begins at "
            f"{flash['files_at']:#x}: change board.json or take the plain image"
        )
    table = b"".join(entry(kind, subtype, place, size, label) for kind, subtype, place, size, label in kept)
    table += entry(TYPE_DATA, SUBTYPE_FAT, flash["files_at"], flash["files_bytes"], FILES_LABEL)
    table += entry(TYPE_DATA, SUBTYPE_LOG, flash["log_at"], flash["log_bytes"], LOG_LABEL)
    table += MD5_MAGIC + hashlib.md5(table).digest()
    return table.ljust(TABLE_BYTES, b"\xff")


def merge(board: Board, firmware: bytes, files: bytes) -> bytes:
    """The whole flash from address 0. Raises ImageError."""
    chip = board.chip
    assert chip is not None
    table_at = TABLE_AT - chip.bootloader_at
    table = make_table(board, read_table(firmware[table_at : table_at + TABLE_BYTES]))
    parts = (
        (chip.bootloader_at, firmware[:table_at]),
        (TABLE_AT, table),
        (TABLE_AT + TABLE_BYTES, firmware[table_at + TABLE_BYTES :]),
        (board.flash["files_at"], files),
    )
    with tempfile.TemporaryDirectory(prefix="fieldgate-image-") as scratch:
        merged = Path(scratch) / "merged.bin"
        # "keep": mode and speed stand in the header that MicroPython's build wrote, with a hash over them.
        command = [sys.executable, "-m", "esptool", "--chip", chip.name, "merge-bin", "-o", str(merged)]
        command += ["--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"]
        for at, content in parts:
            path = Path(scratch) / f"{at:#x}.bin"
            path.write_bytes(content)
            command += [f"{at:#x}", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not merged.is_file():
            said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
            raise ImageError(f"esptool merge-bin failed: {said[-1]}")
        content = merged.read_bytes()
    assert content[TABLE_AT : TABLE_AT + TABLE_BYTES] == table and len(content) % SECTOR == 0
    return content
