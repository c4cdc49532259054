"""Puts a profile as a unit into an ot.json, judged by the box's own rules before anything is written.

Promises: the file is replaced whole or not at all; the rest of the configuration keeps its values and its order, one
point per line; the revision grows by one. A mistake is a ProfileError with the box's own line.
"""

from __future__ import annotations

import functools
import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from fieldgate.places import ROOT
from fieldgate.profiles.check import shown
from fieldgate.profiles.model import ProfileError, parse_json, read_text

MAX_PORTS = 4  # what a board may have; the box knows its own number


def find_box_code() -> None:
    """Let the box's own modules be imported, behind all others; some of them import more when they are called."""
    for folder in ("lib", "firmware"):
        if str(ROOT / folder) not in sys.path:
            sys.path.append(str(ROOT / folder))


class OtHalf(NamedTuple):
    """An OT half as the box has it: mistakes, one line each; head; units with the numbers of their buses."""

    mistakes: list[str]
    head: dict[str, Any]
    units: list[tuple[int, dict[str, Any]]]


def on_the_box(ot: dict[str, Any]) -> OtHalf:
    """Let the box's own code read it."""
    find_box_code()
    from gateway.ot import Ot  # type: ignore[import-untyped]

    lines: list[str] = []
    half = Ot(io.BytesIO(json.dumps(ot).encode()), MAX_PORTS, lines)
    units = [step for step in half.units() if step]
    return OtHalf([line.partition(": ")[2] for line in lines], half.head, units)


def mistakes_of(ot: dict[str, Any]) -> list[str]:
    """What the box would say to this OT half, one line per mistake."""
    return on_the_box(ot).mistakes


def box_mistakes(profile: dict[str, Any]) -> list[str]:
    """What the box would say to the profile's unit and points; only for a profile that `check` found in order."""
    serial = profile.get("serial") or {}
    bus = {"name": "bus", "units": [as_unit(profile, "unit", 1)]}
    bus |= {key: serial[key] for key in ("baud", "serial_format") if serial.get(key) is not None}
    ot = {"format": 1, "owner": "x", "revision": 0, "buses": [bus]}
    return [line.replace("buses[0].units[0].", "") for line in mistakes_of(ot)]


@functools.cache
def is_known_unit(unit: str) -> bool:
    """True if the box has this unit of measure in its list."""
    find_box_code()
    from gateway import units

    return units.mistake(unit) is None


def as_unit(profile: dict[str, Any], name: str, unit_id: int) -> dict[str, Any]:
    """The profile as an entry of ot.json's units."""
    return {"name": name, "unit_id": unit_id, **profile.get("unit", {}), "points": profile["points"]}


def put(path: Path, profile: dict[str, Any], name: str, unit_id: int, bus_name: str | None) -> str:
    """Add the unit to the OT half in file `path`; returns the name of the bus. Raises ProfileError."""
    ot = parse_json(read_text(path), str(path))
    buses = ot.get("buses") if isinstance(ot, dict) else None
    if not isinstance(buses, list) or not buses or not all(isinstance(bus, dict) for bus in buses):
        raise ProfileError(f"{path}: found no buses: this is no OT half")
    names = [str(bus.get("name")) for bus in buses]
    if bus_name is None and len(buses) > 1:
        raise ProfileError(f"{path}: has buses {', '.join(names)}: name one with --bus")
    if bus_name is not None and bus_name not in names:
        raise ProfileError(f"--bus: found {shown(bus_name)}, {path} has {', '.join(names)}")
    bus = buses[names.index(bus_name) if bus_name is not None else 0]
    units = bus.setdefault("units", [])
    before = mistakes_of(ot) if units != [] else []
    if before:
        raise ProfileError(f"{path}: is not in order before: {before[0]}")
    if type(ot.get("revision")) is not int:
        raise ProfileError(f"{path}: revision: found {shown(ot.get('revision'))}, allowed a whole number")
    units.append(as_unit(profile, name, unit_id))
    ot["revision"] += 1
    found = mistakes_of(ot)
    if found:
        raise ProfileError(f"{path}: {found[0]}" + (f" (and {len(found) - 1} more)" if len(found) > 1 else ""))
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_text(render(ot))
        fresh.replace(path)
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from None
    return str(bus["name"])


def render(ot: dict[str, Any]) -> str:
    """An OT half as text: one line per bus head, unit head and point."""
    head = {key: value for key, value in ot.items() if key != "buses"}
    buses = []
    for bus in ot["buses"]:
        units = []
        for unit in bus["units"]:
            points = ",\n    ".join(text(point) for point in unit["points"])
            rest = {key: value for key, value in unit.items() if key != "points"}
            units.append(f'  {text(rest)[:-1]}, "points": [\n    {points}]}}')
        rest = {key: value for key, value in bus.items() if key != "units"}
        buses.append(f' {text(rest)[:-1]}, "units": [\n' + ",\n".join(units) + "]}")
    return f'{text(head)[:-1]}, "buses": [\n' + ",\n".join(buses) + "]}\n"


def text(tree: Any) -> str:
    return json.dumps(tree, ensure_ascii=False)
