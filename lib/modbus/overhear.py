"""What is done with foreign traffic: it feeds the points of a plan.

`Tap` reads a port and never sends; with `PlanFeed` a box beside an existing client delivers the
results that polling would.
"""

from modbus.adu import MAX_ADU_BYTES
from modbus.codes import GOOD, const
from modbus.crc import move
from modbus.listener import Listener

_CHUNK = const(64)
_REST_US = const(20000)  # beyond t3.5: what an operating system or a FIFO may hold back


class PlanFeed:
    """Hands what a Listener pairs to `on_result`, in the form that polling has (modbus.bus).

    A reply feeds every active read of the plan whose addresses lie all within it; failures of
    the foreign client's read are failures of these reads. `fed` counts the results.
    """

    def __init__(self, plan, on_result):
        self.fed = 0
        self._plan = plan
        self._on_result = on_result
        self._data = bytearray(MAX_ADU_BYTES)

    def on_pair(self, request, quality, ticks_ms, buf, start, nbytes):
        """See modbus.listener.Listener."""
        address = request[2] << 8 | request[3]
        end = address + (request[4] << 8 | request[5])
        for read in self._plan.reads:
            if (
                read.active
                and read.unit.unit_id == request[0]
                and read.fc == request[1]
                and address <= read.address
                and read.address + read.count <= end
            ):
                n = 0
                if quality == GOOD:
                    n = read.need - 5
                    if read.fc > 2:
                        move(self._data, 0, buf, start + 2 * (read.address - address), n)
                    else:
                        self._move_bits(buf, start, read.address - address, read.count)
                self.fed = (self.fed + 1) & 0x3FFFFFFF
                self._on_result(read, quality, ticks_ms, self._data, n)

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
        self._available = port.available
        self._receive_into = port.receive_into
        self._us = clock.ticks_us
        self._diff = clock.ticks_diff
        self._chunk = bytearray(_CHUNK)
        self._last_us = clock.ticks_us()
        self._rest_us = line.t35_us + _REST_US
        self._rested = True

    def step(self):
        """Take what has arrived; returns us until the next look. OSError of the port is passed on."""
        if self._available():
            n = self._receive_into(self._chunk, _CHUNK)
            self._last_us = self._us()
            self._rested = False
            self.listener.feed(self._chunk, n)
            return 0
        if not self._rested and self._diff(self._us(), self._last_us) > self._rest_us:
            self._rested = True
            self.listener.rest()
        return 4000
