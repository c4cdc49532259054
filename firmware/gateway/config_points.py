"""Checks what few points have: strings, bits, a scale from a register, patterns for "not available", limits, names.

Loaded by gateway.rules and gateway.config where a point has one of these. What they mean: lib/points/DESIGN.md.
"""

from gateway import rules
from modbus.widths import words_of

_WHOLE = ("uint16", "int16", "uint32", "int32", "uint64", "int64", "bcd16", "bcd32")
_STRING_BYTES = 120


def mistake(value, rule):
    """What is allowed, when `value` is not; otherwise None. rule: of a kind that gateway.rules leaves to this."""
    kind = rule[0]
    if kind == "type":
        if _is_string(value):
            return None
        return " ".join(rule[1]) + " or string2 to string%d (bytes, even)" % _STRING_BYTES
    if kind == "raw":
        if value in ("ff", "nan") or (type(value) is int and -(1 << 63) <= value < 1 << 64):
            return None
        return 'a raw value: a whole number, "ff" or "nan"'
    return _names_mistake(value)


def _is_string(value):
    if not isinstance(value, str) or value[:6] != "string":
        return False
    digits = value[6:]
    return digits.isdigit() and digits[0] != "0" and not int(digits) & 1 and int(digits) <= _STRING_BYTES


def _names_mistake(value):
    allowed = 'an object of 1..32 numbers and names of 1..24 characters as {"0": "stop"}, 400 characters together'
    if not isinstance(value, dict) or not 0 < len(value) <= 32:
        return allowed
    size = 0
    for key in value:
        digits = key[1:] if key[:1] == "-" else key
        text = value[key]
        if not digits.isdigit() or str(int(digits)) != digits:
            return allowed
        if not isinstance(text, str) or not 0 < len(text) <= 24 or min(text) < " ":
            return allowed
        size += len(key) + len(text)
    return allowed if size > 400 else None


def check(errors, path, point, unit):
    """Append one line per mistake in `point`, which passed gateway.rules; unit: the unit that it is of."""
    is_number = point["type"] != "bool" and point["type"][:6] != "string" and "bit" not in point
    plain = point["scale"] == 1 and not point["offset"] and "scale_from" not in point
    _bits(errors, path, point)
    if "bit" in point and not plain:
        errors.append("%s.scale: found scale, offset or scale_from of a single bit, allowed none" % path)
    if "scale_from" in point:
        _scale_from(errors, path, point, unit, is_number)
    elif "scale_as" in point:
        errors.append("%s.scale_as: found %s, allowed with scale_from only" % (path, rules.shown(point["scale_as"])))
    _patterns(errors, path, point)
    for key in ("low", "high"):
        if key in point and not is_number:
            errors.append("%s.%s: found %s, allowed with numbers only" % (path, key, rules.shown(point[key])))
    if "low" in point and "high" in point and point["low"] >= point["high"]:
        line = "%s.low: found %s, allowed less than high, %s"
        errors.append(line % (path, rules.shown(point["low"]), rules.shown(point["high"])))
    if "names" in point and not (plain and (point["type"] in _WHOLE or point["type"] == "bool")):
        line = "%s.names: found names of a %s%s, allowed for whole numbers without scale and offset"
        errors.append(line % (path, point["type"], "" if plain else " with a scale"))


def _bits(errors, path, point):
    key = "bits" if "bits" in point else "bit"
    if key not in point:
        return
    found = rules.shown(point[key])
    if "bit" in point and "bits" in point:
        errors.append("%s.bits: found bit and bits, allowed one of them" % path)
    elif point["type"] not in ("uint16", "uint32"):
        line = "%s.%s: found %s of a %s, allowed with uint16 and uint32"
        errors.append(line % (path, key, found, point["type"]))
    else:
        width = 16 * words_of(point["type"])
        low, count = point["bits"] if key == "bits" else (point["bit"], 1)
        if not 1 <= count <= width - low:
            what = "[%d, %d], allowed [lowest, count] within" % (low, count) if key == "bits" else found + ", allowed"
            errors.append("%s.%s: found %s bits 0..%d of a %s" % (path, key, what, width - 1, point["type"]))


def _scale_from(errors, path, point, unit, is_number):
    where = path + ".scale_from"
    name = point["scale_from"]
    if not is_number:
        errors.append("%s: found %s, allowed with numbers only" % (where, rules.shown(name)))
        return
    for other in unit["points"]:
        if other["name"] == name:
            break
    else:
        errors.append("%s: found %s, allowed the name of a point of the same unit" % (where, rules.shown(name)))
        return
    if (
        other["type"] not in ("uint16", "int16")
        or other["scale"] != 1
        or other["offset"]
        or any([key in other for key in ("bit", "bits", "scale_from")])
    ):
        errors.append("%s: found %s, allowed a uint16 or int16 without a scale of its own" % (where, rules.shown(name)))
    for key in ("fc", "period_ms"):
        if other[key] != point[key]:
            line = "%s: found %s with %s %d, allowed %d as here: both must be in one read"
            errors.append(line % (where, rules.shown(name), key, other[key], point[key]))


def _patterns(errors, path, point):
    name = point["type"]
    bits = 16 * words_of(name)
    for i, item in enumerate(point.get("na", ())):
        if name == "bool":
            allowed = "none with bool"
        elif item == "nan":
            allowed = None if name[:5] == "float" else '"nan" with float32 and float64'
        elif item == "ff" or -(1 << bits - 1) <= item < 1 << bits:
            allowed = None
        else:
            allowed = "a raw value of %d bits" % bits
        if allowed:
            errors.append("%s.na[%d]: found %s, allowed %s" % (path, i, rules.shown(item), allowed))
