"""Reads the typed-array payload (lib/uplink/FORMAT.md, "Typed arrays") into the parts that `envelope` works with.

Promises: exact: the words of a column are the bits that were on the wire; what is not of the format raises ValueError
with one line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cbor2

from fieldgate.points import width_of

# RFC 8746, 2.1: tag -> (bytes of a number, types of the meta that it holds). Strings are bytes one after the other.
TAGS = {
    64: (1, ("bool",)),
    69: (2, ("uint16", "bcd16")),
    70: (4, ("uint32", "bcd32")),
    71: (8, ("uint64",)),
    77: (2, ("int16",)),
    78: (4, ("int32",)),
    79: (8, ("int64",)),
    85: (4, ("float32",)),
    86: (8, ("float64",)),
}
TIMES, QUALITIES = 78, 64
# The same meaning under the numbers of the default payload.
_KEYS = {"format": 0, "boot": 2, "seq": 4, "n": 5, "uptime_ms": 6, "utc_ms": 7, "events": 9, "time_marks": 10}


@dataclass(frozen=True)
class Arrays:
    """One group: times in ms from the base, qualities, and the good samples' data by column or as whole rows."""

    times: list[int]
    qualities: list[int]
    columns: list[tuple[int, bytes]] = field(default_factory=list)  # (tag, data)
    rows: bytes = b""


def is_typed(top: Any) -> bool:
    """True if a decoded CBOR item is such a payload, whatever its version."""
    return isinstance(top, dict) and "format" in top


def unnamed(top: dict[Any, Any]) -> dict[int, Any]:
    """The top map under the numeric keys of the default payload; groups become `Arrays`. Raises ValueError."""
    found: dict[int, Any] = {number: top[name] for name, number in _KEYS.items() if name in top}
    for name, number in (("log", 1), ("schema", 3)):
        if name in top:
            found[number] = _four_bytes(top[name], name)
    entries = top.get("groups")
    if not isinstance(entries, list):
        raise ValueError("groups are not an array")
    found[8] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("group"), int):
            raise ValueError("a group is not a map with a number")
        found[8][entry["group"]] = _arrays(entry)
    return found


def _arrays(entry: dict[Any, Any]) -> Arrays:
    times_tag, times = _array(entry.get("times_ms"))
    quality_tag, qualities = _array(entry.get("quality"))
    if times_tag != TIMES or quality_tag != QUALITIES or len(times) != 4 * len(qualities):
        raise ValueError("times and qualities do not belong together")
    signed = [int.from_bytes(times[i : i + 4], "little", signed=True) for i in range(0, len(times), 4)]
    columns = entry.get("values", [])
    rows = entry.get("rows", b"")
    if not isinstance(columns, list) or not isinstance(rows, bytes):
        raise ValueError("values are not an array, or rows no byte string")
    return Arrays(signed, list(qualities), [_array(column) for column in columns], rows)


def fits(tag: int, type_name: str, size: int, count: int) -> bool:
    """True if an array of `size` bytes with this tag can be `count` values of that type."""
    if type_name.startswith("string"):
        return tag == 64 and size == count * width_of(type_name)
    return type_name in TAGS[tag][1] and size == count * TAGS[tag][0]


def _array(item: Any) -> tuple[int, bytes]:
    """(tag, data) of a typed array, as a library without RFC 8746 gives it."""
    if not isinstance(item, cbor2.CBORTag) or item.tag not in TAGS or not isinstance(item.value, bytes):
        raise ValueError(f"found {item!r:.40}, a typed array is needed")
    size = TAGS[item.tag][0]
    if len(item.value) % size:
        raise ValueError(f"{len(item.value)} bytes are not an array of {size}-byte numbers")
    return item.tag, item.value


def _four_bytes(text: Any, name: str) -> bytes:
    if not isinstance(text, str) or len(text) != 8:
        raise ValueError(f"{name}: found {text!r:.40}, eight hex digits are needed")
    return bytes.fromhex(text)
