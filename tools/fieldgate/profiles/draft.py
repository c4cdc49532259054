"""What an importer makes of a foreign file: points with the addresses as they stand there, and what it could not map.

Promises: names become the box's (a-z 0-9 _ -, at most 32, no two alike), scales stay exact decimals; everything that is
left out is one line in `lost`, and nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from fieldgate.profiles.apply import is_known_unit
from fieldgate.profiles.check import shown
from fieldgate.profiles.model import MAX_STRING_BYTES, ProfileError

MAX_ENTRIES = 2000
MAX_NAME = 32
MAX_UNIT = 16
# Signs and spellings that can mean nothing else.
SIGNS = {"\u00b0": "deg", "\u2103": "degC", "\u2109": "degF", "\u03a9": "Ohm", "\u2126": "Ohm", "\u00b2": "2",
         "\u00b3": "3", "\u00b5": "u", "\u03bc": "u"}  # fmt: skip
SPELLINGS = {"VAr": "var", "VAR": "var", "kVAr": "kvar", "kVAR": "kvar", "kVArh": "kvarh", "Kwh": "kWh", "KWh": "kWh",
             "kwh": "kWh", "RPM": "rpm", "sec": "s", "Deg C": "degC", "deg C": "degC"}  # fmt: skip


class Lost(Exception):
    """An entry that cannot be mapped; its text says why."""


@dataclass
class Wanted:
    """What the user said about the file. unit_id: which of several; fc: the table where the file names none.
    base: SunSpec's, see there. order: of values whose byte order the file leaves open."""

    unit_id: int | None = None
    fc: int | None = None
    base: int | None = None
    order: str | None = None


@dataclass
class Draft:
    """The points found so far. `fc` of a point may be None: only the notation 4xxxx tells it then."""

    points: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    unit_id: int | None = None
    # Of the profile's unit: nothing is known of the addresses between the points.
    max_gap: int = 0
    # Addresses are settled: the format says what they count from.
    settled: bool = False

    def lose(self, where: str, why: str) -> None:
        """Note what is left out."""
        self.lost.append(f"{one_line(where)}: {why}")

    def add(self, name: object, fc: int | None, address: int, type_name: str, **more: Any) -> None:
        """One point; `more` holds other keys of ot.json, those equal to the default are dropped. Raises Lost."""
        if len(self.points) >= MAX_ENTRIES:
            raise ProfileError(f"found more than {MAX_ENTRIES} points, a profile holds at most 200")
        point: dict[str, Any] = {"name": self.name(name), "fc": fc, "address": address, "type": type_name}
        defaults = {"order": "ABCD", "scale": 1, "offset": 0, "unit": ""}
        for key, value in more.items():
            if value is not None and value != defaults.get(key):
                point[key] = value
        if "unit" in point:
            self.measure(point)
        self.points.append(point)

    def measure(self, point: dict[str, Any]) -> None:
        """Write the unit of measure as the box has it; one that is not in its list is kept behind "x:", and said."""
        wanted = " ".join(str(point["unit"]).split())
        unit = "".join(SIGNS.get(sign, sign) for sign in wanted)
        unit = SPELLINGS.get(unit, unit)
        if not is_known_unit(unit):
            unit = f"x:{unit}"
            if len(unit) > MAX_UNIT:
                self.lose(point["name"], f"unit {shown(wanted)} is longer than {MAX_UNIT - 2} characters: left out")
                del point["unit"]
                return
            self.lose(point["name"], f'unit {shown(wanted)} is not in the box\'s list: kept as "{unit}"')
        point["unit"] = unit

    def name(self, wanted: object) -> str:
        """A name as the box wants it, not used before."""
        text = slug(wanted if isinstance(wanted, str) else "") or "point"
        name, number = text, 1
        while name in self.names:
            number += 1
            name = f"{text[: MAX_NAME - len(str(number)) - 1]}_{number}"
        self.names.add(name)
        return name


def one_line(text: object) -> str:
    words = " ".join(str(text).split())
    return words if len(words) <= 80 else words[:76] + "..."


def slug(text: str) -> str:
    text = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", "_", text)  # supplyTemp
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:MAX_NAME].strip("_")


def whole(value: object, what: str, low: int = 0, high: int = 999999) -> int:
    """A whole number, also as text. Raises Lost."""
    if isinstance(value, str) and re.fullmatch(r"\s*(0[xX][0-9a-fA-F]{1,8}|-?[0-9]{1,9})\s*", value):
        value = int(value, 0) if "x" in value.lower() else int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e9:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Lost(f"{what}: found {shown(value)}, allowed a whole number {low}..{high}")
    return value


def number(value: object, what: str) -> int | float:
    """A number for scale, offset or a limit, also as text; never one that reads back as another. Raises Lost."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise Lost(f"{what}: found {shown(value)}, allowed a number")
        exact = Decimal(str(value).strip().replace(",", "."))
    except (InvalidOperation, ValueError):
        raise Lost(f"{what}: found {shown(value)}, allowed a number") from None
    if not exact.is_finite() or abs(exact) >= Decimal("1e30") or exact and abs(exact) < Decimal("1e-30"):
        raise Lost(f"{what}: found {shown(value)}, allowed a number")
    return plain(exact)


def plain(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() and abs(exact) < 10**15 else float(exact)


def quotient(divisor: object, what: str) -> int | float:
    """1 / divisor where that is an exact decimal number. Raises Lost."""
    exact = Decimal(str(number(divisor, what)))
    if not exact:
        raise Lost(f"{what}: found 0, allowed any other number")
    result = (Decimal(1) / exact).normalize()
    if result * exact != 1 or len(result.as_tuple().digits) > 15:
        raise Lost(f"{what}: found {shown(divisor)}: 1/{divisor} is no short decimal number; set scale by hand")
    return plain(result)


def objects(tree: object, where: str, draft: Draft) -> list[dict[str, Any]]:
    """The objects of a list; everything else in it is lost."""
    if tree is None:
        return []
    if not isinstance(tree, list):
        draft.lose(where, f"found {shown(tree)}, allowed a list")
        return []
    if len(tree) > MAX_ENTRIES:
        raise ProfileError(f"{where}: found {len(tree)} entries, allowed at most {MAX_ENTRIES}")
    for at, entry in enumerate(tree):
        if not isinstance(entry, dict):
            draft.lose(f"{where}[{at}]", f"found {shown(entry)}, allowed an object")
    return [entry for entry in tree if isinstance(entry, dict)]


def text_of(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def one_unit(found: set[int], wanted: Wanted) -> int | None:
    """The unit to import: the only one, or the one that was asked for. Raises ProfileError."""
    if wanted.unit_id is not None:
        if found and wanted.unit_id not in found:
            raise ProfileError(f"--unit-id: found {wanted.unit_id}, the file has {listed(found)}")
        return wanted.unit_id
    if len(found) > 1:
        raise ProfileError(f"the file has units {listed(found)}: name one with --unit-id")
    return next(iter(found), None)


def listed(numbers: set[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))


def string_type(registers: int) -> str:
    """The type of a text of so many registers. Raises Lost."""
    limit = MAX_STRING_BYTES // 2
    if not 1 <= registers <= limit:
        raise Lost(f"length: found {registers} registers, allowed 1..{limit}")
    return f"string{2 * registers}"
