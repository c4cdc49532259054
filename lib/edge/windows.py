"""Aggregates of one window length: closed together at the window's end, one sample of a virtual group.

Windows end at whole multiples of their length in UTC while that is known, so an hour is an hour; until then they count
from the start. The sample's time is the window's end.
"""

from modbus.codes import GOOD, NOT_AVAILABLE


class Windows:
    """items: (edge.aggregate.Aggregate, its fields for Window.put, byte in the data), flat."""

    def __init__(self, group, window_s, items, nbytes, clock):
        self.group = group
        self._window_ms = window_s * 1000
        self._items = items
        self.data = bytearray(nbytes)
        self.quality = NOT_AVAILABLE
        self.at = clock.ticks_ms()  # of the sample
        self.due = self._end(clock, self.at)

    def steps(self, clock, inputs):
        """Close the window, then make `data` of it, as a generator of slices: between them others run. `quality` is
        that of the sample: good if any point had a good number."""
        items = self._items
        quality = NOT_AVAILABLE
        self.at = end = self.due
        windows = []
        for i in range(0, len(items), 3):
            one = items[i]
            if one.count:
                quality = GOOD
            elif quality != GOOD and inputs.quality[one.index]:
                quality = inputs.quality[one.index]
            windows.append(one.close(clock, end))
        self.due = self._end(clock, end)
        self.quality = quality
        for i, window in enumerate(windows):
            yield
            window.put(items[3 * i + 1], self.data, items[3 * i + 2])

    def _end(self, clock, begin):
        """ticks_ms at which the window that begins at `begin` ends."""
        length = self._window_ms
        utc_ms = clock.utc_ms()
        if utc_ms is not None:
            over = (utc_ms - clock.ticks_diff(clock.ticks_ms(), begin)) % length
            # A clock that was set back a little does not make a window of a few ms.
            length = 2 * length - over if over > length // 2 and over >= length - 2000 else length - over
        end = clock.ticks_add(begin, length)
        if clock.ticks_diff(clock.ticks_ms(), end) >= 0:  # whoever is so late goes on from now
            end = clock.ticks_add(clock.ticks_ms(), length)
        return end
