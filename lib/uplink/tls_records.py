"""What stands between Mbed TLS and the connection: hands the handshake over in steps of one message.

Promises: Mbed TLS computes nothing expensive except during `step`, and then no more than one handshake message asks
for; a record that holds several messages is handed over as several records (the sum that both sides keep of the
handshake counts messages, not records: RFC 5246, 6.2.1 and 7.4.9). No call blocks and none raises: Python exceptions
must not fly through Mbed TLS's frames, so errors wait in `error`. Bounded by one record of output.

Source of the times: emulated RP2040, P-256: 1.35 s for a flight in one piece, 0.46 to 0.57 s for its longest message.
"""

import errno
import io

_CHANGE_CIPHER_SPEC = 20  # RFC 5246, 6.2.1: content types
_ALERT = 21
_HANDSHAKE = 22
_APPLICATION = 23
_HEADER_BYTES = 5  # type, version, length
_MESSAGE_HEADER_BYTES = 4  # type, length (RFC 5246, 7.4)
_MAX_RECORD_BYTES = 16384 + 2048  # RFC 5246, 6.2.3

_BLOCKED = 0  # the step has had its message: nothing moves until the next
_PULL = 1  # bytes may flow, all but the last one of a message
_STEP = 2  # one message in, or one record out
_THROUGH = 3  # the handshake is over

NO_TLS = "answers without TLS (plain port?)"


