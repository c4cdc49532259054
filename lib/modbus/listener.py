"""Listens to somebody else's Modbus client: pairs requests with replies, never sends anything.

    listener = Listener(clock, on_pair)
    listener.feed(buf, n)      # bytes as they come, in any lots
    listener.rest()            # the line has been silent for longer than a frame may pause

This module has no port and no way to get one. Frames are found by their structure and CRC, not
by silence: a UART with FIFO or an operating system shows request and reply in one lot.

Promises: any bytes may come, nothing is raised on them; memory is bounded (one buffer, MAX_READS
learned reads, at most 247 units) and what does not fit is counted; a pair is reported only if
request and reply have a right CRC, the same unit, function and the length that the request
asks for. Functions: Modbus Application Protocol V1.1b3, section 6; writes are
understood, too, as their replies must not be taken for anything else.
"""

from modbus.adu import reply_bytes
from modbus.codes import EXCEPTION, GOOD, TIMEOUT, const
from modbus.crc import sound
from modbus.identity import reply_bytes as identity_bytes

MAX_READS = const(64)
_BUF = const(520)  # a request and a reply of full length
_MASK = const(0x3FFFFFFF)
_SHORT = const(-1)  # more bytes are needed to tell
_LONGEST = const(256)


class Heard:
    """A read that the client repeats: unit_id, fc, address, count, how often it was answered, and its period."""

    def __init__(self, unit_id, fc, address, count):
        self.unit_id = unit_id
        self.fc = fc
        self.address = address
        self.count = count
        self.replies = 0
        self.period_ms = 0  # between its last two replies
        self.last_ms = 0


