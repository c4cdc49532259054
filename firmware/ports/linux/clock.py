"""Clock of the virtual board: wraps at 2^30 like a small board's, so that wrap errors show on the host."""

import time

PERIOD = 1 << 30
HALF = 1 << 29


class Clock:
    """The clock seam of DESIGN.md over `time`; the host keeps UTC for us."""

    @staticmethod
    def ticks_ms():
        """Monotonic milliseconds, 0..2^30-1."""
        return time.ticks_ms() & (PERIOD - 1)

    @staticmethod
    def ticks_us():
        """Monotonic microseconds, 0..2^30-1."""
        return time.ticks_us() & (PERIOD - 1)

    @staticmethod
    def ticks_diff(end, start):
        """`end - start` for two ticks that lie less than 2^29 apart."""
        return ((end - start + HALF) & (PERIOD - 1)) - HALF

    @staticmethod
    def ticks_add(ticks, delta):
        """`ticks` moved by `delta`."""
        return (ticks + delta) & (PERIOD - 1)

    @staticmethod
    def utc_ms():
        """UTC in ms since 1970-01-01, or None while the host's clock is plainly unset (before 2024)."""
        now_ms = time.time_ns() // 1000000
        return now_ms if now_ms > 1704067200000 else None
