"""One question at a time to a line whose settings may change: what search and identity are made of.

Other than the engine it takes replies of unknown length, tells rubbish from silence (rubbish may be
a reply in another format), and opens the port anew for every setting. Stepped, never blocks,
bounded buffer, never raises on received bytes; OSError of the port is passed on. Sends through
the gate only, after t3.5 of silence (Modbus over serial line V1.02, 2.5.1.1).
"""

from modbus import identity, reply
from modbus.adu import reply_bytes
from modbus.codes import const
from modbus.gate import Gate
from modbus.line import Line

SILENCE = const(0)  # nothing came
ANSWER = const(1)  # a sound reply or exception of the unit, at offset `at` of `buf`
RUBBISH = const(2)  # bytes came, but no reply: `buf[0:n]`
BLOCKED = const(3)  # bytes came before the request could leave; nothing was sent

_BUF = const(280)  # an ADU, an echo and some stray bytes
_INTER_US = const(15000)  # longest silence inside a reply, besides one character
_SPIN_US = const(500)  # the gate may wait so long tightly


class Ask:
    """One question after the other.

    open_port(baud, serial_format) gives a port (firmware/DESIGN.md); the one before was closed,
    unless ports are `lent`: then whoever lends them sees to it.
    """

    def __init__(self, open_port, clock, lent=False):
        self.buf = bytearray(_BUF)
        self.n = 0
        self.at = -1
        self.outcome = SILENCE
        self.done = True
        self.frame = None
        self.line = None
        self.sent = 0  # requests that have left
        self.held_us = 0  # how long the last question kept the line: request, waiting, reply
        self.dropped = 0  # bytes for which there was no room
        self._open = open_port
        self._lent = lent
        self._us = clock.ticks_us
        self._diff = clock.ticks_diff
        self._add = clock.ticks_add
        self._clock = clock
        self._port = None
        self._gate = None
        self._chunk = bytearray(_BUF)
        self._waiting = False  # a reply is awaited
        self._last_us = 0  # the line has been silent since
        self._sent_us = 0
        self._first_us = 0  # from the begin of the request to the end of patience
        self._need = 0
        self._gap_us = 0  # silence before a request

    def tune(self, baud, serial_format):
        """Use this setting from now on. t3.5 starts anew."""
        line = self.line
        if self._port is not None and line.baud == baud and line.serial_format == serial_format:
            return
        self.close()
        self.line = Line("scan", baud, serial_format)
        self._port = self._open(baud, serial_format)
        self._gate = Gate(self._port, self._clock)
        # A UART hands a byte over in the middle of its first stop bit, 0.5 or 1.5 bits before it has ended.
        self._gap_us = self.line.t35_us + (self.line.char_us >> 2)
        self._port.discard()
        self.resume()

    def resume(self):
        """Nobody has listened until now: t3.5 starts anew."""
        self._last_us = self._us()
        self.n = 0

    def close(self):
        """Give the port back."""
        port = self._port
        self._port = None
        if port is not None and not self._lent:
            port.close()

    def start(self, frame, patience_ms):
        """Ask `frame`; the first byte of a reply must come within patience_ms (1..60000) after it. See `step`."""
        assert self.done and self._port is not None
        self.frame = frame
        self._need = 0
        if frame[1] <= 4:
            self._need = reply_bytes(frame[1], frame[4] << 8 | frame[5])
        self._first_us = self.line.chars_us(len(frame) + 1) + patience_ms * 1000
        self.done = False
        self._waiting = False
        self.n = 0
        self.at = -1
        self.held_us = 0

    def step(self):
        """Do what can be done now; returns us until there is something to do. Ends with `done` and an `outcome`."""
        if self.done:
            return 0
        if self._waiting:
            return self._await_reply()
        if self.hear():
            return self._end(BLOCKED)
        left = self.gap_left_us()
        if left > _SPIN_US:
            return left
        if not self._gate.send(self.frame, self._add(self._last_us, self._gap_us)):
            self.hear()
            return self._end(BLOCKED)
        self._sent_us = self._us()
        self._last_us = self._sent_us
        self.sent += 1
        self._waiting = True
        return self.line.chars_us(len(self.frame))

    def hear(self):
        """Take in what has arrived, behind what is in `buf`. Returns the number of bytes."""
        port = self._port
        heard = 0
        while True:
            arrived = port.available()
            if not arrived:
                break
            room = _BUF - self.n
            k = port.receive_into(self._chunk, min(arrived, room or _BUF))
            if not k:
                break
            if room:
                self.buf[self.n : self.n + k] = self._chunk[:k]
                self.n += k
            else:
                self.dropped = (self.dropped + k) & 0x3FFFFFFF
            heard += k
            if heard >= _BUF:  # the rest at the next look
                break
        if heard:
            self._last_us = self._us()
        elif not 0 <= self._diff(self._us(), self._last_us) <= 60000000:  # before the difference wraps, or after
            self._last_us = self._add(self._us(), -60000000)
        return heard

    def gap_left_us(self):
        """us until a frame may follow on what was heard or sent last; 0 or less: now."""
        return self._gap_us - self._diff(self._us(), self._last_us)

    def quiet_us(self):
        """For how long nothing was heard, at most 60 s (if `hear` is called often enough)."""
        return self._diff(self._us(), self._last_us)

    def _await_reply(self):
        heard = self.hear()
        now = self._us()
        frame = self.frame
        own = len(frame) if self.n >= len(frame) and reply.same(self.buf, frame) else 0
        if heard:
            self.at = self._locate(False)
            if self.at >= 0:
                return self._end(ANSWER)
        since = self._diff(now, self._sent_us)
        if self.n > own:
            left = _INTER_US + self.line.char_us - self._diff(now, self._last_us)
            if left > 0 and since < self._first_us + self.line.chars_us(_BUF):
                return left
        else:
            left = self._first_us - since
            if left > 0:
                return min(left, 2000)
        self.at = self._locate(True)
        if self.at >= 0:
            return self._end(ANSWER)
        return self._end(RUBBISH if self.n > own else SILENCE)

    def _locate(self, final):
        if self._need:
            return reply.find(self.buf, self.n, self.frame, self._need, final)
        return identity.locate(self.buf, self.n, self.frame)

    def _end(self, outcome):
        self.outcome = outcome
        self.done = True
        self._waiting = False
        if outcome != BLOCKED:
            self.held_us = self._diff(self._us(), self._sent_us)
        return 0
