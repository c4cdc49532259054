"""Watchdog of the virtual board: has no hardware to bite with, so a late feed ends the process."""

import sys


class Watchdog:
    """Must be fed at least every `timeout_ms`; like the boards' own it cannot be stopped.

    It bites when the late feed comes, not before: a loop that never returns is for the one
    who started the process to notice.
    """

    def __init__(self, timeout_ms, clock):
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._fed = clock.ticks_ms()

    def feed(self):
        """Called by the loop that does the work, never by a timer."""
        now = self._clock.ticks_ms()
        late_ms = self._clock.ticks_diff(now, self._fed)
        self._fed = now
        if late_ms > self._timeout_ms:
            print("watchdog: fed after %d ms, allowed %d: a board would have been reset" % (late_ms, self._timeout_ms))
            sys.exit(3)
