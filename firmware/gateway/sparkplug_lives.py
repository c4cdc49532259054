"""Which units of a Sparkplug node live: a death when the newest records call one silent, a birth when it answers.

lib/uplink/SPARKPLUG.md, "Silent units", says what that promises.
"""

from modbus.codes import BUS_FAULT, EXCEPTION, GOOD, NOT_ASKED, TIMEOUT

# What is to be done with a read.
TELL = 0  # its values
BEAR = 1  # the unit's DBIRTH, then its values
BURY = 2  # the unit's DDEATH
PASS = 3  # nothing: the death has said it


class Lives:
    """units: {group: (unit name, unit id)}. `dead` holds the names of units whose DDEATH stands."""

    def __init__(self, units):
        self._units = units
        self.dead = set()
        self._failed = set()  # names of units whose newest read got no answer
        self._suspects = set()  # names of units that an event calls silent, their failed read is still to come

    def read(self, group, quality, historical):
        """What to do with a read's outcome, in the order of the log."""
        name, unit_id = self._units[group]
        if not unit_id:
            return TELL  # the box computes it: it says itself when there is no value
        answered = quality == GOOD or quality >= EXCEPTION
        if not historical:
            (self._failed.add if quality == TIMEOUT else self._failed.discard)(name)
            if answered:
                self._suspects.discard(name)
        if name in self.dead:
            if not answered:
                return PASS
            self.dead.discard(name)
            return BEAR
        if historical or not (quality in (NOT_ASKED, BUS_FAULT) or (quality == TIMEOUT and name in self._suspects)):
            return TELL  # an old silence may be over: it is told as values without a number
        self.bury(name)
        return BURY

    def bury(self, name):
        """Its DDEATH goes out."""
        self._suspects.discard(name)
        self.dead.add(name)

    def silent(self, unit_id):
        """The event unit_silent of now: names of units to bury, as their failed read came before it. It is awaited of
        the others; a unit of the same id on another bus will answer."""
        named = {name for name, number in self._units.values() if number == unit_id > 0 and name not in self.dead}
        self._suspects |= named - self._failed
        return sorted(named & self._failed)
