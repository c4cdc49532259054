"""Where a point lies in a reply and how its value is taken out, for every payload format.

A *column* is one int: place (in registers, for bools in bits) << 8 | kind; the kind holds type and byte order. Most
points are one column, wider ones several (points.parts). Values are 32-bit words in byte arrays, bit for bit, so that
no float and no big int takes part.

The loops over words are viper on MicroPython and plain Python on CPython. There an int has 32 or 64 bits or no
limit: the arithmetic is modulo 2^32 in a form that is right in all three.
"""

import sys

if sys.implementation.name == "micropython":
    import micropython
else:

    class micropython:
        """Stands in for the decorator that only MicroPython has."""

        @staticmethod
        def viper(function):
            return function


ptr8 = ptr16 = None  # CPython reads them in annotations; in viper they are the compiler's own words

# Kind of a column, low 3 bits; bits 4 and 5 are the byte order: byte i of the word is wire byte i ^ order. In bits 6
# and 7 stands what a wider value is that begins here, and bit 3 is set where it goes on.
BOOL = 0
UINT16 = 1
INT16 = 2
UINT32 = 3
FLOAT32 = 4
INT32 = 5
GOES_ON = 8
KINDS = {"bool": BOOL, "uint16": UINT16, "int16": INT16, "uint32": UINT32, "int32": INT32, "float32": FLOAT32}
ORDERS = {"ABCD": 0, "BADC": 1, "CDAB": 2, "DCBA": 3}


def kind_of(type_name, order):
    """The kind of a point that is one column, from its meta. KeyError for others."""
    kind = KINDS[type_name]
    return kind | (ORDERS[order] & width_of(kind) - 1) << 4 if kind and order else kind


def width_of(kind):
    """Bytes that one value takes as a plain word; 0 for a bool, which takes a bit."""
    kind &= 7
    return 0 if kind == BOOL else 2 if kind < UINT32 else 4


@micropython.viper
def load_words(rows: ptr8, offsets: ptr16, count: int, at: int, kind: int, words: ptr8):
    """Take the point's value out of every row: rows[offsets[i]] begins row i, `at` is the place in it (in bytes,
    for bools in bits). words[4 * i:4 * i + 4] becomes the value as a big-endian 32-bit word, sign extended."""
    order = (kind >> 4) & 3
    kind = kind & 7
    width = 2
    if kind >= 3:
        width = 4
    for i in range(count):
        o = int(offsets[i]) + at
        w = 4 * i
        if kind:
            for b in range(width):
                words[w + 4 - width + b] = rows[o + (b ^ order)]
            if width == 2:
                sign = 0
                if kind == 2 and int(words[w + 2]) > 127:
                    sign = 255
                words[w] = sign
                words[w + 1] = sign
        else:
            o = int(offsets[i]) + (at >> 3)
            words[w] = 0
            words[w + 1] = 0
            words[w + 2] = 0
            words[w + 3] = (int(rows[o]) >> (at & 7)) & 1


@micropython.viper
def choose_rows(groups: ptr8, qualities: ptr8, count: int, group: int, places: ptr16, chosen: ptr16) -> int:
    """Of `count` samples, the places of the good ones of a group go to `chosen`; returns how many."""
    found = 0
    for i in range(count):
        if int(groups[i]) == group and int(qualities[i]) == 0:
            chosen[found] = places[i]
            found += 1
    return found


def layout_of(points):
    """What an encoder needs of a group's meta `points` (dicts with at, type, order): their columns."""
    columns = []
    before = None
    for point in points:
        before = add_columns(columns, point, before)
    return tuple(columns)


def add_columns(columns, point, before):
    """Append those of one more point. before: what this returned for the point before it, first None."""
    if "bit" in point or "bits" in point or point["type"] not in KINDS:
        from points import parts  # only where there is such a point

        return parts.add_columns(columns, point, before)
    columns.append(point["at"] << 8 | kind_of(point["type"], point["order"]))
    return point


def byte_at(point):
    """Offset of a point in the row: meta counts registers, which are 2 bytes; bools stay bits."""
    at = point >> 8
    return at if point & 7 == BOOL else 2 * at
