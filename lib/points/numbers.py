"""The number of a point out of a reply's bytes, for comparing; DESIGN.md says what the types are.

Promises: integer types give an int with every bit, also on boards whose floats have single precision. Only float32
and float64 give a float; there a float64 is for comparing only (see `number`). Exact text: points.exact.

A kind is one small int: type in the low 4 bits, byte order << 4, and << 8 what else the type has: for a bit field
its lowest bit, width << 5 and 1 << 11 if it is a single bit; for a string its bytes. The first six types are those of
uplink.points, with the same numbers.
"""

import struct

BOOL = 0
UINT16 = 1
INT16 = 2
UINT32 = 3
FLOAT32 = 4
INT32 = 5
BCD16 = 6
BCD32 = 7
UINT64 = 8
INT64 = 9
FLOAT64 = 10
STRING = 11
TYPES = ("bool", "uint16", "int16", "uint32", "float32", "int32", "bcd16", "bcd32", "uint64", "int64", "float64")
ORDERS = ("ABCD", "BADC", "CDAB", "DCBA")
_WIDTHS = b"\0\2\2\4\4\4\2\4\x08\x08\x08"


def kind_of(point):
    """The kind of a point of ot.json or of a group's meta. Raises ValueError for a type or order that is none."""
    name = point["type"]
    order = ORDERS.index(point.get("order", "ABCD"))
    if name.startswith("string"):
        return int(name[6:]) << 8 | order << 4 | STRING
    what = TYPES.index(name)
    if what == BOOL:
        return what
    kind = what | order << 4
    if point.get("bit") is not None:
        return kind | (point["bit"] | 1 << 5 | 1 << 11) << 8
    if point.get("bits"):
        low, count = point["bits"]
        return kind | (low | count << 5) << 8
    return kind


def width_of(kind):
    """Bytes that the value takes in the reply; 0 for a bool, which takes a bit."""
    what = kind & 15
    return kind >> 8 if what == STRING else _WIDTHS[what]


def raw(kind, data, at):
    """The value's bytes, the most significant first (a string's in reading order), as a bytes object; data[at]: its
    first byte on the wire. Not for bools."""
    width = width_of(kind)
    order = kind >> 4 & 3
    flip = order & 1
    if order > 1:  # the last word first
        at += width - 2
        return bytes([data[at - (i & ~1) + (i & 1 ^ flip)] for i in range(width)])
    return bytes([data[at + (i ^ flip)] for i in range(width)])


def patterns(point):
    """The values that mean "not available" (`na` of a point) as a tuple of what `raw` gives, for `number`.

    Numbers are the value's bits, unsigned, or the number itself where that is negative; "ff": all bits set."""
    kind = kind_of(point)
    width = width_of(kind)
    found = []
    for item in point.get("na") or ():
        if item == "ff":
            found.append(b"\xff" * width)
        elif item != "nan":  # what is not a number is never one
            found.append((item % (1 << 8 * width)).to_bytes(width, "big"))
    return tuple(found)


def number(kind, data, at, na=()):
    """The point's number before scale and offset; None if it has none: it is one of the patterns `na`, a float that is
    infinite or NaN, BCD digits above 9, or a string.

    data: the reply's data, as recorder.sample gets it. at: its place there, in bytes, for a bool in bits. An int for
    integers, bools (0, 1), bit fields and BCD. A float for float32 and float64; on boards a float64 is cut to single
    precision (beyond its range: an infinity), good for comparing and never for publishing."""
    what = kind & 15
    if what == BOOL:
        return data[at >> 3] >> (at & 7) & 1
    if what < UINT32 and kind < 256 and not na:  # by far the most
        flip = kind >> 4 & 1
        value = data[at + flip] << 8 | data[at + 1 - flip]
        return value - 65536 if what == INT16 and value > 32767 else value
    word = raw(kind, data, at)
    if what == STRING or word in na:
        return None
    if what == FLOAT32:
        return None if word[0] & 127 == 127 and word[1] > 127 else struct.unpack(">f", word)[0]
    if what == FLOAT64:
        return None if word[0] & 127 == 127 and word[1] > 239 else struct.unpack(">d", word)[0]
    return whole(kind, word)


def whole(kind, word):
    """The int of an integer type's bytes (from `raw`); None for BCD digits above 9."""
    what = kind & 15
    value = 0
    if what == BCD16 or what == BCD32:
        for byte in word:
            if byte > 0x99 or byte & 15 > 9:
                return None
            value = value * 100 + (byte >> 4) * 10 + (byte & 15)
        return value
    value = int.from_bytes(word, "big")
    if kind > 255:  # of a bit field
        field = kind >> 8
        return value >> (field & 31) & ((1 << (field >> 5 & 63)) - 1)
    if word[0] > 127 and (what == INT16 or what == INT32 or what == INT64):
        value -= 1 << 8 * len(word)
    return value
