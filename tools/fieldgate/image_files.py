"""The file system of an image: LittleFS as MicroPython's own ports mount it.

Promises: the same files give the same bytes; what does not fit gives one ImageError that says by how much; a file
system that was built can be read again with `read`.

Parameters: MicroPython's ports (block 4096; rp2: 256 bytes to program; others: 32) and LittleFS disk version 2.0, which
every MicroPython since 1.12 mounts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from littlefs import LittleFS, LittleFSError, UserContext

from fieldgate.board_data import SECTOR, Board

DISK_VERSION = 0x00020000
PROGRAM_BYTES = {"rp2": 256, "esp32": 32}
# What the box itself writes: configurations, schemas, a report; see lib/flashlog/pinned.py for the log's own spare.
SPARE_BLOCKS = 8
NO_SPACE = -28


class ImageError(Exception):
    """Its text is the one line that the user sees."""


def mounted(port: str, size_bytes: int, content: bytes | None = None) -> LittleFS:
    context = UserContext(size_bytes)
    if content is not None:
        context.buffer[: len(content)] = content
    program = PROGRAM_BYTES[port]
    fs = LittleFS(
        context=context,
        block_size=SECTOR,
        block_count=size_bytes // SECTOR,
        prog_size=program,
        read_size=32,
        cache_size=4 * max(32, program),  # as MicroPython: files of up to 512 (rp2) or 128 bytes need no block
        lookahead_size=32,
        # A box's own MicroPython makes its file system version 2.1 with the first write.
        disk_version=DISK_VERSION if content is None else 0,
        mount=False,  # the library would format what it cannot mount
    )
    if content is None:
        fs.format()
    fs.mount()
    return fs


def blocks_for_the_log(board: Board) -> int:
    """Blocks that the flash log will borrow at the first start: files, their folder (BACKENDS.md) and spare ones."""
    count = int(board.settings["FLASH"].get("pinned_files", 0))
    return count + 4 + count // 16 + 8 if count else 0


def blocks_for_the_box(board: Board) -> int:
    """Blocks that an image has to leave free: for the log, and for what the box itself writes."""
    return blocks_for_the_log(board) + SPARE_BLOCKS


def build(board: Board, files: dict[str, bytes]) -> bytes:
    """The image of the board's file system with `files` (place: content). Raises ImageError."""
    size_bytes = board.flash["files_bytes"]
    fs = mounted(board.port, size_bytes)
    place = ""
    try:
        for place in sorted(files):
            folder = place.rpartition("/")[0]
            if folder:
                fs.makedirs(folder, exist_ok=True)
            with fs.open(place, "wb") as file:
                file.write(files[place])
    except LittleFSError as error:
        if error.code != NO_SPACE:
            raise ImageError(f"file system: {place}: {error}") from None
        total = sum(len(content) for content in files.values())
        raise ImageError(
            f"file system of {board.name} is full at {place}: {total:,} bytes in {len(files)} files do not fit into "
            f"{size_bytes:,} bytes"
        ) from None
    free = size_bytes // SECTOR - fs.used_block_count
    wanted = blocks_for_the_box(board)
    if free < wanted:
        raise ImageError(
            f"file system of {board.name}: {free} blocks of {SECTOR} bytes are left, the log and the box's own files "
            f"need {wanted}: lower pinned_files and sectors in board.py"
        )
    return bytes(fs.context.buffer)


def read(board: Board, content: bytes) -> dict[str, bytes]:
    """All files of a file system's image. Raises ImageError."""
    try:
        fs = mounted(board.port, len(content), content)
        return dict(walk(fs))
    except LittleFSError as error:
        raise ImageError(f"the file system cannot be read: {error}") from None


def walk(fs: Any, folder: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in sorted(fs.scandir(folder or "/"), key=lambda entry: str(entry.name)):
        place = f"{folder}/{entry.name}" if folder else str(entry.name)
        if entry.type == 2:
            yield from walk(fs, place)
        else:
            with fs.open(place, "rb") as file:
                yield place, file.read()
