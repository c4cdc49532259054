"""Writes what boxes publish into the tables of `collect_tables`: each record once, gaps and publish delay counted.

Promises: `take` writes a list of messages in one transaction and returns when the database has committed it, or
raises and has written nothing; what was there before (a message delivered twice, a collector killed before it could
acknowledge) is dropped by record identity. What cannot be read is counted and never raises. One writer per database.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Table, create_engine, event, insert, select, update
from sqlalchemy.engine import Connection, Engine

from fieldgate import collect_tables as tables
from fieldgate import envelope, points
from fieldgate.collect_sparkplug import Nodes
from fieldgate.collect_topics import base_of, node_of
from fieldgate.monitor.coverage import Coverage

MAX_BOXES = 1000  # base topics taken in one run; anybody can invent one on an open broker
MAX_WAITING = 10_000  # batches kept until their meta arrives, for each box


class Message(NamedTuple):
    """One received PUBLISH and the UTC ms of its arrival."""

    topic: str
    payload: bytes
    arrival_ms: int


class Delays:
    """Publish delays (arrival minus sample time) as a histogram with steps of 5 %: bounded, whatever comes."""

    _STEP = math.log(1.05)

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.count = 0
        self.worst_ms = 0

    def add(self, delay_ms: int) -> None:
        """A negative delay (the clocks differ) counts as 0."""
        delay_ms = max(0, delay_ms)
        self._counts[int(math.log1p(delay_ms) / self._STEP)] += 1
        self.count += 1
        self.worst_ms = max(self.worst_ms, delay_ms)

    def permille(self, wanted: int) -> int:
        """The delay in ms that `wanted` permille of the samples do not exceed, up to 5 % more; 0 without samples."""
        left = -(-self.count * wanted // 1000)
        for step in sorted(self._counts):
            left -= self._counts[step]
            if left <= 0:
                return min(self.worst_ms, math.ceil(math.expm1((step + 1) * self._STEP)))
        return 0


def exact(found: points.Value, word: int) -> tuple[float | None, str]:
    """A value as (number for calculations, decimal text of every digit); of a string its text, of what is not available
    its bits."""
    if found.exact is None:
        return None, f"{'not available' if found.bits is None else found.bits} 0x{word:x}"
    return found.number, found.exact if isinstance(found.exact, str) else found.json or ""


def open_database(url: str) -> Engine:
    """An engine with the tables made. SQLite commits are durable when they return (full fsync, write-ahead log)."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _careful(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

    with engine.begin() as connection:
        tables.create(connection)
    return engine


class Box:
    """What one run knows of one box; the database knows the rest."""

    def __init__(self, key: int, base: str) -> None:
        self.key, self.base = key, base
        self.state = ""
        self.metas: dict[tuple[str, int], tuple[dict[str, Any], list[int]]] = {}  # meta, keys of its points
        self.logs: dict[str, tuple[int, Coverage]] = {}
        self.boots: dict[tuple[str, int], tuple[int, int | None]] = {}  # key, UTC of uptime 0
        self.counts: Counter[str] = Counter()
        self.delays = Delays()
        self.waiting = 0

    @property
    def missing(self) -> int:
        """Records between the first and the newest one that never arrived."""
        return sum(coverage.missing for _, coverage in self.logs.values())


