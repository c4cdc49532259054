"""Raw words as decimal text, exactly: integers only, as the boards' floats are single precision and would round.

A float32 becomes the shortest decimal number that reads back as the same float32; scale and offset are applied as
decimal numbers to that, so 237 x 0.1 is 23.7 and a 32-bit counter keeps every digit. A decimal number is (k, e):
k x 10^e with a whole k. `fieldgate decode` prints the same numbers.
"""

import sys

from points.digits import fewest
from uplink.points import BOOL, FLOAT32, INT16, INT32, width_of


def parse(text):
    """(k, e) of a number as it stands in JSON: "0.1", "-40", "1e-05"."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    return int(whole + part), (int(exponent) if exponent else 0) - len(part)


def show(k, e):
    """k x 10^e as a JSON number, in plain notation unless that is very long."""
    if e > 12 or e < -24:
        return "%de%d" % (k, e)
    text = "%d" % abs(k)
    if e >= 0:
        text += "0" * (e if k else 0)
    else:
        text = "0" * (1 - e - len(text)) + text
        text = text[:e] + "." + text[e:]
    return "-" + text if k < 0 else text


def shortest(head, second, third, last):
    """(k, e) of the float32 with these bytes: the fewest digits that give the same bits again (IEEE 754-2019, 5.12.2:
    nine always do). The sign of zero is lost. None for infinities and NaN."""
    exponent = (head & 127) << 1 | second >> 7
    fraction = (second & 127) << 16 | third << 8 | last
    if exponent == 255:
        return None
    if not exponent | fraction:
        return 0, 0
    k, e = fewest(
        fraction | 0x800000 if exponent else fraction,
        (exponent or 1) - 152,
        fraction or exponent < 2,
        ((exponent - 127) * 1233) >> 12,
    )
    return (-k if head > 127 else k), e


def _by_columns(data):
    """The same as `shortest` for a float32 that has few digits, without garbage, where the column coder is loaded
    anyway; None for others."""
    columns = sys.modules.get("uplink.columns")
    if columns is None:
        return None
    numbers = bytearray(4)
    decimals = columns.find_decimals(data, 1, numbers)
    if decimals < 0:
        return None
    k = int.from_bytes(numbers, "big")
    return (k - (1 << 32) if numbers[0] > 127 else k), -decimals


def number(kind, data, at):
    """(k, e) of the value of `kind` (points.numbers) at data[at], in bits for bools; None if it is not a number."""
    what = kind & 15
    if what == BOOL:
        return data[at >> 3] >> (at & 7) & 1, 0
    if what > INT32 or kind > 255:
        from points import exact  # only where there is such a point

        return exact.decimal(kind, data, at)
    width = width_of(kind)
    order = kind >> 4 & width - 1
    if what == FLOAT32:
        word = bytes([data[at + (i ^ order)] for i in range(4)])
        return _by_columns(word) or shortest(*word)
    value = int.from_bytes(bytes([data[at + (i ^ order)] for i in range(width)]), "big")
    if (what == INT16 or what == INT32) and data[at + order] > 127:
        value -= 1 << 8 * width
    return value, 0


def text_of(kind, data, at, scale, offset):
    """The value x scale + offset as a JSON number, true or false for a bool, None if it is not a number.

    scale, offset: the texts of the meta, both "" where they change nothing."""
    found = number(kind, data, at)
    if found is None:
        return None
    k, e = found
    if kind & 15 == BOOL:
        return "true" if k else "false"
    if scale:
        factor, power = parse(scale)
        k, e = plus(k * factor, e + power, offset)
    return show(k, e)


def plus(k, e, text):
    """(k, e) of the sum with the number in `text`."""
    add, power = parse(text)
    if power < e:
        k *= 10 ** (e - power)
        e = power
    return k + add * 10 ** (power - e), e
