"""A box with rules and a plant of one unit in virtual time: gateway.edge as the application has it, without a bus.

    plant = Plant({"alarms": [...]}, {"t": ("int16", {"scale": 0.1})})
    plant.feed(t=235)     a poll's outcome; None: the read failed
    plant.run(5)          seconds without one
"""

import json
import os
import struct

from clock import VirtualLoop
from edge_box import Gateway
from gateway import edge, edge_start, schema_store, virtual
from gateway import schema as schemas
from gateway.clock import Uptime
from ot_half import Half

UTC_MS = 1795312800000
_FORMS = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "float32": ">f", "uint64": ">Q"}


class Keeper:
    """Does a chore at once, unless it is `busy`."""

    def __init__(self):
        self.busy = False
        self._chore = None

    @property
    def chore(self):
        return self._chore

    @chore.setter
    def chore(self, chore):
        self._chore = chore
        if not self.busy and chore:
            self._chore = None
            chore()


def ot_of(sections, points, period_ms=1000):
    """The OT half as the box reads it. points: {name: type or (type, other keys)} of unit "m"."""
    listed = []
    for address, name in enumerate(sorted(points)):
        kind, more = points[name] if isinstance(points[name], tuple) else (points[name], {})
        point = {"name": name, "fc": 3, "address": 4 * address, "type": kind, "period_ms": period_ms}
        point.update(more)
        listed.append(point)
    unit = {"name": "m", "unit_id": 1, "max_registers": 125, "points": listed}
    ot = {"format": 1, "owner": "controls", "revision": 1, "buses": [{"name": "line1", "units": [unit]}]}
    ot.update(sections)
    return Half(ot)


class Plant(Gateway):
    """utc: the box knows the time; tick_ms: how often the rules look at it. What is recorded is in `recorder`."""

    def __init__(self, sections, points, period_ms=1000, utc=True, tick_ms=50):
        Gateway.__init__(self, utc_ms=UTC_MS if utc else None)
        self.boot = 1
        edge.TICK_MS = tick_ms
        half = ot_of(sections, points, period_ms)
        assert not half.errors, half.errors
        ot = half.head
        self.uptime = Uptime(self.clock)
        self.keeper = Keeper()
        self.points = half.units[0]["points"]
        self.nbytes = 2 * max([point["address"] for point in self.points]) + 8
        self.group = 0
        self.virtual = virtual.reads_of(ot)
        self.period_ms = period_ms
        self.schema = schema_store.store(self._texts)
        self.edge = edge_start.make(self, ot)
        self.loop = VirtualLoop(self.clock, 0)
        self._runs = False

    def _texts(self):
        count = self.nbytes // 2
        yield schema_store.group_text("line1", "m", 1, self.group, 3, 0, count, self.period_ms, self.points)
        for read in self.virtual:
            yield schema_store.read_text(virtual.BUS, read, read.points)

    async def room(self, sleep_ms):
        pass

    def feed(self, after_ms=None, quality=0, **values):
        """One poll after `after_ms` (the period); points that are not named are 0."""
        self.run((self.period_ms if after_ms is None else after_ms) / 1000)
        data = bytearray(self.nbytes)
        for point in self.points:
            struct.pack_into(_FORMS[point["type"]], data, 2 * point["address"], values.get(point["name"], 0))
        self.uptime.update()
        self.sample(self.group, quality, self.clock.ticks_ms(), data, len(data))

    def run(self, seconds):
        if not self._runs:
            self._runs = True
            self.loop.spawn(self.edge.run(self.loop.sleep_ms))
        self.loop.run_ms(round(seconds * 1000))

    def events(self):
        """What was recorded since the last look."""
        found, self.recorder.events = self.recorder.events, []
        return found

    def values(self, unit, period_ms=None):
        """[(quality, {name: raw number or None}, ticks_ms)] of a virtual unit's samples since the last look."""
        reads = [r for r in self.virtual if r.unit.name == unit and period_ms in (None, r.period_ms)]
        (read,) = reads
        found = []
        for group, quality, ticks, data in self.recorder.samples:
            if group == read.group:
                found.append((quality, None if data is None else self._numbers(read, data), ticks))
        self.recorder.samples = [one for one in self.recorder.samples if one[0] != read.group]
        return found

    def _numbers(self, read, data):
        numbers = {}
        for point in read.points:
            (number,) = struct.unpack_from(_FORMS[point["type"]], data, 2 * point["address"])
            na = point["na"][0]
            if na == "nan":
                number = None if number != number else number
            elif number == (na if na != "ff" else (1 << 8 * struct.calcsize(_FORMS[point["type"]])) - 1):
                number = None
            numbers[point["name"]] = number
        return numbers

    def listed(self):
        """The list of alarms as it is published."""
        from gateway import alarm_list

        return json.loads("".join(alarm_list.report(self)))


def clear():
    """As a box that was never started."""
    for name in os.listdir():
        if name == "alarms.txt":
            os.remove(name)
    if schemas.FOLDER in os.listdir():
        for name in os.listdir(schemas.FOLDER):
            os.remove(schemas.FOLDER + "/" + name)