class Collection:
    """The boxes in a database. `counts` per box: batches, samples, values, failed, duplicates, events, rubbish."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.boxes: dict[str, Box] = {}
        self.ignored = 0  # messages of no box, or of a box beyond MAX_BOXES
        self.last_rubbish = ""
        self.nodes = Nodes(self)
        with engine.begin() as connection:
            for row in connection.execute(select(tables.boxes)):
                self.boxes[row.base] = self._load(connection, row)

    def take(self, messages: Iterable[Message]) -> None:
        """Write them, in one transaction. Raises SQLAlchemyError: then nothing of it is written, and this object
        must not be used any more (what it counted does not stand in the database)."""
        with self._engine.begin() as connection:
            touched: dict[int, Coverage] = {}
            for message in messages:
                self._take_one(connection, message, touched)
            for log_key, coverage in touched.items():
                _write_ranges(connection, log_key, coverage)

    def _take_one(self, connection: Connection, message: Message, touched: dict[int, Coverage]) -> None:
        node = node_of(message.topic)
        base = node[0] if node else base_of(message.topic)
        if base is None or (base not in self.boxes and len(self.boxes) >= MAX_BOXES):
            self.ignored += 1
            return
        box = self.box(connection, base, message.arrival_ms)
        topic = message.topic[len(base) + 1 :]
        try:
            if node:
                self.nodes.take(connection, node, message.payload, message.arrival_ms, touched)
            elif topic == "data":
                self._batch(connection, box, message.payload, message.arrival_ms, touched)
            else:
                self._document(connection, box, topic, message, touched)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            box.counts["rubbish"] += 1
            self.last_rubbish = f"{message.topic}: {error}"

    # Boxes and what they say about themselves

    def _load(self, connection: Connection, row: Any) -> Box:
        box = Box(row.id, row.base)
        box.state = row.state or ""
        for group in connection.execute(select(tables.groups).where(tables.groups.c.box_id == row.id)):
            box.metas[group.schema_id, group.number] = json.loads(group.meta), _point_keys(connection, group.id)
        for log in connection.execute(select(tables.logs).where(tables.logs.c.box_id == row.id)).all():
            box.logs[log.log] = log.id, _read_ranges(connection, log)
            for boot in connection.execute(select(tables.boots).where(tables.boots.c.log_id == log.id)):
                box.boots[log.log, boot.boot] = boot.id, boot.zero_utc_ms
        waiting = tables.waiting
        box.waiting = len(connection.execute(select(waiting.c.id).where(waiting.c.box_id == row.id)).all())
        return box

    def box(self, connection: Connection, base: str, arrival_ms: int) -> Box:
        """The box of that base topic, a new one if need be."""
        if base in self.boxes:
            return self.boxes[base]
        key = _insert(connection, tables.boxes, base=base, first_seen_ms=arrival_ms, last_seen_ms=arrival_ms)
        self.boxes[base] = Box(key, base)
        return self.boxes[base]

    def _document(
        self, connection: Connection, box: Box, topic: str, message: Message, touched: dict[int, Coverage]
    ) -> None:
        text = message.payload.decode("utf-8")
        document = json.loads(text)
        if topic.startswith("meta/"):
            self._meta(connection, box, document, text, touched)
            return
        self.document(connection, box, topic, text, message.arrival_ms)
        if topic == "status":
            box.state = str(document["state"])[:16]
            values = {"box": str(document.get("box", ""))[:64], "state": box.state, "last_seen_ms": message.arrival_ms}
            connection.execute(update(tables.boxes).where(tables.boxes.c.id == box.key).values(values))

    def document(self, connection: Connection, box: Box, topic: str, text: str, arrival_ms: int) -> None:
        """Keep the newest text of a topic."""
        table = tables.documents
        here = (table.c.box_id == box.key) & (table.c.topic == topic)
        newer = {"text": text, "arrival_ms": arrival_ms}
        if not connection.execute(update(table).where(here).values(newer)).rowcount:
            _insert(connection, table, box_id=box.key, topic=topic, **newer)

    def _meta(
        self, connection: Connection, box: Box, meta: dict[str, Any], text: str, touched: dict[int, Coverage]
    ) -> None:
        place = (str(meta["schema"]), int(meta["group"]))
        if place in box.metas:
            return  # a schema's id is the hash of its content: it does not change
        for point in meta["points"]:
            points.point_from_meta(point)  # what cannot be decoded later is refused now
        rows = [
            {"position": at, "name": f"{meta['unit']}.{point['name']}"[:128], "type": point["type"],
             "unit": str(point.get("unit", ""))[:32]}
            for at, point in enumerate(meta["points"])
        ]  # fmt: skip
        key = _insert(connection, tables.groups, box_id=box.key, schema_id=place[0], number=place[1], meta=text)
        if rows:
            connection.execute(insert(tables.points), [{"group_id": key, **row} for row in rows])
        box.metas[place] = meta, _point_keys(connection, key)
        self._retry(connection, box, place[0], touched)

    # Batches

    def _batch(
        self, connection: Connection, box: Box, payload: bytes, arrival_ms: int, touched: dict[int, Coverage]
    ) -> None:
        head = envelope.header(payload)
        metas = {}
        for group in envelope.groups_of(payload):
            if (head.schema, group) not in box.metas:
                self._wait(connection, box, head.schema, payload, arrival_ms)
                return
            metas[group] = box.metas[head.schema, group][0]
        batch = envelope.decode(payload, metas)
        log_key, coverage = self.log_of(connection, box, batch.log)
        coverage.add(batch.seq, batch.count)
        touched[log_key] = coverage
        boot_key = self._boot(connection, box, log_key, batch)
        _note_batch(connection, boot_key, batch, len(payload), arrival_ms)
        box.counts["batches"] += 1
        by_group: dict[int, list[envelope.Sample]] = {}
        for sample in batch.samples:
            by_group.setdefault(sample.group, []).append(sample)
        for group, found in by_group.items():
            self._samples(connection, box, boot_key, batch, box.metas[batch.schema, group], found, arrival_ms)
        self._events(connection, box, boot_key, batch, arrival_ms)

    def _wait(self, connection: Connection, box: Box, schema: str, payload: bytes, arrival_ms: int) -> None:
        if box.waiting >= MAX_WAITING:
            raise ValueError(f"{MAX_WAITING} batches wait for their meta already")
        box.waiting += 1
        _insert(connection, tables.waiting, box_id=box.key, schema_id=schema, payload=payload, arrival_ms=arrival_ms)

    def _retry(self, connection: Connection, box: Box, schema: str, touched: dict[int, Coverage]) -> None:
        if not box.waiting:
            return
        table = tables.waiting
        found = select(table).where(table.c.box_id == box.key, table.c.schema_id == schema).order_by(table.c.id)
        for row in connection.execute(found).all():
            connection.execute(table.delete().where(table.c.id == row.id))
            box.waiting -= 1
            try:
                self._batch(connection, box, row.payload, row.arrival_ms, touched)
            except (ValueError, KeyError, TypeError) as error:
                box.counts["rubbish"] += 1
                self.last_rubbish = f"{box.base}/data: {error}"

    def log_of(self, connection: Connection, box: Box, log: str) -> tuple[int, Coverage]:
        """Key and coverage of a box's log, a new one if need be."""
        if log not in box.logs:
            box.logs[log] = _insert(connection, tables.logs, box_id=box.key, log=log, given_up=0), Coverage()
        return box.logs[log]

    def _boot(self, connection: Connection, box: Box, log_key: int, batch: envelope.Batch) -> int:
        """Its key. A time mark, or a UTC base, also gives UTC to what arrived before it."""
        place = (batch.log, batch.boot)
        if place not in box.boots:
            box.boots[place] = _insert(connection, tables.boots, log_id=log_key, boot=batch.boot), None
        key, known = box.boots[place]
        marks = [(batch.uptime_ms, batch.utc_ms)] if batch.utc_ms is not None else []
        marks += [(mark.uptime_ms, mark.utc_ms) for mark in batch.time_marks]
        if marks:
            zero = marks[-1][1] - marks[-1][0]
            if zero != known:
                box.boots[place] = key, zero
                connection.execute(update(tables.boots).where(tables.boots.c.id == key).values(zero_utc_ms=zero))
            if known is None:
                for table in (tables.samples, tables.events):
                    nameless = (table.c.boot_id == key) & table.c.utc_ms.is_(None)
                    connection.execute(update(table).where(nameless).values(utc_ms=table.c.uptime_ms + zero))
        return key

    def _samples(
        self, connection: Connection, box: Box, boot_key: int, batch: envelope.Batch,
        group: tuple[dict[str, Any], list[int]], found: list[envelope.Sample], arrival_ms: int,
    ) -> None:  # fmt: skip
        meta, keys = group
        if not keys:
            return
        table = tables.samples
        times = [sample.uptime_ms for sample in found]
        there = select(table.c.uptime_ms).where(
            table.c.point_id == keys[0], table.c.boot_id == boot_key, table.c.uptime_ms.between(min(times), max(times))
        )
        known = set(connection.execute(there).scalars())
        zero = box.boots[batch.log, batch.boot][1]
        rows: list[dict[str, Any]] = []
        described = [points.point_from_meta(point) for point in meta["points"]]
        for sample in found:
            if sample.uptime_ms in known:
                box.counts["duplicates"] += 1
                continue
            known.add(sample.uptime_ms)
            utc_ms = sample.utc_ms
            if utc_ms is None and zero is not None:
                utc_ms = zero + sample.uptime_ms
            if utc_ms is not None:
                box.delays.add(arrival_ms - utc_ms)
            box.counts["failed" if sample.quality else "samples"] += 1
            rows += _rows(sample, described, keys, boot_key, utc_ms, batch.seq, arrival_ms)
        box.counts["values"] += len(rows)
        if rows:
            connection.execute(insert(table), rows)

    def _events(self, connection: Connection, box: Box, boot_key: int, batch: envelope.Batch, arrival_ms: int) -> None:
        table = tables.events
        zero = box.boots[batch.log, batch.boot][1]
        for one in batch.events:
            identity = {"boot_id": boot_key, "uptime_ms": one.uptime_ms, "code": one.code,
                        "what": json.dumps(one.what)[:200]}  # fmt: skip
            if connection.execute(select(table.c.code).filter_by(**identity)).first():
                continue
            utc_ms = one.utc_ms if one.utc_ms is not None or zero is None else zero + one.uptime_ms
            connection.execute(insert(table).values(**identity, utc_ms=utc_ms, seq=batch.seq, arrival_ms=arrival_ms))
            box.counts["events"] += 1


