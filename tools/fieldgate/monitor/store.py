"""What a consumer knows about one box, fed with (topic, payload) as they arrive from the broker.

The store drops duplicates by record identity (log, boot, schema, group, uptime), finds gaps by sequence
number, maps uptime to UTC with the time marks of the same boot, and keeps the newest sample of every point.
It promises never to raise on what a broker sends: what cannot be read is counted in `rubbish` and the last
reason is kept. It is bounded in every table; batches that arrive before their metadata wait in a queue of
`MAX_WAITING`. It has no clock and no screen of its own.
"""

import json
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from fieldgate.monitor.batch import Batch, BatchError, Decoder, Event, Group, Sample, group_from_meta
from fieldgate.monitor.coverage import Coverage
from fieldgate.monitor.values import MetaError, Point, Value, values_of

MAX_WAITING = 512  # batches kept until their metadata arrives
MAX_EVENTS = 200
MAX_IDENTITIES = 20_000  # per group: far more than one backlog's resend
MAX_SCHEMAS = 64
MAX_LOGS = 16  # of these three the oldest entries go first
MAX_BOOTS = 256
MAX_STREAMS = 1024
RATE_WINDOW_MS = 10_000


class Delivery(NamedTuple):
    """One sample as it came out of the broker. `utc_ms` is None while the boot's clock is not known."""

    group: Group
    sample: Sample
    log: str
    boot: int
    seq: int  # of the batch
    utc_ms: int | None
    arrival_ms: int
    duplicate: bool


class Latest(NamedTuple):
    """The newest state of one point: the last read's quality, or its value's, and what the last good one gave."""

    group: Group
    point: Point
    quality: int
    read_utc_ms: int | None
    words: bytes | None
    words_utc_ms: int | None
    value: Value | None = None  # of `words`


class Seen(NamedTuple):
    """An event with its time in UTC (None: not known) and its arguments."""

    utc_ms: int | None
    event: Event