class Listener:
    """Frames, units and reads of a foreign client.

    on_pair(request, quality, ticks_ms, buf, start, nbytes): a read (FC 1 to 4) has got its reply
    (GOOD; the data are buf[start:start + nbytes], valid during the call), an exception
    (16 + code) or none before the client went on (TIMEOUT). `request` is its frame (bytes).
    on_request(request): a sound request.
    """

    def __init__(self, clock, on_pair=None, on_request=None):
        self.units = {}  # unit id -> [requests, replies, exceptions, unanswered]
        self.reads = {}  # request frame (bytes) -> Heard
        self.frames = 0  # sound frames
        self.pairs = 0
        self.orphans = 0  # sound replies to requests that were not heard
        self.stray_bytes = 0  # in no frame
        self.unlearned = 0  # reads for which there was no room
        self.last_id = 0  # unit of the last sound frame
        self._clock = clock
        self._on_pair = on_pair
        self._on_request = on_request
        self._buf = bytearray(_BUF)
        self._n = 0
        self._request = None  # frame that waits for its reply

    def feed(self, data, n):
        """Take the bytes data[0:n]."""
        at = 0
        while at < n:
            k = min(n - at, _BUF - self._n)
            self._buf[self._n : self._n + k] = data[at : at + k]
            self._n += k
            at += k
            self._parse(False)
            assert self._n < _BUF  # no frame is as long as that: the parser must have moved on

    def rest(self):
        """The line is silent: what is not complete now will never be."""
        if self._n:
            self._parse(True)

    @property
    def waits(self):
        """True while a request has no reply yet, or a frame is not complete."""
        return self._request is not None or self._n > 0

    def _parse(self, final):
        """Use up all that can be told of the bytes in the buffer."""
        i = begin = 0
        while i < self._n:
            length = self._frame(i)
            if length > 0:
                self.stray_bytes = (self.stray_bytes + i - begin) & _MASK
                i += length
                begin = i
            elif length == _SHORT and not final:
                break
            else:
                i += 1
        self.stray_bytes = (self.stray_bytes + i - begin) & _MASK
        left = self._n - i
        if i and left:
            self._buf[0:left] = self._buf[i : self._n]
        self._n = left

    def _frame(self, i):
        """Handle the frame at offset i: its length, 0 if there is none, _SHORT if that cannot be told yet."""
        buf = self._buf
        left = self._n - i
        if buf[i] > 247:
            return 0
        if left < 2:
            return _SHORT
        function = buf[i + 1]
        if not 1 <= function & 0x7F <= 43:
            return 0
        request = self._request
        answered = request is not None and buf[i] == request[0] and function & 0x7F == request[1]
        short = False
        # A reply that is awaited comes first: the reply to a write looks like its request.
        for kind in (1, 0, 2) if answered else (0, 2):
            if kind == 0:
                length = request_bytes(buf, i, left)
            elif function & 0x80:
                length = 5
            elif kind == 1:
                length = self._awaited_bytes(i, left)
            else:
                length = free_reply_bytes(buf, i, left)
            if length == _SHORT or length > left:
                short = True
            elif length and sound(buf, i, length):
                self.frames = (self.frames + 1) & _MASK
                self.last_id = buf[i]
                if kind == 0:
                    self._asked(i, length)
                elif kind == 1:
                    self._answered(i, length)
                else:
                    self.orphans = (self.orphans + 1) & _MASK
                    self._request = None
                return length
        return _SHORT if short else 0

    def _awaited_bytes(self, i, left):
        """Length of the good reply that the request asks for."""
        request = self._request
        function = request[1]
        if function <= 4:
            if left > 2 and self._buf[i + 2] != reply_bytes(function, request[4] << 8 | request[5]) - 5:
                return 0
            return reply_bytes(function, request[4] << 8 | request[5])
        return free_reply_bytes(self._buf, i, left)

    def _asked(self, i, length):
        buf = self._buf
        self.lost()
        request = bytes(buf[i : i + length])
        unit = self._unit(buf[i])
        if unit is not None:
            unit[0] = (unit[0] + 1) & _MASK
            self._request = request
        if self._on_request is not None:
            self._on_request(request)

    def lost(self):
        """The request that waits for its reply will get none."""
        request = self._request
        self._request = None
        if request is not None:
            unit = self._unit(request[0])
            unit[3] = (unit[3] + 1) & _MASK
            self._report(request, TIMEOUT, 0, 0)

    def _answered(self, i, length):
        request = self._request
        self._request = None
        self.pairs = (self.pairs + 1) & _MASK
        unit = self._unit(request[0])
        if self._buf[i + 1] & 0x80:
            unit[2] = (unit[2] + 1) & _MASK
            self._report(request, EXCEPTION + self._buf[i + 2], 0, 0)
            return
        unit[1] = (unit[1] + 1) & _MASK
        if request[1] <= 4:
            self._learn(request)
            self._report(request, GOOD, i + 3, length - 5)

    def _report(self, request, quality, start, nbytes):
        if request[1] <= 4 and self._on_pair is not None:
            self._on_pair(request, quality, self._clock.ticks_ms(), self._buf, start, nbytes)

    def _unit(self, unit_id):
        """Counters of a unit, None for the broadcast address."""
        if unit_id == 0:
            return None
        if unit_id not in self.units:
            self.units[unit_id] = [0, 0, 0, 0]
        return self.units[unit_id]

    def _learn(self, request):
        """Remember a read that was answered."""
        heard = self.reads.get(request)
        now = self._clock.ticks_ms()
        if heard is None:
            if len(self.reads) >= MAX_READS:
                self.unlearned = (self.unlearned + 1) & _MASK
                return
            heard = Heard(request[0], request[1], request[2] << 8 | request[3], request[4] << 8 | request[5])
            self.reads[request] = heard
        else:
            heard.period_ms = max(0, self._clock.ticks_diff(now, heard.last_ms))
        heard.last_ms = now
        heard.replies = (heard.replies + 1) & _MASK


def request_bytes(buf, i, left):
    """Length of the request that buf[i:i + left] may begin with, 0 if it is none, -1 if that cannot be told yet."""
    function = buf[i + 1]
    if 1 <= function <= 4:
        if left > 5:
            count = buf[i + 4] << 8 | buf[i + 5]
            if not 1 <= count <= (2000 if function <= 2 else 125):
                return 0
        return 8
    if function in (5, 6, 8):
        return 8
    if function in (15, 16):
        return 9 + buf[i + 6] if left > 6 else _SHORT
    if function == 22:
        return 10
    if function == 23:
        return 13 + buf[i + 10] if left > 10 else _SHORT
    if function in (7, 11, 12, 17):
        return 4
    if function == 43:
        return 7
    return 0


def free_reply_bytes(buf, i, left):
    """Length of the good reply that buf[i:i + left] may begin with, without knowing its request; 0 and -1 as above."""
    function = buf[i + 1]
    if function & 0x80:
        return 5
    if function in (1, 2, 3, 4, 12, 17, 23):
        if left < 3:
            return _SHORT
        size = buf[i + 2]
        return 5 + size if 1 <= size <= 251 and (function not in (3, 4) or size % 2 == 0) else 0
    if function in (5, 6, 8, 15, 16, 11):
        return 8
    if function == 22:
        return 10
    if function == 7:
        return 5
    if function == 43:
        length = identity_bytes(buf, i, i + left)
        return length or (_SHORT if left < _LONGEST else 0)
    return 0
