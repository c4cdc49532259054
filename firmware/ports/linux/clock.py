"""Clock of the virtual board: wraps at 2^30 like a small board's, so that wrap errors show on the host.

The host keeps UTC for us, unless the environment says FIELDGATE_CLOCK=unset: then the box starts without it, like a
board without a battery. `set_utc_ms` never touches the host's clock.
"""

import os
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

    def __init__(self):
        self._known = os.getenv("FIELDGATE_CLOCK") != "unset"
        self._ahead_ms = 0  # of the host's clock

    def utc_ms(self):
        """UTC in ms since 1970-01-01, or None while it is not known or the host's clock is plainly unset."""
        now_ms = time.time_ns() // 1000000 + self._ahead_ms
        return now_ms if self._known and now_ms > 1704067200000 else None

    def set_utc_ms(self, utc_ms):
        """From now on it is this, for this box."""
        self._known = True
        self._ahead_ms = utc_ms - time.time_ns() // 1000000
