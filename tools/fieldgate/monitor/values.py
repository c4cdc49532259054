"""From raw register words to numbers and to text, exactly: `fieldgate.points` for words as bytes.

A value is kept as the bytes that the Modbus unit sent (big-endian words in register order, or one byte 0/1 for a bit).
"""

from collections.abc import Sequence

from fieldgate import points
from fieldgate.points import MetaError, Point, Value, point_from_meta

__all__ = ["MetaError", "Point", "Value", "point_from_meta"]


def raw_number(point: Point, words: bytes) -> int | float | bool | str | None:
    """The number in `words` before scale and offset; raises ValueError for a wrong length."""
    return points.number(point, word(point, words))


def word(point: Point, words: bytes) -> int:
    """The value's bits as one unsigned integer; raises ValueError for a wrong length."""
    if len(words) != point.width_bytes:
        raise ValueError(f"{point.name}: {len(words)} bytes, {point.width_bytes} wanted")
    return int.from_bytes(reorder(point, words), "big")


def reorder(point: Point, words: bytes) -> bytes:
    """From wire order to most significant byte first, and back."""
    return words if point.type == "bool" else points.in_order(words, point.order)


def to_words(point: Point, found: int | float | bool | str) -> bytes:
    """The inverse of `raw_number`."""
    return reorder(point, points.word_of(point, found).to_bytes(point.width_bytes, "big"))


def values_of(group: Sequence[Point], words: Sequence[bytes]) -> list[Value]:
    """The values of a good sample of a group."""
    return points.values(group, [word(point, each) for point, each in zip(group, words, strict=True)])


def value(point: Point, words: bytes) -> float:
    """Number x scale + offset as a float, for drawing; NaN where there is none."""
    found = values_of([point], [words])[0].number
    return float("nan") if found is None else found


def text(point: Point, words: bytes) -> str:
    """The value of a point that no other one scales, as `shown` has it."""
    return shown(values_of([point], [words])[0])


def shown(found: Value) -> str:
    """For people: every digit, "on" and "off", an enumeration's name before its number, "not available"."""
    if found.exact is None:
        return "not available"
    if isinstance(found.exact, str):
        return found.exact
    plain = ("on" if found.exact else "off") if isinstance(found.exact, bool) else points.decimal_text(found.exact)
    return f"{found.name} ({plain})" if found.name else plain


def float32_text(found: float) -> str:
    """The shortest decimal text that gives the same float32 bits again."""
    return points.float_text(found, "float32")
