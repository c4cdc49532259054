"""The register map of it.json's `modbus_tcp`, made while the plan is; only where it is configured.

The map is made from the configuration alone, not from what refusals have taught: `fieldgate modbus-map` prints it.
"""

from hashlib import sha256

from modbus import planner
from modbus.line import Line
from modbus.plan import Plan


class Map:
    """The map, told read by read."""

    def __init__(self):
        self._blocks = []
        self._groups = []
        self._digest = sha256()
        self._plan = None  # of a bus that has learned from refusals: as it would be without

    def add_unit(self, bus, plan, unit, reads):
        """Tell of a unit (as in ot.json) and the reads that `plan` has of it, with their points."""
        if plan.splits:
            if self._plan is None or self._plan.line.name != bus["name"]:
                self._plan = Plan(Line(bus["name"], bus["baud"], bus["serial_format"], 1000))
            reads = planner.add(self._plan, unit, False)
        for read in reads:
            self.add(read)

    def add_virtual(self, read):
        """Tell of a virtual group; they come last."""
        self._groups.append((read.group, len(self._blocks)))
        self.add(read)

    def add(self, read):
        """The next block, of a modbus.plan.Read with points."""
        block = (read.unit.name, read.fc, read.address, read.count, read.period_ms)
        self._blocks.append(block)
        self._digest.update(("%s,%d,%d,%d,%d\n" % block).encode())
        for point in read.points:
            what = "%s,%d,%s,%s\n" % (point["name"], point["address"], point["type"], point["order"])
            self._digest.update(what.encode())

    def whole(self):
        """(blocks, mark, groups): a list of (unit name, fc, address, count, period_ms); 4 bytes that change when a
        block, or what a register of it is, does; [(group, block) of the virtual groups]."""
        return self._blocks, self._digest.digest()[:4], self._groups
