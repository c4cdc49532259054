"""Uptime that outlives the 30-bit ticks of small boards without big ints in the hot path."""

ERA_MS = 1 << 30


class Uptime:
    """Monotonic time of one boot as (era, ticks): uptime_ms = era * 2^30 + ticks.

    Its zero is not the moment of the boot; only differences and the boot id give it meaning.
    `update()` must be called at least once in 12 days (the loop does so every few ms).
    """

    def __init__(self, clock):
        self._ticks_ms = clock.ticks_ms
        self.era = 0
        self.ticks = clock.ticks_ms()

    def update(self):
        """Read the clock; returns its ticks_ms()."""
        ticks = self._ticks_ms()
        if ticks < self.ticks:
            self.era += 1
        self.ticks = ticks
        return ticks

    def ms(self):
        """The last update as one number (a big int on small boards after 12 days: for publishing only)."""
        return self.era * ERA_MS + self.ticks


def uptime_ms(era, ticks):
    """(era, ticks) as one number of ms."""
    return era * ERA_MS + ticks
