"""The register image that the server shows: the latest good words of every group, with quality and age before them.

Promises: `note` allocates nothing once a group is known; words are bit for bit as on the wire; what was never read well
shows all bits set, and its quality says why. The map (DESIGN.md) does not move when a read is split while running.
"""

import struct
import sys

if sys.implementation.name == "micropython":
    import micropython
else:

    class micropython:
        """Stands in for the decorator that only MicroPython has."""

        @staticmethod
        def viper(function):
            return function


ptr8 = None  # CPython reads it in annotations; in viper it is the compiler's own word

VERSION = 1
HEAD = 16  # registers before the first block
OWN = 2  # registers of a block before its data: quality, age
GOOD = 0
NOT_ASKED = 5  # quality until the first poll, as everywhere
OLDEST_S = 65534
NEVER_S = 65535
SWEEP_MS = 600000


def data_registers(fc, count):
    """Registers that a block's data take: 16 bits to one for coils and discrete inputs."""
    return (count + 15) // 16 if is_bits(fc) else count


def is_bits(fc):
    """True for coils and discrete inputs; 0 is what the box computes, in registers."""
    return fc == 1 or fc == 2


@micropython.viper
def _copy(source: ptr8, count: int, target: ptr8, at: int):
    for i in range(count):
        target[at + i] = source[i]


@micropython.viper
def _copy_bits(source: ptr8, count: int, target: ptr8, at: int, first: int):
    # Bit n of the block is bit n & 15 of its register n >> 4.
    for i in range(count):
        n = first + i
        byte = at + ((n >> 3) ^ 1)
        bit = 1 << (n & 7)
        if (int(source[i >> 3]) >> (i & 7)) & 1:
            target[byte] = int(target[byte]) | bit
        else:
            target[byte] = int(target[byte]) & (255 ^ bit)


class _Part:
    """What one read has last brought of its block: places first..end (registers or bits) in it."""

    def __init__(self, first, end):
        self.first = first
        self.end = end
        self.quality = NOT_ASKED
        self.ticks = 0  # ms, of the last good sample
        self.known = False  # there was one
        self.old = False  # it is older than ages can say


