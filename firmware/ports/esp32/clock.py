"""Clock of the esp32 boards: the clock seam of DESIGN.md over `time`, whose ticks wrap at 2^30 there.

Source: MicroPython's ports/esp32/mphalport.c and machine_rtc.c. `time.time_ns()` counts from the port's own epoch,
2000-01-01 unless the image says otherwise; `time.gmtime(0)` tells which.
"""

import time

from machine import RTC

_MS_1970_TO_2000 = 946684800000
_MS_1970_TO_2024 = 1704067200000


class Clock:
    """Members of `time` as they are; UTC once the real-time clock was set."""

    def __init__(self):
        self.ticks_ms = time.ticks_ms
        self.ticks_us = time.ticks_us
        self.ticks_diff = time.ticks_diff
        self.ticks_add = time.ticks_add
        self._epoch_ms = _MS_1970_TO_2000 if time.gmtime(0)[0] == 2000 else 0

    def utc_ms(self):
        """UTC in ms since 1970-01-01, or None while the clock is plainly unset (it starts at the epoch)."""
        now_ms = time.time_ns() // 1000000 + self._epoch_ms
        return now_ms if now_ms > _MS_1970_TO_2024 else None

    def set_utc_ms(self, utc_ms):
        """From now on it is this. The images' Mbed TLS was built without a clock and looks at none."""
        year, month, day, hour, minute, second, weekday = time.gmtime((utc_ms - self._epoch_ms) // 1000)[:7]
        RTC().datetime((year, month, day, weekday, hour, minute, second, int(utc_ms % 1000) * 1000))
