"""One transaction after the other on one line: gap, request, reply.

The good way of a poll lies in one place, `turn` (modbus.native; modbus.plain for reading): it waits for the
reply, checks it whole, accounts for it, chooses the next read, waits for the end of t3.5 and sends. As
bytecode that was the larger part of what the bus costs: forty calls of 10 to 40 us, half of that
for looking up attributes. What is here is the rest: noise, echo, damage, late answers, time
running out. It takes over where `turn` has stopped, and leaves its state in the same cells (modbus.cells).
Nothing holds the loop longer than about 2 * SPIN_US, allocates, or raises on received bytes;
OSError of the port is passed on.

Promises
- a request leaves only after t3.5 of silence (Modbus over serial line V1.02, 2.5.1.1), counted
  from the end of the last byte's stop bit (line.silence_us), and only through the gate;
- the answer is the frame with the request's unit, function and length and a right CRC, found
  behind stray bytes and behind the echo of our own request too;
- a frame that came in sooner than the wire could have carried request and reply is no answer
  to this request (ports with exact timing only): it is dropped and counted as late;
- bytes outside a transaction are read, counted and dropped, and t3.5 starts anew.
"""

from modbus.adu import MAX_ADU_BYTES
from modbus.cells import (
    BEHIND_US,
    COUNT,
    DONE,
    DUE_US,
    ECHO,
    END_US,
    EXACT,
    FIRST_US,
    GAP,
    HEARD,
    LAST_US,
    LEAST_US,
    LOOK_US,
    MISSING,
    NOISE_US,
    OVERDUE,
    OWES,
    PROBE,
    READ,
    READ_CELLS,
    REPLY,
    REST,
    SEEN_US,
    SENT_US,
    SILENCE_US,
    SLACK_US,
    SPIN_US,
    STATE,
    STOP_US,
    TICK_MS,
    TICK_US,
    VAGUE,
    WATCHED,
)
from modbus.codes import BUS_FAULT, EXCEPTION, GOOD, TIMEOUT, const
from modbus.crc import move
from modbus.gate import Gate
from modbus.reply import find, same, verdict

RELAXED_US = const(2500)  # a wait of which the exact end does not matter
_SPIN_US = const(2000)  # the last part of a wait is done tightly
_SPIN_COARSE_US = const(300)  # the same under an operating system
_TIGHT_US = const(8000)  # so long after its usual time a reply is awaited tightly, then at 1 ms
_BUF = const(280)  # an ADU, an echo and some stray bytes
_NOISE_LIMIT_US = const(1000000)  # a line that is not silent for so long is faulty
_HELD_US = const(700)  # looks are so far apart only where something else held the loop
_TICK_MS = const(200000)  # ticks_us tells no more than 9 minutes
_EARLY_US = const(500)  # what the software may mistake the end of a request by
_MASK = const(0x3FFFFFFF)  # counters wrap where the ticks do
_VAGUE = const(1000)  # see modbus.reply.find


