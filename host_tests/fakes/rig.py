"""A bus on a virtual line, ready to run: what most tests of the Modbus engine begin with."""

from clock import Clock, VirtualLoop
from line import Wire
from modbus.bus import Bus
from modbus.cells import PERIOD_MS, READ_CELLS
from modbus.line import Line
from modbus.plan import Plan


class Rand:
    """Repeatable random numbers: rand(n) gives 0..n-1 (a small linear congruential generator)."""

    def __init__(self, seed=1):
        self.state = seed

    def __call__(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % n


def unit(unit_id, points=None, **settings):
    """The configuration of one unit; `points` are (address, count in registers, period_ms) of FC 3."""
    config = {"name": "u%d" % unit_id, "unit_id": unit_id, "points": []}
    for address, count, period_ms in points or ((0, 10, 1000),):
        for i in range(count):
            at = address + i
            point = {"name": "p%d" % at, "fc": 3, "address": at, "type": "uint16", "period_ms": period_ms}
            config["points"].append(point)
    config.update(settings)
    return config


class Rig:
    """Clock, wire and bus. `results`: (read, quality, ms, data); `events`: (code, a, b)."""

    def __init__(
        self, units, configs, baud=19200, serial_format="8E1", share_permille=1000, rest_ms=0, look_us=4, fifo=0, seed=1
    ):
        self.clock = Clock(look_us=look_us)
        self.line = Line("line1", baud, serial_format, share_permille)
        self.wire = Wire(self.clock, baud, self.line.char_bits, units, rest_ms, 3, fifo)
        self.units = units
        self.results = []
        self.events = []
        self.plan = Plan(self.line, configs)
        self.bus = Bus(self.wire, self.clock, self.line, self.plan, self._result, self.on_event, Rand(seed))
        self.loop = VirtualLoop(self.clock)
        self.loop.spawn(self.bus.run(self.loop.sleep_ms))

    def _result(self, *result):
        self.on_result(*result)  # which a test may replace

    def on_result(self, read, quality, ticks_ms, buf, nbytes):
        self.results.append((read, quality, ticks_ms, bytes(buf[:nbytes])))

    def on_event(self, code, a, b):
        self.events.append((code, a, b))

    def run_ms(self, ms, until=None):
        return self.loop.run_ms(ms, until)

    def saturate(self):
        """Every read is due again at once, which no plan allows."""
        for i, read in enumerate(self.plan.reads):
            read.period_ms = self.bus.scheduler.table[i * READ_CELLS + PERIOD_MS] = 1

    def qualities(self, unit_id):
        """Qualities of one unit's results in order."""
        return [quality for read, quality, _, _ in self.results if read.unit.unit_id == unit_id]

    def good(self, unit_id):
        """Number of good results of one unit."""
        return len([1 for quality in self.qualities(unit_id) if quality == 0])
