"""What a point did in a window of time: least, largest, mean, deviation, count, last; counters and energy.

Sums are whole numbers, however long the window: integers as they are, floats in units of the last binary place that
the window's first one has (a window that begins with 1000 counts in steps of 0.00006). Only results become floats.
A value holds until the next sample; where none came for too long, the time between is not covered, and nothing is
said of it. A counter counts on over windows and gaps; over a restart of the box it begins anew.
"""

import math
import sys
from array import array

from edge.inputs import micropython
from edge.words import put, ratio, root

MIN, MAX, LAST, COUNT, COVERED = 1, 2, 4, 8, 16
MEAN, STD, ENERGY = 32, 64, 128
INCREASE, RATE = 256, 512
NAMES = {
    "min": MIN, "max": MAX, "mean": MEAN, "std": STD, "count": COUNT, "last": LAST, "covered_s": COVERED,
    "increase": INCREASE, "rate": RATE, "energy": ENERGY,
}  # fmt: skip
ptr8 = None  # CPython reads it in annotations; in viper it is the compiler's own word

_SUMS = MEAN | STD | ENERGY
_COUNTER = INCREASE | RATE
_MANTISSA = 16777216  # 2^24: a float32 has no more
_LEAST_POWER = -60  # of two: what is smaller counts as nothing
_FOLD = 0x20000000  # sums up to here are small ints on boards, which cost no garbage
_TOO_FAR = 0x3FFFFFFF

_float = array("f", [0])
_word = _float if sys.implementation.name == "micropython" else memoryview(_float).cast("B")
_HIGH = 3 if sys.byteorder == "little" else 0


@micropython.viper
def _units(word: ptr8, least: int) -> int:
    """The float32 in `word` in units of 2^(least - 150), rounded; _TOO_FAR if that is not below 2^29."""
    high = int(_HIGH)
    head = int(word[high])
    second = int(word[high ^ 1])
    exponent = (head & 127) << 1 | second >> 7
    mantissa = (second & 127 | 128) << 16 | int(word[high ^ 2]) << 8 | int(word[high ^ 3])
    shift = exponent - least
    if shift > 5:
        return int(_TOO_FAR)
    if shift < -24 or exponent == 0:
        return 0
    if shift >= 0:
        mantissa = mantissa << shift
    else:
        shift = 0 - shift
        mantissa = (mantissa + (1 << (shift - 1))) >> shift
    return 0 - mantissa if head > 127 else mantissa


