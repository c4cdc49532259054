"""Sparkplug nodes in the tables of `fieldgate collect`: a node is a box, a device's metric the point `device.metric`.

Promises: each value once, by metric and timestamp (Sparkplug has no other identity), as exact as it came; scale and
offset only where the birth tells them as our boxes do; a value that is null is stored with its quality and never as a
number. A node whose birth was not seen is asked for it once (NCMD Rebirth), at most every ASK_AGAIN_S; what it says
until then waits in memory, at most MAX_HELD messages of it. Gaps are counted in messages, by seq.

QoS 0 is what Sparkplug demands: a broker keeps nothing for a collector that is away.
"""

from __future__ import annotations

import json
import math
import time
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from fieldgate import collect_tables as tables
from fieldgate import sparkplug_payload as spb
from fieldgate.monitor.coverage import Coverage
from fieldgate.monitor.values import float32_text

LOG = "sparkplug"  # stands where a box's log id would
MAX_HELD = 1000
ASK_AGAIN_S = 60
STALE = 500  # Quality (Sparkplug 3.0.0, 6.4.15) of a null that nothing is known of
_TYPES = {1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "uint8", 6: "uint16", 7: "uint32", 8: "uint64",
          9: "float32", 10: "float64", 11: "bool", 12: "string", 13: "utc_ms", 14: "text", 15: "uuid"}  # fmt: skip


class Point:
    """One metric of a device as it was born: the key of its row, and what turns a value into a number."""

    def __init__(self, key: int, datatype: int, scale: str, offset: str) -> None:
        self.key, self.datatype, self.scale, self.offset = key, datatype, scale, offset

    def exact(self, metric: spb.Metric) -> tuple[float | None, str]:
        """A value as (number for calculations, decimal text of every digit), as of collect_store.exact."""
        value = metric.value
        if isinstance(value, bool):
            return float(value), "true" if value else "false"
        if isinstance(value, str):
            return None, value[:64]
        if isinstance(value, float) and not math.isfinite(value):
            return None, str(value) if metric.word is None else f"{value} 0x{metric.word:x}"
        digits = float32_text(value) if metric.word is not None else repr(value)
        if (self.scale, self.offset) == ("1", "0"):
            return float(value), digits
        number = Decimal(digits) * Decimal(self.scale) + Decimal(self.offset)
        return float(number), format(number, "f")


