"""When to look at the heap and when to collect it, planned from how fast it fills.

Both hold the loop (on an RP2040 a look takes 7 ms, a collection 20 to 44), and a collection that comes by itself, when
the heap is full, holds it in the middle of somebody's step.

As a rule there is one look between two collections: it tells how fast memory becomes garbage, so the collection comes
by time. What is free right after one is taken from an earlier one, if that was seen less than COLLECT_MS ago.
"""

LEFT_BYTES = 16384  # collect when so little will be left soon
LEAST_MS = 125  # between two looks
MOST_MS = 5000
DOUBT_MS = 500
COLLECT_MS = 10000  # collect this often anyway, so that the heap's low is known
BURST = 100000  # bytes per second that a greeting makes garbage

NOTHING, LOOK, COLLECT = range(3)


class HeapPlan:
    """One per box. The start ends with a collection."""

    def __init__(self, clock):
        self._diff, self._add = clock.ticks_diff, clock.ticks_add
        self.low_bytes = 0x3FFFFFFF  # the least that was free after a collection
        self._used = BURST  # bytes per second that become garbage
        self._most = 0  # bytes that are free after a collection, as seen at ...
        self._most_at = 0
        self.collected(clock.ticks_ms())

    def due(self, now):
        """What is to be done at ticks_ms `now`: NOTHING, LOOK or COLLECT."""
        return self._next if self._diff(now, self._at) >= 0 else NOTHING

    def collected(self, now):
        """The heap was collected."""
        self.collected_at = now
        self._fresh = not self._most or self._diff(now, self._most_at) > COLLECT_MS
        self._next = LOOK
        self._at = now
        if not self._fresh:
            self._wait(now, self._left_ms(self._most) * 5 >> 3)

    def looked(self, now, free):
        """So many bytes are free."""
        since_ms = self._diff(now, self.collected_at)
        if self._fresh:
            self._fresh = False
            self._most, self._most_at = free, now
            self.low_bytes = min(self.low_bytes, free)
            self._wait(now, self._left_ms(free) * 5 >> 3)
            return
        self._used = max(1, (self._most - free) * 1000 // max(1, since_ms))
        left_ms = self._left_ms(free)
        if left_ms < LEAST_MS or since_ms >= COLLECT_MS:
            self._next, self._at = COLLECT, now
        elif 2 * left_ms < self._left_ms(self._most):  # what was learned holds for the rest
            self._next, self._at = COLLECT, self._add(now, min(left_ms * 3 >> 2, MOST_MS))
        else:
            self._wait(now, left_ms * 5 >> 3)

    def doubt(self, now):
        """Something was loaded or dropped: look soon."""
        self._next, self._at = LOOK, self._add(now, DOUBT_MS)

    def burst(self, now):
        """Much garbage is about to be made."""
        self._used = max(self._used, BURST)
        self._next = LOOK
        self._wait(now, self._left_ms(self._most) * 5 >> 3)

    def _left_ms(self, free):
        return max(0, free - LEFT_BYTES) * 1000 // self._used

    def _wait(self, now, wait_ms):
        rest_ms = COLLECT_MS - self._diff(now, self.collected_at)
        self._at = self._add(now, max(LEAST_MS, min(wait_ms, MOST_MS, rest_ms)))