def _rows(
    sample: envelope.Sample, described: list[points.Point], keys: list[int], boot_key: int, utc_ms: int | None,
    seq: int, arrival_ms: int,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    values = None if sample.quality else points.values(described, sample.words)
    for at, key in enumerate(keys):
        value, text = (None, None) if values is None else exact(values[at], sample.words[at])
        quality = sample.quality if values is None else values[at].quality
        yield {"point_id": key, "boot_id": boot_key, "uptime_ms": sample.uptime_ms, "utc_ms": utc_ms,
               "quality": quality, "value": value, "exact": text, "seq": seq, "arrival_ms": arrival_ms}  # fmt: skip


def _note_batch(connection: Connection, boot_key: int, batch: envelope.Batch, size: int, arrival_ms: int) -> None:
    table = tables.batches
    same = (table.c.boot_id == boot_key) & (table.c.seq == batch.seq) & (table.c.records == batch.count)
    if not connection.execute(update(table).where(same).values(repeats=table.c.repeats + 1)).rowcount:
        _insert(connection, table, boot_id=boot_key, schema_id=batch.schema, seq=batch.seq, records=batch.count,
                size_bytes=size, arrival_ms=arrival_ms, repeats=0)  # fmt: skip


def _point_keys(connection: Connection, group_key: int) -> list[int]:
    table = tables.points
    ordered = select(table.c.id).where(table.c.group_id == group_key).order_by(table.c.position)
    return list(connection.execute(ordered).scalars())


def _read_ranges(connection: Connection, log: Any) -> Coverage:
    coverage = Coverage()
    coverage.given_up = log.given_up
    for row in connection.execute(select(tables.ranges).where(tables.ranges.c.log_id == log.id)):
        coverage.add(row.start_seq, row.end_seq - row.start_seq)
    return coverage


def _write_ranges(connection: Connection, log_key: int, coverage: Coverage) -> None:
    connection.execute(tables.ranges.delete().where(tables.ranges.c.log_id == log_key))
    rows = [{"log_id": log_key, "start_seq": start, "end_seq": end} for start, end in coverage.ranges()]
    if rows:
        connection.execute(insert(tables.ranges), rows)
    connection.execute(update(tables.logs).where(tables.logs.c.id == log_key).values(given_up=coverage.given_up))


def _insert(connection: Connection, table: Table, **values: Any) -> int:
    """Insert one row; returns its key."""
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])
