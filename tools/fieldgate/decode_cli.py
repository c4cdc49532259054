"""`fieldgate decode`: published payloads in, one line of JSON per record out.

Reads every format that a box publishes: columns, typed arrays, Sparkplug B, and the JSON messages as they are.
Promises: exact (a float32 is printed so that reading it back gives the same bits; scale and offset are applied in
decimal), one clear line for rubbish, exit status 1 if any batch could not be read.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldgate import envelope, sparkplug_payload
from fieldgate.envelope import Batch, EnvelopeError


def load_metas(paths: list[Path]) -> dict[tuple[str, int], dict[str, Any]]:
    """Meta objects by (schema, group): each file holds one object, a list of them, or one object per line.

    Raises ValueError with one line that names the file."""
    metas: dict[tuple[str, int], dict[str, Any]] = {}
    for path in paths:
        try:
            for meta in _objects(path.read_text(encoding="utf-8")):
                metas[meta["schema"], meta["group"]] = meta
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: not a meta object: {error}") from None
    return metas


def _objects(text: str) -> list[dict[str, Any]]:
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def shortest(word: int, type_name: str) -> int | float | bool | str:
    """The value as a person writes it; for a float32 the shortest digits that give the same bits."""
    value = envelope.number(word, type_name)
    if type_name != "float32":
        return value
    if not math.isfinite(value):
        return f"0x{word:08x}"
    for digits in range(6, 10):
        text = f"{value:.{digits}g}"
        if struct.pack(">f", float(text)) == struct.pack(">I", word):
            return float(text)
    raise AssertionError("nine digits always suffice for a float32")


def scaled(value: int | float | bool | str, point: Mapping[str, Any]) -> int | float | bool | str:
    """value x scale + offset of the point's meta, in decimal, so that 237 x 0.1 is 23.7."""
    scale, offset = point.get("scale", 1), point.get("offset", 0)
    if isinstance(value, (bool, str)) or (scale == 1 and offset == 0):
        return value
    return float(Decimal(repr(value)) * Decimal(repr(scale)) + Decimal(repr(offset)))


def lines(batch: Batch, metas: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object per batch, sample, event and time mark."""
    yield json.dumps({"batch": {"log": batch.log, "boot": batch.boot, "schema": batch.schema, "seq": batch.seq,
                                "n": batch.count, "uptime_ms": batch.uptime_ms, "utc_ms": batch.utc_ms}})
    for sample in batch.samples:
        meta = metas[sample.group]
        values = {
            f"{meta['unit']}.{point['name']}": scaled(shortest(word, point["type"]), point)
            for point, word in zip(meta["points"], sample.words)
        }
        yield json.dumps({"group": sample.group, "uptime_ms": sample.uptime_ms, "utc_ms": sample.utc_ms,
                          "quality": sample.quality, "values": values})
    for event in batch.events:
        yield json.dumps({"event": event.code, "uptime_ms": event.uptime_ms, "utc_ms": event.utc_ms,
                          "what": event.what})
    for mark in batch.time_marks:
        yield json.dumps({"time_mark": mark.utc_ms, "uptime_ms": mark.uptime_ms})


def read_payload(source: str, hex_text: bool) -> bytes:
    """The payload that `source` names: a file, "-" for standard input, or hex digits themselves. Raises ValueError."""
    if hex_text and source != "-" and not os.path.exists(source):  # Path.exists refuses long digits
        return bytes.fromhex(source)
    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    return bytes.fromhex(data.decode("ascii")) if hex_text else data


def sparkplug_lines(payload: bytes, aliases: sparkplug_payload.Aliases) -> Iterator[str]:
    """One JSON object per payload and metric. Raises ValueError."""
    found = sparkplug_payload.read(payload)
    yield json.dumps({"sparkplug": {"seq": found.seq, "utc_ms": found.timestamp_ms, "n": len(found.metrics)}})
    for metric in map(aliases.complete, found.metrics):
        value = None if metric.null else metric.value
        if value is not None and metric.word is not None:
            value = shortest(metric.word, "float32")
        yield json.dumps({"metric": metric.name or metric.alias, "utc_ms": metric.timestamp_ms, "value": value,
                          "historical": metric.historical, "properties": metric.properties})


def decode_payload(
    payload: bytes,
    metas: Mapping[tuple[str, int], Mapping[str, Any]],
    aliases: sparkplug_payload.Aliases | None = None,
) -> Iterator[str]:
    """Lines for one payload of any format. Raises ValueError (EnvelopeError for batches)."""
    if payload[:1] == b"{":
        yield json.dumps(json.loads(payload))
        return
    if sparkplug_payload.looks_like(payload):
        yield from sparkplug_lines(payload, aliases or sparkplug_payload.Aliases())
        return
    schema = envelope.header(payload).schema
    wanted = {}
    for group in envelope.groups_of(payload):
        if (schema, group) not in metas:
            raise EnvelopeError(f"no meta of schema {schema} group {group}: give it with --meta")
        wanted[group] = metas[schema, group]
    yield from lines(envelope.decode(payload, wanted), wanted)


def decode(
    payloads: Annotated[list[str], typer.Argument(help="Files with one message each, '-' for standard input.")],
    meta: Annotated[list[Path] | None, typer.Option("--meta", "-m", help="Files with the retained meta JSON.")] = None,
    hex_text: Annotated[bool, typer.Option("--hex", help="Messages are hex digits, in files or as arguments.")] = False,
) -> None:
    """Decode published messages; batches need their retained meta, Sparkplug data its births before it."""
    failed = False
    aliases = sparkplug_payload.Aliases()
    try:
        metas = load_metas(meta or [])
    except ValueError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    for source in payloads:
        try:
            for line in decode_payload(read_payload(source, hex_text), metas, aliases):
                print(line)
        except (OSError, ValueError) as error:
            print(f"{source:.60}: {error}", file=sys.stderr)
            failed = True
    if failed:
        raise typer.Exit(1)

