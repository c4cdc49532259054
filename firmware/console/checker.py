"""Checks a candidate unit by unit: while the box polls, a whole ot.json would not fit into memory.

The rules are those of the start and given in the same way (gateway.ot). One round looks for mistakes, a second one for
the cost: the code of both at once would not fit either.
"""

import gc

from flashlog.layout import outlook
from gateway import config, revisions, unload
from gateway.errors import MAX_LINES
from gateway.planning import MAX_READS_PER_BUS
from gateway.publisher import MAX_META_BYTES
from modbus.line import Line
from modbus.plan import Plan

_SURELY_SHORT = 16  # points whose text, 228 characters at most, fits MAX_META_BYTES in any case
_DAY_MS = 86400000
# Must be free whenever others run: a MemoryError of theirs ends the run, where one of ours ends the check.
_OTHERS_BYTES = 16384
_PIECES, _PIECE_BYTES = 3, 1024  # of it in such pieces: a message, and what is made of it
_ATTEMPTS = 2  # what others hold comes and goes
_RULES = ("gateway.config_points", "gateway.edge_rules", "gateway.machine_rules", "gateway.forms")
_PLANNING = ("modbus.planner", "gateway.schema_store", "gateway.units", "gateway.ot")


def check_box(gateway):
    """The check of the candidate for this box, which polls; to be gone through as `check`. Returns (errors, costs)."""
    errors, costs = [], []
    sectors = gateway.log.sectors if gateway.log else 0
    for left in range(_ATTEMPTS, 0, -1):
        try:
            yield from check(gateway.rs485, errors, costs, sectors, gateway.plans)
            break
        except MemoryError:
            if left == 1:
                raise
        errors.clear()
        costs.clear()
        _forget(*_RULES)
        _forget(*_PLANNING)
        yield gc.collect
    if errors:
        from console import named

        names = named.Names()
        for place, line in enumerate(errors):
            errors[place] = names.told(line)
            yield None
    return errors, costs


def check(ports, errors, costs, sectors=0, plans=None):
    """A generator of Nones, between which others run, and functions for a pause (console.verbs) with the heap
    collected. Mistakes go to `errors`, what it costs to `costs`, as lines. sectors: of the flash log, 0: not known.
    plans: those in use, None where there are none."""
    it = config.it_half(revisions.EDIT, errors)  # kept: to read it again takes more memory than it does
    yield from _room()
    file = config.opened(revisions.EDIT, config.OT_FILE, errors)
    if file is None:
        return
    with file:
        from gateway.ot import Ot

        ot = Ot(file, ports, errors)
        for _ in ot.units():
            yield from _room()
        del errors[MAX_LINES:]
        if errors:
            return
        _forget(*_RULES)
        yield _load_planner
        yield from _room()
        cost = _Cost(ot, errors)
        for step in ot.units():
            if step:
                cost.take(step[0], step[1])
            yield from _room()
        cost.close()
    yield from _room()
    if not errors:
        costs += cost.lines(sectors)
        _forget(*_PLANNING)
        from console import expense

        yield from _room()
        costs.append(expense.network(it["publish"], cost.records, cost.reply_bytes, cost.values))
        yield from _room()
        yield gc.collect
        costs.append(expense.memory(it, cost.listens))
        if plans is not None:
            line = expense.too_much(it, cost.listens, cost.heap, plans)
            if line:
                errors.append(line)


def _room():
    """Lets others run; raises MemoryError instead where they would have too little. Takes 7 ms on an RP2040."""
    if hasattr(gc, "mem_free") and gc.mem_free() < 2 * _OTHERS_BYTES:  # not on CPython
        gc.collect()  # at once: in a pause would be after they have run
        if gc.mem_free() < _OTHERS_BYTES:
            raise MemoryError
    [bytearray(_PIECE_BYTES) for _ in range(_PIECES)]  # raises it where what is free lies in small pieces
    yield None


def _load_planner():
    from modbus import planner  # noqa: F401  (what units leave between them is no room in one piece)


