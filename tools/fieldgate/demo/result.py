"""From what the demo has collected to the balance and the picture: pure conversions, no processes.

The plant's record gives the truth, the consumer's deliveries the outcome (see `fieldgate.summary`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fieldgate import summary
from fieldgate.monitor.batch import Group
from fieldgate.monitor.store import Delivery, Store
from fieldgate.monitor.values import values_of
from fieldgate.picture import Series
from fieldgate.plant.record import Reply, read_replies

# The picture's first choice among the demo plant's points; other configurations show what moves most.
FAVOURITES = ("meter.active_power", "climate.temperature", "drive.output_frequency", "plc.cycles")


def served_record(folder: Path) -> list[summary.Served]:
    """What the plant wrote into `folder`; files that are not there yet count as empty."""
    served = [_served(reply, owed=True) for reply in _read(folder / "served.jsonl")]
    maybe = [_served(reply, owed=False) for reply in _read(folder / "faulted.jsonl") if reply.whole]
    return [reply for reply in served + maybe if reply.data]  # an exception carries no sample


def _read(path: Path) -> list[Reply]:
    return read_replies(path) if path.exists() else []


def _served(reply: Reply, owed: bool) -> summary.Served:
    stream = (reply.unit_id, reply.fc, reply.address, reply.count)
    return summary.Served(reply.utc_ms, stream, reply.data, owed and not reply.exception)


def layout_of(group: Group) -> summary.Layout:
    """Where the group's points lie in a reply."""
    if group.fc in (1, 2):
        return tuple((point.at, 1) for point in group.points)
    return tuple((2 * point.at, point.width_bytes) for point in group.points)


def delivered_record(deliveries: Iterable[Delivery], store: Store) -> list[summary.Delivered]:
    """Good samples in order of arrival. A sample whose boot never got a UTC time has none here either: it gets
    time 0, matches nothing, and is told as invented beside the loss."""
    record = []
    for one in deliveries:
        if not one.sample.words or not one.group.fc:
            continue  # a failed read, or what the box computed: no unit served it
        group, uptime = one.group, one.sample.uptime_ms
        record.append(
            summary.Delivered(
                utc_ms=store.utc_of(one.log, one.boot, uptime) or 0,
                stream=group.stream,
                layout=layout_of(group),
                words=one.sample.words,
                arrival_ms=one.arrival_ms,
                order=(one.boot, uptime),
                identity=(one.log, one.boot, group.schema, group.group, uptime),
            )
        )
    return record


def series(deliveries: Sequence[Delivery], store: Store) -> list[Series]:
    """One series per point, for the picture."""
    found: dict[str, Series] = {}
    for one in deliveries:
        utc_ms = store.utc_of(one.log, one.boot, one.sample.uptime_ms)
        if one.duplicate or utc_ms is None:
            continue
        values = values_of(one.group.points, one.sample.words) if one.sample.words else []
        for index, point in enumerate(one.group.points):
            name = f"{one.group.unit}.{point.name}"
            unit = "" if point.unit == "1" else point.unit.replace("deg", "°")
            entry = found.setdefault(name, Series(name, unit))
            if not one.sample.words:
                entry.failed_ms.append(utc_ms)
                continue
            number = values[index].number
            if number is None:
                continue  # a text, or not available: nothing to draw
            entry.times_ms.append(utc_ms)
            entry.values.append(number)
            entry.arrivals_ms.append(one.arrival_ms)
    return list(found.values())


def times(deliveries: Sequence[Delivery], store: Store) -> list[tuple[int, int]]:
    """(sample time, arrival) of every sample that has a time, duplicates left out."""
    pairs = [(store.utc_of(d.log, d.boot, d.sample.uptime_ms), d.arrival_ms) for d in deliveries if not d.duplicate]
    return [(at, arrival) for at, arrival in pairs if at is not None]
