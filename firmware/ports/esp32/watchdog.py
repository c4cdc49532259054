"""Watchdog of the esp32 boards: ESP-IDF's task watchdog, which resets the chip.

Source: MicroPython's ports/esp32/machine_wdt.c: another WDT() sets the time-out anew, nothing stops it.
"""

from machine import WDT


class Watchdog:
    """Resets the board unless fed at least every `timeout_ms` (1000..60000 by the boards' check)."""

    def __init__(self, timeout_ms, clock):
        self.feed = WDT(timeout=timeout_ms).feed
