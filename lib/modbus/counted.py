"""What a polled and an overheard line have in common: pauses are asked for and counted, counters are told."""

from modbus.codes import PAUSE_BOUNDS_MS, PAUSE_NAMES, PAUSE_SCAN, const
from modbus.evidence import EXCEPTIONS, NAMES, REPLIES

_MASK = const(0x3FFFFFFF)
SCAN_BIT = const(1 << 5)  # of PAUSE_SCAN and PAUSE_HOLD
HOLD_BIT = const(1 << 6)


class Counted:
    """The part of a bus that modbus.bus.Bus and modbus.listenbus.ListeningBus share. They bring `granted(cause)`,
    and `engine`, `scheduler`, `second` and `evidence` with the counters."""

    def __init__(self, clock, line, plan):
        self.line = line
        self.plan = plan
        self.pause_ms = [0] * len(PAUSE_NAMES)
        self.pauses = [0] * len(PAUSE_NAMES)
        self.supervision = None
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._asked = self._granted = 0
        self._pause_from_ms = [0] * len(PAUSE_NAMES)
        self._stats_ms = clock.ticks_ms()
        self._stats_busy_ms = 0

    def _look_far(self):
        """Somebody has asked for a pause, or has had it."""

    def _interrupted(self):
        """The next request does not follow on this reply as soon as it could."""

    def ask(self, cause):
        """Ask for a pause between transactions; True if it is granted at once. May be called again."""
        bit = 1 << cause
        if not self._asked & bit:
            self._asked |= bit
            self._look_far()
            if self.supervision is not None:
                self.supervision.planned(PAUSE_BOUNDS_MS[cause])
        return self.granted(cause)

    def done(self, cause):
        """End a pause, or withdraw the wish for one. Time since it was granted is counted by cause."""
        bit = 1 << cause
        if self._granted & bit:
            took = max(0, self._diff(self._ms(), self._pause_from_ms[cause]))
            self.pause_ms[cause] = (self.pause_ms[cause] + took) & _MASK
            self.pauses[cause] = (self.pauses[cause] + 1) & _MASK
        self._granted &= ~bit
        self._asked &= ~bit
        self._look_far()
        if not self._granted:
            self.engine.resume(cause >= PAUSE_SCAN)

    def others_wait(self):
        """True if somebody else than a search waits for a pause or has one."""
        return self._asked & ~SCAN_BIT & ~HOLD_BIT != 0

    def expect(self, cause):
        """Somebody is about to hold the loop for up to the bound of `cause`, without a pause."""
        if self.supervision is not None:
            self.supervision.planned(PAUSE_BOUNDS_MS[cause])

    def held(self, cause, held_us, free_us):
        """Somebody held the loop for held_us when `free_us` was what it says: what was more counts as a pause."""
        if held_us > free_us:
            self.pause_ms[cause] = (self.pause_ms[cause] + (held_us - free_us) // 1000) & _MASK
            self.pauses[cause] = (self.pauses[cause] + 1) & _MASK
            self._interrupted()

    # --- for telemetry (allocates)

    def stats(self, units=True):
        """Counters of the line as a dict, in the form of the telemetry topic; with `units` those of every unit too.

        busy_permille is the share since the last call.
        """
        now = self._ms()
        passed = max(1, self._diff(now, self._stats_ms))
        busy_ms = self.evidence.busy_ms()
        busy = self._diff(busy_ms, self._stats_busy_ms)
        self._stats_ms = now
        self._stats_busy_ms = busy_ms
        stats = {"name": self.line.name}
        for name, count in zip(NAMES, self.evidence.totals()):
            stats[name] = count
        codes = self.evidence.exceptions  # others are at 0
        stats["exception_codes"] = {str(code): count for code, count in enumerate(codes) if count}
        stats["resyncs"] = self.engine.resyncs
        stats["late"] = self.engine.late
        stats["stray_bytes"] = self.engine.stray_bytes
        stats["foreign_requests"] = self.second.requests
        stats["skipped"] = self.scheduler.skipped
        stats["busy_permille"] = min(1000, busy * 1000 // passed)
        stats["efficiency_permille"] = self.evidence.efficiency_permille()
        stats["pause_ms"] = {name: self.pause_ms[k] for k, name in enumerate(PAUSE_NAMES)}
        if units:
            stats["units"] = [self.unit_stats(i) for i in range(len(self.plan.units))]
        return stats

    def unit_stats(self, i, counters=True):
        """Unit i of the plan as a dict; without `counters` name, state and ticks_ms of the last answer (or None)."""
        unit, tally, health = self.plan.units[i], self.evidence.tallies[i], self.scheduler.health[i]
        row = {"unit": unit.name, "unit_id": unit.unit_id, "state": "silent" if health.quarantined else "ok"}
        if counters:
            row["latency_us"] = [tally.least_us, tally.mean_us(), tally.max_us]
            for name, count in zip(NAMES, tally.counts):
                row[name] = count
            row.update({"resyncs": unit.resyncs, "late": unit.late})
        else:
            answers = tally.counts[REPLIES] + tally.counts[EXCEPTIONS]
            row["answered_ms"] = health.since_ms if answers else None
        return row
