"""Report by exception: which samples of a group are recorded, when all of its points have a deadband.

A sample is recorded when it is the first one, when a point has moved by more than its deadband since the last one
that was recorded, when the quality changed, or when the heartbeat is due: two recorded samples are never further
apart than `heartbeat_s` while the unit is polled. So silence means: nothing has moved, and the box is there.
"""

from edge.inputs import bytes_of, copy_bytes, decode, same_bytes
from points.numbers import BOOL

_NEVER = -1
_NOT_YET = object()  # the old number was not needed so far


class Reports:
    """Of one group. meta: its line, parsed, with "deadband": {"heartbeat_s", "points": [number or {"percent"}]}."""

    def __init__(self, meta):
        from edge.limits import band_entry

        settings = meta["deadband"]
        # The sample before would be the last in time: the next one may come a period later.
        self._limit_ms = max(1, settings["heartbeat_s"] * 1000 - meta["period_ms"])
        entries = []
        for point, wanted in zip(meta["points"], settings["points"]):
            entries += band_entry(point, wanted)
        self._entries = tuple(entries)  # kind, at, na, band, permyriad, base: see band_entry
        self._olds = [_NOT_YET] * (len(entries) // 6)
        size = (meta["count"] + 7) // 8 if 0 < meta["fc"] <= 2 else 2 * meta["count"]
        self._data = bytearray(size)
        self._quality = _NEVER
        self._at = 0  # ticks_ms of the last recorded sample
        self.suppressed = 0

    def wants(self, clock, quality, ticks_ms, data, nbytes):
        """True if this sample is to be recorded; then tell `recorded`."""
        if (
            quality != self._quality
            or clock.ticks_diff(ticks_ms, self._at) > self._limit_ms
            or (not quality and (nbytes != len(self._data) or self._moved(data)))
        ):
            return True
        self.suppressed += 1
        return False

    def recorded(self, quality, ticks_ms, data, nbytes):
        """The sample that was wanted is in the log: the next ones are compared with it."""
        self._quality = quality
        self._at = ticks_ms
        if not quality and nbytes == len(self._data):
            copy_bytes(data, nbytes, self._data)
            olds = self._olds
            for i in range(len(olds)):
                olds[i] = _NOT_YET

    def _moved(self, data):
        kept = self._data
        if same_bytes(data, 0, kept, len(kept)):
            return False
        entries, olds = self._entries, self._olds
        for i in range(len(olds)):
            e = 6 * i
            kind, at = entries[e], entries[e + 1]
            if kind & 15 == BOOL:
                if (data[at >> 3] ^ kept[at >> 3]) >> (at & 7) & 1:
                    return True
            elif same_bytes(data, at, kept, bytes_of(kind)):
                continue
            elif entries[e + 3] is None:
                return True
            else:
                new, old = decode(kind, data, at, entries[e + 2]), olds[i]
                if old is _NOT_YET:
                    old = olds[i] = decode(kind, kept, at, entries[e + 2])
                if new is None or old is None:
                    if new is not old:
                        return True
                elif entries[e + 4]:
                    if abs(new - old) * 10000 > entries[e + 4] * abs(old + entries[e + 5]):
                        return True
                else:
                    old = new - old
                    if old > entries[e + 3] or old < entries[e + 5]:
                        return True
        return False
