"""Cuts the bytes that the broker sends into MQTT packets.

Promises: takes pieces of any size, keeps at most `kept_bytes` of a packet (the rest is counted and skipped, so that
no broker can make it grow), and says ValueError when the bytes cannot be MQTT (MQTT 3.1.1, 2.2).
"""

KEPT_BYTES = 128

_TYPE = 0
_LENGTH = 1
_BODY = 2


class Framer:
    """`feed` calls `on_packet(first_byte, body, length)`; body holds min(length, kept_bytes) bytes until it returns."""

    def __init__(self, on_packet, kept_bytes=KEPT_BYTES):
        self._on_packet = on_packet
        self._body = bytearray(kept_bytes)
        self._view = memoryview(self._body)
        self.reset()

    def reset(self):
        """Forget a packet that was begun: a new connection starts."""
        self._state = _TYPE
        self._first = 0
        self._length = 0
        self._shift = 0
        self._got = 0

    def feed(self, data, nbytes):
        """Take data[:nbytes]. Raises ValueError for a remaining length of more than 4 bytes or a type 0 or 15."""
        at = 0
        while at < nbytes:
            if self._state == _BODY:
                at += self._take(data, at, nbytes)
                continue
            byte = data[at]
            at += 1
            if self._state == _TYPE:
                if byte < 0x10 or byte >= 0xF0:
                    raise ValueError("packet type %d" % (byte >> 4))
                self._first = byte
                self._length = self._shift = self._got = 0
                self._state = _LENGTH
                continue
            if self._shift > 21:
                raise ValueError("packet length of more than 4 bytes")
            self._length |= (byte & 0x7F) << self._shift
            self._shift += 7
            if byte < 0x80:
                self._state = _BODY
                if not self._length:
                    self._finish()

    def _take(self, data, at, nbytes):
        """Take the part of the body that lies in data[at:nbytes]; returns its length."""
        size = min(nbytes - at, self._length - self._got)
        keep = min(size, len(self._body) - self._got)
        if keep > 0:
            self._view[self._got : self._got + keep] = data[at : at + keep]
        self._got += size
        if self._got == self._length:
            self._finish()
        return size

    def _finish(self):
        self._state = _TYPE
        self._on_packet(self._first, self._view[: min(self._length, len(self._body))], self._length)
