"""Reads Sparkplug B payloads (Eclipse Sparkplug 3.0.0, section 6) without generated code, for `fieldgate decode`.

Promises: exact: a float keeps its bits, an integer its digits; what is not such a payload raises ValueError with one
line. Data messages name metrics by alias: `Aliases` remembers the names of the births that were read before.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Datatypes (6.4.16) whose values are signed in an unsigned field; Boolean and Float have fields of their own.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_FIRST_TAGS = (0x08, 0x12, 0x18)


def looks_like(payload: bytes) -> bool:
    """True if this can be a Sparkplug payload rather than CBOR (a map) or JSON."""
    return payload[:1] != b"" and payload[0] in _FIRST_TAGS


@dataclass
class Metric:
    """One metric. `word`: the bits of a float32, so that nothing is lost; else `value`."""

    name: str = ""
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int = 0
    historical: bool = False
    null: bool = False
    value: Any = None
    word: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass
class Payload:
    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: list[Metric] = field(default_factory=list)


def read(payload: bytes) -> Payload:
    """Raises ValueError."""
    found = Payload()
    for number, value in _fields(payload):
        if number == 1:
            found.timestamp_ms = _int(value)
        elif number == 2:
            found.metrics.append(_metric(_bytes(value)))
        elif number == 3:
            found.seq = _int(value)
    return found


def rebirth(utc_ms: int) -> bytes:
    """The payload of an NCMD that asks a node for its births (metric Node Control/Rebirth, Boolean true)."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x18" + _number(utc_ms) + b"\x20\x0b\x70\x01"
    return b"\x08" + _number(utc_ms) + b"\x12" + bytes([len(metric)]) + metric


def _number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _metric(data: bytes) -> Metric:
    metric = Metric()
    for number, value in _fields(data):
        if number == 1:
            metric.name = _text(value)
        elif number == 2:
            metric.alias = _int(value)
        elif number == 3:
            metric.timestamp_ms = _int(value)
        elif number == 4:
            metric.datatype = _int(value)
        elif number == 5:
            metric.historical = bool(value)
        elif number == 7:
            metric.null = bool(value)
        elif number == 9:
            metric.properties = _properties(_bytes(value))
        elif number in (10, 11):
            metric.value = _int(value)
        elif number == 12:
            metric.word = struct.unpack("<I", _bytes(value, 4))[0]
            metric.value = struct.unpack("<f", _bytes(value, 4))[0]
        elif number == 13:
            metric.value = struct.unpack("<d", _bytes(value, 8))[0]
        elif number == 14:
            metric.value = bool(value)
        elif number == 15:
            metric.value = _text(value)
    return metric


def _properties(data: bytes) -> dict[str, Any]:
    keys, values = [], []
    for number, value in _fields(data):
        if number == 1:
            keys.append(_text(value))
        elif number == 2:
            parts = dict(_fields(_bytes(value)))
            if 5 in parts:
                values.append(struct.unpack("<f", _bytes(parts[5], 4))[0])
            elif 6 in parts:
                values.append(struct.unpack("<d", _bytes(parts[6], 8))[0])
            elif 8 in parts:
                values.append(_text(parts[8]))
            else:
                values.append(parts.get(3, parts.get(4, parts.get(7))))
    return dict(zip(keys, values))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no Sparkplug payload: wire type {kind}")
        if at + size > len(data):
            raise ValueError("no Sparkplug payload: cut short")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at
    raise ValueError("no Sparkplug payload: number cut short or too long")


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("no Sparkplug payload: a number is needed")
    return value


def _bytes(value: int | bytes, size: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise ValueError("no Sparkplug payload: a string of bytes is needed")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8")


class Aliases:
    """Names and datatypes of metrics by alias, out of the births."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, int]] = {}

    def complete(self, metric: Metric) -> Metric:
        """Remember a birth's metric, or give a data message's metric its name; signs integers."""
        if metric.alias is not None:
            if metric.name:
                self._known[metric.alias] = metric.name, metric.datatype
            elif metric.alias in self._known:
                metric.name, datatype = self._known[metric.alias]
                metric.datatype = metric.datatype or datatype
        bits = _SIGNED.get(metric.datatype)
        if bits and isinstance(metric.value, int) and metric.value >> (bits - 1) & 1:
            metric.value = (metric.value & (1 << bits) - 1) - (1 << bits)
        return metric
