"""`fieldgate decode`: published payloads in, one line of JSON per record out.

Reads every format that a box publishes: columns, typed arrays, Sparkplug B, and the JSON messages as they are.
Promises: exact (a float is printed so that reading it back gives the same bits, scale and offset are applied in
decimal, as fieldgate.points does it; what is not available shows its bits), one clear line for rubbish, exit status 1
if any batch could not be read.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldgate import envelope, points, sparkplug_payload
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


def value_text(point: points.Point, found: points.Value, word: int) -> str:
    """The value as JSON, every digit; the bits of what is not available."""
    width = points.width_of(point.type)
    return found.json or f'"0x{word:0{2 * width}x}"'


def lines(batch: Batch, metas: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object per batch, sample, event and time mark."""
    yield json.dumps({"batch": {"log": batch.log, "boot": batch.boot, "schema": batch.schema, "seq": batch.seq,
                                "n": batch.count, "uptime_ms": batch.uptime_ms, "utc_ms": batch.utc_ms}})
    described = {
        group: [points.point_from_meta(point) for point in meta["points"]] for group, meta in metas.items()
    }
    for sample in batch.samples:
        yield _sample_line(sample, str(metas[sample.group]["unit"]), described[sample.group])
    for event in batch.events:
        yield json.dumps({"event": event.code, "uptime_ms": event.uptime_ms, "utc_ms": event.utc_ms,
                          "what": event.what})
    for mark in batch.time_marks:
        yield json.dumps({"time_mark": mark.utc_ms, "uptime_ms": mark.uptime_ms})


def _sample_line(sample: envelope.Sample, unit: str, described: list[points.Point]) -> str:
    """Values are put in as text, since JSON's writer knows floats and no decimals."""
    members: list[str] = []
    more: dict[str, dict[str, Any]] = {}
    if sample.words:
        for point, word, found in zip(described, sample.words, points.values(described, sample.words), strict=True):
            name = f"{unit}.{point.name}"
            members.append(f"{json.dumps(name)}: {value_text(point, found, word)}")
            if found.quality:
                more.setdefault("qualities", {})[name] = found.quality
            if found.name is not None:
                more.setdefault("names", {})[name] = found.name
    head = json.dumps({"group": sample.group, "uptime_ms": sample.uptime_ms, "utc_ms": sample.utc_ms,
                       "quality": sample.quality})  # fmt: skip
    tail = "".join(f", {json.dumps(key)}: {json.dumps(entries)}" for key, entries in more.items())
    return f'{head[:-1]}, "values": {{{", ".join(members)}}}{tail}}}'


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
            text = points.float_text(value, "float32")
            value = float(text) if math.isfinite(value) else f"0x{metric.word:08x}"
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

