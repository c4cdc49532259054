"""Judges a profile: unknown keys, impossible types, overlaps, reads that no unit could answer, untrue confidence.

Promises: every mistake is one line "where: found what, allowed what"; any JSON tree can be judged. What only the box's
own rules know (ranges of each key, units of measure, scales from registers) is added by `apply.box_mistakes`.
"""

from __future__ import annotations

import re
from typing import Any

from fieldgate.profiles.model import CONFIDENCES, MAX_STRING_BYTES, ORDERS, words_of

MAX_READ_REGISTERS = 125  # Modbus application protocol V1.1b3, 6.3
MAX_POINTS = 200
TEXTS = {"maker": 48, "model": 48, "source": 400}
TOP_KEYS = {
    "format", "profile", "maker", "model", "source", "confidence", "serial", "unit_id", "identity", "notes", "probe",
    "unit", "points",
}  # fmt: skip
UNIT_KEYS = {
    "first_byte_timeout_ms", "inter_byte_timeout_ms", "retries", "max_registers", "max_gap", "functions", "holes",
    "comm_loss_ms",
}  # fmt: skip
POINT_KEYS = {
    "name", "fc", "address", "type", "order", "scale", "offset", "unit", "period_ms", "priority", "bit", "bits", "na",
    "low", "high", "names", "scale_from", "scale_as", "deadband", "heartbeat_s",
}  # fmt: skip
PROBE_KEYS = {"fc", "address", "type", "order", "scale", "low", "high"}
TYPES_TEXT = f"bool, uint or int 16 32 64, float32 float64, bcd16 bcd32, string2..string{MAX_STRING_BYTES} (even)"
NAME = r"[a-z0-9_-]{1,32}"