class Records(io.IOBase):
    """The stream that SSLContext.wrap_socket gets. `inner`: a connection of the network seam, established."""

    def __init__(self, inner):
        self._inner = inner
        self._mode = _BLOCKED
        self._head = bytearray(_HEADER_BYTES + _MESSAGE_HEADER_BYTES)  # of a piece, as Mbed TLS gets it
        self._view = memoryview(self._head)
        self._got = 0  # bytes of the head that are here
        self._want = _HEADER_BYTES  # bytes that the head will have
        self._at = 0  # of those, how many Mbed TLS has
        self._left = 0  # bytes of the piece behind its head, still to come
        self._record_left = 0  # bytes of the record behind the piece
        self._known = False  # the head is whole and says how long the piece is
        self._refused = False  # Mbed TLS has something to send
        self._encrypted = False  # ChangeCipherSpec came: what follows cannot be looked into
        self._rest = b""  # output that the connection did not take at once
        self.error = None  # the OSError that the connection raised, or one of ours
        self.alert = 0  # what the peer's alert said (RFC 5246, 7.2), 0: none came
        self.heard = False  # the peer has said something that is TLS
        self.finished = False  # the peer's last handshake message has been handed over

    # For the link

    def pull(self):
        """Until the next `step` bytes may flow, but nothing that lets Mbed TLS compute."""
        self._mode = _PULL

    def step(self):
        """Let one message through."""
        self._mode = _STEP

    def open(self):
        """The handshake is over: everything passes."""
        self._mode = _THROUGH

    def due(self):
        """True if a step has something to do: a whole message is here, or one wants to leave."""
        return self._refused or (self._known and not self._left and self._at == self._got - 1)

    def last_words(self):
        """When sending has failed: the peer may have said why before it went."""
        if not self._got and not self.alert and not self._encrypted:
            try:
                if self._inner.read_into(self._view[:7]) == 7 and self._head[0] == _ALERT:
                    self.alert = self._head[6]
            except OSError:
                pass  # it said nothing

    def flush(self):
        """Hand on what the connection did not take; True when nothing is left."""
        if self._rest:
            self._rest = self._rest[self._hand_on(self._rest) :]
        return not self._rest

    # For Mbed TLS

    def readinto(self, buf):
        """Bytes, None for "not now", or the negative number of an error."""
        if self._mode == _BLOCKED or self.error:
            return self._none()
        if self._mode == _THROUGH and not self._known and not self._got:
            return self._receive(buf) or self._none()
        if not self._known and not self._begin():
            return self._none()
        nbytes = len(buf)
        total = self._got - self._at + self._left
        if self._mode == _PULL and nbytes >= total:
            nbytes = total - 1
        count = min(nbytes, self._got - self._at)
        if count:
            buf[:count] = self._view[self._at : self._at + count]
            self._at += count
        elif nbytes:
            count = self._receive(memoryview(buf)[: min(nbytes, self._left)])
            self._left -= count
        if self._mode == _PULL and self._left == 1 and self._at == self._got and self._receive(self._view[-1:]):
            self._left = 0  # the last byte waits here until it may be handed over
            self._got = len(self._head)
            self._at = self._got - 1
        if self._at == self._got and not self._left:
            self._end()
        return count if count else self._none()

    def write(self, buf):
        """Bytes taken, None for "not now", or the negative number of an error."""
        if self._mode != _THROUGH and buf[0] != _ALERT:
            if self._mode != _STEP:
                self._refused = True
                return None
            self._mode = _BLOCKED
        self._refused = False
        if self.flush():
            count = self._hand_on(buf)
            self._rest = bytes(memoryview(buf)[count:])
        else:
            self._rest += bytes(buf)
        return self._none() if self.error else len(buf)

    def ioctl(self, request, argument):
        """The link closes the connection, nobody polls this."""
        return 0

    # Pieces

    def _begin(self):
        """Get the head of the next piece; True when it is whole. In the handshake a piece is one message."""
        head = self._head
        while True:
            while self._got < self._want:
                count = self._receive(self._view[self._got : self._want])
                if not count:
                    return False
                self._got += count
                if not self._record_left and not self._is_tls():
                    return False
            if self._want == _HEADER_BYTES and not self._record_left:
                self._record_left = head[3] << 8 | head[4]
                if self._mode != _THROUGH and not self._encrypted and self._record_left:
                    # A message's header, an alert's two bytes: short records are taken as they are.
                    self._want += min(_MESSAGE_HEADER_BYTES, self._record_left)
                    continue
            break
        left = self._record_left
        if head[0] == _HANDSHAKE and self._want == _HEADER_BYTES + _MESSAGE_HEADER_BYTES:
            # A message that does not end in this record goes on in the next, which then is no message's beginning:
            # it is cut at random places, which costs steps and nothing else.
            length = _MESSAGE_HEADER_BYTES + (head[6] << 16 | head[7] << 8 | head[8])
            left = min(left, length)
        elif head[0] == _ALERT and self._want == _HEADER_BYTES + 2:
            self.alert = head[6]
        head[3] = left >> 8
        head[4] = left & 0xFF
        self._record_left -= left
        self._left = left - (self._want - _HEADER_BYTES)
        self._known = True
        return True

    def _is_tls(self):
        head = self._head
        if _CHANGE_CIPHER_SPEC <= head[0] <= _APPLICATION:
            if self._got < _HEADER_BYTES:
                return True
            if head[1] == 3 and head[3] << 8 < _MAX_RECORD_BYTES:
                self.heard = True
                return True
        self.error = OSError("protocol error: no TLS record" if self.heard else NO_TLS)
        return False

    def _end(self):
        """Mbed TLS has the whole piece."""
        if self._mode != _THROUGH:
            self._mode = _BLOCKED
            self.finished = self._encrypted
            if self._head[0] == _CHANGE_CIPHER_SPEC:
                self._encrypted = True
        self._known = False
        self._at = 0
        self._got = 0
        self._want = _HEADER_BYTES
        if self._record_left:  # the next message of the same record gets a header of its own
            self._got = _HEADER_BYTES
            self._want += min(_MESSAGE_HEADER_BYTES, self._record_left)

    # The connection

    def _receive(self, buf):
        if self.error:
            return 0
        try:
            return self._inner.read_into(buf)
        except OSError as error:
            self.error = error
            return 0

    def _hand_on(self, data):
        if self.error:
            return 0
        try:
            return self._inner.write(data)
        except OSError as error:
            self.error = error
            return 0

    def _none(self):
        return -errno.EIO if self.error else None
