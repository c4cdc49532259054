"""One line, polled by its plan: the part of modbus that the application talks to.

    bus = Bus(port, clock, line, plan, on_result, on_event, rand)
    asyncio.create_task(bus.run(asyncio.sleep_ms))

One long-lived coroutine and no allocation per transaction. Results of one poll are handed over
while the next request is on the wire.
"""

from modbus.codes import (
    BUS_BACK,
    BUS_FAULT,
    EVENT_BUS_FAULT,
    EXCEPTION,
    GOOD,
    NOT_ASKED,
    PAUSE_BOUNDS_MS,
    PAUSE_NAMES,
    PAUSE_SCAN,
    READ_SPLIT,
    TIMEOUT,
    const,
)
from modbus.engine import DONE, GAP, RELAXED_US, REPLY, REST, Engine
from modbus.evidence import EXCEPTIONS, NAMES, REPLIES, Evidence
from modbus.scheduler import Scheduler
from modbus.stranger import SecondClient

_MASK = const(0x3FFFFFFF)
_WAKE_US = const(1500)  # a sleep ends so long before something is to do
_HOLD_US = const(4000)  # after so long without a sleep other tasks get their turn
_BREAK_MS = const(1000)  # between attempts on a port that failed
_SCAN = const(1 << 5)  # bits of PAUSE_SCAN and PAUSE_HOLD
_HOLD = const(1 << 6)


