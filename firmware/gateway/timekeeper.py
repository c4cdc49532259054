"""Sets the clock before anybody relies on it: from a time server, an RTC or by hand, and never below a floor.

Promises: `utc_ms()` is None until the time is known and believable. The floor is the latest time that this box has
known, kept in FLOOR_FILE at most once a day, so that neither a forged answer nor an empty RTC brings back a day on
which an expired certificate was good. A jump of more than JUMP_MS is believed when two answers in a row agree.
What is refused is told in one line, once.

Loaded only where a time server or TLS is configured.
"""

import os

FLOOR_FILE = "time_floor.txt"  # UTC in s; to be removed by hand where a wrong one was learned
_BUILT_MS = 1764547200000  # 2025-12-01: this code is not older
_LATEST_MS = 4102444800000  # 2100-01-01
_FLOOR_STEP_MS = 86400000
JUMP_MS = 1000000
_AGREE_MS = 2000


class Timekeeper:
    """`clock`: the seam. `source`: uplink.sntp.Sntp or None. `say(text)` gets a line when something changes."""

    def __init__(self, clock, source, say):
        self._clock = clock
        self._source = source
        self._say = say
        self._said = ""
        self._doubtful_ms = None  # a jump that was not believed yet
        self.floor_ms = max(_BUILT_MS, _read_floor())
        self.floor_due = False  # `store` has something to do

    def utc_ms(self):
        """UTC in ms, or None while it is not known or cannot be true."""
        utc_ms = self._clock.utc_ms()
        if utc_ms is None or utc_ms < self.floor_ms:
            return None
        return utc_ms

    def step(self):
        """One slice of work; returns the ms after which the next should come."""
        source = self._source
        if source is not None:
            if source.step():
                self._judge(source)
            elif source.problem:
                self._tell(source.problem)
        utc_ms = self.utc_ms()
        if utc_ms is None:
            if source is None:
                self._tell("clock is not set: set it at the console, or name time_servers in it.json")
        elif utc_ms - self.floor_ms > _FLOOR_STEP_MS and utc_ms < _LATEST_MS:
            self.floor_ms = utc_ms
            self.floor_due = True
        return 10 if source is not None and source.busy() else 500

    def store(self):
        """Write the floor; in a pause of the bus."""
        self.floor_due = False
        with open(FLOOR_FILE + ".new", "w") as file:
            file.write(str(self.floor_ms // 1000))
        os.rename(FLOOR_FILE + ".new", FLOOR_FILE)

    def _judge(self, source):
        late_ms = self._clock.ticks_diff(self._clock.ticks_ms(), source.at_ms)
        utc_ms = source.utc_ms + late_ms
        if not self.floor_ms <= utc_ms < _LATEST_MS:
            source.refused += 1
            self._tell("time server %s: a time that cannot be (%d s since 1970)" % (source.server, utc_ms // 1000))
            return
        known_ms = self.utc_ms()
        if known_ms is not None and not -JUMP_MS < utc_ms - known_ms < JUMP_MS:
            jump_ms = utc_ms - known_ms
            before_ms, self._doubtful_ms = self._doubtful_ms, jump_ms
            if before_ms is None or not -_AGREE_MS < jump_ms - before_ms < _AGREE_MS:
                self._tell("time server %s: is %d s off our clock, asking again" % (source.server, jump_ms // 1000))
                source.again()
                return
        self._doubtful_ms = None
        self._clock.set_utc_ms(utc_ms)
        self._tell("time is known from %s" % source.server)

    def _tell(self, text):
        if text != self._said:
            self._said = text
            self._say(text)


def _read_floor():
    try:
        with open(FLOOR_FILE) as file:
            return int(file.read(20)) * 1000
    except (OSError, ValueError):
        return 0  # none was learned yet, or the file is damaged
