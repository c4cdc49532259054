"""The names that the code of a box uses, sorted, as firmware/ports/rp2/names.py gives them to MicroPython.

Promises: the same modules give the same bytes; no name stands across two blocks of LittleFS.

The file: two numbers of 8 hexadecimal digits (how many names, how many bytes the file has); then each name as its hash,
its length, its text and a 0, in the order of their bytes. Where the next one does not fit into a block zeros follow up
to the block's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

NAME = "code.names"
BLOCK_BYTES = 4096
HEAD_BYTES = 16
_MAX_BYTES = 120


def of_module(mpy: bytes) -> list[str]:
    """The names that MicroPython looks up when it loads this .mpy file; not those that have a number in every image."""
    at = 4  # "M", version, flags, bits of a small int (py/persistentcode.c)

    def number() -> int:
        nonlocal at
        value = 0
        while True:
            byte = mpy[at]
            at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    count, _constants = number(), number()
    found = []
    for _ in range(count):
        length = number()
        if not length & 1:
            found.append(mpy[at : at + (length >> 1)].decode())
            at += (length >> 1) + 1
    return found


def pack(names: Iterable[str]) -> bytes:
    """The file with these names."""
    entries = sorted({name.encode() for name in names if 0 < len(name.encode()) <= _MAX_BYTES and "\0" not in name})
    body = bytearray(HEAD_BYTES)
    index, room = 0, BLOCK_BYTES - HEAD_BYTES
    for entry in entries:
        if len(entry) + 3 > room:
            body += bytes(room)
            index += 1
            room = BLOCK_BYTES - pointer_bytes(index)
        body += bytes([hash_of(entry), len(entry)]) + entry + b"\0"
        room -= len(entry) + 3
    body[:HEAD_BYTES] = f"{len(entries):08x}{len(body):08x}".encode()
    return bytes(body)


def unpack(content: bytes) -> Iterator[str]:
    """The names of such a file."""
    at, index, end = HEAD_BYTES, 0, BLOCK_BYTES
    while at < len(content):
        if at + 1 >= end or not content[at + 1]:
            at, index = end, index + 1
            end += BLOCK_BYTES - pointer_bytes(index)
            continue
        length = content[at + 1]
        yield content[at + 2 : at + 2 + length].decode()
        at += length + 3


def hash_of(name: bytes) -> int:
    """As qstr_compute_hash of py/qstr.c with one byte."""
    value = 5381
    for byte in name:
        value = value * 33 ^ byte
    return value & 0xFF or 1


def pointer_bytes(index: int) -> int:
    """LittleFS begins block `index` of a file with pointers (SPEC.md, CTZ skip-lists)."""
    return 4 * ((index & -index).bit_length()) if index else 0
