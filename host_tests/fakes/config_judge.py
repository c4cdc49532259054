"""Judges a configuration independently of the firmware: written from firmware/DESIGN.md and lib/points/DESIGN.md, not
from its tables. It knows what the fuzz's generator can produce; derived values, alarms and the like have own tests.

    faults_ot(text), faults_it(text): a list of what is wrong, empty for a sound half.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from gateway import units  # type: ignore[import-not-found]

PORTS = 2  # RS-485 ports of the box that is judged
TYPES = {
    "bool": 1, "uint16": 1, "int16": 1, "bcd16": 1, "uint32": 2, "int32": 2, "float32": 2, "bcd32": 2,
    "uint64": 4, "int64": 4, "float64": 4,
}  # fmt: skip
UNITS = ("", *units.symbols())  # the list of them is the specification
_NAME = set("abcdefghijklmnopqrstuvwxyz0123456789_-")
MAX_BYTES = 65536


def strict(text: bytes) -> Any:
    """RFC 8259, as a strict reader has it: no NaN, no key twice. Raises ValueError."""

    def refuse(word: str) -> Any:
        raise ValueError(word)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice")
        return found

    if re.search(rb"(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]", text):
        raise ValueError("half of a surrogate pair")
    return json.loads(text.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)


class _Judge:
    def __init__(self) -> None:
        self.faults: list[str] = []

    def say(self, where: str, what: str) -> None:
        self.faults.append(f"{where}: {what}")

    def map(self, value: Any, keys: dict[str, bool], where: str) -> dict[str, Any]:
        """keys: whether each is required."""
        if not isinstance(value, dict):
            self.say(where, "no object")
            return {}
        for key in set(value) - set(keys):
            self.say(where, f"unknown key {key!r}")
        for key, required in keys.items():
            if required and key not in value:
                self.say(where, f"{key} is missing")
        return value

    def items(self, value: Any, low: int, high: int, where: str) -> list[Any]:
        if not isinstance(value, list) or not low <= len(value) <= high:
            self.say(where, "no list of the right length")
            return []
        return value

    def whole(self, value: Any, low: int, high: int, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.say(where, f"no whole number {low}..{high}")
            return low
        return value

    def number(self, value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            self.say(where, "no number")
            return 1
        if abs(value) >= 1e30:
            self.say(where, "too large")
        return value

    def text(self, value: Any, high: int, where: str, low: int = 0) -> str:
        if not isinstance(value, str) or not low <= len(value) <= high or any(char < " " for char in value):
            self.say(where, "no text of the right length")
            return ""
        return value

    def name(self, value: Any, high: int, where: str) -> str:
        value = self.text(value, high, where, 1)
        if set(value) - _NAME:
            self.say(where, "characters that a name has not")
        return value

    def topic(self, value: Any, where: str) -> None:
        value = self.text(value, 32, where, 1)
        if set(value) & set("/+#") or value[:1] == "$":
            self.say(where, "no part of a topic")

    def one(self, value: Any, allowed: tuple[Any, ...], where: str) -> Any:
        if not any(value == each and type(value) is type(each) for each in allowed):
            self.say(where, "none of those allowed")
            return allowed[0]
        return value

    def head(self, tree: dict[str, Any]) -> None:
        self.one(tree.get("format"), (1,), "format")
        self.text(tree.get("owner"), 32, "owner")
        self.whole(tree.get("revision"), 0, 10**9, "revision")


def faults_ot(text: bytes) -> list[str]:
    judge = _Judge()
    try:
        tree = strict(text)
    except (ValueError, RecursionError) as error:
        return [f"not JSON: {error}"]
    tree = judge.map(tree, dict.fromkeys(("format", "owner", "revision", "buses"), True), "ot")
    judge.head(tree)
    names: list[Any] = []
    ports = []
    for number, bus in enumerate(judge.items(tree.get("buses"), 1, 2, "buses")):
        ports.append(_bus(judge, bus, f"buses[{number}]", names))
    for what, found in (("name of bus or unit", names), ("port", ports)):
        if len(set(found)) != len(found):
            judge.say("ot", f"a {what} is used twice")
    if len(text) > MAX_BYTES:
        judge.say("ot", "too long")
    return judge.faults


def _bus(judge: _Judge, bus: Any, where: str, names: list[Any]) -> int:
    optional = ("port", "identify", "baud", "serial_format", "max_busy_percent", "mode")
    bus = judge.map(bus, {"name": True, "units": True, **dict.fromkeys(optional, False)}, where)
    names.append(judge.name(bus.get("name"), 32, where + ".name"))
    judge.one(bus.get("identify", False), (True, False), where + ".identify")
    judge.whole(bus.get("baud", 19200), 1200, 1000000, where + ".baud")
    judge.one(bus.get("serial_format", "8E1"), ("8N1", "8E1", "8O1", "8N2"), where + ".serial_format")
    judge.whole(bus.get("max_busy_percent", 100), 1, 100, where + ".max_busy_percent")
    mode = judge.one(bus.get("mode", "poll"), ("poll", "listen"), where + ".mode")
    unit_ids = []
    for number, unit in enumerate(judge.items(bus.get("units"), 1, 64, where + ".units")):
        unit_ids.append(_unit(judge, unit, f"{where}.units[{number}]", names, mode))
    if len(set(unit_ids)) != len(unit_ids):
        judge.say(where, "a unit id is used twice")
    return judge.whole(bus.get("port", 0), 0, PORTS - 1, where + ".port")


_UNIT_NUMBERS = {
    "first_byte_timeout_ms": (5, 10000, 200), "inter_byte_timeout_ms": (2, 1000, 10), "retries": (0, 5, 1),
    "max_registers": (1, 125, 60), "max_gap": (0, 124, 8), "comm_loss_ms": (0, 3600000, 0),
}  # fmt: skip


def _unit(judge: _Judge, unit: Any, where: str, names: list[Any], mode: str) -> int:
    optional = (*_UNIT_NUMBERS, "functions", "holes")
    required = dict.fromkeys(("name", "unit_id", "points"), True)
    unit = judge.map(unit, {**required, **dict.fromkeys(optional, False)}, where)
    names.append(judge.name(unit.get("name"), 32, where + ".name"))
    numbers = {}
    for key, (low, high, default) in _UNIT_NUMBERS.items():
        numbers[key] = judge.whole(unit.get(key, default), low, high, f"{where}.{key}")
    functions = judge.items(unit.get("functions", [1, 2, 3, 4]), 1, 4, where + ".functions")
    for function in functions:
        judge.whole(function, 1, 4, where + ".functions")
    holes = []
    for number, hole in enumerate(judge.items(unit.get("holes", []), 0, 32, where + ".holes")):
        at = f"{where}.holes[{number}]"
        hole = judge.map(hole, {"fc": True, "address": True, "count": False}, at)
        begin = judge.whole(hole.get("address"), 0, 65535, at + ".address")
        count = judge.whole(hole.get("count", 1), 1, 65535, at + ".count")
        holes.append((judge.whole(hole.get("fc"), 1, 4, at + ".fc"), begin, begin + count))
    point_names = []
    periods = []
    for number, point in enumerate(judge.items(unit.get("points"), 1, 200, where + ".points")):
        at = f"{where}.points[{number}]"
        name, period_ms = _point(judge, point, at, functions, holes, numbers["max_registers"])
        point_names.append(name)
        periods.append(period_ms)
    if len(set(point_names)) != len(point_names):
        judge.say(where, "a point's name is used twice")
    if mode == "poll" and periods and 0 < numbers["comm_loss_ms"] <= min(periods):
        judge.say(where, "comm_loss_ms is not longer than the shortest period")
    return judge.whole(unit.get("unit_id"), 1, 247, where + ".unit_id")


def _point(
    judge: _Judge, point: Any, where: str, functions: list[Any], holes: list[tuple[int, int, int]], max_registers: int
) -> tuple[str, int]:
    optional = ("order", "scale", "offset", "unit", "period_ms", "priority")
    required = dict.fromkeys(("name", "fc", "address", "type"), True)
    point = judge.map(point, {**required, **dict.fromkeys(optional, False)}, where)
    function = judge.whole(point.get("fc"), 1, 4, where + ".fc")
    address = judge.whole(point.get("address"), 0, 65535, where + ".address")
    kind = judge.one(point.get("type"), tuple(TYPES), where + ".type")
    judge.one(point.get("order", "ABCD"), ("ABCD", "CDAB", "BADC", "DCBA"), where + ".order")
    if not judge.number(point.get("scale", 1), where + ".scale"):
        judge.say(where, "scale 0")
    judge.number(point.get("offset", 0), where + ".offset")
    unit = judge.text(point.get("unit", ""), 16, where + ".unit")
    if unit not in UNITS and not (unit[:2] == "x:" and len(unit) > 2):
        judge.say(where, "no unit of measure")
    period_ms = judge.whole(point.get("period_ms", 1000), 20, 86400000, where + ".period_ms")
    judge.whole(point.get("priority", 1), 0, 3, where + ".priority")
    words = TYPES[kind]
    if (kind == "bool") != (function <= 2):
        judge.say(where, "type and function code do not fit")
    if function not in functions:
        judge.say(where, "a function that the unit has not")
    if address + words > 65536:
        judge.say(where, "behind the last address")
    if kind != "bool" and words > max_registers:
        judge.say(where, "larger than a read may be")
    if any(fc == function and address < end and address + words > begin for fc, begin, end in holes):
        judge.say(where, "in a hole")
    return judge.name(point.get("name"), 32, where + ".name"), period_ms


_PUBLISH = {
    "batch_records": (1, 240, 64), "batch_age_ms": (100, 60000, 1000), "flush_ms": (50, 60000, 1000),
    "telemetry_s": (1, 3600, 60), "backfill_bytes_per_s": (0, 1000000, 16384), "latest_s": (0, 3600, 0),
    "assets_s": (0, 86400, 3600),
}  # fmt: skip
_PLACE = ("enterprise", "site", "area", "line", "cell", "asset")


def faults_it(text: bytes) -> list[str]:
    judge = _Judge()
    try:
        tree = strict(text)
    except (ValueError, RecursionError) as error:
        return [f"not JSON: {error}"]
    required = dict.fromkeys(("format", "owner", "revision", "box", "place", "mqtt"), True)
    tree = judge.map(tree, {**required, "network": False, "time_servers": False, "publish": False}, "it")
    judge.head(tree)
    judge.name(tree.get("box"), 23, "box")
    place = judge.map(tree.get("place"), dict.fromkeys(_PLACE, True), "place")
    for part in _PLACE:
        judge.topic(place.get(part), "place." + part)
    mqtt = judge.map(
        tree.get("mqtt"), {"brokers": True, "user": False, "password": False, "keep_alive_s": False}, "mqtt"
    )
    judge.whole(mqtt.get("keep_alive_s", 20), 5, 3600, "mqtt.keep_alive_s")
    for key in ("user", "password"):
        if mqtt.get(key) is not None:
            judge.text(mqtt[key], 64, "mqtt." + key)
    if mqtt.get("password") is not None and mqtt.get("user") is None:
        judge.say("mqtt", "a password without a user")
    for number, broker in enumerate(judge.items(mqtt.get("brokers"), 1, 4, "mqtt.brokers")):
        where = f"mqtt.brokers[{number}]"
        broker = judge.map(broker, {"host": True, "port": False, "tls": False}, where)
        _server(judge, broker, 1883, where)
        if broker.get("tls") is not None:
            _tls(judge, broker["tls"], where + ".tls")
    for number, server in enumerate(judge.items(tree.get("time_servers", []), 0, 4, "time_servers")):
        where = f"time_servers[{number}]"
        _server(judge, judge.map(server, {"host": True, "port": False}, where), 123, where)
    _network(judge, tree.get("network", {}))
    publish = judge.map(
        tree.get("publish", {}),
        dict.fromkeys((*_PUBLISH, "payload", "sparkplug", "homeassistant"), False),
        "publish",
    )
    for key, (low, high, default) in _PUBLISH.items():
        judge.whole(publish.get(key, default), low, high, "publish." + key)
    payload = judge.one(publish.get("payload", "columns"), ("columns", "typed", "sparkplug"), "publish.payload")
    if publish.get("homeassistant") is not None:
        judge.topic(publish["homeassistant"], "publish.homeassistant")
        if not publish.get("latest_s") or payload == "sparkplug":
            judge.say("publish", "Home Assistant without latest values")
    if len(text) > MAX_BYTES:
        judge.say("it", "too long")
    return judge.faults


def _server(judge: _Judge, server: dict[str, Any], port: int, where: str) -> None:
    judge.whole(server.get("port", port), 1, 65535, where + ".port")
    host = judge.text(server.get("host"), 64, where + ".host", 1)
    labels = host.split(".")
    if all(label.isascii() and label.isdigit() for label in labels):
        good = len(labels) == 4 and all(len(label) <= 3 and int(label) <= 255 for label in labels)
    else:
        good = all(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", label) for label in labels)
    if not good:
        judge.say(where, "no host")


def _tls(judge: _Judge, tls: Any, where: str) -> None:
    tls = judge.map(tls, {"ca": True, "cert": False, "key": False, "server_name": False}, where)
    judge.text(tls.get("ca"), 64, where + ".ca")
    for key in ("cert", "key", "server_name"):
        if tls.get(key) is not None:
            judge.text(tls[key], 64, f"{where}.{key}")
    if (tls.get("cert") is None) != (tls.get("key") is None):
        judge.say(where, "only one of cert and key")


def _network(judge: _Judge, network: Any) -> None:
    network = judge.map(network, {"wifi": False, "country": False, "address": False}, "network")
    for number, wifi in enumerate(judge.items(network.get("wifi", []), 0, 8, "network.wifi")):
        where = f"network.wifi[{number}]"
        wifi = judge.map(wifi, {"ssid": True, "key": False}, where)
        judge.text(wifi.get("ssid"), 32, where + ".ssid")
        if wifi.get("key") is not None:
            judge.text(wifi["key"], 63, where + ".key")
    if network.get("country") is not None:
        judge.text(network["country"], 2, "network.country")
    if network.get("address") is not None:
        parts = dict.fromkeys(("ip", "netmask", "gateway", "dns"), True)
        address = judge.map(network["address"], parts, "network.address")
        for key in parts:
            words = judge.text(address.get(key), 64, "network.address." + key).split(".")
            if len(words) != 4 or not all(word.isascii() and word.isdigit() and int(word) < 256 for word in words):
                judge.say("network.address." + key, "no IPv4 address")
