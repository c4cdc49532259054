"""From raw register words to numbers and to text, exactly.

A value is kept as the bytes that the Modbus unit sent (big-endian words in register order, or one byte 0/1
for a bit). The text of a float32 is the shortest one from which the same 32 bits can be read back; integers
are scaled in decimal arithmetic, so 235 x 0.1 is shown as 23.5 and a 32-bit counter never passes a float.
"""

import math
import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# Bytes of each type's raw words; a bool is one bit of an FC 1/2 reply, kept as one byte.
WIDTH_BYTES = {"bool": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4, "float32": 4}
# Byte i of the number, most significant first, is byte i ^ ORDERS[order] on the wire.
ORDERS = {"ABCD": 0, "BADC": 1, "CDAB": 2, "DCBA": 3}
_STRUCT = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "float32": ">f"}


class MetaError(ValueError):
    """A metadata message that does not say what it must; the text names the field."""


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

    @property
    def width_bytes(self) -> int:
        """Bytes of the raw words."""
        return WIDTH_BYTES[self.type]


def point_from_meta(entry: Any) -> Point:
    """One entry of a group's "points"; raises MetaError."""
    if not isinstance(entry, dict):
        raise MetaError("point is not an object")
    kind = entry.get("type")
    if kind not in WIDTH_BYTES:
        raise MetaError(f"type: found {kind!r}")
    order = entry.get("order", "ABCD")
    if order not in ORDERS:
        raise MetaError(f"order: found {order!r}")
    name, at, unit = entry.get("name"), entry.get("at"), entry.get("unit", "")
    if not isinstance(name, str) or not name:
        raise MetaError("name is missing")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 65536:
        raise MetaError(f"at: found {at!r}")
    return Point(name, at, kind, order, _decimal(entry, "scale", 1), _decimal(entry, "offset", 0), str(unit or ""))


def _decimal(entry: dict[str, Any], key: str, default: int) -> Decimal:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise MetaError(f"{key}: found {value!r}")
    return Decimal(repr(value))  # repr of a float is its shortest decimal text: 0.1, not 0.1000000000000000055


def raw_number(point: Point, words: bytes) -> int | float | bool:
    """The number in `words` before scale and offset; raises ValueError for a wrong length."""
    if len(words) != point.width_bytes:
        raise ValueError(f"{point.name}: {len(words)} bytes, {point.width_bytes} wanted")
    if point.type == "bool":
        return words != b"\x00"
    number: int | float = struct.unpack(_STRUCT[point.type], reorder(point, words))[0]
    return number


def reorder(point: Point, words: bytes) -> bytes:
    """From wire order to most significant byte first, and back."""
    swap = ORDERS[point.order] if len(words) == 4 else 0
    return bytes(words[i ^ swap] for i in range(len(words)))


def to_words(point: Point, number: int | float | bool) -> bytes:
    """The inverse of `raw_number`."""
    if point.type == "bool":
        return b"\x01" if number else b"\x00"
    return reorder(point, struct.pack(_STRUCT[point.type], number))


def value(point: Point, words: bytes) -> float:
    """Number x scale + offset as a float, for drawing."""
    number = raw_number(point, words)
    return float(number) * float(point.scale) + float(point.offset)


def text(point: Point, words: bytes) -> str:
    """Number x scale + offset as the shortest exact text (see the head of this file)."""
    number = raw_number(point, words)
    if point.type == "bool":
        return "on" if number else "off"
    plain = point.scale == 1 and point.offset == 0
    if point.type != "float32":
        return str(number) if plain else _decimal_text(Decimal(int(number)) * point.scale + point.offset)
    shortest = float32_text(float(number))
    if plain or not math.isfinite(number):
        return shortest
    return _decimal_text(Decimal(shortest) * point.scale + point.offset)


def float32_text(number: float) -> str:
    """The shortest decimal text that gives the same float32 bits again ("nan" loses a NaN's payload bits)."""
    if not math.isfinite(number):
        return str(number)
    wanted = struct.pack(">f", number)
    for digits in range(1, 10):  # 9 significant digits always suffice (IEEE 754-2019, 5.12.2)
        candidate = f"{number:.{digits}g}"
        try:
            if struct.pack(">f", float(candidate)) == wanted:
                break
        except OverflowError:  # rounded up beyond the largest float32: needs more digits
            continue
    if "e" in candidate and 1e-4 <= abs(number) < 1e9:
        candidate = _decimal_text(Decimal(candidate))
    return candidate


def _decimal_text(number: Decimal) -> str:
    """Plain notation without a tail of zeros that scale's own digits did not ask for."""
    return format(number, "f")


def bits_text(point: Point, words: bytes) -> str:
    """The raw words in hex, for showing that nothing was rounded."""
    return f"{words.hex()} ({point.type} {point.order})" if point.width_bytes == 4 else words.hex()
