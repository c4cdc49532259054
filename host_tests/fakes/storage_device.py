"""Block devices of real boards over the NOR simulator, and stand-ins of the modules rp2 and esp32.

They refuse what the chips' drivers refuse (alignment, bounds) with ValueError, so a mistake of ours shows. A device
whose power was cut answers every call with -EIO: LittleFS then ends in order, and nothing more reaches the flash.
MicroPython only.
"""

import sys

from nor import ERASE, PROGRAM, SECTOR_BYTES

EIO = 5


class Device:
    """The block device protocol as rp2.Flash and esp32.Partition speak it: offset writes program without an erase.

    program_bytes: alignment that writes must have: 256 for rp2, 1 for esp32. on_operation(device, kind, block, offset,
    data) is called before each erase and program; a PowerCut-like end is `device.dead = True`.
    """

    def __init__(self, nor, program_bytes, first=0, count=None):
        self.nor = nor
        self.program_bytes = program_bytes
        self.first = first
        self.count = nor.sectors - first if count is None else count
        self.dead = False
        self.on_operation = None
        self.operations = 0

    def _place(self, block, offset, size):
        at = block * SECTOR_BYTES + offset
        if not 0 <= at <= self.count * SECTOR_BYTES - size:
            raise ValueError("outside of the device")
        return self.first + at // SECTOR_BYTES, at % SECTOR_BYTES

    def readblocks(self, block, buf, offset=0):
        if self.dead:
            return -EIO
        sector, offset = self._place(block, offset, len(buf))
        self.nor.read(sector, offset, buf)

    def writeblocks(self, block, buf, offset=None):
        assert offset is not None, "erases and programs at once: nobody here may want that"
        size = len(buf)
        if offset % self.program_bytes or size % self.program_bytes:
            raise ValueError("alignment")
        sector, offset = self._place(block, offset, size)
        if not self._begin(PROGRAM, sector, offset, buf):
            return -EIO
        self.nor.program(sector, offset, buf)

    def ioctl(self, operation, value):
        if operation == 4:
            return self.count
        if operation == 5:
            return SECTOR_BYTES
        if operation == 6:
            sector, _ = self._place(value, 0, SECTOR_BYTES)
            if not self._begin(ERASE, sector, 0, None):
                return -EIO
            self.nor.erase(sector)
        return 0

    def _begin(self, kind, sector, offset, data):
        if not self.dead:
            self.operations += 1
            if self.on_operation:
                self.on_operation(self, kind, sector, offset, data)
        return not self.dead


class Rp2:
    """Stands in for the module rp2: `Flash()` is the device."""

    def __init__(self, nor):
        self.device = Device(nor, 256)

    def Flash(self):  # noqa: N802 (MicroPython's name)
        return self.device


class FakePartition(Device):
    """A partition of `count` sectors from `first` on; failures are OSErrors with numbers of the driver's own."""

    def __init__(self, nor, label, first, count, encrypted=False):
        super().__init__(nor, 1, first, count)
        self.label = label
        self.encrypted = encrypted
        self.failing = False

    def info(self):
        return 1, 2, self.first * SECTOR_BYTES, self.count * SECTOR_BYTES, self.label, self.encrypted

    def _begin(self, kind, sector, offset, data):
        if self.failing:
            raise OSError(-0x107)
        return super()._begin(kind, sector, offset, data)


class Esp32:
    """Stands in for the module esp32: `Partition.find` looks through `partitions`."""

    TYPE_DATA = 1

    def __init__(self, *partitions):
        self.partitions = partitions
        self.Partition = self

    def find(self, type, label):
        assert type == self.TYPE_DATA
        return [each for each in self.partitions if each.label == label]


def storage_of(port, module):
    """`ports.<port>.storage`, loaded anew with `module` (an Rp2 or Esp32) in place of the port's own."""
    sys.modules[port] = module
    path = "ports.%s.storage" % port
    sys.modules.pop(path, None)
    __import__(path)
    return sys.modules[path]
