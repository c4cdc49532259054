"""Column coding: the values of one point over many samples, as few bytes as possible, and every bit comes back.

Promises: lossless for every bit pattern (NaN, -0.0 and counters that wrap included); never longer than the plain
words plus one byte; the decision is made on bits, with integers only, so that boards with single-precision floats
and the Unix port with doubles write the same bytes. FORMAT.md specifies the result.
"""

from uplink.points import FLOAT32, micropython, ptr8, width_of

# How a column is written: its first byte. DECIMAL + d: integers k, value = k / 10^d.
PLAIN = 0
DELTAS = 1
CONSTANT = 2
ROWS = 3
DECIMAL = 16
MAX_DECIMALS = 5


@micropython.viper
def load_steps(groups: ptr8, times: ptr8, count: int, group: int, words: ptr8) -> int:
    """Of `count` samples with big-endian 32-bit `times`, those of a group: words become the steps from one to the
    next, the first from 0. Returns how many."""
    found = 0
    last = 0
    for i in range(count):
        if int(groups[i]) == group:
            t = 4 * i
            time = int(times[t]) << 24 | int(times[t + 1]) << 16 | int(times[t + 2]) << 8 | int(times[t + 3])
            step = time - last
            last = time
            w = 4 * found
            words[w] = (step >> 24) & 255
            words[w + 1] = (step >> 16) & 255
            words[w + 2] = (step >> 8) & 255
            words[w + 3] = step & 255
            found += 1
    return found


@micropython.viper
def same(words: ptr8, count: int) -> int:
    """1 if all words are equal, else 0."""
    for i in range(4, 4 * count):
        if int(words[i]) != int(words[i - 4]):
            return 0
    return 1


@micropython.viper
def put_deltas(words: ptr8, count: int, out: ptr8, at: int, write: int) -> int:
    """Differences of neighbouring words modulo 2^32 (the first from 0), zigzag, as varints of 7 bits, low bits first.
    Returns the place after them; with `write` 0 nothing is written, which measures."""
    previous = 0
    for i in range(count):
        w = 4 * i
        word = int(words[w]) << 24 | int(words[w + 1]) << 16 | int(words[w + 2]) << 8 | int(words[w + 3])
        delta = word - previous
        previous = word
        token = (delta << 1) ^ (0 - ((delta >> 31) & 1))
        while True:
            rest = (token >> 7) & 0x1FFFFFF
            low = token & 0x7F
            if rest:
                low = low | 0x80
            if write:
                out[at] = low
            at += 1
            token = rest
            if not rest:
                break
    return at


@micropython.viper
def put_plain(words: ptr8, count: int, width: int, out: ptr8, at: int) -> int:
    """The low `width` bytes of every word, big-endian; width 0: one bit of each, first in the lowest bit."""
    if width:
        for i in range(count):
            for b in range(4 - width, 4):
                out[at] = words[4 * i + b]
                at += 1
        return at
    for i in range(count):
        if not i & 7:
            out[at] = 0
            at += 1
        out[at - 1] = int(out[at - 1]) | int(words[4 * i + 3]) << (i & 7)
    return at


@micropython.viper
def to_decimals(words: ptr8, count: int, power: int, numbers: ptr8) -> int:
    """Put into `numbers`, as 32-bit words, the integers k for which the float32 nearest to k / power is exactly the
    one in `words`. Returns `count`, or the index of the first word that has no such k below 2^22.

    power: 10^d, d <= 5. A float32 is mantissa / 2^shift. k / power must lie nearer to it than half the distance to
    its neighbours, that is |mantissa * power - k * 2^shift| < power / 2 (a quarter towards zero below a power of two).
    Both sides are integers, so k / power then keeps a distance from the rounding limit that is larger than the error
    of a double: a decoder may divide as double and round to single. mantissa * power is held as a * 4096 + b, so that
    nothing exceeds 30 bits. Zero is 0; -0.0, NaN, infinities and subnormals have no k.
    """
    for i in range(count):
        w = 4 * i
        head = int(words[w])
        second = int(words[w + 1])
        exponent = (head & 127) << 1 | second >> 7
        low = (second & 127) << 16 | int(words[w + 2]) << 8 | int(words[w + 3])
        k = 0
        if exponent | low | (head & 128):
            shift = 150 - exponent
            if exponent == 0 or shift < 2 or shift > 41:
                return i
            b = (low & 0xFFF) * power
            a = (low >> 12 | 0x800) * power + (b >> 12)
            b = b & 0xFFF
            if shift < 13:
                if a >> (10 + shift):
                    return i
                half = 1 << (shift - 1)
                k = (a << (12 - shift)) + ((b + half) >> shift)
                error = b & (half + half - 1)
                if error >= half:
                    error = error - half - half
            else:
                shift = shift - 12
                k = (a + ((1 << shift) >> 1)) >> shift
                error = a - (k << shift)
                if error > 16 or error < -16:
                    return i
                error = (error << 12) + b
            if error < 0:
                error = 0 - error
            error = error + error
            if not low:
                error = error + error
            if error >= power or not k or k >= 0x400000:
                return i
            if head & 128:
                k = 0 - k
        numbers[w] = (k >> 24) & 255
        numbers[w + 1] = (k >> 16) & 255
        numbers[w + 2] = (k >> 8) & 255
        numbers[w + 3] = k & 255
    return count


def find_decimals(words, count, numbers):
    """The least number of decimals, 0..MAX_DECIMALS, that gives every float32 of `words` exactly; -1 if there is
    none. On success `numbers` holds the integers."""
    power = 1
    for decimals in range(MAX_DECIMALS + 1):
        if to_decimals(words, count, power, numbers) == count:
            return decimals
        power *= 10
    return -1


class ColumnWriter:
    """Chooses the shortest form for one column and writes it."""

    def __init__(self, words):
        self.words = words  # bytes of 32-bit words; the caller loads a column there
        self._numbers = bytearray(len(words))

    def choose(self, count, kind):
        """Decide for `count` >= 1 words of that kind; returns the size in bytes, mode byte included."""
        words = self.words
        width = width_of(kind)
        self._count = count
        self._width = width
        self._source = words
        self._mode = PLAIN
        size = width * count if width else (count + 7) // 8
        if count > 1 and same(words, count):
            self._mode = CONSTANT
            self._count = 1
            return 1 + (width or 1)
        if width:
            deltas = put_deltas(words, count, words, 0, 0)
            if deltas < size:
                self._mode = DELTAS
                size = deltas
        if kind & 7 == FLOAT32:
            decimals = find_decimals(words, count, self._numbers)
            if decimals >= 0:
                deltas = put_deltas(self._numbers, count, words, 0, 0)
                if deltas < size:
                    self._mode = DECIMAL + decimals
                    self._source = self._numbers
                    size = deltas
        return 1 + size

    def put(self, out, at):
        """Write what `choose` has chosen; returns the place after it."""
        out[at] = self._mode
        if self._mode == PLAIN or self._mode == CONSTANT:
            return put_plain(self._source, self._count, self._width, out, at + 1)
        return put_deltas(self._source, self._count, out, at + 1, 1)
