"""Limits of rules as raw numbers, exactly: once, at the start and when the schema changes. Not needed while running.

A point's value is raw x scale + offset. Numbers of a configuration are taken as the decimal numbers that they show
(a board's floats have single precision: 0.1 is not a tenth there), so 23.7 with scale 0.1 is the raw number 237.
"""

from edge.inputs import place_of
from points.numbers import BOOL, FLOAT32, FLOAT64, STRING, kind_of, patterns

_FAR = 1 << 200  # beyond every number that a point can have


def fraction(number):
    """(numerator, denominator > 0) of an int, or of a float's seven digits: what a board's float can show."""
    text = "%.7g" % number if isinstance(number, float) else str(number)
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, part = mantissa.partition(".")
    top, power = int(whole + part), (int(exponent) if exponent else 0) - len(part)
    return (top * 10**power, 1) if power >= 0 else (top, 10**-power)


def raw_fraction(limit, scale, offset):
    """The raw number that stands for `limit`, as a fraction."""
    return raw_of(fraction(limit), scale, offset)


def raw_of(found, scale, offset):
    """The same for a fraction."""
    return divided(minus(found, fraction(offset)), fraction(scale))


def minus(one, other):
    """The difference of two fractions."""
    return one[0] * other[1] - other[0] * one[1], one[1] * other[1]


def divided(one, other):
    """The quotient of two fractions; its denominator is above 0."""
    top, bottom = one[0] * other[1], one[1] * other[0]
    return (-top, -bottom) if bottom < 0 else (top, bottom)


def is_float(kind):
    """True for the types whose raw numbers are floats."""
    return kind & 15 in (FLOAT32, FLOAT64) and kind < 256


def at_most(found, kind):
    """The largest raw number of that kind which is not above the fraction."""
    top, bottom = found
    return quotient(top, bottom) if is_float(kind) else top // bottom


def at_least(found, kind):
    """The least one which is not below it."""
    top, bottom = found
    return quotient(top, bottom) if is_float(kind) else -(-top // bottom)


def quotient(top, bottom):
    """top / bottom as a float; both are cut first so that single precision can hold them."""
    while abs(top) >= 1 << 100 or bottom >= 1 << 100:
        top, bottom = top >> 1, bottom >> 1
    return top / (bottom or 1)


def band(deadband, scale, kind):
    """A distance (>= 0) between two values as one between their raw numbers: it is exceeded when theirs is."""
    top, bottom = divided(fraction(deadband), fraction(scale))
    return at_most((abs(top), bottom), kind)


def raw_range(point, kind):
    """(least, largest) raw number of a point with `low` or `high`."""
    scale, offset = point["scale"], point["offset"]
    low, high = point.get("low"), point.get("high")
    if fraction(scale)[0] < 0:
        low, high = high, low
    least = -_FAR if low is None else at_least(raw_fraction(low, scale, offset), kind)
    largest = _FAR if high is None else at_most(raw_fraction(high, scale, offset), kind)
    if is_float(kind):  # an int of that size does not compare with a float of a board
        least = -3e38 if low is None else least
        largest = 3e38 if high is None else largest
    return least, largest


def band_entry(point, wanted):
    """What edge.deadband needs of a meta's point: kind; place; na patterns; distance of raw numbers, None: every change
    of bits; hundredths of a percent, 0: none, of raw number + base; base, without percentage the negative distance."""
    kind = kind_of(point)
    scale, offset = point["scale"], point["offset"]
    percent = base = 0
    width = None
    if isinstance(wanted, dict):
        top, bottom = fraction(wanted["percent"])
        percent = top * 100 // bottom
        top, bottom = raw_fraction(0, scale, offset)
        base = -(top / bottom if is_float(kind) else top // bottom)
        width = 0
    elif wanted and kind & 15 not in (BOOL, STRING):
        width = band(wanted, scale, kind)
        base = -width  # saves a float at every sample
    return [kind, place_of(point), patterns(point), width, percent, base]
