"""One transaction after the other on one line: gap, request, reply.

A state machine that is stepped: `await_silence` in state GAP and `await_reply` in state REPLY do
what can be done now and return us until there is something to do, 0: go on at once. They never
hold the loop longer than about SPIN_US, allocate nothing and never raise on received bytes;
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
from modbus.codes import BUS_FAULT, EXCEPTION, GOOD, TIMEOUT, const
from modbus.crc import TABLE, move, whole
from modbus.gate import Gate
from modbus.reply import find, same, verdict

REST = const(0)  # no transaction
GAP = const(1)  # a request waits for t3.5
REPLY = const(2)  # a reply is awaited
DONE = const(3)  # `quality`, `data`, `nbytes`, `end_ms` tell the outcome

RELAXED_US = const(2500)  # a wait of which the exact end does not matter
SPIN_US = const(2000)  # the last part of a wait is done tightly
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
    """Transactions on `port`. After DONE read the outcome, then `start` the next one."""

    def __init__(self, port, clock, line):
        self.state = REST
        self.read = None
        self.quality = GOOD
        self.data = bytearray(MAX_ADU_BYTES)  # reply data, valid until the next answer is accepted
        self.nbytes = 0
        self.buf = bytearray(_BUF)  # what came in; heard: how many bytes of it the last transaction got
        self.heard = 0
        self.end_ms = 0  # ticks_ms at which the last byte of the reply had arrived
        self.sent_us = 0  # ticks_us at which the request had been handed to the port
        self.look_us = 0  # after sent_us: before that a look at the port is useless
        self.end_us = 0  # ticks_us of the same moment
        self.latency_us = 0  # from the end of the request to the begin of the reply
        self.watched = False  # the reply was seen to come; else it was there at the first look, maybe for long
        self.gap_us = 0  # silence between the last byte and our request
        self.echo = False  # the port hears what it sends
        self.resyncs = 0  # replies found behind stray bytes; unit.resyncs and unit.late are those of one unit
        self.stray_bytes = 0  # bytes that belonged to no answer
        self.late = 0  # answers that came after their timeout
        self.usual_us = least_us  # usual_us(unit): latency that an answer most likely has
        self.on_stray = None  # on_stray(buf, start, end, own): bytes of no transaction; own: a request that may echo
        self._available = port.available
        self._receive_into = port.receive_into
        self._exact = port.rest_ms == 0
        self._spin_us = SPIN_US if self._exact else _SPIN_COARSE_US
        self._us = clock.ticks_us
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._add = clock.ticks_add
        self._gate = Gate(port, clock)
        self._silence_us = line.silence_us
        self._stop_us = line.stop_us
        self._char_us = line.char_us
        self._chunk = bytearray(_BUF)
        self._n = 0
        self._last_us = clock.ticks_us()  # the line has been silent since
        self._noise_us = self._last_us  # begin of a wait for silence
        self._behind_us = 0  # by so much the last reply was seen later than it can have ended
        self._slack_us = 0  # by so much the reply may have been earlier than it was seen
        self._seen_us = 0  # after sent_us: the last look that found the reply not complete
        self._due_us = 0  # after sent_us: end of a reply of which bytes were seen; 0: none were
        self._missing = 0  # bytes without which a look is useless
        self._vague = True  # no head of a reply was seen so far
        self._overdue = None  # read that timed out and whose answer may still come
        self._tick_us = self._tick_ms = -1  # ticks_us at which ticks_ms began to show this

    def start(self, read):
        """Begin the transaction of `read`. No other may be under way."""
        assert self.state == REST or self.state == DONE
        self.read = read
        self.state = GAP
        self._noise_us = self._us()

    def resume(self, used):
        """Nobody has listened for a while: what came in meanwhile says nothing about the line.

        used: others have sent on our port meanwhile; t3.5 begins anew.
        """
        self._noise_us = self._us()
        if used:
            self._last_us = self._noise_us

    def listen(self):
        """Between transactions: take in what arrives, keep the time of silence. At least every 5 minutes."""
        if self._available():
            self._hear()
        elif self._diff(self._us(), self._last_us) > self._silence_us:
            self._last_us = self._add(self._us(), -self._silence_us)

    def forget(self, unit):
        """An answer of `unit` that is still due can be taken as never coming."""
        if self._overdue is not None and self._overdue.unit is unit:
            self._overdue = None

    def abort(self):
        """Give the transaction up: the port failed."""
        self._end(BUS_FAULT, self._us())

    def await_silence(self):
        """State GAP: send the request when t3.5 is over."""
        if self._available():
            self._hear()
            if self._diff(self._us(), self._noise_us) > _NOISE_LIMIT_US:
                self._end(BUS_FAULT, self._us())
                return 0
        left = self._silence_us - self._diff(self._us(), self._last_us)
        if left > self._spin_us:
            return left
        read = self.read
        if not self._gate.send(read.frame, self._add(self._last_us, self._silence_us)):
            return 1
        now = self._us()
        self._n = 0
        self.sent_us = now
        self.gap_us = self._diff(now, self._last_us) + self._behind_us
        self._behind_us = 0
        self.state = REPLY
        return self._look_first(read)

    def _look_first(self, read):
        """Plan the first look: when the reply can be complete, at its timeout at the latest."""
        look = read.wire_us + read.unit.latency_min_us
        if look > read.first_us:
            look = read.first_us
        self.look_us = look
        self._missing = read.need
        if self.echo:
            self._missing += len(read.frame)
        self._vague = True
        self.watched = False
        self._slack_us = self._due_us = self._seen_us = 0
        return look

    def await_reply(self):
        """State REPLY: take in what has come, as soon as it can be complete."""
        since = self._diff(self._us(), self.sent_us)
        left = self.look_us - since
        if left > self._spin_us:
            return left
        if self._exact and left > -_TIGHT_US:
            self._watch(since)
        arrived = self._available()
        now = self._us()  # of the last byte that is taken now: what comes later stays for the next look
        if not arrived:
            return self._wait_on(now)
        self._last_us = now
        if self._n:
            self._take(arrived)
        else:
            self._n = self._receive_into(self.buf, min(arrived, _BUF))
        if self._n == self.read.need and not self.echo and whole(self.buf, self._n, self.read.frame, TABLE):
            return self._accept(0, now)
        return self._search(now)

    def _watch(self, since):
        """Wait tightly for the bytes that are missing, at most SPIN_US."""
        available = self._available
        missing = self._missing
        until = since + SPIN_US
        while since < until:
            for _ in range(16):
                if available() >= missing:
                    return
            self._seen_us = since = self._diff(self._us(), self.sent_us)
            self.watched = True

    def _search(self, now):
        """What came is not simply the reply."""
        read = self.read
        if self._n > len(read.frame) or not self.echo:
            at = find(self.buf, self._n, read.frame, read.need, False)
            if at >= 0:
                return self._accept(at, now)
            self._vague = at < -_VAGUE
            self._missing = -at - _VAGUE if self._vague else -at
        if self._n >= _BUF:
            return self._give_up(now)
        return self._wait_on(now)

    def _wait_on(self, now):
        """The reply is not complete: for how long is there nothing to see?"""
        read = self.read
        self.watched = True
        self._seen_us = since = self._diff(now, self.sent_us)
        left = read.first_us - since  # until the first byte must have come
        if self._n:
            quiet = read.inter_us - self._diff(now, self._last_us)
            if quiet > 0:
                left = min(quiet, (self._missing - 1) * self._char_us)  # the next byte may be nearly here
                self.look_us = since + left
                self._due_us = since + self._missing * self._char_us
                return max(1, left)
            if not self._vague or self._n >= read.need:
                return self._give_up(now)
        if left <= 0:
            return self._give_up(now)
        if self._exact and since < self.look_us + _TIGHT_US:
            return 1
        self._slack_us = RELAXED_US
        return RELAXED_US

    def _take(self, arrived):
        """Append what has arrived to the buffer, as far as there is room."""
        n = self._n
        if n:
            k = self._receive_into(self._chunk, min(arrived, _BUF - n))
            move(self.buf, n, self._chunk, 0, k)
            self._n = n + k
        else:
            self._n = self._receive_into(self.buf, min(arrived, _BUF))

    def _hear(self):
        """Bytes outside a transaction: counted and dropped, unless they begin an overdue answer."""
        if self._overdue is None or self._n >= _BUF:
            self._n = 0
        before = self._n
        self._take(_BUF)
        self._last_us = self._us()
        self.stray_bytes = (self.stray_bytes + self._n - before) & _MASK
        if self.on_stray is not None:
            self.on_stray(self.buf, before, self._n, self.read.frame if self.echo else None)
        self._find_overdue()

    def _find_overdue(self):
        """Count an overdue answer that is in the buffer."""
        read = self._overdue
        if read is not None and find(self.buf, self._n, read.frame, read.need, True) >= 0:
            self.late = (self.late + 1) & _MASK
            read.unit.late = (read.unit.late + 1) & _MASK
            self._overdue = None

    def _accept(self, at, now):
        """The buffer holds a reply at offset `at`."""
        self.end_ms = self._ms()
        length = self.read.need
        latency = self._diff(now, self.sent_us) + self._stop_us - self.read.wire_us
        self.quality = GOOD
        self.nbytes = length - 5
        if self.buf[at + 1] & 0x80:
            latency += (length - 5) * self._char_us
            length = 5
            self.quality = EXCEPTION + self.buf[at + 2]
            self.nbytes = 0
        if latency < 0 and self._exact and latency < -_EARLY_US - (self.read.wire_us >> 5):
            return self._too_early()
        if self._n != length:
            self._account_for(at, length)
        move(self.data, 0, self.buf, at + 3, self.nbytes)
        self.end_us = now
        self._behind_us = 0
        if not self.watched or self._diff(now, self.sent_us) - self._seen_us > _HELD_US:
            latency -= self._back_date(latency, now)
        self.latency_us = max(0, latency - self._slack_us)  # a look at the latter would come late for ever
        if self._overdue is not None:
            self.forget(self.read.unit)
        self.heard = self._n
        self._n = 0
        self.state = DONE
        return 0

    def _too_early(self):
        """Clocks differ by up to 3 %; what is sooner than that was asked for before."""
        self.late = (self.late + 1) & _MASK
        self.read.unit.late = (self.read.unit.late + 1) & _MASK
        self._n = 0
        self._look_first(self.read)
        return 1

    def _back_date(self, latency, now):
        """The loop was held, so the reply was seen late: it ended when it usually does. Returns by how many us."""
        if not self._exact or self._slack_us:
            return 0
        since = self._diff(now, self.sent_us)
        behind = since - self._due_us if self._due_us else latency - self.usual_us(self.read.unit)
        behind = max(0, min(behind, since - self._seen_us))
        self._behind_us = behind
        if behind > _EARLY_US:
            self.end_us = self._add(now, -behind)
            self.end_ms = self._ms_at(self.end_us, self.end_ms)
        return behind

    def _ms_at(self, us, ms):
        """What ticks_ms showed at `us`; now it shows `ms`. Now and then waits up to 1 ms to see when it moves."""
        if self._tick_ms < 0 or not 0 <= self._diff(ms, self._tick_ms) < _TICK_MS:
            for _ in range(1000):
                self._tick_us = self._us()
                self._tick_ms = self._ms()
                if self._tick_ms != ms:
                    break
        return self._add(self._tick_ms, self._diff(us, self._tick_us) // 1000)

    def _account_for(self, at, length):
        """There are more bytes than the reply of `length` at offset `at`: echo, stray ones, a late answer."""
        read = self.read
        stray = self._n - length
        if at == len(read.frame) and same(self.buf, read.frame):
            self.echo = True
            stray -= at
        elif at:
            self.resyncs = (self.resyncs + 1) & _MASK
            read.unit.resyncs = (read.unit.resyncs + 1) & _MASK
            self._find_overdue()
            if self.echo:
                stray = max(0, stray - len(read.frame))
        self.stray_bytes = (self.stray_bytes + stray) & _MASK
        if stray and self.on_stray is not None:
            self.on_stray(self.buf, 0, at, read.frame)
            self.on_stray(self.buf, at + length, self._n, None)

    def _give_up(self, now):
        """No more bytes are coming: take what is there, or name what went wrong."""
        read = self.read
        at = find(self.buf, self._n, read.frame, read.need, True)
        if at >= 0:
            return self._accept(at, now)
        quality = verdict(self.buf, self._n, read.frame)
        if self._n and self.on_stray is not None:
            self.on_stray(self.buf, 0, self._n, read.frame)
        self._find_overdue()
        if quality == TIMEOUT:
            self._overdue = read
        self.nbytes = 0
        self._end(quality, now)
        return 0

    def _end(self, quality, now):
        self.quality = quality
        self.heard = self._n
        self._n = 0
        self.end_us = now
        self.end_ms = self._ms()
        self.state = DONE


def least_us(unit):
    """The least latency of a unit: what is known of it without the evidence of its line."""
    return unit.latency_min_us