class Store:
    """See the head of this file. `on_delivery` is called for every decoded sample, duplicates included."""

    def __init__(self, decoder: Decoder, on_delivery: Callable[[Delivery], None] | None = None) -> None:
        self._decoder = decoder
        self._on_delivery = on_delivery
        self._schemas: dict[str, dict[int, Group]] = {}
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._identities: dict[tuple[str, int, str, int], dict[int, None]] = {}
        self._utc_offsets: dict[tuple[str, int], int] = {}  # (log, boot) -> utc_ms - uptime_ms
        self._newest: dict[str, tuple[str, int]] = {}  # point's full name -> log and order of its newest sample
        self._arrivals: deque[tuple[int, int]] = deque()  # (arrival ms, samples) of the last window
        self.latest: dict[str, Latest] = {}
        self.events: deque[Seen] = deque(maxlen=MAX_EVENTS)
        self.event_count = 0  # of all events ever taken
        self.coverage: dict[str, Coverage] = {}
        self.status: dict[str, Any] = {}
        self.telemetry: dict[str, Any] = {}
        self.glossary: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()  # messages, batches, samples, failed, duplicates, rubbish, unexplained
        self.last_rubbish = ""

    # Feeding

    def feed(self, topic: str, payload: bytes, arrival_ms: int) -> None:
        """Take one message; `arrival_ms` is UTC. Never raises on bad input."""
        self.counts["messages"] += 1
        parts = topic.split("/")
        try:
            if parts[-1] == "data":
                self._feed_batch(payload, arrival_ms)
            elif parts[-1] in ("status", "telemetry", "glossary"):
                self._feed_json(parts[-1], payload)
            elif len(parts) >= 3 and parts[-3] == "meta":
                self._feed_meta(parts[-2], parts[-1], payload)
            else:
                self.counts["ignored"] += 1
        except (BatchError, MetaError) as error:
            self.counts["rubbish"] += 1
            self.last_rubbish = f"{topic}: {error}"

    def _feed_json(self, kind: str, payload: bytes) -> None:
        setattr(self, kind, _json_object(payload))

    def _feed_meta(self, schema: str, number: str, payload: bytes) -> None:
        if not payload:  # a retained message that was cleared
            return
        group = group_from_meta(_json_object(payload))
        if group.schema != schema or str(group.group) != number:
            raise MetaError(f"says schema {group.schema} group {group.group}, the topic says {schema}/{number}")
        if schema not in self._schemas and len(self._schemas) >= MAX_SCHEMAS:
            raise MetaError(f"more than {MAX_SCHEMAS} schemas")
        self._schemas.setdefault(schema, {})[group.group] = group
        self._retry_waiting()

    def _feed_batch(self, payload: bytes, arrival_ms: int) -> None:
        try:
            batch = self._decoder(payload, self._groups_of)
            groups = self._schemas[batch.schema]
            for sample in batch.samples:
                _check_words(groups[sample.group], sample)
        except KeyError:
            self._wait(payload, arrival_ms)
            return
        self._take(batch, arrival_ms)

    def _groups_of(self, schema: str) -> dict[int, Group]:
        return self._schemas[schema]

    # Batches that arrived before their metadata

    def _wait(self, payload: bytes, arrival_ms: int) -> None:
        self._waiting.append((payload, arrival_ms))
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.counts["unexplained"] += 1

    def _retry_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            payload, arrival_ms = self._waiting.popleft()
            try:
                self._feed_batch(payload, arrival_ms)
            except BatchError as error:
                self.counts["rubbish"] += 1
                self.last_rubbish = f"data: {error}"

    @property
    def waiting(self) -> int:
        """Batches kept because the broker has not given us their metadata yet."""
        return len(self._waiting)

    # A batch that is understood

    def _take(self, batch: Batch, arrival_ms: int) -> None:
        new = _entry(self.coverage, batch.log, Coverage, MAX_LOGS).add(batch.seq, batch.count)
        self.counts["batches"] += 1
        self.counts["records"] += new
        for uptime_ms, utc_ms in batch.marks:
            self._utc_offsets.pop((batch.log, batch.boot), None)  # to the young end
            _entry(self._utc_offsets, (batch.log, batch.boot), int, MAX_BOOTS)
            self._utc_offsets[batch.log, batch.boot] = utc_ms - uptime_ms
        offset = self._utc_offsets.get((batch.log, batch.boot))
        groups = self._schemas[batch.schema]
        first_seen = 0
        for sample in batch.samples:
            duplicate = not self._is_new(batch, sample)
            sample_utc_ms = None if offset is None else sample.uptime_ms + offset
            delivery = Delivery(
                groups[sample.group], sample, batch.log, batch.boot, batch.seq, sample_utc_ms, arrival_ms, duplicate
            )
            if self._on_delivery:
                self._on_delivery(delivery)
            if duplicate:
                self.counts["duplicates"] += 1
                continue
            first_seen += 1
            self.counts["samples" if sample.words else "failed"] += 1
            self._update_latest(delivery)
        if new:
            for event in batch.events:
                self.events.append(Seen(None if offset is None else event.uptime_ms + offset, event))
                self.event_count += 1
        self._arrivals.append((arrival_ms, first_seen))
        while self._arrivals and arrival_ms - self._arrivals[0][0] > RATE_WINDOW_MS:
            self._arrivals.popleft()

    def _is_new(self, batch: Batch, sample: Sample) -> bool:
        place = (batch.log, batch.boot, batch.schema, sample.group)
        seen: dict[int, None] = _entry(self._identities, place, dict, MAX_STREAMS)
        if sample.uptime_ms in seen:
            return False
        seen[sample.uptime_ms] = None
        if len(seen) > MAX_IDENTITIES:
            del seen[next(iter(seen))]
        return True

    def _update_latest(self, delivery: Delivery) -> None:
        group, sample = delivery.group, delivery.sample
        order = (delivery.boot << 64) + sample.uptime_ms
        values = values_of(group.points, sample.words) if sample.words else []
        for index, point in enumerate(group.points):
            name = f"{group.unit}.{point.name}"
            log, newest = self._newest.get(name, ("", -1))
            if log == delivery.log and order < newest:
                continue  # a late sample must not hide a newer one
            self._newest[name] = delivery.log, order
            old = self.latest.get(name)
            words: bytes | None = None
            when: int | None = None
            value: Value | None = None
            quality = sample.quality
            if sample.words:
                words, when, value = sample.words[index], delivery.utc_ms, values[index]
                quality = value.quality
            elif old is not None:
                words, when, value = old.words, old.words_utc_ms, old.value
            self.latest[name] = Latest(group, point, quality, delivery.utc_ms, words, when, value)

    # Questions

    def utc_of(self, log: str, boot: int, uptime_ms: int) -> int | None:
        """UTC of a moment of a boot by the newest time mark known; None while there is none."""
        offset = self._utc_offsets.get((log, boot))
        return None if offset is None else uptime_ms + offset

    def quality_text(self, code: int) -> str:
        """The published glossary's word for a quality code; `q<code>` when it has none."""
        words = self.glossary.get("quality")
        word = words.get(str(code)) if isinstance(words, dict) else None
        if word is None and code > 16 and isinstance(words, dict) and isinstance(words.get("16"), str):
            word = f"{words['16']} {code - 16}"
        return str(word).replace("_", " ") if word is not None else f"q{code}"

    def event_text(self, event: Event) -> str:
        """The glossary's word for the event and its arguments."""
        words = self.glossary.get("event")
        word = words.get(str(event.code)) if isinstance(words, dict) else None
        name = f"event {event.code}" if word is None else str(word).replace("_", " ")
        return " ".join([name, *map(str, event.args)])

    @property
    def missing(self) -> int:
        """Records that never arrived between the first and the last one that did."""
        return sum(coverage.missing for coverage in self.coverage.values())

    def rates(self, now_ms: int) -> tuple[float, float]:
        """(samples per second, messages per second) over the last 10 s."""
        recent = [(at, count) for at, count in self._arrivals if now_ms - at <= RATE_WINDOW_MS]
        seconds = RATE_WINDOW_MS / 1000
        return sum(count for _, count in recent) / seconds, len(recent) / seconds


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _entry(table: dict[_Key, _Value], key: _Key, make: Callable[[], _Value], limit: int) -> _Value:
    """table[key], made when it is missing; beyond `limit` entries the oldest one is given up."""
    if key not in table:
        if len(table) >= limit:
            del table[next(iter(table))]
        table[key] = make()
    return table[key]


def _check_words(group: Group, sample: Sample) -> None:
    widths = [point.width_bytes for point in group.points]
    if sample.words and [len(words) for words in sample.words] != widths:
        raise BatchError(f"group {sample.group}: words do not fit the metadata's points")


def _json_object(payload: bytes) -> dict[str, Any]:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MetaError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise MetaError("not a JSON object")
    return message
