"""Clock of the rp2 boards: the clock seam of DESIGN.md over `time`, whose ticks wrap at 2^30 there.

The real-time clock takes whole seconds; what is missing is kept here. Source: MicroPython's ports/rp2/machine_rtc.c.
"""

import time

from machine import RTC

_MS_1970_TO_2024 = 1704067200000


class Clock:
    """Members of `time` as they are; UTC once the real-time clock was set."""

    def __init__(self):
        self.ticks_ms = time.ticks_ms
        self.ticks_us = time.ticks_us
        self.ticks_diff = time.ticks_diff
        self.ticks_add = time.ticks_add
        self._ahead_ms = 0  # of the real-time clock

    def utc_ms(self):
        """UTC in ms since 1970-01-01, or None while the clock is plainly unset (it starts in 2021)."""
        now_ms = time.time_ns() // 1000000
        return now_ms + self._ahead_ms if now_ms > _MS_1970_TO_2024 else None

    def set_utc_ms(self, utc_ms):
        """From now on it is this; Mbed TLS looks at the real-time clock."""
        year, month, day, hour, minute, second, weekday = time.gmtime(utc_ms // 1000)[:7]
        RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
        self._ahead_ms = utc_ms - time.time_ns() // 1000000