class Aggregate:
    """One point in one window. index: of the input; what: bits of NAMES; timed: weighted by time; scale, offset: as
    fractions, for energy; modulus: where a counter wraps, 0: never; gap_ms: longest time that a value holds."""

    __slots__ = (
        "index", "what", "timed", "_passes", "_adds", "_part", "scale", "offset", "_modulus", "gap_ms", "count",
        "_min", "_max", "_last", "_at",
        "_held", "_raw", "_covered", "_power", "_sum", "_squares", "_area", "_before", "_increase", "_grew", "_rated",
        "_from",
    )  # fmt: skip

    def __init__(self, index, what, timed, scale, offset, modulus, gap_ms):
        self.index = index
        self.what = what
        self.timed = timed
        self._passes = bool(timed or what & (COVERED | ENERGY))  # time between samples counts
        self._adds = bool(not timed and what & (MEAN | STD))
        self.scale = scale
        self.offset = offset
        self._modulus = modulus
        self.gap_ms = gap_ms
        self._held = None  # the number that holds, as in the sums; None: not covered
        self._raw = None  # the same as it came
        self._at = 0  # ticks_ms since which it holds
        self._before = None  # the counter's newest number
        self._from = 0  # ticks_ms of the one at the window's begin
        self._power = None
        self._begin()

    def _begin(self):
        self.count = 0
        self._min = self._max = self._last = None
        self._covered = self._sum = self._part = self._squares = self._area = 0
        self._increase = 0
        self._grew = False
        self._rated = 0  # ms that the increase took

    def look(self, clock, value, ticks_ms):
        """A sample; value None: it is not good."""
        what = self.what
        if self._passes:
            self._advance(clock, ticks_ms)
        if value is None:
            self._held = None
            return
        self._last = value
        if not self.count:
            self._min = self._max = value
        elif value < self._min:
            self._min = value
        elif value > self._max:
            self._max = value
        self.count += 1
        if what & _COUNTER:
            self._count_on(clock, value, ticks_ms)
        if self._adds:
            if type(value) is int:
                whole = value
                self._power = 0
            else:
                whole = self._whole(value)
            part = self._part + whole
            if -_FOLD < part < _FOLD:
                self._part = part
            else:
                self._sum += part
                self._part = 0
            if what & STD:
                self._squares += whole * whole
        if self._passes:
            self._raw = value
            self._held = self._whole(value) if what & _SUMS else value

    def _whole(self, value):
        # The number in units of 2^_power.
        if isinstance(value, int):
            self._power = 0
            return value
        if self._power is not None:
            _float[0] = value
            whole = _units(_word, self._power + 150)
            if whole != _TOO_FAR:
                return whole
        fraction, power = math.frexp(value)
        if self._power is None:
            if not value:
                return 0
            self._power = max(power - 24, _LEAST_POWER)
        shift = power - 24 - self._power
        whole = int(fraction * _MANTISSA)
        return whole << shift if shift >= 0 else (whole + (1 << (-shift - 1))) >> -shift

    def _advance(self, clock, ticks_ms):
        # Time passes while a value holds.
        held = self._held
        if held is not None:
            step_ms = clock.ticks_diff(ticks_ms, self._at)
            if 0 < step_ms <= self.gap_ms:
                self._covered += step_ms
                if self.what & _SUMS:
                    self._area += held * step_ms
                    if self.timed and self.what & STD:
                        self._squares += held * held * step_ms
        self._at = ticks_ms

    def _count_on(self, clock, value, ticks_ms):
        before, self._before = self._before, value
        if before is None:
            self._from = ticks_ms
            return
        step = value - before
        if step < 0:
            wrapped = step + self._modulus
            # Just beyond the end of the counter it has wrapped, else somebody has set it back to 0.
            step = wrapped if 0 <= wrapped < self._modulus >> 2 else value
        self._increase += step
        self._grew = True
        self._rated += clock.ticks_diff(ticks_ms, self._from)
        self._from = ticks_ms

    def close(self, clock, end_ms):
        """The window ends: what it held as a Window, to be written when there is time; the next one begins."""
        if self._passes:
            self._advance(clock, end_ms)
        done = Window(self)
        holds = self._held is not None
        self._begin()
        self._power = None
        if holds:
            self._held = self._whole(self._raw) if self.what & _SUMS else self._raw
        return done


class Window:
    """What one point did in a window, taken from its Aggregate."""

    def __init__(self, one):
        self._one = one
        self.count = one.count
        self._ends = one._min, one._max, one._last
        self._covered = one._covered
        self._power = one._power or 0
        self._sums = one._sum + one._part, one._squares, one._area
        self._counted = one._increase, one._rated, one._grew

    def put(self, types, buf, at):
        """Write what was asked for, (bit, type name) each, as words at buf[at]; returns the place behind."""
        for bit, type_name in types:
            put(buf, at, type_name, self.result(bit))
            at += int(type_name.lstrip("uintfloa")) >> 3
        return at

    def result(self, bit):
        """The number for one bit of NAMES, None if there is none."""
        if bit == COUNT:
            return self.count
        if bit == COVERED:
            return self._covered
        if bit == INCREASE or bit == RATE:
            increase, rated, grew = self._counted
            if bit == INCREASE:
                return increase if grew else None
            return ratio(1000 * increase, rated) if grew and rated else None
        if bit == ENERGY:
            return self._energy() if self._covered else None
        if bit == MEAN or bit == STD:
            return self._mean_or_std(bit)
        return self._ends[0 if bit == MIN else 1 if bit == MAX else 2]

    def _mean_or_std(self, bit):
        total, squares, area = self._sums
        timed = self._one.timed
        weight, total = (self._covered, area) if timed else (self.count, total)
        if not weight:
            return None
        if bit == MEAN:
            return ratio(total, weight, self._power)
        spread = weight * squares - total * total
        if timed:
            return root(spread, weight * weight, self._power)
        return root(spread, weight * (weight - 1), self._power) if weight > 1 else None

    def _energy(self):
        # In thousandths of unit x hours: 3.6e6 ms are an hour.
        (top, bottom), (add, below) = self._one.scale, self._one.offset
        area, base = self._sums[2], 1
        if self._power > 0:
            area <<= self._power
        else:
            base <<= -self._power
        found = area * top * below + self._covered * add * base * bottom
        base *= 3600 * bottom * below
        return (2 * found + base) // (2 * base)
