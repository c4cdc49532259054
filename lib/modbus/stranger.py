"""Notices a second client on a line that we poll.

Takes the bytes that belong to none of our own transactions and looks for frames that only a client
causes: requests of FC 1 to 6, replies of FC 15 and 16; all have 8 bytes. Counts them all, raises
SECOND_CLIENT at most once a minute. Never raises on received bytes, allocates nothing.
"""

from modbus.codes import SECOND_CLIENT, const
from modbus.crc import move, sound

_FRAME = const(8)  # Modbus Application Protocol V1.1b3, 6.1 to 6.6, 6.11, 6.12, with unit id and CRC
_BUF = const(72)
_AGAIN_MS = const(60000)


class SecondClient:
    """`hear` takes the foreign bytes; `requests` counts what a foreign client has sent, modulo 2^30."""

    def __init__(self, clock, on_event):
        self.requests = 0
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._on_event = on_event
        self._told_ms = None
        self._buf = bytearray(_BUF)
        self._n = 0

    def hear(self, buf, start, end, own):
        """Bytes buf[start:end]. own: a request of ours whose echo may be among them, or None."""
        while start < end:
            k = min(end - start, _BUF - self._n)
            move(self._buf, self._n, buf, start, k)
            self._n += k
            start += k
            self._look(own)

    def _look(self, own):
        """Use up the buffer but for the last bytes, which may be the begin of a frame."""
        buf = self._buf
        n = self._n
        i = 0
        while i + _FRAME <= n:
            function = buf[i + 1]
            if function and (function <= 6 or 15 <= function <= 16) and sound(buf, i, _FRAME):
                if _caused_by_a_client(buf, i, own):
                    self._count(buf[i], function)
                i += _FRAME
            else:
                i += 1
        move(buf, 0, buf, i, n - i)
        self._n = n - i

    def _count(self, unit_id, function):
        self.requests = (self.requests + 1) & 0x3FFFFFFF
        now = self._ms()
        if self._told_ms is None or not 0 <= self._diff(now, self._told_ms) < _AGAIN_MS:
            self._told_ms = now
            self._on_event(SECOND_CLIENT, unit_id, function)


def _caused_by_a_client(buf, i, own):
    """The sound frame at offset i is neither our own echo nor a late reply with 3 bytes of coils, which is as long."""
    if buf[i + 1] <= 2 and buf[i + 2] == 3:
        return False
    if own is None or len(own) != _FRAME:
        return True
    for k in range(_FRAME):
        if buf[i + k] != own[k]:
            return True
    return False
