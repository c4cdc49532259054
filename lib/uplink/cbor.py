"""Writes CBOR (RFC 8949) items into a buffer that the caller owns: no allocation per item.

Each function writes at `at` and returns the place after it. Only what a batch needs: integers, byte and text
strings, heads of arrays, maps and tags, null. Shortest form always (RFC 8949, 4.2.1), definite lengths only.
"""

import struct

# Major types (RFC 8949, 3.1)
UINT = 0
NEGATIVE = 1
BYTES = 2
TEXT = 3
ARRAY = 4
MAP = 5
TAG = 6

_NULL = 0xF6


def put_head(buf, at, major, value):
    """The head of an item: a value, a length or a count, 0..2^64-1."""
    first = major << 5
    if value < 24:
        buf[at] = first | value
        return at + 1
    if value < 0x100:
        buf[at] = first | 24
        buf[at + 1] = value
        return at + 2
    if value < 0x10000:
        buf[at] = first | 25
        buf[at + 1] = value >> 8
        buf[at + 2] = value & 0xFF
        return at + 3
    wide = value >> 32
    buf[at] = first | (27 if wide else 26)
    struct.pack_into(">Q" if wide else ">I", buf, at + 1, value)
    return at + (9 if wide else 5)


def put_int(buf, at, value):
    """An integer, -2^64..2^64-1; None becomes null."""
    if value is None:
        buf[at] = _NULL
        return at + 1
    if value < 0:
        return put_head(buf, at, NEGATIVE, -1 - value)
    return put_head(buf, at, UINT, value)


def put_string(buf, at, data):
    """A byte string, or a text string if `data` is a str."""
    major = BYTES
    if isinstance(data, str):
        major = TEXT
        data = data.encode()
    at = put_head(buf, at, major, len(data))
    end = at + len(data)
    buf[at:end] = data
    return end
