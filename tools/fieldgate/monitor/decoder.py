"""The store's decoder for CBOR envelopes: joins `fieldgate.envelope` to the monitor's own types.

The envelope gives each value as an unsigned integer; here it becomes the bytes that were on the wire again.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fieldgate import envelope
from fieldgate.monitor.batch import Batch, BatchError, Event, Group, Sample
from fieldgate.monitor.values import Point, reorder


def decode(payload: bytes, groups_of: Callable[[str], dict[int, Group]]) -> Batch:
    """Raises BatchError for rubbish and KeyError while a schema's or group's metadata is missing."""
    try:
        head = envelope.header(payload)
        groups = groups_of(head.schema)
        found = envelope.decode(payload, {number: _meta(group) for number, group in groups.items()})
    except envelope.EnvelopeError as error:
        raise BatchError(str(error)) from error
    marks = [(mark.uptime_ms, mark.utc_ms) for mark in found.time_marks]
    if found.utc_ms is not None:
        marks.append((found.uptime_ms, found.utc_ms))
    return Batch(
        log=found.log,
        boot=found.boot,
        schema=found.schema,
        seq=found.seq,
        count=found.count,
        samples=[_sample(groups[sample.group], sample) for sample in found.samples],
        events=[Event(event.code, event.uptime_ms, event.what) for event in found.events],
        marks=marks,
    )


@lru_cache(maxsize=1024)
def _meta(group: Group) -> dict[str, Any]:
    points = []
    for p in group.points:
        points.append({"name": p.name, "at": p.at, "type": p.type, "order": p.order})
        if p.bits:
            points[-1]["bits"] = list(p.bits)
    return {"points": points}


def _sample(group: Group, sample: envelope.Sample) -> Sample:
    words = tuple(_wire(point, word) for point, word in zip(group.points, sample.words, strict=False))
    return Sample(sample.group, sample.quality, sample.uptime_ms, words)


def _wire(point: Point, word: int) -> bytes:
    return reorder(point, word.to_bytes(point.width_bytes, "big"))
