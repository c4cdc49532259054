"""The values of points, decoded exactly: the one place of the host's programs that knows types and byte orders.

A *word* is a value's bits as one unsigned integer of the type's width, as the batches give it (lib/uplink/FORMAT.md);
`Value` is what a point's description makes of it (lib/points/DESIGN.md): quality, and the exact value, which is a
Decimal for every number, whatever its size. Nothing on the way is a float but a float's own bits.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact
from functools import lru_cache
from typing import Any, NamedTuple

GOOD, OUT_OF_RANGE, NOT_AVAILABLE = 0, 6, 7
ORDERS = ("ABCD", "BADC", "CDAB", "DCBA")
SCALES = ("exponent", "decimals", "divisor")
MAX_STRING_BYTES = 120
_WIDTHS = {
    "bool": 0, "uint16": 2, "int16": 2, "bcd16": 2, "uint32": 4, "int32": 4, "float32": 4, "bcd32": 4,
    "uint64": 8, "int64": 8, "float64": 8,
}  # fmt: skip
_FLOATS = {"float32": (">f", ">I", 9), "float64": (">d", ">Q", 17)}
_EXACT = Context(prec=500, traps=[Inexact])


class MetaError(ValueError):
    """A metadata message that does not say what it must; the text names the field."""


@lru_cache(maxsize=64)
def width_of(type_name: str) -> int:
    """Bytes of a value of that type in the reply; 0 for a bool, which takes a bit. KeyError for what is no type."""
    if type_name.startswith("string"):
        digits = type_name[6:]
        if digits.isdecimal() and str(int(digits)) == digits and 0 < int(digits) <= MAX_STRING_BYTES:
            if int(digits) % 2 == 0:
                return int(digits)
        raise KeyError(type_name)
    return _WIDTHS[type_name]


def in_order(data: bytes, order: str | None) -> bytes:
    """From wire order to the most significant byte first, and back: `order` is its own inverse."""
    code = ORDERS.index(order or "ABCD")
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if code & 2:
        words.reverse()
    return b"".join(word[::-1] for word in words) if code & 1 else b"".join(words)


def shares_column(point: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """True if this point of a meta has no column of its own: bits of the same register as the last one that has."""
    if before is None or ("bit" not in point and "bits" not in point):
        return False
    return all(point.get(key) == before.get(key) for key in ("at", "type", "order"))


def column_types(points: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """For each point of a meta the types of its columns, the most significant first; () where it shares the one of the
    point before."""
    found: list[tuple[str, ...]] = []
    before: Mapping[str, Any] | None = None
    for point in points:
        if shares_column(point, before):
            found.append(())
            continue
        before = point
        name, width = point["type"], width_of(point["type"])
        if width <= 4 and not name.startswith(("string", "bcd")):
            found.append((name,))
        else:
            found.append(("uint32",) * (width // 4) + ("uint16",) * (width % 4 // 2))
    return found


@dataclass(frozen=True)
class Point:
    """One named value of a group, as its metadata describes it. `at` is in registers (bits for FC 1/2)."""

    name: str
    at: int
    type: str
    order: str
    scale: Decimal
    offset: Decimal
    unit: str
    bits: tuple[int, int] | None = None  # lowest bit and how many
    single: bool = False  # one bit: true or false
    scale_from: str = ""
    scale_as: str = "exponent"
    na: frozenset[int] = frozenset()  # words
    low: Decimal | None = None
    high: Decimal | None = None
    names: Mapping[int, str] = field(default_factory=dict, hash=False)

    @property
    def width_bytes(self) -> int:
        """Bytes of the raw words; a bool is one bit of an FC 1/2 reply, kept as one byte."""
        return width_of(self.type) or 1

    @property
    def plain(self) -> bool:
        """True without scale and offset."""
        return self.scale == 1 and self.offset == 0 and not self.scale_from


class Value(NamedTuple):
    """One value. exact: bool, Decimal, str, or None where there is none; name: of its number in an enumeration;
    bits: of a float without scale and offset, or that is no number, the float itself."""

    quality: int
    exact: bool | Decimal | str | None
    name: str | None = None
    bits: float | None = None

    @property
    def json(self) -> str | None:
        """As JSON, every digit; None where there is none."""
        if isinstance(self.exact, bool):
            return "true" if self.exact else "false"
        if isinstance(self.exact, str):
            return json.dumps(self.exact)
        return None if self.exact is None else decimal_text(self.exact)

    @property
    def number(self) -> float | None:
        """For drawing and calculating; None where it is no number."""
        if self.bits is not None:
            return self.bits if math.isfinite(self.bits) else None
        return None if self.exact is None or isinstance(self.exact, str) else float(self.exact)


MISSING = Value(NOT_AVAILABLE, None)


def point_from_meta(entry: Any) -> Point:
    """One entry of a group's "points"; raises MetaError. Keys that are not known are left alone."""
    if not isinstance(entry, dict):
        raise MetaError("point is not an object")
    kind = entry.get("type")
    try:
        width = width_of(kind) if isinstance(kind, str) else -1
    except (KeyError, ValueError):
        width = -1
    if not isinstance(kind, str) or width < 0:
        raise MetaError(f"type: found {kind!r}")
    order = entry.get("order", "ABCD") or "ABCD"
    if order not in ORDERS:
        raise MetaError(f"order: found {order!r}")
    name, at, unit = entry.get("name"), entry.get("at"), entry.get("unit", "")
    if not isinstance(name, str) or not name:
        raise MetaError("name is missing")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 65536:
        raise MetaError(f"at: found {at!r}")
    scale_as = entry.get("scale_as", "exponent")
    if scale_as not in SCALES:
        raise MetaError(f"scale_as: found {scale_as!r}")
    return Point(
        name, at, kind, order, _decimal(entry, "scale", 1), _decimal(entry, "offset", 0), str(unit or ""),
        _field(entry, 8 * width), "bit" in entry, str(entry.get("scale_from") or ""), scale_as,
        _patterns(entry, width),
        _decimal(entry, "low", 0) if "low" in entry else None, _decimal(entry, "high", 0) if "high" in entry else None,
        _names(entry),
    )  # fmt: skip


