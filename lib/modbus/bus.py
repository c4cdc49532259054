"""One line, polled by its plan: the part of modbus that the application talks to.

    bus = Bus(port, clock, line, plan, on_result, on_event, rand)
    asyncio.create_task(bus.run(asyncio.sleep_ms))

One long-lived coroutine and no allocation per transaction. Results of one poll are handed over
while the next request is on the wire. A good poll is one call of `turn` (see modbus.engine) and one of
on_result; the rest of this file is for all others.
"""

from modbus.cells import (
    BACK_TO_BACK,
    CHOOSE,
    DONE,
    END_MS,
    END_US,
    ENDED,
    FAR,
    FINISH,
    FIRST_GROUP,
    GAP_US,
    GO_ON,
    HANDING,
    HEARD,
    HOLD,
    LAST_US,
    PART,
    PENDING,
    PENDING_BYTES,
    PROBE,
    READ,
    READ_CELLS,
    REPLY,
    REST,
    SENT_US,
    SILENCE_US,
    STATE,
    STRANGE,
    STRAY,
    TOOK_US,
    TRIES,
    WATCHED,
    WHAT,
)
from modbus.codes import (
    BUS_BACK,
    BUS_FAULT,
    EVENT_BUS_FAULT,
    EXCEPTION,
    GOOD,
    NOT_ASKED,
    PAUSE_SCAN,
    READ_SPLIT,
    TIMEOUT,
    const,
)
from modbus.counted import HOLD_BIT, SCAN_BIT, Counted
from modbus.crc import TABLE, turn
from modbus.engine import RELAXED_US, Engine
from modbus.evidence import Evidence
from modbus.scheduler import Scheduler
from modbus.stranger import SecondClient

_WAKE_US = const(1500)  # a sleep ends so long before something is to do
_HOLD_US = const(4000)  # after so long without a sleep other tasks get their turn
_BREAK_MS = const(1000)  # between attempts on a port that failed