def _forget(*names):
    for name in names:
        unload.unload(name)


class _Cost:
    """What a configuration costs, told unit by unit; what only the whole shows goes to `errors`."""

    def __init__(self, ot, errors):
        self._ot = ot
        self._errors = errors
        self._buses = []  # lines about them
        self._number = -1
        self.listens = False  # a bus is in mode listen
        self.records = 0  # a day
        self.reply_bytes = 0  # a day, with 5 bytes of each that become tag, group, time and size
        self.values = 0  # a day
        self.heap = [0, 0, 0]  # units, reads, points, as `expense.too_much` wants to know

    def take(self, number, unit):
        """One more unit of bus `number`."""
        from modbus import planner

        if number != self._number:
            self.close()
            self._number = number
            self._units = self._reads = self._share = 0
            self._bus = bus = self._ot.head["buses"][number]
            self.listens = self.listens or bus["mode"] == "listen"
        bus = self._bus
        try:
            plan = Plan(Line(bus["name"], bus["baud"], bus["serial_format"], 1000), [unit], frames=False)
        except planner.PlanError as error:
            self._say(str(error))
            return
        for read in plan.reads:
            self._add(unit, bus, read)
            self.heap[2] += len(read.points)
        self.heap[0] += 1
        self.heap[1] += len(plan.reads)
        self._units += 1
        self._reads += len(plan.reads)
        self._share += plan.share_permille()

    def _add(self, unit, bus, read):
        records = _DAY_MS // read.period_ms
        self.records += records
        self.reply_bytes += records * read.need
        self.values += records * len(read.points)
        if len(read.points) > _SURELY_SHORT or any([len(point) > config.USUAL_KEYS for point in read.points]):
            from gateway import schema_store as store  # only where it may be too much

            size = len(store.read_text(bus["name"], read, ())) + 2  # its number may have more digits
            size += len(store.silence_text(read.points))
            for point in read.points:  # the whole text may not fit into memory now
                size += 1 + len(store.point_text(point, point["address"] - read.address))
            if size > MAX_META_BYTES - 64:
                self._say(
                    "%s: one read of %d points needs %d bytes of metadata, allowed %d: lower max_registers"
                    % (unit["name"], len(read.points), size, MAX_META_BYTES - 64)
                )

    def close(self):
        """The last unit of a bus was told."""
        if self._number < 0:
            return
        path = "buses[%d]" % self._number
        bus, share = self._bus, self._share
        if self._reads > MAX_READS_PER_BUS:
            line = "%s: found %d reads, allowed %d: merge points by a larger max_gap or fewer different periods"
            self._say(line % (path, self._reads, MAX_READS_PER_BUS))
        allowed = bus["max_busy_percent"] * 10
        if share > allowed:
            self._say(
                "%s: polling needs at least %d.%d %% of the bus, allowed %d.%d %%: longer periods, or more baud"
                % ((bus["name"],) + divmod(share, 10) + divmod(allowed, 10))
            )
        else:
            self._buses.append(
                "%s: %d units in %d reads use %d.%d %% of the bus"
                % ((bus["name"], self._units, self._reads) + divmod(share, 10))
            )

    def lines(self, sectors):
        """What it costs. sectors: of the flash log, 0: not known."""
        found = self._buses + ["about %d records a day" % self.records]
        if sectors:
            blocks = min(self.records, 86400)  # one a second
            found.append("at most " + outlook(sectors, self.reply_bytes + 32 * blocks))
        head = self._ot.head
        counts = {key: len(head.get(key, ())) for key in ("derived", "aggregates", "alarms", "anomaly")}
        counts["deadband"] = self._ot.banded
        counts["machine"] = head["machine"] is not None
        counts["attribution"] = head["attribution"]
        if any(counts.values()):
            from gateway import edge_cost

            found += edge_cost.lines(counts)
        return found

    def _say(self, line):
        if len(self._errors) < MAX_LINES:
            self._errors.append("ot.json: " + line)