class Image:
    """One per box. blocks: list of (unit name, fc, address, count, period_ms), in the order of the map; mark: 4 bytes
    that name this map."""

    def __init__(self, blocks, mark, clock, uptime):
        self._clock = clock
        self._uptime = uptime
        self._started_ms = uptime.ms()
        self._blocks = blocks
        self._starts = []  # first register of each block
        self._parts = []
        self._groups = {}  # group: (first byte of its block's data, part, bits or 0, bytes of a sample)
        registers = HEAD
        for block in blocks:
            self._starts.append(registers)
            self._parts.append([_Part(0, block[3])])
            registers += OWN + data_registers(block[1], block[3])
        self.registers = registers
        self._data = bytearray(2 * registers)
        self._swept = clock.ticks_ms()
        for start, block in zip(self._starts, blocks):
            at, end = 2 * (start + OWN), 2 * (start + OWN + data_registers(block[1], block[3]))
            spare = -block[3] & 15 if is_bits(block[1]) else 0
            for i in range(at, end):
                self._data[i] = 255
            if spare:  # bits behind the last coil are 0
                last = 65535 >> spare
                self._data[end - 2] = last >> 8
                self._data[end - 1] = last & 255
        self._put(0, VERSION)
        self._put(1, len(blocks))
        self._data[4:8] = mark

    def know(self, read):
        """Tell of a group, before its first sample: a read of the plan, one that was split off, or a virtual group."""
        if read.group in self._groups:
            return
        place = self._find(read)
        if place:
            self._know(read.group, *place)

    def place(self, group, block):
        """Tell which group it is whose samples fill block number `block` whole."""
        self._know(group, block, self._parts[block][0])

    def note(self, group, quality, ticks_ms, data, nbytes):
        """One poll's outcome, as for the recorder."""
        place = self._groups.get(group)
        if place is None:
            return
        at, part, bits, wanted = place
        if quality == GOOD and nbytes == wanted:
            part.ticks = ticks_ms
            part.known = True
            part.old = False
            if bits:
                _copy_bits(data, bits, self._data, at, part.first)
            else:
                _copy(data, nbytes, self._data, at + 2 * part.first)
        part.quality = quality

    def values(self, address, count):
        """The registers address..address+count-1 as a tuple of ints, or None where there are none."""
        if address + count > self.registers:
            return None
        if address < HEAD:
            self._show_head()
        starts = self._starts
        low, high = 0, len(starts)
        while low < high:  # the first block whose quality and age are wanted
            middle = (low + high) // 2
            if starts[middle] + OWN > address:
                high = middle
            else:
                low = middle + 1
        now = self._clock.ticks_ms()
        while low < len(starts) and starts[low] < address + count:
            self._show(low, 2 * starts[low], now)
            low += 1
        return struct.unpack_from(">%dH" % count, self._data, 2 * address)

    def sweep(self):
        """Ages that are longer than ticks can say become "old"; to be called at least once a day."""
        clock = self._clock
        now = clock.ticks_ms()
        if clock.ticks_diff(now, self._swept) < SWEEP_MS:
            return
        self._swept = now
        for parts in self._parts:
            for part in parts:
                self._age_s(part, now)

    def _know(self, group, block, part):
        count = part.end - part.first
        bits = count if is_bits(self._blocks[block][1]) else 0
        at = 2 * (self._starts[block] + OWN)
        self._groups[group] = (at, part, bits, (bits + 7) // 8 if bits else 2 * count)

    def _find(self, read):
        # The block that holds the read: its own, or the one of the read that it was split from.
        for i in range(len(self._blocks)):
            name, fc, address, count, period_ms = self._blocks[i]
            first = read.address - address
            if (
                name == read.unit.name
                and fc == read.fc
                and period_ms == read.period_ms
                and 0 <= first
                and first + read.count <= count
            ):
                return i, self._part(self._parts[i], first, first + read.count)
        return None

    def _part(self, parts, first, end):
        # The part of exactly these places; parts that they were taken from keep the rest until that is read, too.
        for part in parts:
            if part.first == first and part.end == end:
                return part
        fresh = _Part(first, end)
        for part in parts[:]:
            if part.first < end and part.end > first:
                parts.remove(part)
                for rest_first, rest_end in ((part.first, first), (end, part.end)):
                    if rest_first < rest_end:
                        rest = _Part(rest_first, rest_end)
                        rest.quality, rest.ticks = part.quality, part.ticks
                        rest.known, rest.old = part.known, part.old
                        parts.append(rest)
        parts.append(fresh)
        return fresh

    def _age_s(self, part, now):
        if not part.known:
            return NEVER_S
        if not part.old:
            age_s = self._clock.ticks_diff(now, part.ticks) // 1000
            if 0 <= age_s < OLDEST_S:
                return age_s
            part.old = True
        return OLDEST_S

    def _show(self, block, at, now):
        data = self._data
        quality = oldest_s = 0
        for part in self._parts[block]:
            quality = quality or part.quality
            age_s = self._age_s(part, now)
            if age_s > oldest_s:
                oldest_s = age_s
        data[at + 1] = quality  # below 256
        data[at + 2] = oldest_s >> 8
        data[at + 3] = oldest_s & 255

    def _show_head(self):
        uptime_s = (self._uptime.ms() - self._started_ms) // 1000
        utc_ms = self._clock.utc_ms()
        self._put_long(4, uptime_s)
        self._put_long(6, 0xFFFFFFFF if utc_ms is None else utc_ms // 1000)

    def _put_long(self, register, value):
        self._put(register, value >> 16 & 0xFFFF)
        self._put(register + 1, value & 0xFFFF)

    def _put(self, register, value):
        self._data[2 * register] = value >> 8
        self._data[2 * register + 1] = value & 255
