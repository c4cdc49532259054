"""Reads that a unit refused in one piece: remembered in a file, and what the schema is after a split.

Loaded at the start and when a read was split. The points of the new reads are taken from the meta lines of the
schema that was stored last: while running, the plan does not know its points.
"""

import json
import os

from gateway import schema as schemas
from gateway import schema_store

FILE = "splits.txt"  # one split a line: number of the bus, unit id, function code, address of the second part


def read(number):
    """The splits of bus `number` as modbus.plan.Plan takes them."""
    splits = []
    try:
        with open(FILE) as file:
            for line in file:
                bus, unit_id, fc, address = [int(word) for word in line.split()]
                if bus == number:
                    splits.append((unit_id, fc, address))
    except (OSError, ValueError):
        pass  # nothing was refused so far, or the file is damaged: then it is learned again
    return splits


def schema_of(plans, stored):
    """Id of the schema that the plans stand for now; `stored`: id of the one stored last."""
    return schema_store.schema_of(_texts(plans, stored))


def store(plans, stored, schema):
    """Keep splits and schema in files. schema: what `schema_of` gave. Raises OSError when there is no room."""
    with open(FILE + ".new", "w") as file:
        for number, plan in enumerate(plans):
            for split in plan.splits:
                file.write("%d %d %d %d\n" % ((number,) + tuple(split)))
    os.rename(FILE + ".new", FILE)
    schema_store.store(lambda: _texts(plans, stored), schema=schema)


def _texts(plans, stored):
    """Yield the canonical text of every group in use."""
    head = schema_store.head(stored)
    for plan in plans:
        for read in plan.reads:
            if read.active:
                text = _text(plan, read, schemas.lines(stored))
                yield text[len(head) : -1] if text.startswith(head) else text
    for line in schemas.lines(stored):
        if '"unit_id":0,"fc":0,' in line:  # a virtual group: no split changes it
            yield line[len(head) : -1]


def _text(plan, read, lines):
    # The line of the group itself, or of the group that it was split from.
    first = '"unit_id":%d,"fc":%d,' % (read.unit.unit_id, read.fc)
    for line in lines:
        if schemas.group_of(line) == read.group:
            return line
        if first in line:
            meta = json.loads(line)
            start = read.address - meta["address"]
            if meta["bus"] == plan.line.name and 0 <= start < meta["count"] and meta["period_ms"] == read.period_ms:
                points = [point for point in meta["points"] if start <= point["at"] < start + read.count]
                if "deadband" in meta:
                    from gateway.silence import restore

                    restore(meta, points)
                for point in points:
                    point["address"] = point["at"] + meta["address"]
                return schema_store.read_text(plan.line.name, read, points)
    return schema_store.read_text(plan.line.name, read, ())
