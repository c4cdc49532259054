"""Clock of the rp2 boards: the clock seam of DESIGN.md over `time`, whose ticks wrap at 2^30 there."""

import time


class Clock:
    """Members of `time` as they are; UTC once the real-time clock was set."""

    def __init__(self):
        self.ticks_ms = time.ticks_ms
        self.ticks_us = time.ticks_us
        self.ticks_diff = time.ticks_diff
        self.ticks_add = time.ticks_add

    @staticmethod
    def utc_ms():
        """UTC in ms since 1970-01-01, or None while the clock is plainly unset (it starts in 2021)."""
        now_ms = time.time_ns() // 1000000
        return now_ms if now_ms > 1704067200000 else None
