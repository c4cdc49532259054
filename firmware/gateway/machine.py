"""The machine's state, OEE and MTTR on their way: from polled samples to virtual groups and events.

Loaded where ot.json has a section "machine". `sample` runs in the bus callback and allocates only when something
changes; `step` once a second. What is published is also what a restart goes on from (gateway.machine_start). A window
that has ended is published at least once: again after a restart that came before the next checkpoint.
"""

from gateway import words
from production import books, oee
from production.calendar import EPOCH_S

STEP_MS = 1000
_HALF = 0x20000000
_MASK = 0x3FFFFFFF
_STEADY_MS = 20  # UTC that moves by less has not moved


class Time:
    """Uptime in ms, or while the log is read that of its records (`past`)."""

    def __init__(self, uptime):
        self._uptime = uptime
        self.past = None

    def now(self):
        """The time that counts now."""
        if self.past is not None:
            return self.past
        self._uptime.update()
        return self._uptime.ms()

    def when(self, ticks_ms):
        """The uptime of a moment within 6 days of now."""
        now = self.now()
        return now - (((now - ticks_ms + _HALF) & _MASK) - _HALF)


class Production:
    """One machine of the box. machine: production.state.Machine. sources: {group: Source}. groups: numbers of the
    virtual groups in the order of production.layout.NAMES. settings: section "machine" of ot.json. put: where samples
    go, the recorder if left out."""

    def __init__(self, recorder, clock, time, machine, sources, groups, settings, put=None):
        self.machine = machine
        self.settings = settings
        self.time = time
        self.sources = sources
        self.groups = groups
        self._recorder = recorder
        self._sample = put or recorder.sample
        self._clock = clock
        self._ideal_ms = settings["ideal_cycle_ms"]
        self._good_by = 0 if not settings["good"] else 2 if settings["reject"] else 1
        self._checkpoint_ms = settings["checkpoint_s"] * 1000
        self._checked = time.now()
        self._told = None  # (state, cause) of the last event
        self._lost = 0

    async def run(self, sleep_ms, room):
        """Until the program ends. room(sleep_ms) waits for a moment in which no line needs the loop."""
        while True:
            await sleep_ms(STEP_MS)
            await room(sleep_ms)
            self.step()

    def sample(self, group, quality, ticks_ms, data, nbytes):
        """One poll's outcome, as for the recorder."""
        source = self.sources.get(group)
        if source:
            self.machine.sample(source, quality, ticks_ms, data, nbytes)

    def step(self):
        """Account, and tell what is new."""
        machine = self.machine
        machine.step(self._zero())
        told = (machine.state, machine.cause)
        if told != self._told:
            self._told = told
            self._recorder.event(words.MACHINE_STATE, *told)
            self._put(books.STATE_GROUP, self._state(0))
        closed = machine.account.closed
        if closed:
            window = closed.pop(0)
            self._put(window.kind, window.pack(window.span[1] * 1000, self._ideal_ms, self._good_by))
        elif self.time.now() - self._checked >= self._checkpoint_ms:
            self.checkpoint()
        lost, self._lost = machine.account.lost - self._lost, machine.account.lost
        if lost:
            self._recorder.event(words.RECORDS_DROPPED, lost, 2)

    def checkpoint(self):
        """Publish what runs; a restart goes on from there. Nothing while UTC is not known."""
        machine = self.machine
        account = machine.account
        if machine.zero is None or account.at is None:
            return
        self._checked = self.time.now()
        for window in account.windows:
            if window:
                self._put(window.kind, window.pack(account.at, self._ideal_ms, self._good_by))
        self._put(books.STATE_GROUP, self._state(1))

    def close(self):
        """The run is about to end in good order."""
        self.machine.step(self._zero())
        self.machine.end()
        self.checkpoint()

    def note(self, place, before):
        """A counter was set anew."""
        self._recorder.event(words.COUNTER_SET, place - oee.CYCLES, min(before, _MASK))

    def _zero(self):
        utc_ms = self._clock.utc_ms()
        if utc_ms is None:
            return None
        zero = utc_ms - EPOCH_S * 1000 - self.time.now()
        before = self.machine.zero
        return before if before is not None and -_STEADY_MS < zero - before < _STEADY_MS else zero

    def _state(self, checkpoint):
        machine = self.machine
        at = machine.account.at
        lag_ms = 0
        if at is not None and machine.zero is not None:
            lag_ms = min(max(0, self.time.now() + machine.zero - at), 0xFFFFFFFF)
        return books.pack_state(machine, lag_ms, checkpoint)

    def _put(self, index, data):
        ticks_ms = self.time.now() & _MASK
        self._sample(self.groups[index], 0, ticks_ms, data, len(data))