class Node:
    """What is known of a node since its birth was seen; `box` is its row, see collect_store.Box."""

    def __init__(self, box: Any, log_key: int, boot_key: int, coverage: Coverage) -> None:
        self.box, self.log_key, self.boot_key, self.coverage = box, log_key, boot_key, coverage
        self.aliases = spb.Aliases()
        self.points: dict[tuple[str, str], Point] = {}  # by (device, metric) of the births that stand
        self.born: set[str] = set()  # devices, and "" for the node itself
        self.held: list[tuple[str, str, spb.Payload, int]] = []
        self.asked_at = -math.inf

    def forget(self) -> None:
        """Births may have been missed."""
        self.aliases = spb.Aliases()
        self.points, self.born, self.held = {}, set(), []
        self.box.waiting = 0

    def number_of(self, seq: int, birth: bool) -> int | None:
        """The number of a message since this node is collected: its seq with the rounds before it. None: it came
        before. A birth begins a round without a gap."""
        newest = self.coverage.newest
        if newest is None:
            return seq
        if birth:
            following = (newest // 256 + 1) * 256 + seq
            self.coverage.add(newest + 1, following - newest - 1)
            return following
        return newest + (seq - newest) % 256 if (seq - newest) % 256 else None


class Nodes:
    """All nodes of a Collection (`collection`). `asks` holds topics on which to ask for a birth, for the caller."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection
        self._nodes: dict[str, Node] = {}
        self.asks: list[str] = []

    def forget(self) -> None:
        """The connection was lost: births may have been missed."""
        for node in self._nodes.values():
            node.forget()

    def take(
        self, connection: Connection, place: tuple[str, str, str], payload: bytes, arrival_ms: int,
        touched: dict[int, Coverage],
    ) -> None:  # fmt: skip
        """One message. Raises ValueError for what is no payload."""
        base, kind, device = place
        if kind not in ("NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"):
            return  # commands, and STATE of hosts
        found = spb.read(payload)
        node = self._nodes.get(base) or self._open(connection, base, arrival_ms)
        if kind == "NDEATH":  # the broker's message: no seq
            self._tell(connection, node, device, "offline", found, arrival_ms)
            node.forget()
            return
        if found.seq is None:
            raise ValueError("no seq")
        number = node.number_of(found.seq & 255, kind == "NBIRTH")
        if number is not None:
            node.coverage.add(number, 1)
            touched[node.log_key] = node.coverage
            tables_row = {"boot_id": node.boot_key, "schema_id": LOG, "seq": number, "records": 1,
                          "size_bytes": len(payload), "arrival_ms": arrival_ms, "repeats": 0}  # fmt: skip
            connection.execute(insert(tables.batches).values(tables_row))
            node.box.counts["batches"] += 1
        self._act(connection, node, kind, device, found, arrival_ms)

    def _act(
        self, connection: Connection, node: Node, kind: str, device: str, found: spb.Payload, arrival_ms: int
    ) -> None:
        if kind.endswith("BIRTH"):
            if kind == "NBIRTH":
                held, node.held = node.held, []
                node.forget()
                node.held = held
            self._bear(connection, node, device, found)
            self._tell(connection, node, device, "online", found, arrival_ms)
        elif kind == "DDEATH":
            node.born.discard(device)
            self._tell(connection, node, device, "offline", found, arrival_ms)
            return
        elif device not in node.born:
            self._hold(node, (kind, device, found, arrival_ms))
            return
        self._values(connection, node, device, found, arrival_ms, kind.endswith("BIRTH"))
        if kind.endswith("BIRTH"):
            waiting, node.held = node.held, []
            for one in waiting:
                self._act(connection, node, *one)  # what its device was not born for is held again
            node.box.waiting = len(node.held)

    def _hold(self, node: Node, message: tuple[str, str, spb.Payload, int]) -> None:
        if len(node.held) >= MAX_HELD:
            raise ValueError(f"{MAX_HELD} messages wait for the birth already")
        node.held.append(message)
        node.box.waiting = len(node.held)
        now = time.monotonic()
        if now - node.asked_at >= ASK_AGAIN_S:
            node.asked_at = now
            prefix, group, name = node.box.base.split("/")
            self.asks.append(f"{prefix}/{group}/NCMD/{name}")

    # Rows

    def _open(self, connection: Connection, base: str, arrival_ms: int) -> Node:
        box = self._collection.box(connection, base, arrival_ms)
        log_key, coverage = self._collection.log_of(connection, box, LOG)
        if (LOG, 0) not in box.boots:
            row = insert(tables.boots).values(log_id=log_key, boot=0, zero_utc_ms=0)
            key = connection.execute(row).inserted_primary_key
            assert key is not None
            box.boots[LOG, 0] = int(key[0]), 0
        self._nodes[base] = Node(box, log_key, box.boots[LOG, 0][0], coverage)
        return self._nodes[base]

    def _tell(
        self, connection: Connection, node: Node, device: str, state: str, found: spb.Payload, arrival_ms: int
    ) -> None:
        """The newest state of the node or a device becomes a document."""
        text = json.dumps({"state": state, "utc_ms": found.timestamp_ms})
        self._collection.document(connection, node.box, f"devices/{device}" if device else "state", text, arrival_ms)
        if not device:
            node.box.state = state
            changed = {"state": state, "box": node.box.base.rpartition("/")[2][:64], "last_seen_ms": arrival_ms}
            connection.execute(update(tables.boxes).where(tables.boxes.c.id == node.box.key).values(changed))

    def _bear(self, connection: Connection, node: Node, device: str, found: spb.Payload) -> None:
        """Points for the metrics that a birth names; those that are there already keep their rows."""
        names = [f"{device}.{each.name}" if device else each.name for each in found.metrics]
        places = [place for place in node.box.metas if place[0] == LOG and node.box.metas[place][0]["unit"] == device]
        if places:
            meta, keys = node.box.metas[places[0]]
            group = connection.execute(
                select(tables.groups.c.id).where(tables.groups.c.box_id == node.box.key,
                                                 tables.groups.c.schema_id == LOG,
                                                 tables.groups.c.number == places[0][1])
            ).scalar_one()  # fmt: skip
        else:
            number = sum(place[0] == LOG for place in node.box.metas)
            meta, keys = {"unit": device, "points": []}, []
            row = insert(tables.groups).values(box_id=node.box.key, schema_id=LOG, number=number, meta="{}")
            key = connection.execute(row).inserted_primary_key
            assert key is not None
            group = int(key[0])
            node.box.metas[LOG, number] = meta, keys
        there = {(one["name"], one["type"], one["unit"]): index for index, one in enumerate(meta["points"])}
        for metric, name in zip(found.metrics, names):
            node.aliases.complete(metric)
            told = {"name": name[:128], "type": _TYPES.get(metric.datatype, str(metric.datatype)),
                    "unit": str(metric.properties.get("engUnit", ""))[:32]}  # fmt: skip
            index = there.get((told["name"], told["type"], told["unit"]))
            if index is None:
                index = len(meta["points"])
                there[told["name"], told["type"], told["unit"]] = index
                meta["points"].append(told)
                row = insert(tables.points).values(group_id=group, position=index, **told)
                key = connection.execute(row).inserted_primary_key
                assert key is not None
                keys.append(int(key[0]))
            scale, offset = (str(metric.properties.get(each, none)) for each, none in (("scale", "1"), ("offset", "0")))
            point = Point(keys[index], metric.datatype, _number(scale, "1"), _number(offset, "0"))
            node.points[device, metric.name] = point
        connection.execute(update(tables.groups).where(tables.groups.c.id == group).values(meta=json.dumps(meta)))
        node.born.add(device)

    def _values(
        self, connection: Connection, node: Node, device: str, found: spb.Payload, arrival_ms: int, birth: bool
    ) -> None:
        counts = node.box.counts
        for metric in map(node.aliases.complete, found.metrics):
            if not device and metric.name == "Event" and self._event(connection, node, metric, found, arrival_ms):
                continue
            point = node.points.get((device, metric.name))
            if point is None or metric.datatype != point.datatype:
                counts["rubbish"] += 1
                name = metric.name or metric.alias
                self._collection.last_rubbish = f"{node.box.base}: metric {name} of {device} was not born so"
                continue
            told_ms = metric.timestamp_ms if metric.timestamp_ms is not None else found.timestamp_ms
            if told_ms is None or (birth and (metric.null or metric.name in _CONTROL)):
                continue  # at birth a null is no read, and a control is no value
            table = tables.samples
            here = (table.c.point_id == point.key) & (table.c.boot_id == node.boot_key) & (table.c.uptime_ms == told_ms)
            if connection.execute(select(table.c.point_id).where(here)).first():
                counts["duplicates"] += not birth
                continue
            value, text = (None, None) if metric.null else point.exact(metric)
            quality = int(metric.properties.get("quality_code") or STALE) if metric.null else 0
            row = {"point_id": point.key, "boot_id": node.boot_key, "uptime_ms": told_ms, "utc_ms": told_ms,
                   "quality": quality, "value": value, "exact": text, "seq": node.coverage.newest or 0,
                   "arrival_ms": arrival_ms}  # fmt: skip
            connection.execute(insert(table).values(row))
            node.box.delays.add(arrival_ms - told_ms)
            counts["failed" if metric.null else "samples"] += 1
            counts["values"] += 1

    def _event(
        self, connection: Connection, node: Node, metric: spb.Metric, found: spb.Payload, arrival_ms: int
    ) -> bool:
        """Our boxes tell events as a JSON list that begins with the code. False for what is none."""
        try:
            code, *what = json.loads(metric.value)
        except (ValueError, TypeError):
            return False
        if type(code) is not int:
            return False
        table = tables.events
        told_ms = metric.timestamp_ms or found.timestamp_ms
        same = {"boot_id": node.boot_key, "uptime_ms": told_ms, "code": code, "what": json.dumps(what)[:200]}
        if connection.execute(select(table.c.code).filter_by(**same)).first() is None:
            row = insert(table).values(**same, utc_ms=told_ms, seq=node.coverage.newest or 0, arrival_ms=arrival_ms)
            connection.execute(row)
            node.box.counts["events"] += 1
        return True


_CONTROL = ("bdSeq", "Node Control/Rebirth")


def _number(text: str, otherwise: str) -> str:
    """`text` if it is a finite number."""
    try:
        return text if Decimal(text).is_finite() else otherwise
    except InvalidOperation:
        return otherwise