class Bus(Counted):
    """A polled line.

    port: the seam of firmware/DESIGN.md and lib/modbus/DESIGN.md. line: modbus.line.Line.
    plan: modbus.plan.Plan. rand(n): int 0..n-1.
    on_result(read, quality, ticks_ms, buf, nbytes): outcome of every poll after its retries;
    buf[0:nbytes] is the raw reply data, valid during the call, nbytes is 0 unless quality is
    GOOD. When a unit enters quarantine and at every failed probe its other reads are reported
    as NOT_ASKED. on_event(code, a, b): modbus.codes. Both must return within 2 ms.
    """

    def __init__(self, port, clock, line, plan, on_result, on_event, rand):
        super().__init__(clock, line, plan)
        self.evidence = Evidence(line.t35_us, plan.units)
        self.scheduler = Scheduler(plan, clock, rand, on_event, self.evidence.cells)
        self.engine = Engine(port, clock, line, plan.reads, self.evidence, self.scheduler.table)
        self.second = SecondClient(clock, on_event)
        self.engine.on_stray = self.second.hear
        self.borrowed = False  # by a search or identification; there is one at a time
        if any([unit.comm_loss_ms for unit in plan.units]):
            from modbus.supervise import Supervision

            self.supervision = Supervision(plan, clock, on_event)
        self.stopped = False
        self.frozen = None  # evidence.rows() when the last fault began
        self._port = port
        self._clock = clock
        self._us = clock.ticks_us
        self._on_result = on_result
        self._on_event = on_event
        self._cells = self.engine.cells
        self._table = self.scheduler.table
        self._idle_from_ms = clock.ticks_ms()
        self._idle_for_ms = 0
        self._on_end = None
        self._rest_us = 0  # silence that the share of the bus demands
        self.broken = False  # the port failed
        self._t35_us = line.t35_us
        self._share = line.share_permille
        self._broken_ms = 0
        self._look_far()
        self._cells[FIRST_GROUP] = plan.first_group
        engine = self.engine
        self._parts = [  # what `turn` works with, in its order
            engine.cells,
            self._table,
            port.available,
            port.receive_into,
            clock.ticks_us,
            clock.ticks_ms,
            engine.gate.send,
            on_result,
            engine.buf,
            engine.data,
            TABLE,
            plan.reads,
        ]

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
            wait = turn(self._parts)
            if wait >= 0:
                return wait
            if wait == PART:
                wait = self.engine.take_part()
            elif wait == STRANGE:
                wait = self.engine.search(self._cells[LAST_US])
            elif wait == STRAY:
                self.engine.hear_gap()
        except OSError:
            if self._cells[HANDING]:
                raise  # it was not the port
            self._break()
            self.engine.abort()
            self._finish()
            return 0
        if wait == ENDED:
            self._ended_well()
        elif self._cells[STATE] == DONE:
            self._finish()
            return 0
        elif wait != CHOOSE:
            return max(0, wait)
        return self._next()

    def _next(self):
        """No transaction is under way: begin the next one or rest."""
        if self._asked or self.broken or self._rest_us:
            rest = self._rest()
            if rest:
                self._deliver()
                return rest
        i = self.scheduler.choose()
        if i >= 0:
            self.engine.start(i, self.scheduler.is_probe(i))
            return 0
        self._interrupted()
        if self._cells[PENDING]:
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
        if self.broken:
            if self._diff(self._ms(), self._broken_ms) < _BREAK_MS:
                return 50000
            self.engine.resume(True)  # nobody has listened, maybe for longer than ticks_us can tell
        if self._rest_us:
            left = self._rest_us - self._diff(self._us(), self._cells[END_US])
            if left > 0:
                return min(left, 100000)
            self._rest_us = 0
        return 0

    # --- outcomes

    def follow(self, on_end):
        """From now on call on_end(read, quality, took_us) after every transaction, also before a retry; None: no more.

        engine.buf[: engine.heard] is then what came.
        """
        self._on_end = on_end
        self._look_far()

    def _look_far(self):
        """`turn` chooses the next read by itself unless something is to be seen to between two transactions."""
        simple = self._on_end is None and self._share == 1000 and not self.broken
        self._cells[FAR] = HOLD if self._asked else GO_ON if simple else FINISH

    def _ended_well(self):
        """A good reply, for which all accounts are settled."""
        c = self._cells
        read = self.plan.reads[c[READ]]
        c[HEARD] = read.need
        self._ended(read, GOOD, c[TOOK_US])
        self._mend(read)

    def _ended(self, read, quality, took_us):
        """Of every transaction: the share of the bus, and who follows."""
        if self._share < 1000:
            self._rest_us = (took_us + self._t35_us) // self._share * (1000 - self._share)  # below 2^30
        if self._on_end is not None:
            self._on_end(read, quality, took_us)

    def _mend(self, read):
        """An answer: the port works."""
        if self.broken:
            self.broken = False
            self._look_far()
            self._on_event(BUS_BACK, read.unit.unit_id, 0)

    def _finish(self):
        """Account for the transaction that the readable path has ended and settle its poll."""
        engine = self.engine
        c = self._cells
        i = c[READ]
        read = self.plan.reads[i]
        quality = engine.quality
        c[STATE] = REST
        if quality == BUS_FAULT:
            self._deliver()  # the request never left
            self._failed(i, read, quality, 0)
            return
        took_us = self._diff(c[END_US], c[SENT_US])
        lost_us = c[GAP_US] - c[SILENCE_US] if c[BACK_TO_BACK] else 0
        self.evidence.note(read, quality, took_us, lost_us, engine.latency_us, c[WATCHED], engine.end_ms)
        self._ended(read, quality, took_us)
        c[BACK_TO_BACK] = int(quality == GOOD or quality >= EXCEPTION)
        if not c[BACK_TO_BACK]:
            self._failed(i, read, quality, took_us)
            return
        self._table[i * READ_CELLS + TRIES] = 0
        self._mend(read)
        self.scheduler.answered(i)
        if (quality == EXCEPTION + 2 or quality == EXCEPTION + 3) and self._split(i, read):
            return
        c[PENDING] = i + 1
        c[PENDING_BYTES] = engine.nbytes

    def _failed(self, i, read, quality, took_us):
        scheduler = self.scheduler
        hold_ms = 0
        suspect = False
        tries = i * READ_CELLS + TRIES
        retry = quality != BUS_FAULT and not self._cells[PROBE] and self._table[tries] < read.unit.retries
        if quality == TIMEOUT:
            hold_ms = read.unit.first_byte_timeout_ms
            suspect = scheduler.timed_out()
        if retry and not suspect:
            self._table[tries] += 1
            self.evidence.note_retry(read)
            scheduler.retry(i, hold_ms)
            return
        self._table[tries] = 0
        now = self._ms()
        data = self.engine.data
        if quality == BUS_FAULT and not self.broken:
            self._break(3)
        if quality != TIMEOUT and not self._cells[PROBE]:  # says nothing about the unit, or that it lives
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
        """Hand over the result that waits, if there is one, as no request is about to leave: else `turn` does it."""
        c = self._cells
        if c[PENDING]:
            read = self.plan.reads[c[PENDING] - 1]
            c[PENDING] = 0
            self._on_result(read, c[WHAT] >> 8, c[END_MS], self.engine.data, c[PENDING_BYTES])

    def _split(self, i, read):
        """A merged read was refused: let its halves take its place."""
        at = self.plan.split(read)
        if at is None:
            return False
        self.scheduler.adopt(i)
        self._on_event(READ_SPLIT, read.group, at)
        return True

    def _break(self, reason=2):
        """The port failed or the line is never silent."""
        if not self.broken:
            self._on_event(EVENT_BUS_FAULT, reason, 0)
        self.broken = True
        self._look_far()
        self._broken_ms = self._ms()

    def _interrupted(self):
        """The next request does not follow on this reply as soon as it could."""
        self._cells[BACK_TO_BACK] = 0

    # --- pauses

    def granted(self, cause):
        """True if the pause has begun: no reply is awaited and none will be before `done(cause)`."""
        bit = 1 << cause
        if self._granted & bit:
            return True
        if self._cells[STATE] == REPLY or not self._asked & bit:
            return False
        others = self._granted & ~HOLD_BIT
        if others and (cause == PAUSE_SCAN or others & SCAN_BIT):
            return False  # a reply to a question of the search may come: no flash, no garbage collection
        self._granted |= bit
        self._interrupted()
        self._pause_from_ms[cause] = self._ms()
        return True

    def tell_all(self, quality):
        """Report every read with this quality: polling is about to stop for long."""
        for read in self.plan.reads:
            if read.active:
                self._on_result(read, quality, self._ms(), self.engine.data, 0)

    def free_us(self):
        """us from now for which the line notices nothing if somebody holds the loop; 0: it needs us now.

        While a reply is awaited: until it can be complete. At most 2^29.
        """
        if self._granted:
            return 0
        if self._cells[STATE] == REPLY:
            return max(0, self.engine.look_left_us())
        return min(self.idle_ms(), 500000) * 1000

    def idle_ms(self):
        """For how long nothing will be sent, as far as is known; 0 while polling."""
        if self.engine.busy():
            return 0
        return max(0, self._idle_for_ms - self._diff(self._ms(), self._idle_from_ms))