class Engine:
    """Transactions on `port` for the reads of one plan. In state DONE read the outcome.

    evidence: of the line; its cells are the engine's, `table` has a row for each read (modbus.cells).
    """

    def __init__(self, port, clock, line, reads, evidence, table):
        self.cells = evidence.cells
        self.quality = GOOD
        self.data = bytearray(MAX_ADU_BYTES)  # reply data, valid until the next answer is accepted
        self.nbytes = 0
        self.buf = bytearray(_BUF)  # what came in
        self.end_ms = 0  # ticks_ms at which the last byte of the reply had arrived
        self.latency_us = 0  # from the end of the request to the begin of the reply
        self.resyncs = 0  # replies found behind stray bytes; unit.resyncs and unit.late are those of one unit
        self.stray_bytes = 0  # bytes that belonged to no answer
        self.late = 0  # answers that came after their timeout
        self.on_stray = None  # on_stray(buf, start, end, own): bytes of no transaction; own: a request that may echo
        self.gate = Gate(port, clock)
        self._usual_us = evidence.usual_us
        self._reads = reads
        self._table = table
        self._available = port.available
        self._receive_into = port.receive_into
        self._exact = port.rest_ms == 0
        self._us = clock.ticks_us
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._add = clock.ticks_add
        self._char_us = line.char_us
        self._chunk = bytearray(_BUF)
        c = self.cells
        c[LAST_US] = c[NOISE_US] = clock.ticks_us()
        c[SILENCE_US] = line.silence_us
        c[STOP_US] = line.stop_us
        c[EXACT] = int(self._exact)
        c[SPIN_US] = _SPIN_US if self._exact else _SPIN_COARSE_US
        self._find_tick(clock.ticks_ms())
        self._clear()

    @property
    def echo(self):
        """True if the port hears what it sends."""
        return self.cells[ECHO] == 1

    def forget_echo(self):
        """Take the mark away: it comes back with the next echo, and a reply is found behind one without it."""
        self.cells[ECHO] = 0

    @property
    def heard(self):
        """How many bytes of `buf` the last transaction got."""
        return self.cells[HEARD]

    def start(self, i, probe):
        """Begin the transaction of read i of the plan. No other may be under way."""
        c = self.cells
        assert c[STATE] == REST
        c[READ] = i
        c[PROBE] = int(probe)
        c[NOISE_US] = self._us()
        c[STATE] = GAP

    def busy(self):
        """True while a request waits for its gap, or a reply is awaited."""
        return self.cells[STATE] == GAP or self.cells[STATE] == REPLY

    def look_left_us(self):
        """State REPLY: us until a look at the port is of use; may be below 0."""
        return self.cells[LOOK_US] - self._diff(self._us(), self.cells[SENT_US])

    def resume(self, used):
        """Nobody has listened for a while: what came in meanwhile says nothing about the line.

        used: others have sent on our port meanwhile; t3.5 begins anew.
        """
        c = self.cells
        c[NOISE_US] = self._us()
        if used:
            c[LAST_US] = c[NOISE_US]

    def listen(self):
        """Between transactions: take in what arrives, keep the time of silence. At least every 5 minutes."""
        c = self.cells
        if self._available():
            self._hear()
        elif self._diff(self._us(), c[LAST_US]) > c[SILENCE_US]:
            c[LAST_US] = self._add(self._us(), -c[SILENCE_US])

    def forget(self, unit):
        """An answer of `unit` that is still due can be taken as never coming."""
        c = self.cells
        unit.cells[OWES] = 0
        if c[OVERDUE] and self._reads[c[OVERDUE] - 1].unit is unit:
            c[OVERDUE] = 0

    def abort(self):
        """Give the transaction up: the port failed."""
        self._end(BUS_FAULT, self._us())

    def hear_gap(self):
        """State GAP, there are bytes: t3.5 starts anew."""
        self._hear()
        if self._diff(self._us(), self.cells[NOISE_US]) > _NOISE_LIMIT_US:
            self._end(BUS_FAULT, self._us())

    def take_part(self):
        """State REPLY: take in what has come. Returns us until there is something to do."""
        c = self.cells
        arrived = self._available()
        now = self._us()  # of the last byte that is taken now: what comes later stays for the next look
        if not arrived:
            return self._wait_on(now)
        read = self._reads[c[READ]]
        since = self._diff(now, c[SENT_US])
        whole_us = read.wire_us + read.unit.cells[LEAST_US]
        begun = not c[COUNT] and c[MISSING] - read.need + 5 < arrived < c[MISSING]  # and it is no exception
        if begun and max(c[LOOK_US], since) < whole_us:
            # On a slow line a long reply ends after the time in which it must begin: it is taken whole.
            c[SEEN_US] = max(0, since)
            c[LOOK_US] = whole_us
            return whole_us - since
        c[LAST_US] = now
        self._take(arrived)
        return self.search(now)

    def search(self, now):
        """State REPLY: is the reply in what has come until `now`? Returns us until there is something to do."""
        c = self.cells
        read = self._reads[c[READ]]
        if c[COUNT] > len(read.frame) or not c[ECHO]:
            at = find(self.buf, c[COUNT], read.frame, read.need, False)
            if at >= 0:
                return self._accept(at, now)
            c[VAGUE] = int(at < -_VAGUE)
            c[MISSING] = -at - _VAGUE if c[VAGUE] else -at
        if c[COUNT] >= _BUF:
            return self._give_up(now)
        return self._wait_on(now)

    def _wait_on(self, now):
        """The reply is not complete: for how long is there nothing to see?"""
        c = self.cells
        read = self._reads[c[READ]]
        since = self._diff(now, c[SENT_US])
        c[WATCHED] = 1
        c[SEEN_US] = max(0, since)
        left = self._table[c[READ] * READ_CELLS + FIRST_US] - since  # until the first byte must have come
        if c[COUNT]:
            quiet = read.inter_us - self._diff(now, c[LAST_US])
            if quiet > 0:
                left = min(quiet, (c[MISSING] - 1) * self._char_us)  # the next byte may be nearly here
                c[LOOK_US] = since + left
                c[DUE_US] = since + c[MISSING] * self._char_us
                # What is due so soon is waited for at once: others would hold the loop for longer than that.
                return left if left > c[SPIN_US] or not self._exact else 0
            if not c[VAGUE] or c[COUNT] >= read.need:
                return self._give_up(now)
        if left <= 0:
            return self._give_up(now)
        if self._exact and since < c[LOOK_US] + _TIGHT_US:
            return 1
        c[SLACK_US] = RELAXED_US
        return RELAXED_US

    def _take(self, arrived):
        """Append what has arrived to the buffer, as far as there is room."""
        n = self.cells[COUNT]
        k = self._receive_into(self._chunk, min(arrived, _BUF - n))
        move(self.buf, n, self._chunk, 0, k)
        self.cells[COUNT] = n + k

    def _hear(self):
        """Bytes outside a transaction: counted and dropped, unless they begin an overdue answer."""
        c = self.cells
        if not c[OVERDUE] or c[COUNT] >= _BUF:
            c[COUNT] = 0
        before = c[COUNT]
        self._take(self._available())
        c[LAST_US] = self._us()
        self.stray_bytes = (self.stray_bytes + c[COUNT] - before) & _MASK
        if self.on_stray is not None:
            self.on_stray(self.buf, before, c[COUNT], self._reads[c[READ]].frame if c[ECHO] else None)
        self._find_overdue()

    def _find_overdue(self):
        """Count an overdue answer that is in the buffer."""
        c = self.cells
        if c[OVERDUE]:
            read = self._reads[c[OVERDUE] - 1]
            if find(self.buf, c[COUNT], read.frame, read.need, True) >= 0:
                self.late = (self.late + 1) & _MASK
                read.unit.late = (read.unit.late + 1) & _MASK
                self.forget(read.unit)

    def _accept(self, at, now):
        """The buffer holds a reply at offset `at`."""
        self.end_ms = self._ms()
        c = self.cells
        read = self._reads[c[READ]]
        length = read.need
        latency = self._diff(now, c[SENT_US]) + c[STOP_US] - read.wire_us
        self.quality = GOOD
        self.nbytes = length - 5
        if self.buf[at + 1] & 0x80:
            latency += (length - 5) * self._char_us
            length = 5
            self.quality = EXCEPTION + self.buf[at + 2]
            self.nbytes = 0
        if latency < 0 and self._exact and latency < -_EARLY_US - (read.wire_us >> 5):
            return self._too_early(read)
        if c[COUNT] != length:
            self._account_for(at, length)
        move(self.data, 0, self.buf, at + 3, self.nbytes)
        c[END_US] = now
        c[BEHIND_US] = 0
        if not c[WATCHED] or self._diff(now, c[SENT_US]) - c[SEEN_US] > _HELD_US:
            latency -= self._back_date(latency, now)
        self.latency_us = max(0, latency - c[SLACK_US])  # a look at the latter would come late for ever
        self.forget(read.unit)
        self._close()
        return 0

    def _too_early(self, read):
        """Clocks differ by up to 3 %; what is sooner than that was asked for before: the wait begins anew."""
        self.late = (self.late + 1) & _MASK
        read.unit.late = (read.unit.late + 1) & _MASK
        c = self.cells
        first_us = self._table[c[READ] * READ_CELLS + FIRST_US]
        c[LOOK_US] = min(read.wire_us + read.unit.cells[LEAST_US], first_us)
        c[MISSING] = read.need + (len(read.frame) if c[ECHO] else 0)
        c[WATCHED] = c[SEEN_US] = 0
        self._clear()
        return 1

    def _back_date(self, latency, now):
        """The loop was held, so the reply was seen late: it ended when it usually does. Returns by how many us."""
        c = self.cells
        if not self._exact or c[SLACK_US]:
            return 0
        since = self._diff(now, c[SENT_US])
        behind = since - c[DUE_US] if c[DUE_US] else latency - self._usual_us(self._reads[c[READ]].unit)
        behind = max(0, min(behind, since - c[SEEN_US]))
        c[BEHIND_US] = behind
        if behind > _EARLY_US:
            c[END_US] = self._add(now, -behind)
            self.end_ms = self._ms_at(c[END_US], self.end_ms)
        return behind

    def _ms_at(self, us, ms):
        """What ticks_ms showed at `us`; now it shows `ms`. Now and then waits up to 1 ms to see when it moves."""
        c = self.cells
        if not 0 <= self._diff(ms, c[TICK_MS]) <= _TICK_MS:
            self._find_tick(ms)
        return self._add(c[TICK_MS], self._diff(us, c[TICK_US]) // 1000)

    def _find_tick(self, ms):
        """Wait for the end of this millisecond."""
        c = self.cells
        for _ in range(1000):
            c[TICK_US] = self._us()
            c[TICK_MS] = self._ms()
            if c[TICK_MS] != ms:
                break

    def _account_for(self, at, length):
        """There are more bytes than the reply of `length` at offset `at`: echo, stray ones, a late answer."""
        c = self.cells
        read = self._reads[c[READ]]
        stray = c[COUNT] - length
        if at == len(read.frame) and same(self.buf, read.frame):
            c[ECHO] = 1
            stray -= at
        elif at:
            self.resyncs = (self.resyncs + 1) & _MASK
            read.unit.resyncs = (read.unit.resyncs + 1) & _MASK
            self._find_overdue()
            if c[ECHO]:
                stray = max(0, stray - len(read.frame))
        self.stray_bytes = (self.stray_bytes + stray) & _MASK
        if stray and self.on_stray is not None:
            self.on_stray(self.buf, 0, at, read.frame)
            self.on_stray(self.buf, at + length, c[COUNT], None)

    def _give_up(self, now):
        """No more bytes are coming: take what is there, or name what went wrong."""
        c = self.cells
        read = self._reads[c[READ]]
        at = find(self.buf, c[COUNT], read.frame, read.need, True)
        if at >= 0:
            return self._accept(at, now)
        quality = verdict(self.buf, c[COUNT], read.frame)
        if c[COUNT] and self.on_stray is not None:
            self.on_stray(self.buf, 0, c[COUNT], read.frame)
        self._find_overdue()
        if quality == TIMEOUT:
            c[OVERDUE] = c[READ] + 1
            read.unit.cells[OWES] = 1
        self.nbytes = 0
        self._end(quality, now)
        return 0

    def _end(self, quality, now):
        c = self.cells
        self.quality = quality
        self.end_ms = self._ms()
        c[END_US] = now
        self._close()

    def _close(self):
        c = self.cells
        c[HEARD] = c[COUNT]
        self._clear()
        c[STATE] = DONE

    def _clear(self):
        """Nothing was seen of the reply that is awaited, now or next."""
        c = self.cells
        c[COUNT] = c[SLACK_US] = c[DUE_US] = 0
        c[VAGUE] = 1
