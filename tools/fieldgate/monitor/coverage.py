"""Which record numbers have arrived: duplicates and gaps by sequence number.

Batch k+1 starts at `seq + n` of batch k. The ranges seen are kept as merged intervals, so the memory grows
with the number of gaps only, and that is bounded: beyond `MAX_GAPS` the oldest gap is given up and counted.
"""

from bisect import bisect_right

MAX_GAPS = 256


class Coverage:
    """The set of sequence numbers seen from one log."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []  # half-open, sorted, neither touching nor overlapping
        self.given_up = 0  # missing records that are no longer watched

    def add(self, seq: int, count: int) -> int:
        """Mark [seq, seq + count) as seen; returns how many of them are new."""
        if count <= 0:
            return 0
        start, end, new = seq, seq + count, count
        first = bisect_right(self._ranges, start, key=lambda r: r[1])
        if first and self._ranges[first - 1][1] == start:
            first -= 1
        last = first
        while last < len(self._ranges) and self._ranges[last][0] <= end:
            low, high = self._ranges[last]
            new -= max(0, min(high, seq + count) - max(low, seq))
            start, end = min(start, low), max(end, high)
            last += 1
        self._ranges[first:last] = [(start, end)]
        if len(self._ranges) > MAX_GAPS + 1:
            (a, b), (c, d) = self._ranges[:2]
            self.given_up += c - b
            self._ranges[:2] = [(a, d)]
        return new

    def gaps(self) -> list[tuple[int, int]]:
        """The holes between the first and the last number seen, as (first missing, count)."""
        pairs = zip(self._ranges, self._ranges[1:], strict=False)
        return [(left[1], right[0] - left[1]) for left, right in pairs]

    def ranges(self) -> list[tuple[int, int]]:
        """What has been seen, as half-open ranges in order: `add` with them makes an equal coverage."""
        return list(self._ranges)

    @property
    def missing(self) -> int:
        """Records between the first and the last one seen that have not arrived."""
        return self.given_up + sum(count for _, count in self.gaps())

    @property
    def newest(self) -> int | None:
        """The highest sequence number seen."""
        return self._ranges[-1][1] - 1 if self._ranges else None
