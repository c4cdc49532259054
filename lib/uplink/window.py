"""The QoS 1 window: PUBLISH packets in the order of publishing, kept until the broker has acknowledged them.

Promises: bounded by a number of packets and a number of bytes, both allocated once; packets lie in one piece each,
so one write sends one; they leave in order, whatever the order of the acknowledgements. Packet identifiers run
1..65535 and wrap (MQTT 3.1.1, 2.3.1); those in the window are consecutive, so one finds its packet by subtraction.
"""

from array import array

IDS = 65535


class Window:
    """A ring of packets in a ring of bytes."""

    def __init__(self, packets, nbytes):
        assert 1 <= packets <= 64 and nbytes <= 65535
        self.buf = bytearray(nbytes)
        self.view = memoryview(self.buf)
        self.limit = packets
        self.count = 0
        self._first = 0  # slot of the oldest packet
        self._first_id = 1  # its packet identifier
        self._start = array("H", bytes(2 * packets))
        self._end = array("H", bytes(2 * packets))
        self._acked = bytearray(packets)
        self._tried = bytearray(packets)  # 1: handed to a connection, in whole or in part

    def _slot(self, index):
        return (self._first + index) % self.limit

    def room(self, nbytes):
        """Offset where a packet of `nbytes` can be written, -1 when there is none."""
        if self.count == self.limit:
            return -1
        if not self.count:
            return 0 if nbytes <= len(self.buf) else -1
        head = self._start[self._first]
        tail = self._end[self._slot(self.count - 1)]
        if tail <= head:
            return tail if nbytes <= head - tail else -1
        if nbytes <= len(self.buf) - tail:
            return tail
        return 0 if nbytes <= head else -1

    def next_id(self):
        """Packet identifier of the packet that `add` takes next."""
        return (self._first_id + self.count - 1) % IDS + 1

    def add(self, start, end):
        """Take the packet that was written to buf[start:end], `start` as returned by `room`."""
        assert self.count < self.limit and start < end <= len(self.buf)
        slot = self._slot(self.count)
        self._start[slot] = start
        self._end[slot] = end
        self._acked[slot] = self._tried[slot] = 0
        self.count += 1

    def packet(self, index):
        """The bytes of the packet at `index` (0 is the oldest) as a memoryview."""
        slot = self._slot(index)
        return self.view[self._start[slot] : self._end[slot]]

    def size(self, index):
        """Its number of bytes."""
        slot = self._slot(index)
        return self._end[slot] - self._start[slot]

    def acked(self, index):
        """True when its acknowledgement came, though an older one is missing."""
        return self._acked[self._slot(index)]

    def tried(self, index):
        """Note that its sending begins; returns True if it was begun before."""
        slot = self._slot(index)
        before = self._tried[slot]
        self._tried[slot] = 1
        return before

    def mark_duplicates(self, session_present):
        """Before sending again: set DUP in what was tried before (MQTT 3.1.1, 3.3.1.1), clear it when the broker
        kept no session, for then it is a first delivery to that session."""
        for index in range(self.count):
            slot = self._slot(index)
            at = self._start[slot]
            if session_present and self._tried[slot]:
                self.buf[at] |= 8
            else:
                self.buf[at] &= 0xF7

    def index_of(self, packet_id):
        """Index of the packet with that identifier, -1 when it is not in the window."""
        index = (packet_id - self._first_id) % IDS
        return index if 1 <= packet_id <= IDS and index < self.count else -1

    def ack(self, index):
        """Note an acknowledgement; False if it had come already."""
        slot = self._slot(index)
        if self._acked[slot]:
            return False
        self._acked[slot] = 1
        return True

    def pop(self):
        """Take out the oldest packet if it is acknowledged; returns its identifier, else 0."""
        if not self.count or not self._acked[self._first]:
            return 0
        packet_id = self._first_id
        self._first = (self._first + 1) % self.limit
        self._first_id = packet_id % IDS + 1
        self.count -= 1
        return packet_id
