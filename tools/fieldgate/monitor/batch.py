"""What the monitor understands of one data batch, whatever the codec: the seam to `fieldgate.envelope`.

A sample carries the raw words of each point of its group; a sample without words is a failed read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fieldgate.monitor.values import MetaError, Point, point_from_meta

MAX_GROUP = 254


class BatchError(ValueError):
    """A payload that is not a batch, or does not fit its metadata."""


@dataclass(frozen=True)
class Group:
    """One retained `meta/<schema>/<group>` message: one read of one unit and what its words mean."""

    schema: str
    group: int
    bus: str
    unit: str
    unit_id: int
    fc: int
    address: int
    count: int
    period_ms: int
    points: tuple[Point, ...]
    quiet_ms: int = 0  # silence for so long means that nothing has moved: heartbeat of a group with deadbands

    @property
    def stream(self) -> tuple[int, int, int, int]:
        """What the plant calls this read: (unit id, function code, address, count)."""
        return self.unit_id, self.fc, self.address, self.count


def group_from_meta(message: Any) -> Group:
    """Raises MetaError with the key that is wrong."""
    if not isinstance(message, dict) or message.get("format") != 1:
        raise MetaError("format: only 1 is understood")
    numbers: dict[str, int] = {}
    for key in ("group", "unit_id", "fc", "address", "count", "period_ms"):
        number = message.get(key)
        if not isinstance(number, int) or isinstance(number, bool):
            raise MetaError(f"{key}: found {number!r}")
        numbers[key] = number
    if not 0 <= numbers["group"] <= MAX_GROUP:
        raise MetaError(f"group: found {numbers['group']}, allowed 0..{MAX_GROUP}")
    texts: dict[str, str] = {}
    for key in ("schema", "bus", "unit"):
        text = message.get(key)
        if not isinstance(text, str) or not text:
            raise MetaError(f"{key}: found {text!r}")
        texts[key] = text
    entries = message.get("points")
    if not isinstance(entries, list):
        raise MetaError("points is not a list")
    points = tuple(point_from_meta(entry) for entry in entries)
    return Group(points=points, quiet_ms=_quiet_ms(message.get("deadband")), **numbers, **texts)  # type: ignore[arg-type]


def _quiet_ms(deadband: Any) -> int:
    heartbeat_s = deadband.get("heartbeat_s") if isinstance(deadband, dict) else None
    return 1000 * heartbeat_s if isinstance(heartbeat_s, int) and 0 < heartbeat_s <= 86400 else 0


class Sample(NamedTuple):
    """One read. `words` holds one bytes object per point of the group, empty when the read failed."""

    group: int
    quality: int
    uptime_ms: int
    words: tuple[bytes, ...]


class Event(NamedTuple):
    """One event record: code, uptime, arguments (two small ints or a text)."""

    code: int
    uptime_ms: int
    args: tuple[int | str, ...]


@dataclass
class Batch:
    """One message of the data topic. `marks` are (uptime_ms, utc_ms) pairs of one boot."""

    log: str
    boot: int
    schema: str
    seq: int
    count: int
    samples: Sequence[Sample] = field(default_factory=list)
    events: Sequence[Event] = field(default_factory=list)
    marks: Sequence[tuple[int, int]] = field(default_factory=list)


# (payload, groups of a schema by number) -> Batch; raises BatchError, or KeyError for an unknown schema.
Decoder = Callable[[bytes, Callable[[str], dict[int, Group]]], Batch]
