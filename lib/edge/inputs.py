"""The newest numbers of the points that rules look at, decoded once per sample for all of them.

A number here is raw, as in points.numbers: before scale and offset. Limits are turned into raw numbers once
(edge.limits), so nothing is multiplied per sample. None: there is no good number, and `quality` says why.
"""

import json
import sys
from array import array

from modbus.codes import GOOD, NOT_ASKED, NOT_AVAILABLE, OUT_OF_RANGE, STALE
from points.numbers import BOOL, FLOAT32, INT16, UINT16, UINT32, kind_of, number, patterns, width_of

if sys.implementation.name == "micropython":
    import micropython
else:

    class micropython:
        """Stands in for the decorator that only MicroPython has."""

        @staticmethod
        def viper(function):
            return function


ptr8 = None  # CPython reads it in annotations; in viper it is the compiler's own word

_float = array("f", [0])  # one float32; its bytes are written, its number is read: the only garbage is that number
_word = _float if sys.implementation.name == "micropython" else memoryview(_float).cast("B")
_FLIP = 3 if sys.byteorder == "little" else 0


@micropython.viper
def _put_word(data: ptr8, at: int, flip: int, word: ptr8) -> int:
    """Copy 4 bytes with `flip` on the places (of an order 0 to 3 byte i is wire byte i ^ order); returns 1 for an
    infinity or NaN: exponent of ones only."""
    for i in range(4):
        word[i] = data[at + (i ^ flip)]
    flip = flip ^ int(_FLIP)
    return 1 if int(data[at + flip]) & 127 == 127 and int(data[at + (1 ^ flip)]) > 127 else 0


@micropython.viper
def _small(data: ptr8, at: int, kind: int) -> int:
    """The number of a uint16 or int16."""
    flip = (kind >> 4) & 1
    value = int(data[at + flip]) << 8 | int(data[at + (1 ^ flip)])
    return value - 65536 if kind & 15 == 2 and value > 32767 else value


@micropython.viper
def copy_bytes(source: ptr8, count: int, target: ptr8):
    """target[:count] = source[:count], without garbage."""
    for i in range(count):
        target[i] = source[i]


@micropython.viper
def same_bytes(one: ptr8, at: int, other: ptr8, count: int) -> int:
    """1 if one[at:at + count] equals other[at:at + count]."""
    for i in range(at, at + count):
        if int(one[i]) != int(other[i]):
            return 0
    return 1


def decode(kind, data, at, na):
    """As points.numbers.number; the frequent kinds without garbage but a float's box."""
    if kind < 256 and not na:
        what = kind & 15
        if what == UINT16 or what == INT16:
            return _small(data, at, kind)
        if what == FLOAT32:
            return None if _put_word(data, at, _FLIP ^ (kind >> 4), _word) else _float[0]
    return number(kind, data, at, na)


# Ways to decode an input, see Inputs.take.
_OTHER, _FLOAT, _SMALL = 0, 1, 2


class Gear:
    """What one group's sample turns: the places of its inputs, and whoever wants to know."""

    __slots__ = ("nbytes", "entries", "ranges", "reports", "sums", "alarms", "ticks", "holds_ms", "known", "spoiled")

    def __init__(self, nbytes):
        self.nbytes = nbytes
        self.entries = ()  # of (index of the input, way, kind or flip, at in bytes or bits, na patterns)
        self.ranges = None  # {index: (least, largest)} raw numbers of points that have such limits
        self.reports = None  # edge.deadband.Reports where all points of the group have a deadband
        self.ticks = 0  # ticks_ms of the newest sample
        self.holds_ms = 0  # so long its numbers are believed without a new one
        self.known = False  # there are numbers that may be believed
        self.spoiled = True  # not all of them are good
        self.sums = ()  # edge.aggregate.Aggregate of its points
        self.alarms = ()  # edge.alarms.Alarm of its points

    def turns(self, index):
        """True if this input is of the group."""
        return index in [entry[0] for entry in self.entries]


