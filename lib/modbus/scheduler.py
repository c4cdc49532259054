"""Decides which read is next: highest priority, then earliest deadline first, silent units in quarantine.

A read is due on a fixed grid (phase + k * period); its deadline is the next grid point. A
poll that could not be made before its next one is due is left out and counted in `skipped`,
never made up for. Of the reads that are due, those of the highest priority come first; among equals
the one with the earliest deadline. So when faults take more time than the plan has left, polls
of low priority are left out and those of high priority keep their rate.

A unit that failed FAIL_LIMIT polls in a row is polled no more; only a probe (one of its
reads, without retries) is sent, first after PROBE_FIRST_MS, then at intervals that double up to
PROBE_LIMIT_MS, +-25 % so that probes of several units do not meet. A probe goes out when the
bus is idle for as long as it can take, or when the last failed one is PROBE_SHARE times its
duration ago: so all probes together take at most 1/PROBE_SHARE of the bus from the others.
The first good answer (an exception is one) ends the quarantine at once.

Silence is attributed: if another unit has answered since this one began to fail, the unit is
silent; if no unit answers, the bus is at fault. Then there is nobody to spare, and every unit is
probed every PROBE_FAULT_MS.
After SUSPECT_LIMIT timeouts in a row, of whatever units, the line itself is suspected until one
answers: retries are left out, one failed poll is enough for quarantine, and the other units are
asked before their time. So a cut cable is known after one timeout per unit. With a single unit it
never can be clear: then the unit is called silent.
"""

from array import array

from modbus.cells import (
    ANSWERS,
    DEADLINE_MS,
    FAILS,
    NEXT,
    PERIOD_MS,
    QUARANTINED,
    READ_CELLS,
    READS,
    READY_MS,
    ROW,
    SINCE_MS,
    SKIPPED,
    UNCLEAR,
)
from modbus.codes import BUS_BACK, EVENT_BUS_FAULT, UNIT_BACK, UNIT_SILENT, const
from modbus.evidence import cells_of

FAIL_LIMIT = const(2)
SUSPECT_LIMIT = const(3)
PROBE_FIRST_MS = const(1000)
PROBE_LIMIT_MS = const(60000)
PROBE_FAULT_MS = const(500)
PROBE_SHARE = const(25)
_LONG_MS = const(0x1FFFFFFF)  # the longest time that ticks can tell
_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)


def advance(c, table, i, now):
    """Set read i to its next grid point that is not past at `now`; polls that are left out are counted in the cells c.

    Good polls do the same in machine code (modbus.native.turn).
    """
    row = i * READ_CELLS
    period = table[row + PERIOD_MS]
    due = table[row + DEADLINE_MS]
    behind = ((now - due + _HALF) & _MASK) - _HALF
    if behind >= period:
        skipped = behind // period
        c[SKIPPED] = (c[SKIPPED] + skipped) & _MASK
        due += skipped * period
    table[row + READY_MS] = due & _MASK
    table[row + DEADLINE_MS] = (due + period) & _MASK


class Health:
    """What the scheduler knows of one unit; the rest is in its cells."""

    def __init__(self, unit, indexes, now_ms):
        self.unit = unit
        self.cells = unit.cells
        self.cells[FAILS] = 0
        self.cells[SINCE_MS] = now_ms
        self.indexes = indexes  # of its reads
        self.quarantined = False
        self.announced = False  # unit_silent was reported
        self.mark = 0  # answers of all units when this unit began to fail
        self.probe_ms = 0  # next probe
        self.interval_ms = PROBE_FIRST_MS
        self.turn = 0  # which of its reads is the next probe

    @property
    def fails(self):
        """Failed polls in a row."""
        return self.cells[FAILS]

    @property
    def since_ms(self):
        """ticks_ms of its last answer, or of the begin."""
        return self.cells[SINCE_MS]


