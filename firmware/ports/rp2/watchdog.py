"""Watchdog of the rp2 boards. Once started it cannot be stopped."""

from machine import WDT

_MAX_MS = 8388  # RP2040 datasheet 4.7.3: 24 bits that count twice a microsecond


class Watchdog:
    """Resets the board unless fed at least every `timeout_ms` (1..8388)."""

    def __init__(self, timeout_ms, clock):
        assert 0 < timeout_ms <= _MAX_MS
        self.feed = WDT(timeout=timeout_ms).feed