def _field(entry: dict[str, Any], width: int) -> tuple[int, int] | None:
    found = [entry["bit"], 1] if "bit" in entry else entry.get("bits")
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != 2 or not all(type(item) is int for item in found):
        raise MetaError(f"bits: found {found!r}")
    low, count = found
    if not (entry["type"] in ("uint16", "uint32") and low >= 0 and count >= 1 and low + count <= width):
        raise MetaError(f"bits: found {found!r} of a {entry['type']}")
    return low, count


def _patterns(entry: dict[str, Any], width: int) -> frozenset[int]:
    items = entry.get("na", [])
    if not isinstance(items, list) or not all(item in ("ff", "nan") or type(item) is int for item in items):
        raise MetaError(f"na: found {items!r}")
    mask = (1 << 8 * width) - 1
    return frozenset(mask if item == "ff" else item & mask for item in items if item != "nan")


def _names(entry: dict[str, Any]) -> dict[int, str]:
    names = entry.get("names", {})
    try:
        return {int(key): str(text) for key, text in names.items()}
    except (AttributeError, ValueError):
        raise MetaError(f"names: found {names!r:.60}") from None


def _decimal(entry: Mapping[str, Any], key: str, default: int) -> Decimal:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise MetaError(f"{key}: found {value!r}")
    return Decimal(repr(value))  # repr of a float is its shortest decimal text: 0.1, not 0.1000000000000000055


def float_text(number: float, type_name: str) -> str:
    """The shortest decimal text that gives the same bits again ("nan" loses a NaN's payload bits)."""
    if not math.isfinite(number):
        return str(number)
    form, _, most = _FLOATS[type_name]
    wanted = struct.pack(form, number)
    for digits in range(1, most + 1):  # 9 or 17 significant digits always suffice (IEEE 754-2019, 5.12.2)
        candidate = f"{number:.{digits}g}"
        try:
            if struct.pack(form, float(candidate)) == wanted:
                break
        except OverflowError:  # rounded up beyond the largest float: needs more digits
            continue
    if "e" in candidate and 1e-4 <= abs(number) < 1e9:
        candidate = decimal_text(Decimal(candidate))
    return candidate


def decimal_text(number: Decimal) -> str:
    """Plain notation, unless that is very long, without a tail of zeros that scale's own digits did not ask for; as
    gateway.decimals writes it."""
    exponent = number.as_tuple().exponent
    return str(number) if isinstance(exponent, int) and not -24 <= exponent <= 12 else format(number, "f")


