"""What is done with foreign traffic: it feeds the points of a plan.

`Tap` reads a port and never sends; with `PlanFeed` a box beside an existing client delivers the
results that polling would.
"""

from modbus.adu import MAX_ADU_BYTES
from modbus.codes import GOOD, const
from modbus.crc import move
from modbus.listener import Listener

_CHUNK = const(64)
_REST_US = const(20000)  # beyond t3.5: what a FIFO may hold back
_COARSE_REST_US = const(200000)  # the same for an operating system: a USB adapter, and somebody else's turn
_PARTS = const(3)  # a read is split after so many replies that held a part of it, if none held all


class PlanFeed:
    """Hands what a Listener pairs to `on_result`, in the form that polling has (modbus.bus).

    A reply feeds every active read of the plan whose addresses lie all within it; failures of
    the foreign client's read are failures of these reads. `fed` counts the results.
    on_part(read, near), if given: the foreign client reads only parts of this read; they meet at
    the address `near`.
    """

    def __init__(self, plan, on_result, on_part=None):
        self.fed = 0
        self._plan = plan
        self._on_result = on_result
        self._on_part = on_part
        self._parts = {}  # index of a read -> replies with a part of it; -1: one held all
        self._data = bytearray(MAX_ADU_BYTES)

    def on_pair(self, request, quality, ticks_ms, buf, start, nbytes):
        """See modbus.listener.Listener."""
        address = request[2] << 8 | request[3]
        end = address + (request[4] << 8 | request[5])
        part = -1
        for i, read in enumerate(self._plan.reads):
            if (
                read.active
                and read.unit.unit_id == request[0]
                and read.fc == request[1]
                and address < read.address + read.count
                and read.address < end
            ):
                if address <= read.address and read.address + read.count <= end:
                    self._feed(i, read, quality, ticks_ms, buf, start, address)
                elif quality == GOOD and self._is_read_in_parts(i):
                    part = i
        if part >= 0:
            read = self._plan.reads[part]
            self._parts[part] = -1  # it is split now, or cannot be
            self._on_part(read, address if address > read.address else end)

    def _feed(self, i, read, quality, ticks_ms, buf, start, address):
        n = 0
        if quality == GOOD:
            self._parts[i] = -1
            n = read.need - 5
            if read.fc > 2:
                move(self._data, 0, buf, start + 2 * (read.address - address), n)
            else:
                self._move_bits(buf, start, read.address - address, read.count)
        self.fed = (self.fed + 1) & 0x3FFFFFFF
        self._on_result(read, quality, ticks_ms, self._data, n)

    def _is_read_in_parts(self, i):
        """A reply held a part of read i; True when it is clear that it goes on like this."""
        heard = self._parts.get(i, 0)
        if heard < 0 or self._on_part is None:
            return False
        self._parts[i] = heard = min(heard + 1, _PARTS)
        return heard == _PARTS

    def _move_bits(self, buf, start, first, count):
        """Coils first..first + count of a reply, moved to bit 0; unused bits are 0 as in a reply."""
        for k in range((count + 7) // 8):
            self._data[k] = 0
        for k in range(count):
            at = first + k
            if buf[start + at // 8] >> at % 8 & 1:
                self._data[k // 8] |= 1 << k % 8


class Tap:
    """Listens at a port: `step()` at least every 20 ms. The port is asked for bytes and for nothing else."""

    def __init__(self, port, clock, line, on_pair=None):
        self.listener = Listener(clock, on_pair)
        self.quiet_us = 0  # for how long nothing has come, at the last look; at most 2^28
        self._available = port.available
        self._receive_into = port.receive_into
        self._us = clock.ticks_us
        self._diff = clock.ticks_diff
        self._add = clock.ticks_add
        self._chunk = bytearray(_CHUNK)
        self._last_us = clock.ticks_us()
        self._rest_us = line.t35_us + (_COARSE_REST_US if port.rest_ms else _REST_US)
        self._rested = True

    def step(self):
        """Take what has arrived; returns us until the next look. OSError of the port is passed on."""
        now = self._us()
        arrived = self._available()
        if arrived:
            n = self._receive_into(self._chunk, min(arrived, _CHUNK))
            self._last_us = now
            self.quiet_us = 0
            self._rested = False
            self.listener.feed(self._chunk, n)
            return 0
        self.quiet_us = self._diff(now, self._last_us)
        if self.quiet_us > 0x10000000 or self.quiet_us < 0:  # before the difference wraps, or after
            self.quiet_us = 0x10000000
            self._last_us = self._add(now, -0x10000000)
        if not self._rested and self.quiet_us > self._rest_us:
            self._rested = True
            self.listener.rest()
        return 4000

    def between(self):
        """True when no frame is under way and no reply is awaited: the best moment to be deaf for a while."""
        return self._rested and not self.listener.waits
