"""What happened on a line: counters, latency, bus time, and the last transactions.

Preallocated; counters wrap at 2^30, as the ticks do. `note` is called once per transaction, so it
is one long function instead of many short ones: calls are what costs on a small board.
"""

from array import array

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
_RING = const(64)
_LIMIT_US = const(0x10000000)
_LATENCIES = const(64)


class Tally:
    """Counters and latency of one unit; `counts` is indexed by REQUESTS and so on."""

    def __init__(self):
        self.counts = array("i", bytes(4 * len(NAMES)))
        self.max_us = 0
        self.sum_us = 0  # of the last 32 to 64 latencies
        self.n = 0

    def mean_us(self):
        """Mean latency in us, 0 while nothing was counted."""
        return max(0, self.sum_us // self.n) if self.n else 0


class Evidence:
    """Evidence of one line. t35_us: its silence between frames; units: those of the plan."""

    def __init__(self, t35_us, units):
        self.tallies = [Tally() for _ in units]
        self.exceptions = [0] * 12  # by exception code; others at 0
        self._t35_us = t35_us
        self._busy_us = 0
        self._busy_ms = 0
        self._ideal_us = 0
        self._lost_us = 0
        self._end_ms = array("i", bytes(4 * _RING))
        self._took_us = array("i", bytes(4 * _RING))
        self._what = array("H", bytes(2 * _RING))
        self._at = 0

    def note(self, read, quality, took_us, lost_us, latency_us, watched, end_ms):
        """One transaction has ended at end_ms, took_us after its request was sent.

        lost_us: by how much its request was later than t3.5 allowed. latency_us: for good ones;
        watched: it was measured, else the reply was there at the first look and may have come earlier.
        """
        unit = read.unit
        tally = self.tallies[unit.index]
        c = tally.counts
        c[REQUESTS] = (c[REQUESTS] + 1) & _MASK
        busy_us = took_us + self._t35_us
        if quality == GOOD:
            c[REPLIES] = (c[REPLIES] + 1) & _MASK
            n = tally.n
            least = unit.latency_min_us
            if not watched:
                # Look earlier the next time: a late look would prove itself right for ever.
                least = (least * 3) >> 2
            elif latency_us < least or not n:
                least = latency_us
            else:
                least += (latency_us - least) >> 4
            unit.latency_min_us = least
            if latency_us > tally.max_us:
                tally.max_us = latency_us
            if n == _LATENCIES:
                n >>= 1
                tally.sum_us >>= 1
            tally.n = n + 1
            tally.sum_us += latency_us
            self._ideal_us += busy_us
            self._lost_us += lost_us
        else:
            self._note_failure(c, quality)
        self._busy_us += busy_us
        if self._busy_us > _LIMIT_US or self._ideal_us > _LIMIT_US:
            self._fold()
        i = self._at
        self._end_ms[i] = end_ms
        self._took_us[i] = took_us
        self._what[i] = quality << 8 | read.group
        self._at = (i + 1) & (_RING - 1)

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

    def note_retry(self, read):
        """The request of `read` will be sent again."""
        c = self.tallies[read.unit.index].counts
        c[RETRIES] = (c[RETRIES] + 1) & _MASK

    def _fold(self):
        """Keep sums of us below 2^30."""
        self._busy_ms = (self._busy_ms + self._busy_us // 1000) & _MASK
        self._busy_us %= 1000
        if self._ideal_us > _LIMIT_US:
            self._ideal_us >>= 1
            self._lost_us >>= 1

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
        total = self._ideal_us + self._lost_us
        return self._ideal_us * 1000 // total if total else 1000

    def rows(self):
        """The last 64 transactions, oldest first: (end in ticks_ms, group, quality, duration in us)."""
        n = min(self.totals()[REQUESTS], _RING)
        order = [(self._at - n + k) % _RING for k in range(n)]
        return [(self._end_ms[i], self._what[i] & 0xFF, self._what[i] >> 8, self._took_us[i]) for i in order]