class Judge:
    """Collects the mistakes of one profile."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, found: object, allowed: str) -> None:
        self.lines.append(f"{where}: found {shown(found)}, allowed {allowed}")

    def known(self, tree: dict[str, Any], keys: set[str], where: str) -> None:
        for key in sorted(str(key) for key in tree if key not in keys):
            self.lines.append(f"{where}{key[:40]}: unknown key, allowed {', '.join(sorted(keys))}")

    def whole(self, value: object, low: int, high: int, where: str) -> bool:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return True
        self.add(where, value, f"a whole number {low}..{high}")
        return False

    def number(self, value: object, where: str) -> bool:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and -1e30 < value < 1e30:
            return True
        self.add(where, value, "a number")
        return False


def shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    if isinstance(value, (dict, list)):
        text = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = {"None": "null", "True": "true", "False": "false"}.get(text, text).replace("\n", " ")
    return text if len(text) <= 40 else text[:36] + "..."


def mistakes(profile: dict[str, Any], stem: str, frames: list[dict[str, Any]]) -> list[str]:
    """All mistakes of a profile in file `stem`.json with the example frames beside it; none: it can be used."""
    judge = Judge()
    judge.known(profile, TOP_KEYS, "")
    if profile.get("format") != 1:
        judge.add("format", profile.get("format"), "1")
    name = profile.get("profile")
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        judge.add("profile", name, "1..32 characters out of a-z 0-9 _ -")
    elif name != stem:
        judge.add("profile", name, f'"{stem}", the name of its file')
    for key, limit in TEXTS.items():
        value = profile.get(key)
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            judge.add(key, value, f"text of 1..{limit} characters")
    check_confidence(judge, profile.get("confidence"), frames)
    check_facts(judge, profile)
    unit = profile.get("unit") or {}
    if not isinstance(unit, dict):
        judge.add("unit", unit, "an object")
        unit = {}
    check_unit(judge, unit)
    limit = unit.get("max_registers", 60)
    limit = limit if isinstance(limit, int) else 60
    if profile.get("probe") is not None:
        check_probe(judge, profile["probe"], limit)
    points = profile.get("points")
    if not isinstance(points, list) or not 1 <= len(points) <= MAX_POINTS:
        judge.add("points", points, f"a list of 1..{MAX_POINTS}")
        return judge.lines
    good = [(at, point) for at, point in enumerate(points) if check_point(judge, point, f"points[{at}]", unit, limit)]
    check_names(judge, good)
    check_overlaps(judge, good)
    return judge.lines


def check_confidence(judge: Judge, value: object, frames: list[dict[str, Any]]) -> None:
    if value not in CONFIDENCES:
        judge.add("confidence", value, " or ".join(CONFIDENCES))
    elif value == "verified" and not any(frame.get("origin") == "captured" for frame in frames):
        judge.add("confidence", value, "that word only with a captured frame in frames.jsonl")


def check_facts(judge: Judge, profile: dict[str, Any]) -> None:
    serial = profile.get("serial")
    if isinstance(serial, dict):
        judge.known(serial, {"baud", "serial_format"}, "serial.")
        if serial.get("baud") is not None:
            judge.whole(serial["baud"], 1200, 1000000, "serial.baud")
        if serial.get("serial_format") not in (None, "8N1", "8E1", "8O1", "8N2"):
            judge.add("serial.serial_format", serial["serial_format"], "8N1 or 8E1 or 8O1 or 8N2 or null")
    elif serial is not None:
        judge.add("serial", serial, "an object or null")
    if profile.get("unit_id") is not None:
        judge.whole(profile["unit_id"], 1, 247, "unit_id")
    identity = profile.get("identity")
    if identity is not None and (
        not isinstance(identity, dict)
        or set(identity) - {"vendor", "product"}
        or not all(isinstance(value, str) for value in identity.values())
    ):
        judge.add("identity", identity, "an object with the texts vendor and product, or null")
    notes = profile.get("notes", "")
    if not isinstance(notes, str) or len(notes) > 200:
        judge.add("notes", notes, "text of at most 200 characters")


def check_unit(judge: Judge, unit: dict[str, Any]) -> None:
    judge.known(unit, UNIT_KEYS, "unit.")
    if "max_registers" in unit:
        judge.whole(unit["max_registers"], 1, MAX_READ_REGISTERS, "unit.max_registers")
    if "max_gap" in unit:
        judge.whole(unit["max_gap"], 0, MAX_READ_REGISTERS - 1, "unit.max_gap")
    functions = unit.get("functions", [])
    if not isinstance(functions, list) or not all(value in (1, 2, 3, 4) for value in functions):
        judge.add("unit.functions", functions, "a list out of 1 2 3 4")
    holes = unit.get("holes", [])
    if not isinstance(holes, list) or not all(is_hole(hole) for hole in holes):
        judge.add("unit.holes", holes, "a list of {fc, address, count}")


def is_hole(hole: object) -> bool:
    if not isinstance(hole, dict) or set(hole) - {"fc", "address", "count"}:
        return False
    return all(type(hole.get(key, 1)) is int for key in ("fc", "address", "count")) and "address" in hole


def check_probe(judge: Judge, probe: object, limit: int) -> None:
    if not isinstance(probe, dict):
        judge.add("probe", probe, "an object or null")
        return
    judge.known(probe, PROBE_KEYS, "probe.")
    check_place(judge, probe, "probe", limit)
    if judge.number(probe.get("low"), "probe.low") and judge.number(probe.get("high"), "probe.high"):
        if probe["low"] >= probe["high"]:
            judge.add("probe.low", probe["low"], f"less than probe.high, {shown(probe['high'])}")
    if "scale" in probe:
        judge.number(probe["scale"], "probe.scale")


def check_place(judge: Judge, point: dict[str, Any], where: str, limit: int) -> bool:
    """Function code, address, type and order agree with each other and with what one read can carry."""
    if not judge.whole(point.get("fc"), 1, 4, where + ".fc") or not judge.whole(
        point.get("address"), 0, 65535, where + ".address"
    ):
        return False
    kind = point.get("type")
    words = words_of(kind)
    if words is None:
        judge.add(where + ".type", kind, TYPES_TEXT)
        return False
    if (kind == "bool") != (point["fc"] <= 2):
        judge.add(where + ".type", kind, '"bool" with fc 1 or 2, the other types with fc 3 or 4')
        return False
    if point.get("order", "ABCD") not in ORDERS:
        judge.add(where + ".order", point["order"], " or ".join(ORDERS))
    if point["address"] + words > 65536:
        judge.add(where + ".address", point["address"], f"0..{65536 - words} for {kind}")
        return False
    if kind != "bool" and words > limit:
        judge.add(where + ".type", kind, f"types of at most {limit} registers: unit.max_registers")
    return True


def check_point(judge: Judge, point: object, where: str, unit: dict[str, Any], limit: int) -> bool:
    """Judge one point; True if its place is known."""
    if not isinstance(point, dict):
        judge.add(where, point, "an object")
        return False
    judge.known(point, POINT_KEYS, where + ".")
    if not isinstance(point.get("name"), str) or not re.fullmatch(NAME, point["name"]):
        judge.add(where + ".name", point.get("name"), "1..32 characters out of a-z 0-9 _ -")
    if not check_place(judge, point, where, limit):
        return False
    functions = unit.get("functions")
    if isinstance(functions, list) and functions and point["fc"] not in functions:
        judge.add(where + ".fc", point["fc"], "unit.functions, " + " ".join(str(code) for code in functions))
    if "scale" in point and judge.number(point["scale"], where + ".scale") and not point["scale"]:
        judge.add(where + ".scale", 0, "any other number")
    if "offset" in point:
        judge.number(point["offset"], where + ".offset")
    check_bits(judge, point, where)
    check_holes(judge, point, where, unit)
    return True


def check_bits(judge: Judge, point: dict[str, Any], where: str) -> None:
    kind = point["type"]
    wanted = [key for key in ("bit", "bits") if key in point]
    if not wanted:
        if kind == "bool" or kind.startswith("string"):
            for key in ("scale", "offset", "scale_from"):
                if key in point and point[key] != {"scale": 1, "offset": 0}.get(key):
                    judge.add(f"{where}.{key}", point[key], f"none with {kind}: it is no number")
        return
    if len(wanted) == 2:
        judge.add(where + ".bit", point["bit"], "one of bit and bits")
    elif kind not in ("uint16", "uint32"):
        judge.add(f"{where}.{wanted[0]}", point[wanted[0]], f'none with "{kind}": bits belong to uint16 and uint32')
    elif bits_of(point) is None:
        top = 16 * (words_of(kind) or 1)
        allowed = f"0..{top - 1}" if wanted == ["bit"] else f"[lowest bit, number of bits] inside {top} bits"
        judge.add(f"{where}.{wanted[0]}", point[wanted[0]], allowed)


def bits_of(point: dict[str, Any]) -> tuple[int, int] | None:
    """(lowest bit, number of bits) of a bit field that fits its type; None: it does not, or is none."""
    value = [point["bit"], 1] if "bit" in point else point.get("bits")
    if not isinstance(value, list) or len(value) != 2 or not all(type(item) is int for item in value):
        return None
    low, count = value
    top = 16 * (words_of(point["type"]) or 0)
    return (low, count) if low >= 0 and count >= 1 and low + count <= top else None


def check_holes(judge: Judge, point: dict[str, Any], where: str, unit: dict[str, Any]) -> None:
    holes = unit.get("holes", [])
    for hole in holes if isinstance(holes, list) else []:
        if is_hole(hole) and hole.get("fc") == point["fc"]:
            end = hole["address"] + hole.get("count", 1)
            if point["address"] < end and point["address"] + (words_of(point["type"]) or 1) > hole["address"]:
                judge.add(where + ".address", point["address"], f"none of {hole['address']}..{end - 1}: unit.holes")


def check_names(judge: Judge, points: list[tuple[int, dict[str, Any]]]) -> None:
    seen: dict[str, int] = {}
    for at, point in points:
        name = point.get("name")
        if isinstance(name, str) and seen.setdefault(name, at) != at:
            judge.add(f"points[{at}].name", name, f"a name not used before (points[{seen[name]}])")


def check_overlaps(judge: Judge, points: list[tuple[int, dict[str, Any]]]) -> None:
    """Two values may share registers only as different bits of one word, or as a word and its bits."""
    for at, point in points:
        for other_at, other in points:
            if other_at >= at or point["fc"] != other["fc"]:
                continue
            end, other_end = (each["address"] + (words_of(each["type"]) or 1) for each in (point, other))
            if point["address"] < other_end and other["address"] < end and not may_share(point, other):
                here = f"points[{other_at}] ({shown(other.get('name'))}) has {other['address']}..{other_end - 1}"
                judge.add(f"points[{at}].address", point["address"], f"registers of no other point: {here}")


def may_share(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if any(one.get(key) != other.get(key) for key in ("address", "type")):
        return False
    if ("bit" in one or "bits" in one) != ("bit" in other or "bits" in other):
        return True
    first, second = bits_of(one), bits_of(other)
    if first is None or second is None:
        return False
    return first[0] + first[1] <= second[0] or second[0] + second[1] <= first[0]