class Bus:
    """A polled line.

    port: the seam of firmware/DESIGN.md and lib/modbus/DESIGN.md. line: modbus.line.Line.
    plan: modbus.plan.Plan. rand(n): int 0..n-1.
    on_result(read, quality, ticks_ms, buf, nbytes): outcome of every poll after its retries;
    buf[0:nbytes] is the raw reply data, valid during the call, nbytes is 0 unless quality is
    GOOD. When a unit enters quarantine and at every failed probe its other reads are reported
    as NOT_ASKED. on_event(code, a, b): modbus.codes. Both must return within 2 ms.
    """

    def __init__(self, port, clock, line, plan, on_result, on_event, rand):
        self.engine = Engine(port, clock, line)
        self.scheduler = Scheduler(plan, clock, rand, on_event)
        self.second = SecondClient(clock, on_event)
        self.engine.on_stray = self.second.hear
        self.borrowed = False  # by a search or identification; there is one at a time
        self.supervision = None
        if any([unit.comm_loss_ms for unit in plan.units]):
            from modbus.supervise import Supervision

            self.supervision = Supervision(plan, clock, on_event)
        self.plan = plan
        self.line = line
        self.stopped = False
        self.evidence = Evidence(line.t35_us, plan.units)
        self.engine.usual_us = self.evidence.usual_us
        self.frozen = None  # evidence.rows() when the last fault began
        self.pause_ms = [0] * len(PAUSE_NAMES)
        self.pauses = [0] * len(PAUSE_NAMES)
        self._port = port
        self._clock = clock
        self._us = clock.ticks_us
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._on_result = on_result
        self._on_event = on_event
        self._i = 0  # read in flight
        self._tries = bytearray(len(plan.reads) + 64)
        self._probe = False
        self._pending = None  # read whose good result is not yet handed over
        self._pending_quality = GOOD
        self._asked = self._granted = 0
        self._pause_from_ms = [0] * len(PAUSE_NAMES)
        self._idle_from_ms = self._stats_ms = clock.ticks_ms()
        self._idle_for_ms = 0
        self._back_to_back = False
        self._rest_us = 0  # silence that the share of the bus demands
        self.broken = False  # the port failed
        self._t35_us = line.t35_us
        self._share = line.share_permille
        self._pending_ms = self._broken_ms = self._stats_busy_ms = 0

    # --- the loop

    async def run(self, sleep_ms):
        """Poll until `stop()`. sleep_ms: asyncio.sleep_ms or the like."""
        if self.supervision is not None:
            self.supervision.begin()
        self.scheduler.begin()
        us = self._us
        diff = self._diff
        rest_ms = self._port.rest_ms
        slept = us()
        while not self.stopped:
            wait_us = self.step()
            if wait_us >= RELAXED_US:
                wait_ms = (wait_us - _WAKE_US) // 1000
            elif wait_us:
                wait_ms = rest_ms
            elif diff(us(), slept) > _HOLD_US:
                wait_ms = 0
            else:
                continue
            await sleep_ms(wait_ms)
            slept = us()

    def stop(self):
        """Let `run` end between transactions."""
        self.stopped = True

    def step(self):
        """Do what can be done now; returns us until there is something to do, 0: go on at once."""
        try:
            if self.engine.state == REPLY:
                return self.engine.await_reply()
            if self._granted:
                return RELAXED_US
            if self.engine.state == GAP:
                if self._asked:
                    return RELAXED_US
                wait = self.engine.await_silence()
                if self._pending is None or self.engine.state != REPLY:
                    return wait
        except OSError:
            self.engine.abort()
            self._break()
            return 0
        if self.engine.state == REPLY:
            return self._deliver_meanwhile()
        if self.engine.state == DONE:
            self._finish()
        return self._next()

    def _next(self):
        """No transaction is under way: begin the next one or rest."""
        if self._asked or self.broken or self._rest_us:
            rest = self._rest()
            if rest:
                if self._pending is not None:
                    self._deliver()
                return rest
        i = self.scheduler.choose()
        if i >= 0:
            self._i = i
            self._probe = self.scheduler.ready[i] < 0
            self.engine.start(self.plan.reads[i])
            return 0
        self._back_to_back = False
        if self._pending is not None:
            self._deliver()
            return 0
        try:
            self.engine.listen()
        except OSError:
            self._break()
        self._idle_from_ms = self._ms()
        self._idle_for_ms = -1 - i
        return self._idle_for_ms * 1000

    def _rest(self):
        """us for which no transaction may begin."""
        if self._asked:
            return RELAXED_US
        if self.broken and self._diff(self._ms(), self._broken_ms) < _BREAK_MS:
            return 50000
        if self._rest_us:
            left = self._rest_us - self._diff(self._us(), self.engine.end_us)
            if left > 0:
                return min(left, 100000)
            self._rest_us = 0
        return 0

    # --- outcomes

    def _finish(self):
        """Account for the transaction that has ended and settle its poll."""
        engine = self.engine
        read = engine.read
        quality = engine.quality
        engine.state = REST
        if quality == BUS_FAULT:
            if self._pending is not None:  # the request never left
                self._deliver()
            self._failed(self._i, read, quality, 0)
            return
        took_us = self._diff(engine.end_us, engine.sent_us)
        lost_us = engine.gap_us - self.line.silence_us if self._back_to_back else 0
        self.evidence.note(read, quality, took_us, lost_us, engine.latency_us, engine.watched, engine.end_ms)
        if self._share < 1000:
            self._rest_us = (took_us + self._t35_us) // self._share * (1000 - self._share)  # below 2^30
        self._back_to_back = quality == GOOD or quality >= EXCEPTION
        if not self._back_to_back:
            self._failed(self._i, read, quality, took_us)
            return
        self._tries[self._i] = 0
        if self.broken:
            self.broken = False
            self._on_event(BUS_BACK, read.unit.unit_id, 0)
        self.scheduler.answered(self._i)
        if (quality == EXCEPTION + 2 or quality == EXCEPTION + 3) and self._split(self._i, read):
            return
        self._pending = read
        self._pending_quality = quality
        self._pending_ms = engine.end_ms

    def _failed(self, i, read, quality, took_us):
        scheduler = self.scheduler
        hold_ms = 0
        suspect = False
        retry = quality != BUS_FAULT and not self._probe and self._tries[i] < read.unit.retries
        if quality == TIMEOUT:
            hold_ms = read.unit.first_byte_timeout_ms
            suspect = scheduler.timed_out()
        if retry and not suspect:
            self._tries[i] += 1
            self.evidence.note_retry(read)
            scheduler.retry(i, hold_ms)
            return
        self._tries[i] = 0
        now = self._ms()
        data = self.engine.data
        if quality == BUS_FAULT and not self.broken:
            self._break(3)
        if quality != TIMEOUT and not self._probe:  # says nothing about the unit, or that it lives
            scheduler.missed(i)
            self._on_result(read, quality, now, data, 0)
            return
        healthy = scheduler.quarantined
        tell = scheduler.failed(i, hold_ms, took_us // 1000 + 1, suspect)
        if scheduler.quarantined != healthy:
            self.frozen = self.evidence.rows()
        if scheduler.fault or self.broken:
            quality = BUS_FAULT
        self._on_result(read, quality, now, data, 0)
        if tell:
            for other in self.plan.reads:
                if other.unit is read.unit and other is not read and other.active:
                    self._on_result(other, BUS_FAULT if quality == BUS_FAULT else NOT_ASKED, now, data, 0)

    def _deliver(self):
        read = self._pending
        self._pending = None
        engine = self.engine
        nbytes = read.need - 5 if self._pending_quality == GOOD else 0
        self._on_result(read, self._pending_quality, self._pending_ms, engine.data, nbytes)

    def _deliver_meanwhile(self):
        """While the request is on the wire. Returns us until there is something to do."""
        self._deliver()
        wait = self.engine.look_us - self._diff(self._us(), self.engine.sent_us)
        return wait if wait > 0 else 1

    def _split(self, i, read):
        """A merged read was refused: let its halves take its place."""
        at = self.plan.split(read)
        if at is None:
            return False
        self.scheduler.adopt(i)
        self._tries.extend(bytes(max(0, len(self.plan.reads) - len(self._tries))))
        self._on_event(READ_SPLIT, read.group, at)
        return True

    def _break(self, reason=2):
        """The port failed or the line is never silent."""
        if not self.broken:
            self._on_event(EVENT_BUS_FAULT, reason, 0)
        self.broken = True
        self._broken_ms = self._ms()

    # --- pauses

    def ask(self, cause):
        """Ask for a pause between transactions; True if it is granted at once. May be called again."""
        bit = 1 << cause
        if not self._asked & bit:
            self._asked |= bit
            if self.supervision is not None:
                self.supervision.planned(PAUSE_BOUNDS_MS[cause])
        return self.granted(cause)

    def granted(self, cause):
        """True if the pause has begun: no reply is awaited and none will be before `done(cause)`."""
        bit = 1 << cause
        if self._granted & bit:
            return True
        if self.engine.state == REPLY or not self._asked & bit:
            return False
        others = self._granted & ~_HOLD
        if others and (cause == PAUSE_SCAN or others & _SCAN):
            return False  # a reply to a question of the search may come: no flash, no garbage collection
        self._granted |= bit
        self._back_to_back = False
        self._pause_from_ms[cause] = self._ms()
        return True

    def done(self, cause):
        """End a pause, or withdraw the wish for one. Time since it was granted is counted by cause."""
        bit = 1 << cause
        if self._granted & bit:
            took = max(0, self._diff(self._ms(), self._pause_from_ms[cause]))
            self.pause_ms[cause] = (self.pause_ms[cause] + took) & _MASK
            self.pauses[cause] = (self.pauses[cause] + 1) & _MASK
        self._granted &= ~bit
        self._asked &= ~bit
        if not self._granted:
            self.engine.resume(cause >= PAUSE_SCAN)

    def others_wait(self):
        """True if somebody else than a search waits for a pause or has one."""
        return self._asked & ~_SCAN & ~_HOLD != 0

    def tell_all(self, quality):
        """Report every read with this quality: polling is about to stop for long."""
        for read in self.plan.reads:
            if read.active:
                self._on_result(read, quality, self._ms(), self.engine.data, 0)

    def free_us(self):
        """us from now for which the line notices nothing if somebody holds the loop; 0: it needs us now.

        While a reply is awaited: until it can be complete. At most 2^29.
        """
        engine = self.engine
        if self._granted:
            return 0
        if engine.state == REPLY:
            return max(0, engine.look_us - self._diff(self._us(), engine.sent_us))
        return min(self.idle_ms(), 500000) * 1000

    def expect(self, cause):
        """Somebody is about to hold the loop for up to the bound of `cause`, without a pause."""
        if self.supervision is not None:
            self.supervision.planned(PAUSE_BOUNDS_MS[cause])

    def held(self, cause, held_us, free_us):
        """Somebody held the loop for held_us when `free_us` was what it says: what was more counts as a pause."""
        if held_us > free_us:
            self.pause_ms[cause] = (self.pause_ms[cause] + (held_us - free_us) // 1000) & _MASK
            self.pauses[cause] = (self.pauses[cause] + 1) & _MASK
            self._back_to_back = False

    def idle_ms(self):
        """For how long nothing will be sent, as far as is known; 0 while polling."""
        if self.engine.state == REPLY or self.engine.state == GAP:
            return 0
        return max(0, self._idle_for_ms - self._diff(self._ms(), self._idle_from_ms))

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
            row["latency_us"] = [max(0, unit.latency_min_us), tally.mean_us(), tally.max_us]
            for name, count in zip(NAMES, tally.counts):
                row[name] = count
            row.update({"resyncs": unit.resyncs, "late": unit.late})
        else:
            answers = tally.counts[REPLIES] + tally.counts[EXCEPTIONS]
            row["answered_ms"] = health.since_ms if answers else None
        return row
