"""Derived points of one period: computed together from the newest numbers, one sample of a virtual group."""

from edge.words import put
from modbus.codes import GOOD, NOT_AVAILABLE


class Derived:
    """items: (edge.evaluate.Expression, index of the result, type name, byte in the data), flat."""

    def __init__(self, group, period_ms, items, nbytes, now):
        self.group = group
        self._period_ms = period_ms
        self._items = items
        self.data = bytearray(nbytes)
        self.due = now  # ticks_ms
        self.at = now  # ticks_ms of the sample
        self.quality = NOT_AVAILABLE

    def steps(self, clock, inputs):
        """Compute the sample into `data`, as a generator of slices: between them others run. Points that have no good
        number become "not available"; where none has one, `quality` is that of the first input that is not good."""
        now = clock.ticks_ms()
        self.at = now
        self.due = clock.ticks_add(self.due, self._period_ms)
        if clock.ticks_diff(now, self.due) >= 0:  # late by more than a period: those are left out
            self.due = clock.ticks_add(now, self._period_ms)
        items = self._items
        why = NOT_AVAILABLE
        good = False
        for i in range(0, len(items), 4):
            expression = items[i]
            value = expression.run(inputs.values)
            if value is None:
                bad = reason(expression, inputs)
                inputs.put(items[i + 1], None, bad)
                if why == NOT_AVAILABLE:
                    why = bad
            else:
                good = True
                inputs.put(items[i + 1], value, GOOD)
            put(self.data, items[i + 3], items[i + 2], value)
            yield
        self.quality = GOOD if good else why


def reason(expression, inputs):
    """Why it has no number: the quality of the first input that is not good."""
    for index in expression.needs:
        if inputs.values[index] is None:
            return inputs.quality[index] or NOT_AVAILABLE
    return NOT_AVAILABLE