def number(point: Point, word: int) -> bool | int | float | str | None:
    """What the word stands for before scale, offset and patterns; None for BCD digits above 9."""
    width = width_of(point.type)
    if width == 0:
        return bool(word)
    if point.type in _FLOATS:
        return float(struct.unpack(_FLOATS[point.type][0], word.to_bytes(width, "big"))[0])
    if point.type.startswith("string"):
        return text_of(word.to_bytes(width, "big"))
    if point.bits:
        low, count = point.bits
        part = word >> low & (1 << count) - 1
        return bool(part) if point.single else part
    if point.type.startswith("bcd"):
        digits = f"{word:x}"
        return int(digits) if digits.isdecimal() else None
    return word - (1 << 8 * width) if point.type.startswith("int") and word >> 8 * width - 1 else word


def text_of(data: bytes) -> str:
    """The text of a string point: up to the first NUL, without blanks at the end, UTF-8 or else Latin-1."""
    data = data.partition(b"\0")[0].rstrip(b" ")
    try:
        text = data.decode("utf-8")
        return text if all(c <= "\uffff" for c in text) else data.decode("latin-1")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def word_of(point: Point, found: int | float | bool | str) -> int:
    """The inverse of `number`; of a bit field the register with nothing else set."""
    width = width_of(point.type)
    if isinstance(found, str):
        return int.from_bytes(found.encode().ljust(width, b"\0"), "big")
    if point.type in _FLOATS:
        form, bits, _ = _FLOATS[point.type]
        return int(struct.unpack(bits, struct.pack(form, found))[0])
    if point.type.startswith("bcd"):
        return int(str(found), 16)
    return int(found) << (point.bits[0] if point.bits else 0) & (1 << max(1, 8 * width)) - 1


def values(points: Sequence[Point], words: Sequence[int]) -> list[Value]:
    """The values of a good sample. points: all of the group, as some scale others."""
    by_name = {point.name: (point, word) for point, word in zip(points, words)}
    return [value(point, word, by_name.get) for point, word in zip(points, words, strict=True)]


def value(point: Point, word: int, other: Callable[[str], tuple[Point, int] | None]) -> Value:
    """One of them; other: gives point and word of the same sample by the point's name."""
    found = None if word in point.na else number(point, word)
    if found is None:
        return MISSING
    if isinstance(found, float) and not math.isfinite(found):
        return Value(NOT_AVAILABLE, None, None, found)
    if isinstance(found, (str, bool)):
        return Value(GOOD, found, point.names.get(int(found)) if isinstance(found, bool) else None)
    exact = Decimal(float_text(found, point.type)) if isinstance(found, float) else Decimal(found)
    if not point.plain:
        scaled = _scaled(point, exact, other)
        if scaled is None:
            return MISSING
        exact = scaled
    outside = (point.low is not None and exact < point.low) or (point.high is not None and exact > point.high)
    name = point.names.get(found) if type(found) is int else None
    bits = found if isinstance(found, float) and point.plain else None
    return Value(OUT_OF_RANGE if outside else GOOD, exact, name, bits)


def _scaled(
    point: Point, exact: Decimal, other: Callable[[str], tuple[Point, int] | None]
) -> Decimal | None:
    exact = _EXACT.multiply(exact, point.scale)
    if point.scale_from:
        pair = other(point.scale_from)
        if pair is None or pair[1] in pair[0].na:
            return None
        by = number(*pair)
        if type(by) is not int:
            return None
        if point.scale_as == "divisor":
            rest = by
            for prime in (2, 5):
                while rest > 0 and rest % prime == 0:
                    rest //= prime
            if rest != 1:
                return None  # its decimals would not end
            exact = _divided(exact, by)
        elif -10 <= by <= 10:
            exact = exact.scaleb(-by if point.scale_as == "decimals" else by, _EXACT)
        else:
            return None
    return _EXACT.add(exact, point.offset) if point.offset else exact


def _divided(exact: Decimal, by: int) -> Decimal:
    """exact / by with as many decimals as the divisor's 2s and 5s ask for: 235 / 10 is 23.5, 230 / 10 is 23.0."""
    twos = (by & -by).bit_length() - 1
    fives = 0
    while by % 5 ** (fives + 1) == 0:
        fives += 1
    places = max(twos, fives)
    return _EXACT.multiply(exact, Decimal(10**places // by)).scaleb(-places, _EXACT)
