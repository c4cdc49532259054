"""What the raw words of a point mean beyond scale and offset: quality, a scale from a register, names of numbers.

A described point is one short text, fields separated by commas: name, place, kind, scale, offset, patterns, low, high,
the scaling point, names. (`gateway.latest` has the first five for plain points.) Exact like gateway.decimals.
Loaded only where a point has more; lib/points/DESIGN.md says what it is.
"""

import json

from gateway import decimals
from modbus.codes import GOOD, NOT_AVAILABLE, OUT_OF_RANGE
from points import exact
from points.numbers import BOOL, STRING, kind_of, number, patterns, raw

_SINGLE_BIT = 1 << 19  # in a kind


def text_of(point, points):
    """The described text of `point`, a dict of a group's meta; points: all of the group."""
    scale = offset = by = ""
    if point["scale"] != 1 or point["offset"]:
        scale, offset = json.dumps(point["scale"]), json.dumps(point["offset"])
    at = point["at"] if point["type"] == "bool" else 2 * point["at"]
    if "scale_from" in point:
        by = "-"  # it is not in this read: no number can be told
        for other in points:
            if other["name"] == point["scale_from"]:
                how = point.get("scale_as", "exponent")
                by = "%d:%d:%s:%s" % (2 * other["at"], kind_of(other), how, _patterns(other))
    names = point.get("names") or {}
    listed = "\t".join(["%s\t%s" % (key, names[key]) for key in sorted(names, key=int)])
    low, high = [json.dumps(point[key]) if key in point else "" for key in ("low", "high")]
    head = "%s,%d,%d,%s,%s" % (point["name"], at, kind_of(point), scale, offset)
    return "%s,%s,%s,%s,%s,%s" % (head, _patterns(point), low, high, by, listed)


def _patterns(point):
    return "|".join([_hex(word) for word in patterns(point)])


def _hex(word):
    return "".join(["%02x" % byte for byte in word])


def value(fields, data):
    """(JSON text or None, quality, name of the number or None) of a described point, split at its commas."""
    _, at, kind, scale, offset, na, low, high, by, names = fields
    at = int(at)
    kind = int(kind)
    if na and _hex(raw(kind, data, at)) in na.split("|"):
        return None, NOT_AVAILABLE, None
    if kind & 15 == STRING:
        return json.dumps(exact.text(kind, data, at)), GOOD, None
    found = decimals.number(kind, data, at)
    if found is None:
        return None, NOT_AVAILABLE, None
    k, e = found
    name = _name(names, str(k)) if names and not e else None
    if kind & 15 == BOOL or kind & _SINGLE_BIT:
        return "true" if k else "false", GOOD, name
    if scale or by:
        factor, power = decimals.parse(scale or "1")
        k *= factor
        e += power
        if by:
            found = _scaled(k, e, by, data)
            if found is None:
                return None, NOT_AVAILABLE, None
            k, e = found
        if offset and offset != "0":
            k, e = decimals.plus(k, e, offset)
    outside = (low and _beyond(k, e, low) < 0) or (high and _beyond(k, e, high) > 0)
    return decimals.show(k, e), OUT_OF_RANGE if outside else GOOD, name


def _name(names, number):
    words = names.split("\t")
    for i in range(0, len(words), 2):
        if words[i] == number:
            return words[i + 1]
    return None


def _scaled(k, e, by, data):
    if by == "-":
        return None
    at, kind, how, na = by.split(":")
    kind = int(kind)
    at = int(at)
    if na and _hex(raw(kind, data, at)) in na.split("|"):
        return None
    s = number(kind, data, at)
    if how == "divisor":
        return _divided(k, e, s)
    if not -10 <= s <= 10:  # SunSpec's range of a sunssf; what it has no scale for is 0x8000
        return None
    return k, (e - s if how == "decimals" else e + s)


def _divided(k, e, s):
    # As many decimals as the divisor's 2s and 5s ask for; the decimals of others do not end.
    if s <= 0:
        return None
    tens = 1
    places = 0
    while tens % s:
        tens *= 10
        places += 1
        if places > 15:  # 2^15 is the largest such power in a register
            return None
    return k * (tens // s), e - places


def _beyond(k, e, limit):
    # A number with the sign of k x 10^e - limit.
    return decimals.plus(k, e, limit[1:] if limit[0] == "-" else "-" + limit)[0]