class Inputs:
    """names: list of "unit.point", all that rules look at; more may be added until `bind`."""

    def __init__(self, names):
        self.names = names
        self.values = []
        self.quality = bytearray()
        self.scales = []  # (scale, offset) of each, for people
        self._gears = {}

    def index_of(self, name):
        """Its place, which it gets now if it has none."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def bind(self, lines, make_reports=None):
        """Find the points in the meta lines of a schema; returns {group: Gear}. What was known is forgotten.

        make_reports(meta, kinds): the group's Reports; called where the meta has a deadband."""
        count = len(self.names)
        self.values = [None] * count
        self.quality = bytearray([NOT_ASKED] * count)
        self.scales = [(1, 0)] * count
        self._gears = gears = {}
        for line in lines:
            meta = json.loads(line)
            gear = self._gear(meta)
            if make_reports and meta.get("deadband"):
                gear.reports = make_reports(meta)
            if gear.entries or gear.reports:
                gears[meta["group"]] = gear
        return gears

    def _gear(self, meta):
        fc = meta["fc"]
        gear = Gear((meta["count"] + 7) // 8 if 0 < fc <= 2 else 2 * meta["count"])
        gear.holds_ms = min(3 * meta["period_ms"] + 2000, 0x1FFFFFFF)
        entries = []
        for point in meta["points"]:
            name = "%s.%s" % (meta["unit"], point["name"])
            if name in self.names:
                index = self.names.index(name)
                kind = kind_of(point)
                na = patterns(point)
                way, how = _OTHER, kind
                if kind & 15 == FLOAT32 and not na:
                    way, how = _FLOAT, _FLIP ^ (kind >> 4)
                elif kind < 64 and 0 < kind & 15 < UINT32 and not na:
                    way = _SMALL
                entries.append((index, way, how, place_of(point), na))
                self.scales[index] = (point["scale"], point["offset"])
                if "low" in point or "high" in point:
                    from edge.limits import raw_range

                    gear.ranges = gear.ranges or {}
                    gear.ranges[index] = raw_range(point, kind)
        gear.entries = tuple(entries)
        return gear

    def take(self, gear, quality, ticks_ms, data, nbytes):
        """One sample of the gear's group. Allocates nothing but the boxes of floats and of large integers."""
        values = self.values
        qualities = self.quality
        gear.ticks = ticks_ms
        if quality == GOOD and nbytes != gear.nbytes:
            quality = NOT_AVAILABLE
        if quality:
            gear.known = False
            self._spoil(gear, quality)
            return
        gear.known = True
        if gear.spoiled:
            gear.spoiled = False
            for entry in gear.entries:
                qualities[entry[0]] = GOOD
        put, small = _put_word, _small  # two at a time: more would make a tuple
        word, number = _word, _float
        for index, way, kind, at, na in gear.entries:
            if way == _FLOAT:
                value = None if put(data, at, kind, word) else number[0]
            elif way == _SMALL:
                value = small(data, at, kind)
            else:
                value = decode(kind, data, at, na)
            values[index] = value
            if value is None:
                qualities[index] = NOT_AVAILABLE
                gear.spoiled = True
        if gear.ranges:
            for index in gear.ranges:
                least, largest = gear.ranges[index]
                value = values[index]
                if value is not None and not least <= value <= largest:
                    values[index] = None
                    qualities[index] = OUT_OF_RANGE
                    gear.spoiled = True

    def _spoil(self, gear, quality):
        gear.spoiled = True
        for entry in gear.entries:
            self.values[entry[0]] = None
            self.quality[entry[0]] = quality

    def text_of(self, index):
        """Its value for people, five digits; "not known" if it is not good."""
        value = self.values[index]
        if value is None:
            return "not known"
        scale, offset = self.scales[index]
        return "%.5g" % (value * scale + offset)

    def expire(self, clock):
        """Forget numbers that nothing has renewed for too long; returns their indexes."""
        gone = ()
        now = clock.ticks_ms()
        for gear in self._gears.values():
            if gear.known and clock.ticks_diff(now, gear.ticks) > gear.holds_ms:
                gear.known = False
                self._spoil(gear, STALE)
                gone += tuple([entry[0] for entry in gear.entries])
        return gone

    def put(self, index, value, quality):
        """A number that was computed here, ahead of its sample."""
        self.values[index] = value
        self.quality[index] = quality


def place_of(point):
    """Of a meta's point: its byte in the data, for a bool its bit."""
    return point["at"] if point["type"] == "bool" else 2 * point["at"]


def bytes_of(kind):
    """Bytes that the point takes in the data, a bool's one included."""
    return 1 if kind & 15 == BOOL else width_of(kind)
