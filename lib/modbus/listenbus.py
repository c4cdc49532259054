"""A line with somebody else's client on it, heard instead of polled: the same points, and not one byte sent.

    bus = ListeningBus(port, clock, line, plan, on_result, on_event)
    asyncio.create_task(bus.run(asyncio.sleep_ms))

Stands in for modbus.bus.Bus: the same results, events, pauses and counters. It knows of the port how
to read and how to open it anew, nothing else.

Promises
- a reply of the foreign client's feeds every read of the plan that lies within it, at the plan's
  period: what comes more often is counted and left out;
- a read that the client makes in parts only is split where they meet (event read_split);
- a read that nobody has asked for three periods, at least 10 s, is reported as NOT_ASKED, and again every
  minute: silence is told;
- no frame at all for so long is a bus fault (4: nobody asks), the next frame ends it; three unanswered
  requests in a row make a unit silent.
"""

from array import array

from modbus.cells import FAILS, SINCE_MS
from modbus.codes import (
    BUS_BACK,
    EVENT_BUS_FAULT,
    NOT_ASKED,
    READ_SPLIT,
    TIMEOUT,
    UNIT_BACK,
    UNIT_SILENT,
    const,
)
from modbus.counted import Counted
from modbus.evidence import Evidence
from modbus.overhear import PlanFeed, Tap
from modbus.scheduler import Health

_MASK = const(0x3FFFFFFF)
_STALE_MS = const(10000)
_AGAIN_MS = const(60000)
_SILENT = const(3)  # requests in a row without an answer
_GRANT_MS = const(500)  # so long a pause waits for a moment at which nothing would be missed
_QUIET_US = const(50000)
_BREAK_MS = const(1000)  # between attempts on a port that failed
_LONG_MS = const(0x1FFFFFFF)


