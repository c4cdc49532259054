"""Reads the CBOR batches that a box publishes (lib/uplink/FORMAT.md), columns and typed arrays, with the meta only.

Promises: exact. A sample's values are the words that were on the wire, as unsigned integers of the type's width;
`fieldgate.points` says what they stand for. Rubbish raises EnvelopeError: one line that says what is wrong.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

import cbor2

from fieldgate.points import column_types, in_order, width_of
from fieldgate.typed import Arrays, fits, is_typed, unnamed

FORMAT = 1

PLAIN, DELTAS, CONSTANT, ROWS, DECIMAL, MAX_DECIMALS = 0, 1, 2, 3, 16, 5
_MASK = 0xFFFFFFFF


class EnvelopeError(ValueError):
    """The payload is not a batch that this program can read."""


@dataclass(frozen=True)
class Sample:
    """One read of one group. `words`: one unsigned integer per point of the meta, in its order; empty if not good."""

    group: int
    uptime_ms: int
    utc_ms: int | None
    quality: int
    words: tuple[int, ...]


@dataclass(frozen=True)
class Event:
    """Something that happened: a code of the glossary and up to two integers or one text."""

    code: int
    uptime_ms: int
    utc_ms: int | None
    what: tuple[int | str, ...]


@dataclass(frozen=True)
class TimeMark:
    """At that uptime of that boot it was that UTC."""

    uptime_ms: int
    utc_ms: int


@dataclass
class Batch:
    """One payload, decoded. `log` and `schema` are hex, as in topics. Batch k+1 of a box starts at seq + count."""

    log: str
    boot: int
    schema: str
    seq: int
    count: int
    uptime_ms: int
    utc_ms: int | None
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    time_marks: list[TimeMark] = field(default_factory=list)


Meta = Mapping[str, Any]


def header(payload: bytes) -> Batch:
    """The batch without samples, events and marks: what can be read without meta. Raises EnvelopeError."""
    return _header(_load(payload))


def groups_of(payload: bytes) -> list[int]:
    """Numbers of the groups that a payload has samples of: the meta messages that `decode` will ask for."""
    return [_uint(group) for group in _groups(_load(payload))]


def decode(payload: bytes, metas: Mapping[int, Meta]) -> Batch:
    """The whole batch. `metas`: the retained meta objects of the payload's schema by group number.

    Samples come in the order of time (stable: group by group for equal times). Raises EnvelopeError; KeyError with
    the group's number when its meta is missing."""
    top = _load(payload)
    batch = _header(top)
    for group, parts in _groups(top).items():
        batch.samples.extend(_samples(batch, _uint(group), parts, metas[group]["points"]))
    batch.samples.sort(key=lambda sample: sample.uptime_ms)
    for item in _list(top.get(9, [])):
        code, time, *what = _list(item, 2)
        if not all(isinstance(value, (int, str)) for value in what):
            raise EnvelopeError("event with a value that is neither integer nor text")
        batch.events.append(Event(_uint(code), batch.uptime_ms + _int(time), _utc(batch, _int(time)), tuple(what)))
    for item in _list(top.get(10, [])):
        time, utc_ms = _list(item, 2)
        batch.time_marks.append(TimeMark(batch.uptime_ms + _int(time), _uint(utc_ms)))
    if len(batch.samples) + len(batch.events) + len(batch.time_marks) > batch.count:
        raise EnvelopeError(f"more records than the {batch.count} announced")
    return batch


def _load(payload: bytes) -> dict[int, Any]:
    stream = io.BytesIO(payload)
    try:
        top = cbor2.load(stream)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise EnvelopeError(f"not CBOR: {error}") from None
    if stream.tell() != len(payload):
        raise EnvelopeError(f"{len(payload) - stream.tell()} bytes after the end")
    version = top.get("format" if is_typed(top) else 0) if isinstance(top, dict) else None
    if version is None:
        raise EnvelopeError("not a batch: no map with a format version")
    if version != FORMAT:
        raise EnvelopeError(f"format {version!r:.40}, this program reads {FORMAT}")
    if not is_typed(top):
        return top
    try:
        return unnamed(top)
    except ValueError as error:
        raise EnvelopeError(str(error)) from None