class Scheduler:
    """Schedule of one plan. rand(n) gives an int 0..n-1; on_event(code, a, b) as in modbus.codes.

    cells: of the line, see modbus.cells.
    """

    def __init__(self, plan, clock, rand, on_event, cells):
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._add = clock.ticks_add
        self._rand = rand
        self._on_event = on_event
        self.fault = False  # no unit answers
        self.cells = cells
        self._round = 0  # probes that go out without regard to their share, after a bus fault
        self._probe_ok_ms = 0
        self.load(plan)

    def load(self, plan):
        """Begin with `plan`; all units count as healthy."""
        self.plan = plan
        self._loaded_ms = now = self._ms()
        self.table = array("i")  # a row for each read: see modbus.cells
        for read, phase in zip(plan.reads, plan.phases()):
            due = self._add(now, phase)
            self._append(read, due if read.active else -1, self._add(due, read.period_ms))
        self.health = []
        for unit in plan.units:
            indexes = [i for i, read in enumerate(plan.reads) if read.unit is unit]
            self.health.append(Health(unit, indexes, now))
        self.cells[QUARANTINED] = 0
        self._probe_ok_ms = now

    @property
    def quarantined(self):
        """Number of units that are in quarantine."""
        return self.cells[QUARANTINED]

    @property
    def skipped(self):
        """Polls that were left out, modulo 2^30."""
        return self.cells[SKIPPED]

    def begin(self):
        """Polling begins now: so do the grids, which were laid when the plan was loaded. Once for each plan."""
        if self._loaded_ms is None:
            return
        late_ms = max(0, self._diff(self._ms(), self._loaded_ms))
        self._loaded_ms = None
        for row in range(0, len(self.table), READ_CELLS):
            if self.table[row + READY_MS] >= 0:
                self.table[row + READY_MS] = self._add(self.table[row + READY_MS], late_ms)
                self.table[row + DEADLINE_MS] = self._add(self.table[row + DEADLINE_MS], late_ms)

    def _append(self, read, ready_ms, deadline_ms):
        frame = read.frame
        first_us = self.plan.line.chars_us(len(frame)) + read.unit.first_byte_timeout_ms * 1000
        # In the order of modbus.cells.
        row = (
            ready_ms, deadline_ms, read.priority, read.period_ms, read.need, frame[0] | frame[1] << 8, read.wire_us,
            first_us, cells_of(read.unit), 0,
        )  # fmt: skip
        self.table.extend(array("i", row))
        self.cells[READS] = len(self.table) // READ_CELLS

    def health_of(self, read):
        """Health of a read's unit."""
        return self.health[read.unit.index]

    def choose(self):
        """Index of the read to send now, or -1 - ms until there may be one (at most 1000). `turn` has just looked."""
        choice = self.cells[NEXT]
        return self._or_probe(choice, self._ms()) if self.cells[QUARANTINED] else choice

    def is_probe(self, i):
        """True if read i is asked only to see whether its unit is back."""
        return self.table[i * READ_CELLS + READY_MS] < 0

    def _or_probe(self, choice, now):
        """The same while units are in quarantine; choice: what is next of the others."""
        due = None
        late = 0
        wait = 1000
        for health in self.health:
            if health.quarantined:
                over = self._diff(now, health.probe_ms)
                if over < 0:
                    wait = min(wait, -over)
                elif due is None or over > late:
                    due = health
                    late = over
        if due is not None:
            if (
                self._round > 0
                or not self._others_live()
                or -1 - choice > due.unit.first_byte_timeout_ms + 20
                or self._diff(now, self._probe_ok_ms) >= 0
            ):
                return self._probe_of(due)
            wait = min(wait, self._diff(self._probe_ok_ms, now))
        if choice < 0:
            return -1 - min(wait, -1 - choice)
        return choice

    def _others_live(self):
        """True if a unit is polled that a probe could keep waiting."""
        return self.cells[QUARANTINED] < len(self.health)

    def _probe_of(self, health):
        """Index of the read that probes a unit; its reads take turns."""
        n = len(health.indexes)
        for _ in range(n):
            health.turn = (health.turn + 1) % n
            if self.plan.reads[health.indexes[health.turn]].active:
                break
        return health.indexes[health.turn]

    def retry(self, i, hold_ms):
        """Read i is tried again before its deadline; its unit is left alone for hold_ms."""
        if hold_ms:
            self._hold(self.health_of(self.plan.reads[i]), hold_ms)

    def _hold(self, health, hold_ms):
        until = self._add(self._ms(), hold_ms)
        for k in health.indexes:
            ready = self.table[k * READ_CELLS + READY_MS]
            if ready >= 0 and self._diff(ready, until) < 0:
                self._set_ready(k, until)

    def _set_ready(self, i, ms):
        self.table[i * READ_CELLS + READY_MS] = ms

    def timed_out(self):
        """A request was not answered; returns True if the line itself is suspected."""
        self.cells[ROW] += 1
        return self.cells[ROW] >= SUSPECT_LIMIT and len(self.health) > 1

    def answered(self, i):
        """Read i was answered (an exception is an answer): set its next time, end a quarantine."""
        c = self.cells
        c[ROW] = 0
        c[ANSWERS] = (c[ANSWERS] + 1) & _MASK
        health = self.health_of(self.plan.reads[i])
        now = self._ms()
        if health.quarantined or c[UNCLEAR]:
            self._recover(health, now)
        health.cells[FAILS] = 0
        health.cells[SINCE_MS] = now
        self._advance(i, now)

    def _recover(self, health, now):
        """This answer ends a quarantine, or tells that others are silent and not the bus."""
        if health.quarantined:
            health.cells[FAILS] = 0
            self._release(health, min(max(0, self._diff(now, health.since_ms)), _LONG_MS), now)
        if self.cells[UNCLEAR]:
            self.cells[UNCLEAR] = 0
            for other in self.health:
                if other.quarantined and other.fails and not other.announced:
                    self._announce(other, now)

    def _release(self, health, silent_ms, now):
        health.quarantined = False
        self.cells[QUARANTINED] -= 1
        self._round -= 1
        if self.fault:
            self.fault = False
            self._on_event(BUS_BACK, health.unit.unit_id, 0)
            self._round = self.cells[QUARANTINED]
            for other in self.health:
                other.probe_ms = now
                other.interval_ms = PROBE_FIRST_MS
                other.cells[FAILS] = 0
        if health.announced:
            health.announced = False
            self._on_event(UNIT_BACK, health.unit.unit_id, silent_ms)
        for k in health.indexes:
            if self.plan.reads[k].active:
                self._advance(k, now)
                row = k * READ_CELLS
                if self._diff(self.table[row + READY_MS], now) > 0:
                    self.table[row + DEADLINE_MS] = self.table[row + READY_MS]
                self._set_ready(k, now)

    def failed(self, i, hold_ms, cost_ms, suspect):
        """The poll of read i timed out for good, which took the bus cost_ms. Returns True at a quarantine or probe.

        suspect: what `timed_out` said.
        """
        health = self.health_of(self.plan.reads[i])
        now = self._ms()
        if self._diff(now, health.since_ms) < 0:
            health.cells[SINCE_MS] = self._add(now, -_LONG_MS)
        health.cells[FAILS] += 1
        if health.fails == 1:
            health.mark = self.cells[ANSWERS]
        if health.quarantined:
            self._round -= 1
            self._probe_ok_ms = self._add(now, PROBE_SHARE * cost_ms)
            health.interval_ms = min(2 * health.interval_ms, PROBE_LIMIT_MS)
            for k in health.indexes:
                self._advance(k, now)
                self._set_ready(k, -1)
        elif suspect or health.fails >= FAIL_LIMIT:
            self._quarantine(health)
        else:
            self._advance(i, now)
            self._hold(health, hold_ms)
            return False
        spread = health.interval_ms // 2
        interval = health.interval_ms - spread // 2 + self._rand(spread)
        health.probe_ms = self._add(now, interval if self._others_live() else PROBE_FAULT_MS)
        self._attribute(health, now)
        return True

    def missed(self, i):
        """The poll of read i failed, but not by its unit's silence: wait for its next time."""
        self.cells[ROW] = 0
        self._advance(i, self._ms())

    def _quarantine(self, health):
        health.quarantined = True
        health.interval_ms = PROBE_FIRST_MS
        self.cells[QUARANTINED] += 1
        for k in health.indexes:
            self._set_ready(k, -1)

    def _attribute(self, health, now):
        """Say whose silence it is, once it is clear."""
        if not self._others_live() and len(self.health) > 1:
            if not self.fault:
                self.fault = True
                self._on_event(EVENT_BUS_FAULT, 1, 0)
                for other in self.health:
                    other.probe_ms = now
        elif not health.announced and (health.mark != self.cells[ANSWERS] or len(self.health) == 1):
            self._announce(health, now)
        elif not health.announced:
            self.cells[UNCLEAR] = 1
            for other in self.health:
                if not other.quarantined:
                    self._hurry(other, now)

    def _announce(self, health, now):
        health.announced = True
        self._on_event(UNIT_SILENT, health.unit.unit_id, min(self._diff(now, health.since_ms), _LONG_MS))

    def _hurry(self, health, now):
        """Ask a unit before its time: its answer, or none, tells whose fault the silence of another is."""
        for k in health.indexes:
            row = k * READ_CELLS
            due = self._add(self.table[row + DEADLINE_MS], -self.table[row + PERIOD_MS])
            if self.plan.reads[k].active:
                if self._diff(due, now) > 0:
                    self.table[row + DEADLINE_MS] = due
                    self._set_ready(k, now)
                return

    def _advance(self, i, now):
        """Set read i to its next grid point that is not past."""
        advance(self.cells, self.table, i, now)

    def adopt(self, old):
        """The plan has replaced read `old` by two: poll them at once, `old` no more."""
        now = self._ms()
        health = self.health_of(self.plan.reads[old])
        self._set_ready(old, -1)
        for i in range(self.cells[READS], len(self.plan.reads)):
            self._append(self.plan.reads[i], now, self.table[old * READ_CELLS + DEADLINE_MS])
            health.indexes.append(i)
        health.indexes.remove(old)
