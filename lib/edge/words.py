"""Numbers that the box has computed as register words, and exact ratios of integers as floats."""

import math
import struct

_FORMS = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "uint64": ">Q", "int64": ">q"}


def na_of(type_name):
    """What stands for "not available" in a computed point: the `na` of its meta."""
    if type_name[:5] == "float":
        return ["nan"]
    return ["ff"] if type_name[0] == "u" else [-(1 << (int(type_name[3:]) - 1))]


def registers_of(type_name):
    """Registers that the type takes."""
    return int(type_name.lstrip("uintfloa")) // 16


def put(buf, at, type_name, number):
    """Write a number as big-endian words at buf[at]; None and what does not fit become "not available"."""
    if type_name == "float32":
        struct.pack_into(">f", buf, at, math.nan if number is None else number)
        return
    bits = int(type_name.lstrip("uint"))
    unsigned = type_name[0] == "u"
    least, largest = (0, (1 << bits) - 2) if unsigned else (1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if number is not None and not isinstance(number, int):
        number = int(math.floor(number + 0.5)) if -1e19 < number < 1e19 else None
    if number is None or not least <= number <= largest:
        number = largest + 1 if unsigned else least - 1
    struct.pack_into(_FORMS[type_name], buf, at, number)


def bits_of(number):
    """The bits that a whole number >= 0 takes."""
    bits = 0
    while number >> 16:
        number >>= 16
        bits += 16
    while number:
        number >>= 1
        bits += 1
    return bits


def ratio(top, bottom, power=0):
    """top / bottom x 2^power as a float, right to the runtime's precision whatever the size of the integers."""
    if not top or not bottom:
        return 0.0
    shift = 40 - bits_of(abs(top)) + bits_of(abs(bottom))
    part = (top << shift) // bottom if shift > 0 else top // (bottom << -shift)
    return _float(part, power - shift)


def root(top, bottom, power=0):
    """The square root of top / bottom, x 2^power, as a float; top >= 0, bottom > 0."""
    if not top:
        return 0.0
    half = (56 - bits_of(top) + bits_of(bottom)) // 2
    square = (top << 2 * half) // bottom if half > 0 else top // (bottom << -2 * half)
    one = 1 << (bits_of(square) + 1) // 2
    while True:  # Newton's method on integers: falls until it is there
        other = (one + square // one) >> 1
        if other >= one:
            return _float(one, power - half)
        one = other


def _float(number, power):
    if power > 100:  # a board's ldexp must not meet what its float cannot hold half way
        return math.ldexp(float(number), 100) * 2.0 ** min(power - 100, 27)
    return math.ldexp(float(number), power)