def _header(top: dict[int, Any]) -> Batch:
    missing = [str(key) for key in range(1, 9) if key not in top]
    if missing:
        raise EnvelopeError(f"keys missing: {', '.join(missing)}")
    log, schema, utc_ms = _bytes(top[1], 4), _bytes(top[3], 4), top[7]
    if utc_ms is not None:
        _uint(utc_ms)
    return Batch(log.hex(), _uint(top[2]), schema.hex(), _uint(top[4]), _uint(top[5]), _uint(top[6]), utc_ms)


def _groups(top: dict[int, Any]) -> dict[int, Any]:
    groups = top.get(8)
    if not isinstance(groups, dict):
        raise EnvelopeError("groups are not a map")
    return groups


def _samples(batch: Batch, group: int, parts: Any, points: list[dict[str, Any]]) -> Iterator[Sample]:
    if isinstance(parts, Arrays):
        times, qualities = parts.times, parts.qualities
        good = qualities.count(0)
        if len(times) > batch.count:
            raise EnvelopeError(f"more samples than the {batch.count} records announced")
        rows = iter(_typed_rows(parts, points, good) if good else [])
    else:
        steps, runs, *columns = _list(parts, 2)
        qualities = list(_qualities(_bytes(runs), batch.count))
        times = list(accumulate(_signed(step) for step in _deltas(_bytes(steps), len(qualities))))
        good = qualities.count(0)
        rows = iter(_rows(columns, points, good) if good else [])
    for quality, time in zip(qualities, times, strict=True):
        words = next(rows) if quality == 0 else ()
        yield Sample(group, batch.uptime_ms + time, _utc(batch, time), quality, words)


def _typed_rows(parts: Arrays, points: list[dict[str, Any]], count: int) -> list[tuple[int, ...]]:
    if parts.rows:
        return _whole_rows(parts.rows, points, count)
    own = [point["type"] for point, types in zip(points, column_types(points)) if types]
    if len(own) != len(parts.columns) or not all(
        fits(tag, kind, len(data), count) for kind, (tag, data) in zip(own, parts.columns)
    ):
        raise EnvelopeError(f"the columns are not {count} values of each of the meta's {len(points)} points")
    columns = [_typed_words(data, kind, count) for kind, (_, data) in zip(own, parts.columns)]
    return _by_sample(points, columns, count)


def _typed_words(data: bytes, kind: str, count: int) -> list[int]:
    width = width_of(kind) or 1
    order: Literal["big", "little"] = "big" if kind.startswith("string") else "little"
    return [int.from_bytes(data[i * width : (i + 1) * width], order) for i in range(count)]


def _by_sample(points: list[dict[str, Any]], columns: list[list[int]], count: int) -> list[tuple[int, ...]]:
    """Words by sample; `columns` holds them by point, without those that share the one before."""
    left = iter(columns)
    found: list[list[int]] = []
    for types in column_types(points):
        found.append(next(left) if types else found[-1])
    return list(zip(*found, strict=True)) or [()] * count


def _rows(columns: list[Any], points: list[dict[str, Any]], count: int) -> list[tuple[int, ...]]:
    """The good samples: a tuple of words each."""
    if len(columns) == 1 and _bytes(columns[0])[:1] == bytes([ROWS]):
        return _whole_rows(_bytes(columns[0])[1:], points, count)
    parts = column_types(points)
    if len(columns) != sum(map(len, parts)):
        raise EnvelopeError(f"{len(columns)} columns, the meta has {len(points)} points")
    left = iter(columns)
    return _by_sample(points, [_joined(left, types, count) for types in parts if types], count)


