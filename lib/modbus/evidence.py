"""What happened on a line: counters, latency, bus time, and the last transactions.

Preallocated; counters wrap at 2^30, as the ticks do. `settle` does the accounts of one transaction; for
good polls `modbus.native.turn` does the same in machine code.
"""

from array import array

from modbus.cells import (
    BUSY_S,
    BUSY_US,
    END_MS,
    IDEAL_US,
    LATE_US,
    LEAST_US,
    MAX_US,
    NEXT_ROW,
    RING,
    SUM_US,
    T35_US,
    TIMES,
    TOOK_US,
    UNIT_CELLS,
    UNITS,
    WATCHED,
    WHAT,
)
from modbus.codes import CRC, EXCEPTION, GOOD, TIMEOUT, const

REQUESTS = const(0)
REPLIES = const(1)
TIMEOUTS = const(2)
CRC_ERRORS = const(3)
WRONG_REPLIES = const(4)
EXCEPTIONS = const(5)
RETRIES = const(6)
NAMES = ("requests", "replies", "timeouts", "crc_errors", "wrong_replies", "exceptions", "retries")

_MASK = const(0x3FFFFFFF)
_LIMIT_US = const(0x10000000)  # of what the share is made of
_RING = const(64)


def cells_of(unit):
    """Place of a unit's cells in those of its line."""
    return UNITS + unit.index * UNIT_CELLS


def settle(c, unit, kind, lost_us, latency_us):
    """Account for the transaction that the cells c tell of (END_MS to WHAT, WATCHED).

    unit: place of its unit's cells. kind: which counter of the unit besides the requests. The rest as for `note`.
    """
    c[unit] = (c[unit] + 1) & _MASK
    c[unit + kind] = (c[unit + kind] + 1) & _MASK
    took = c[TOOK_US] + c[T35_US]
    busy = c[BUSY_US] + took
    c[BUSY_S] += busy // 1000000
    c[BUSY_US] = busy % 1000000
    if kind == REPLIES:
        c[IDEAL_US] += took
        c[LATE_US] += lost_us
        if c[IDEAL_US] > _LIMIT_US:
            c[IDEAL_US] = c[IDEAL_US] >> 1
            c[LATE_US] = c[LATE_US] >> 1
        least = c[unit + LEAST_US]
        n = c[unit + TIMES]
        if not c[WATCHED]:
            least -= least >> 4
        else:
            if latency_us < least or n == 0:
                least = latency_us
            else:
                least += (latency_us - least) >> 4
            c[unit + MAX_US] = max(latency_us, c[unit + MAX_US])
            if n == 64:
                n = 32
                c[unit + SUM_US] = c[unit + SUM_US] >> 1
            c[unit + TIMES] = n + 1
            c[unit + SUM_US] += latency_us
        c[unit + LEAST_US] = least
    n = c[NEXT_ROW]
    c[NEXT_ROW] = (n + 1) & 63
    n = RING + 3 * n
    c[n] = c[END_MS]
    c[n + 1] = c[TOOK_US]
    c[n + 2] = c[WHAT]


class Tally:
    """Counters and latency of one unit; `counts`, which are its cells, is indexed by REQUESTS and so on."""

    def __init__(self, unit, cells):
        self.counts = unit.cells = cells  # its part of those of the line, see modbus.cells

    @property
    def max_us(self):
        """Largest latency in us."""
        return self.counts[MAX_US]

    @property
    def least_us(self):
        """Latency in us before which an answer need not be looked for."""
        return self.counts[LEAST_US]

    def mean_us(self):
        """Mean latency in us of the last 32 to 64 answers that were seen to come, 0 while there was none."""
        c = self.counts
        return max(0, c[SUM_US] // c[TIMES]) if c[TIMES] else 0


class Evidence:
    """Evidence of one line. t35_us: its silence between frames; units: those of the plan."""

    def __init__(self, t35_us, units):
        self.exceptions = [0] * 12  # by exception code; others at 0
        self.cells = array("i", bytes(4 * (UNITS + UNIT_CELLS * len(units))))  # of the line: see modbus.cells
        self.cells[T35_US] = t35_us
        whole = memoryview(self.cells)
        self.tallies = [Tally(unit, whole[cells_of(unit) : cells_of(unit) + UNIT_CELLS]) for unit in units]

    def note(self, read, quality, took_us, lost_us, latency_us, watched, end_ms):
        """One transaction has ended at end_ms, took_us after its request was sent.

        lost_us: by how much its request was later than t3.5 allowed. latency_us: for good ones;
        watched: it was measured, else the reply was there at the first look and may have come earlier:
        then the next look is earlier, as a late one would prove itself right for ever.
        """
        c = self.cells
        c[END_MS] = end_ms
        c[TOOK_US] = took_us
        c[WATCHED] = int(watched)
        c[WHAT] = quality << 8 | read.group
        settle(c, cells_of(read.unit), self._counter_of(quality), lost_us, latency_us)

    def _counter_of(self, quality):
        if quality == GOOD:
            return REPLIES
        if quality >= EXCEPTION:
            code = quality - EXCEPTION
            code = code if code < 12 else 0
            self.exceptions[code] = (self.exceptions[code] + 1) & _MASK
            return EXCEPTIONS
        if quality == TIMEOUT:
            return TIMEOUTS
        return CRC_ERRORS if quality == CRC else WRONG_REPLIES

    def usual_us(self, unit):
        """Latency in us that an answer of `unit` most likely has."""
        tally = self.tallies[unit.index]
        return tally.mean_us() or tally.least_us

    def note_retry(self, read):
        """The request of `read` will be sent again."""
        c = read.unit.cells
        c[RETRIES] = (c[RETRIES] + 1) & _MASK

    # --- for reading (allocates)

    def totals(self):
        """Counters of all units together, indexed by REQUESTS and so on."""
        return [sum(tally.counts[k] for tally in self.tallies) for k in range(len(NAMES))]

    def busy_ms(self):
        """Time in ms that transactions have taken, with t3.5; modulo 2^30."""
        return (self.cells[BUSY_S] * 1000 + self.cells[BUSY_US] // 1000) & _MASK

    def efficiency_permille(self):
        """Time that good transactions needed, of the time that they took."""
        ideal, lost = self.cells[IDEAL_US], self.cells[LATE_US]
        return ideal * 1000 // (ideal + lost) if ideal + lost else 1000

    def rows(self):
        """The last 64 transactions, oldest first: (end in ticks_ms, group, quality, duration in us)."""
        n = min(self.totals()[REQUESTS], _RING)
        rows = self.cells
        order = [RING + (rows[NEXT_ROW] - n + k) % _RING * 3 for k in range(n)]
        return [(rows[i], rows[i + 2] & 0xFF, rows[i + 2] >> 8, rows[i + 1]) for i in order]
