"""What the machine's registers say: values of points, conditions on them, counters of pieces.

32-bit floats are compared as the board's floats; counters are whole numbers, bit for bit. Texts: production.texts.
"""

from points.numbers import BOOL, kind_of, number, patterns, width_of
from uplink.points import micropython, ptr8


@micropython.viper
def take(data: ptr8, count: int, kept: ptr8) -> int:
    """Copy `count` bytes to `kept`; 1 if any of them differs from what was there."""
    changed = 0
    for i in range(count):
        if kept[i] != data[i]:
            kept[i] = data[i]
            changed = 1
    return changed


class Source:
    """A group of registers that is polled: its newest data and how old they are."""

    def __init__(self, group, period_ms, nbytes):
        self.group = group
        self.period_ms = period_ms
        self.hold_ms = 3 * period_ms + 1000  # without a sample for longer its last one holds no more
        self.data = bytearray(nbytes)
        self.states = False  # the machine's state depends on it
        self.alive = False
        self.fails = 0  # in a row
        self.quality = 0  # of the last one that failed
        self.good = 0  # ticks_ms of the last one that did not


class Value:
    """A point of a source. meta: the point's entry in the group's meta."""

    def __init__(self, source, meta):
        self.source = source
        self.kind = kind_of(meta)
        self.at = meta["at"] if self.kind == BOOL else 2 * meta["at"]
        self._na = patterns(meta)
        scale, offset = meta["scale"], meta["offset"]
        self._scale = None if scale == 1 and not offset else (scale, offset)

    def raw(self):
        """The number in the registers, None where it says that there is none; an int but for floats."""
        return number(self.kind, self.source.data, self.at, self._na)

    def number(self):
        """After scale and offset."""
        n = self.raw()
        return n if n is None or self._scale is None else n * self._scale[0] + self._scale[1]


class Condition:
    """terms: [(Value, operator or "", number, negated)]."""

    def __init__(self, terms):
        self._terms = terms

    def holds(self):
        """True if all of its terms do, None if one of its points has no number."""
        for value, operator, limit, negated in self._terms:
            n = value.number()
            if n is None:
                return None
            if operator == "":
                told = n != 0
            elif operator == "==":
                told = n == limit
            elif operator == "!=":
                told = n != limit
            elif operator == "<":
                told = n < limit
            elif operator == "<=":
                told = n <= limit
            elif operator == ">":
                told = n > limit
            elif operator == ">=":
                told = n >= limit
            else:
                told = int(n) & limit != 0
            if told == negated:
                return False
        return True


class Counter:
    """A register that counts pieces: what came since the last look, over wraps and resets.

    A step of more than a sixteenth of its range is none: the counter was set anew. Set to a small number, it has
    counted so many since; to a large one, nothing is known.
    """

    def __init__(self, value):
        self.value = value
        self.range = 1 << 8 * width_of(value.kind)
        self.last = None
        self.seen = False  # no gap since the last look

    def step(self):
        """(pieces since the last look, True if it was set anew)."""
        now = self.value.raw()
        if now is None:
            self.seen = False
            return 0, False
        last, self.last = self.last, now
        if last is None or now == last:
            return 0, False
        pieces = (now - last) % self.range
        if pieces <= self.range >> 4:
            return pieces, False
        return (now if now <= self.range >> 4 else 0), True