def _joined(columns: Iterator[Any], types: tuple[str, ...], count: int) -> list[int]:
    """The words of one point out of its columns, the most significant first."""
    words = [0] * count
    for part in types:
        shift = 8 * width_of(part)
        words = [word << shift | more for word, more in zip(words, _column(_bytes(next(columns)), part, count))]
    return words


def _whole_rows(data: bytes, points: list[dict[str, Any]], count: int) -> list[tuple[int, ...]]:
    size, rest = divmod(len(data), count)
    if rest:
        raise EnvelopeError(f"{len(data)} bytes are not {count} rows")
    rows = [data[i * size : (i + 1) * size] for i in range(count)]
    return [tuple(_word_of_row(row, point) for point in points) for row in rows]


def _word_of_row(row: bytes, point: dict[str, Any]) -> int:
    at, width = point["at"], width_of(point["type"])
    if len(row) < (at // 8 + 1 if width == 0 else 2 * at + width):
        raise EnvelopeError(f"row of {len(row)} bytes has no {point.get('name', 'point')}")
    if width == 0:
        return row[at >> 3] >> (at & 7) & 1
    return int.from_bytes(in_order(row[2 * at : 2 * at + width], point["order"]), "big")


def _column(data: bytes, type_name: str, count: int) -> list[int]:
    """The words of one column."""
    if not data:
        raise EnvelopeError("empty column")
    mode, data, width = data[0], data[1:], width_of(type_name)
    mask = (1 << 8 * width) - 1 if width else 1
    if mode == DELTAS:
        return [word & mask for word in _deltas(data, count)]
    if DECIMAL <= mode <= DECIMAL + MAX_DECIMALS and type_name == "float32":
        power = 10 ** (mode - DECIMAL)
        return [int.from_bytes(struct.pack(">f", _signed(k) / power), "big") for k in _deltas(data, count)]
    if mode not in (PLAIN, CONSTANT):
        raise EnvelopeError(f"column mode {mode} for {type_name}")
    stored = count if mode == PLAIN else 1
    if len(data) != (stored * width if width else (stored + 7) // 8):
        raise EnvelopeError(f"{len(data)} bytes are not {stored} words of {type_name}")
    if width:
        words = [int.from_bytes(data[i * width : (i + 1) * width], "big") for i in range(stored)]
    else:
        words = [data[i >> 3] >> (i & 7) & 1 for i in range(stored)]
    return words if mode == PLAIN else words * count


def _deltas(data: bytes, count: int) -> list[int]:
    """Running sums modulo 2^32 of `count` zigzag varints."""
    words, word, at = [], 0, 0
    for _ in range(count):
        token, at = _varint(data, at)
        word = (word + (token >> 1 ^ -(token & 1))) & _MASK
        words.append(word)
    if at != len(data):
        raise EnvelopeError("bytes after the last difference")
    return words


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 35:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80:
            return value, at
    raise EnvelopeError("varint is cut short or too long")


def _qualities(data: bytes, limit: int) -> Iterator[int]:
    at = total = 0
    while at < len(data):
        quality = data[at]
        run, at = _varint(data, at + 1)
        total += run
        if total > limit:
            raise EnvelopeError(f"more samples than the {limit} records announced")
        yield from [quality] * run


def _utc(batch: Batch, time: int) -> int | None:
    return None if batch.utc_ms is None else batch.utc_ms + time


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def _uint(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise EnvelopeError(f"found {value!r:.40}, an unsigned integer is needed")
    return value


def _int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise EnvelopeError(f"found {value!r:.40}, an integer is needed")
    return value


def _bytes(value: Any, length: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise EnvelopeError(f"found {value!r:.40}, a byte string is needed")
    return value


def _list(value: Any, least: int = 0) -> list[Any]:
    if not isinstance(value, (list, tuple)) or len(value) < least:
        raise EnvelopeError(f"found {value!r:.40}, an array is needed")
    return list(value)
