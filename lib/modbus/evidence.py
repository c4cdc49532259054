"""What happened on a line: counters, latency, bus time, and the last transactions.

Preallocated; counters wrap at 2^30, as the ticks do. `note` is called once per transaction, so it
does the good case in one call of machine code: bytecode is what costs on a small board.
"""

from array import array

from modbus.codes import CRC, EXCEPTION, GOOD, TIMEOUT, const
from modbus.crc import settle

REQUESTS = const(0)
REPLIES = const(1)
TIMEOUTS = const(2)
CRC_ERRORS = const(3)
WRONG_REPLIES = const(4)
EXCEPTIONS = const(5)
RETRIES = const(6)
NAMES = ("requests", "replies", "timeouts", "crc_errors", "wrong_replies", "exceptions", "retries")

_MASK = const(0x3FFFFFFF)
_RING = const(64)
_LIMIT_US = const(0x10000000)
_MAX = const(7)  # places in Tally.counts and Evidence._sums; modbus.native.settle knows them too
_SUM = const(8)
_N = const(9)
_BUSY = const(0)
_IDEAL = const(1)
_LOST = const(2)
_ROW = const(3)
_T35 = const(4)


class Tally:
    """Counters and latency of one unit; `counts` is indexed by REQUESTS and so on."""

    def __init__(self):
        self.counts = array("i", bytes(4 * 10))  # behind the counters: largest latency, sum and number of latencies

    @property
    def max_us(self):
        """Largest latency in us."""
        return self.counts[_MAX]

    def mean_us(self):
        """Mean latency in us of the last 32 to 64 answers that were seen to come, 0 while there was none."""
        c = self.counts
        return max(0, c[_SUM] // c[_N]) if c[_N] else 0


class Evidence:
    """Evidence of one line. t35_us: its silence between frames; units: those of the plan."""

    def __init__(self, t35_us, units):
        self.tallies = [Tally() for _ in units]
        self.exceptions = [0] * 12  # by exception code; others at 0
        self._busy_ms = 0
        # us since the last fold: busy; of good transactions, and how much later than allowed these began; then the
        # next row, and t3.5
        self._sums = array("i", (0, 0, 0, 0, t35_us))
        self._rows = array("i", bytes(4 * 3 * _RING))  # end in ticks_ms, duration in us, quality << 8 | group

    def note(self, read, quality, took_us, lost_us, latency_us, watched, end_ms):
        """One transaction has ended at end_ms, took_us after its request was sent.

        lost_us: by how much its request was later than t3.5 allowed. latency_us: for good ones;
        watched: it was measured, else the reply was there at the first look and may have come earlier:
        then the next look is earlier, as a late one would prove itself right for ever.
        """
        unit = read.unit
        c = self.tallies[unit.index].counts
        sums = self._sums
        if quality == GOOD:
            unit.latency_min_us = settle(
                c,
                sums,
                self._rows,
                took_us,
                lost_us,
                latency_us if watched else -1,
                unit.latency_min_us,
                read.group,
                end_ms,
            )
            if sums[_ROW]:
                return
        else:
            c[REQUESTS] = (c[REQUESTS] + 1) & _MASK
            self._note_failure(c, quality)
            sums[_BUSY] += took_us + sums[_T35]
            i = sums[_ROW]
            sums[_ROW] = (i + 1) & (_RING - 1)
            i *= 3
            self._rows[i] = end_ms
            self._rows[i + 1] = took_us
            self._rows[i + 2] = quality << 8 | read.group
        if sums[_BUSY] > _LIMIT_US or sums[_IDEAL] > _LIMIT_US:
            self._fold()

    def _note_failure(self, c, quality):
        if quality >= EXCEPTION:
            i = EXCEPTIONS
            code = quality - EXCEPTION
            code = code if code < 12 else 0
            self.exceptions[code] = (self.exceptions[code] + 1) & _MASK
        elif quality == TIMEOUT:
            i = TIMEOUTS
        elif quality == CRC:
            i = CRC_ERRORS
        else:
            i = WRONG_REPLIES
        c[i] = (c[i] + 1) & _MASK

    def usual_us(self, unit):
        """Latency in us that an answer of `unit` most likely has."""
        return self.tallies[unit.index].mean_us() or unit.latency_min_us

    def note_retry(self, read):
        """The request of `read` will be sent again."""
        c = self.tallies[read.unit.index].counts
        c[RETRIES] = (c[RETRIES] + 1) & _MASK

    def _fold(self):
        """Keep sums of us below 2^30; seen to after every 64 transactions and after each failed one."""
        sums = self._sums
        self._busy_ms = (self._busy_ms + sums[_BUSY] // 1000) & _MASK
        sums[_BUSY] %= 1000
        if sums[_IDEAL] > _LIMIT_US:
            sums[_IDEAL] >>= 1
            sums[_LOST] >>= 1

    # --- for reading (allocates)

    def totals(self):
        """Counters of all units together, indexed by REQUESTS and so on."""
        return [sum(tally.counts[k] for tally in self.tallies) for k in range(len(NAMES))]

    def busy_ms(self):
        """Time in ms that transactions have taken, with t3.5; modulo 2^30."""
        self._fold()
        return self._busy_ms

    def efficiency_permille(self):
        """Time that good transactions needed, of the time that they took."""
        ideal, lost = self._sums[_IDEAL], self._sums[_LOST]
        return ideal * 1000 // (ideal + lost) if ideal + lost else 1000

    def rows(self):
        """The last 64 transactions, oldest first: (end in ticks_ms, group, quality, duration in us)."""
        n = min(self.totals()[REQUESTS], _RING)
        rows = self._rows
        order = [(self._sums[_ROW] - n + k) % _RING * 3 for k in range(n)]
        return [(rows[i], rows[i + 2] & 0xFF, rows[i + 2] >> 8, rows[i + 1]) for i in order]