class ListeningBus(Counted):
    """See above. port, line, plan, on_result, on_event: as for modbus.bus.Bus."""

    def __init__(self, port, clock, line, plan, on_result, on_event):
        super().__init__(clock, line, plan)
        self.stopped = False
        self.evidence = Evidence(line.t35_us, plan.units)
        self.frozen = None  # evidence.rows() when the last fault began
        self.health = [Health(unit, [], clock.ticks_ms()) for unit in plan.units]
        self.fault = False
        self.quarantined = 0
        self.skipped = 0  # overheard results that came sooner than the plan wants them
        self.resyncs = self.late = 0
        # Whoever reads the counters of a Bus finds them here, too.
        self.scheduler = self.engine = self.second = self
        self._clock = clock
        self._add = clock.ticks_add
        self._on_result = on_result
        self._on_event = on_event
        self._tune = port.tune
        self.broken = False
        self._tap = Tap(port, clock, line, self._on_pair)
        self.listener = self._tap.listener
        self._feed = PlanFeed(plan, self._on_heard, self._on_part)
        now = clock.ticks_ms()
        self._due_ms = array("i", [now] * len(plan.reads))  # of the next result that is passed on
        self._stale_ms = array("i", [self._add(now, _stale_after(read)) for read in plan.reads])
        self._turn = 0  # the read whose silence is looked at next
        self._frames = 0
        self._frame_ms = now
        self._silence_ms = max(_STALE_MS, 3 * min([read.period_ms for read in plan.reads]))
        self._asked_ms = self._add(now, -3 * _GRANT_MS)
        self._t35_us = line.t35_us

    @property
    def stray_bytes(self):
        """Bytes that were in no frame."""
        return self.listener.stray_bytes

    @property
    def requests(self):
        """Requests of the foreign client, to all units."""
        return sum([counts[0] for counts in self.listener.units.values()])

    async def run(self, sleep_ms):
        """Listen until `stop()`. sleep_ms: asyncio.sleep_ms or the like."""
        while not self.stopped:
            try:
                wait_us = self.step()
            except OSError:
                await sleep_ms(_BREAK_MS)
                self._open_again()
                continue
            await sleep_ms(wait_us // 1000)

    def stop(self):
        """Let `run` end."""
        self.stopped = True

    def step(self):
        """Do what can be done now; returns us until there is something to do. OSError when the port failed."""
        try:
            wait_us = self._tap.step()
        except OSError:
            if not self.broken:
                self.broken = True
                self._begin_fault(2)
            raise
        if wait_us:
            self._look_at_silence()
        return wait_us

    def _open_again(self):
        try:
            self._tune(self.line.baud, self.line.serial_format)
            self.broken = False
        except OSError:
            pass  # `step` fails again, and after the next break this is tried again

    def resume(self, used):
        """A pause has ended; see modbus.engine."""

    # --- what is heard

    def _on_pair(self, request, quality, ticks_ms, buf, start, nbytes):
        unit_id = request[0]
        for health in self.health:
            if health.unit.unit_id == unit_id:
                self._judge(health, quality, ticks_ms)
        self._feed.on_pair(request, quality, ticks_ms, buf, start, nbytes)

    def _judge(self, health, quality, now):
        if quality == TIMEOUT:
            health.cells[FAILS] += 1
            if health.fails == _SILENT:
                self._doubt(health)
                self.frozen = self.evidence.rows()
                health.announced = True
                self._on_event(UNIT_SILENT, health.unit.unit_id, self._since(health, now))
            return
        if health.quarantined:
            health.quarantined = False
            self.quarantined -= 1
        if health.announced:
            health.announced = False
            self._on_event(UNIT_BACK, health.unit.unit_id, self._since(health, now))
        health.cells[FAILS] = 0
        health.cells[SINCE_MS] = now

    def _doubt(self, health):
        if not health.quarantined:
            health.quarantined = True
            self.quarantined += 1

    def _since(self, health, now):
        return min(max(0, self._diff(now, health.since_ms)), _LONG_MS)

    def _on_heard(self, read, quality, ticks_ms, data, nbytes):
        """A result for a read of the plan: pass it on if it is time for one."""
        i = read.group - self.plan.first_group
        self.evidence.note(read, quality, read.wire_us, 0, 0, True, ticks_ms)
        period = read.period_ms
        self._stale_ms[i] = self._add(ticks_ms, _stale_after(read))
        due = self._due_ms[i]
        over = self._diff(ticks_ms, due)
        if over < -(period >> 2):  # the two clocks differ, and the client is not exact
            self.skipped = (self.skipped + 1) & _MASK
            return
        self._due_ms[i] = self._add(due if over < period else ticks_ms, period)
        self._on_result(read, quality, ticks_ms, data, nbytes)

    def _on_part(self, read, near):
        """The client makes this read in parts: so do we."""
        at = self.plan.split(read, near)
        if at is None:
            return
        now = self._ms()
        for part in self.plan.reads[len(self._due_ms) :]:
            self._due_ms.append(now)
            self._stale_ms.append(self._add(now, _stale_after(part)))
        self._on_event(READ_SPLIT, read.group, at)

    # --- what is not heard

    def _look_at_silence(self):
        """Of the line, and of one read at each call."""
        now = self._ms()
        if self.listener.frames != self._frames:
            self._frames = self.listener.frames
            self._frame_ms = now
            if self.fault:
                self.fault = False
                self._on_event(BUS_BACK, self.listener.last_id, 0)
        elif not self.fault and self._diff(now, self._frame_ms) >= self._silence_ms:
            self._begin_fault(4)
        i = self._turn = (self._turn + 1) % len(self.plan.reads)
        read = self.plan.reads[i]
        if read.active and self._diff(now, self._stale_ms[i]) >= 0:
            self._stale_ms[i] = self._add(now, max(_AGAIN_MS, read.period_ms))
            self._due_ms[i] = now
            self._doubt(self.health[read.unit.index])
            self._on_result(read, NOT_ASKED, now, b"", 0)

    def _begin_fault(self, reason):
        if not self.fault:
            self.fault = True
            self.frozen = self.evidence.rows()
            self._on_event(EVENT_BUS_FAULT, reason, 0)

    # --- pauses

    def granted(self, cause):
        """True if the pause has begun: at a moment between foreign frames, if there is one within 0.5 s."""
        bit = 1 << cause
        if self._granted & bit:
            return True
        if not self._asked & bit:
            return False
        now = self._ms()
        if not self._tap.between():
            waited = self._diff(now, self._asked_ms)
            if not 0 <= waited <= 2 * _GRANT_MS:  # of an earlier pause
                self._asked_ms = now
                return False
            if waited < _GRANT_MS:
                return False
        self._asked_ms = self._add(now, -3 * _GRANT_MS)
        self._granted |= bit
        self._pause_from_ms[cause] = now
        return True

    def free_us(self):
        """us for which somebody may hold the loop; a guess, as is `idle_ms`."""
        return 1000 * self.idle_ms()

    def idle_ms(self):
        """A guess: while the line is quiet, for how long it will be."""
        return 100 if self._tap.between() and self._tap.quiet_us > _QUIET_US else 0

    def learned(self):
        """Lines for people: the units and reads of the foreign client."""
        for unit_id, counts in sorted(self.listener.units.items()):
            yield "unit %d: %d requests, %d replies, %d exceptions, %d unanswered" % ((unit_id,) + tuple(counts))
        for heard in self.listener.reads.values():
            yield "unit %d fc %d address %d count %d: %d replies, every %d ms" % (
                heard.unit_id,
                heard.fc,
                heard.address,
                heard.count,
                heard.replies,
                heard.period_ms,
            )


def _stale_after(read):
    return max(_STALE_MS, 3 * read.period_ms)
