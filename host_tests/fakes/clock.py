"""Virtual time: a clock that only moves when it is told to, or a little at every look.

It starts `before_wrap_ms` below the moment at which ticks_ms and ticks_us both wrap at 2^30,
as the small boards do. `look_us` models the time that code takes: every look at the clock
costs that much, so tight waits come to an end.

`VirtualLoop` runs coroutines on such a clock, like asyncio does on a real one.
"""

_WRAP = 0x40000000


class Clock:
    """The clock seam of firmware/DESIGN.md in virtual time. `us` is the time since start of the world."""

    def __init__(self, before_wrap_ms=3000, look_us=0, utc_ms=None):
        self.us = _WRAP * 1000 - before_wrap_ms * 1000
        self.look_us = look_us
        self._utc_offset_ms = None
        if utc_ms is not None:
            self.set_utc_ms(utc_ms)

    def advance_us(self, us):
        """Let time pass."""
        assert us >= 0
        self.us += us

    def advance_ms(self, ms):
        """Let time pass."""
        self.advance_us(ms * 1000)

    def ticks_us(self):
        self.us += self.look_us
        return self.us & (_WRAP - 1)

    def ticks_ms(self):
        self.us += self.look_us
        return (self.us // 1000) & (_WRAP - 1)

    def ticks_diff(self, a, b):
        return ((a - b + _WRAP // 2) & (_WRAP - 1)) - _WRAP // 2

    def ticks_add(self, a, delta):
        assert -_WRAP // 2 < delta < _WRAP // 2
        return (a + delta) & (_WRAP - 1)

    def utc_ms(self):
        if self._utc_offset_ms is None:
            return None
        return self.us // 1000 + self._utc_offset_ms

    def set_utc_ms(self, utc_ms):
        """From now on UTC is known."""
        self._utc_offset_ms = utc_ms - self.us // 1000


class _Sleep:
    """What `await sleep_ms(n)` waits on: hands the time of waking to the loop, once."""

    def __init__(self):
        self.wake_us = None

    def __iter__(self):
        return self

    __await__ = __iter__

    def __next__(self):
        wake_us = self.wake_us
        if wake_us is None:
            raise StopIteration
        self.wake_us = None
        return wake_us


class VirtualLoop:
    """Runs coroutines in virtual time; a task that is late runs as soon as the others have slept.

    yield_us: the time that one turn of a task costs the loop.
    """

    def __init__(self, clock, yield_us=20):
        self.clock = clock
        self.yield_us = yield_us
        self._tasks = []
        self._sleep = _Sleep()

    def sleep_ms(self, ms):
        """Awaitable, like asyncio.sleep_ms."""
        self._sleep.wake_us = self.clock.us + max(0, ms) * 1000
        return self._sleep

    def spawn(self, coroutine):
        """Run a coroutine from now on."""
        self._tasks.append([self.clock.us, len(self._tasks), coroutine])

    def run_ms(self, ms, until=None):
        """Run for so long, or until `until()` is true, or all tasks have ended. Returns True if `until` was met."""
        end_us = self.clock.us + ms * 1000
        while self._tasks:
            if until is not None and until():
                return True
            task = self._tasks[0]
            for other in self._tasks:
                if other[0] < task[0]:
                    task = other
            if task[0] >= end_us:
                if self.clock.us < end_us:
                    self.clock.us = end_us
                break
            if self.clock.us < task[0]:
                self.clock.us = task[0]
            if self.clock.us >= end_us:
                break
            self.clock.us += self.yield_us
            try:
                task[0] = task[2].send(None)
                self._tasks.remove(task)  # to the end of the queue: equals take turns
                self._tasks.append(task)
            except StopIteration:
                self._tasks.remove(task)
        return until is not None and until()
