"""The exact number of points that are not one of the first six types: as decimals, with integers only.

Nothing here is a float: a board's would keep 24 bits of a counter. Loaded by gateway.decimals for the first such point.
"""

from points.digits import fewest
from points.numbers import FLOAT64, STRING, raw, whole


def decimal(kind, data, at):
    """(k, e), the value being k x 10^e, of a kind of points.numbers; None if it is not a number or a string."""
    what = kind & 15
    if what == STRING:
        return None
    word = raw(kind, data, at)
    if what == FLOAT64:
        return _float64(word)
    k = whole(kind, word)
    return None if k is None else (k, 0)


def _float64(word):
    """The fewest digits that give the same bits again (IEEE 754-2019, 5.12.2: seventeen always do). The sign of zero is
    lost."""
    exponent = (word[0] & 127) << 4 | word[1] >> 4
    fraction = int.from_bytes(word[1:], "big") & 0xFFFFFFFFFFFFF
    if exponent == 2047:
        return None
    if not exponent | fraction:
        return 0, 0
    k, e = fewest(
        fraction | 1 << 52 if exponent else fraction,
        (exponent or 1) - 1077,
        fraction or exponent < 2,
        ((exponent - 1023) * 1233) >> 12,
    )
    return (-k if word[0] > 127 else k), e


def text(kind, data, at):
    """The text of a string: up to the first NUL, without blanks at the end, UTF-8 (to U+FFFF) or else Latin-1."""
    found = raw(kind, data, at)
    end = found.find(b"\0")
    found = (found if end < 0 else found[:end]).rstrip(b" ")
    return str(found, "utf-8") if _is_utf8(found) else "".join([chr(byte) for byte in found])


def _is_utf8(data):
    # RFC 3629, 4: UTF8-2 and UTF8-3. MicroPython's own check lets more pass than CPython's.
    left = low = 0
    high = 191
    for byte in data:
        if left:
            if not low <= byte <= high:
                return False
            left -= 1
            low, high = 128, 191
        elif byte > 127:
            if not 194 <= byte <= 239:
                return False
            left = 1 if byte < 224 else 2
            low, high = 160 if byte == 224 else 128, 159 if byte == 237 else 191
    return not left
