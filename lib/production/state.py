"""The state of one machine over time: from samples and their qualities to a time line without holes.

Promises: the state holds from the sample that shows it until the next one. When two polls in a row fail, or none comes
for longer than `hold_ms`, what was seen holds for one period more, and then the state is unknown until a good sample
comes. While UTC is not known the time line waits in uptime, at most MAX_PENDING pieces of it; what does not fit is
counted in `unplaced_ms` and becomes unknown time. `sample` is cheap and allocates only when something changes; all
accounting is done in `step`.
"""

from production import oee
from production.signals import take

MAX_PENDING = 64
MAX_CHANGES = 32
SETTLE_MS = 1000  # a sample is handed over at most so long after its time
_MASK = 0x3FFFFFFF
_FAILS = 2

# Causes of the unknown state, as in production.attribution.
DEVICE = 2
BUS = 3
GATEWAY = 6


def _cause_of(quality):
    # Qualities of modbus.codes: CRC 2, BUS_FAULT 4.
    return BUS if quality == 2 or quality == 4 else DEVICE


class Machine:
    """rules: [(state, production.signals.Condition)], the first that holds counts, else `otherwise`.

    sources: production.signals.Sources that they and the counters need. counters: {place in oee's sums: Counter}.
    noticed: Condition for "somebody has noticed the failure", None: when the machine reports it. account: oee.Account.
    code: Value of a number that says why the machine stands, or None.
    time.now(): uptime in ms; time.when(ticks_ms): uptime in ms of a moment not longer ago than a day.
    """

    def __init__(self, sources, rules, otherwise, counters, noticed, code, account, time):
        self.sources = sources
        self.account = account
        self.counters = counters
        self.zero = None  # ms of UTC since 2020 at uptime 0
        self.unplaced_ms = 0
        self.cause = GATEWAY  # of the unknown state, or what `code` shows
        self.since = None  # uptime at which the state changed last
        self._rules = rules
        self._otherwise = otherwise
        self._noticed = noticed
        self._code = code
        self._now = time.now
        self._when = time.when
        self.note = None  # note(place, before): a counter was set anew; `before` is what it showed
        self._t = time.now()  # accounted, or waiting for UTC, up to here
        self._raw = self._latest = oee.UNKNOWN  # accounted; as the last sample shows
        self._changes = []  # (uptime, raw or -1, place, pieces, seen)
        self._pending = []  # [raw, begin, end, [(place, pieces, seen)]]

    # --- from the bus

    def sample(self, source, quality, ticks_ms, data, nbytes):
        """One poll's outcome, in the order of time."""
        if quality or nbytes != len(source.data):
            source.quality = quality
            source.fails += 1
            if source.alive and source.fails >= _FAILS:
                self._lose(source, self._when(ticks_ms))
            return
        if source.alive and (ticks_ms - source.good) & _MASK > source.hold_ms:
            self._lose(source, self._when(ticks_ms))
        source.fails = 0
        source.good = ticks_ms
        if take(data, nbytes, source.data) or not source.alive:
            source.alive = True
            self._look(self._when(ticks_ms))

    def _lose(self, source, now):
        """Nothing is known of this source any more, one period after its last good sample."""
        source.alive = False
        for counter in self.counters.values():
            if counter.value.source is source or source.states:
                counter.seen = False
        if source.states:
            self.cause = _cause_of(source.quality)
        self._look(min(now, self._when(source.good) + source.period_ms))

    def _look(self, t):
        raw = oee.UNKNOWN
        if all([source.alive for source in self.sources if source.states]):
            raw = self._judge()
        counting = self.counters.get(oee.CYCLES)
        if counting and counting.value.source.alive:
            raw |= oee.COUNTING
        if raw != self._latest:
            if (raw ^ self._latest) & oee.STATE_BITS:
                self.since = t
            self._latest = raw
            self._changes.append((t, raw, 0, 0, False))
        for place, counter in self.counters.items():
            if counter.value.source.alive:
                before = counter.last
                pieces, anew = counter.step()
                if pieces:
                    self._changes.append((t, -1, place, pieces, counter.seen))
                counter.seen = raw & oee.STATE_BITS != oee.UNKNOWN
                if anew and self.note:
                    self.note(place, before)
        if len(self._changes) >= MAX_CHANGES:
            self._settle()

    def _judge(self):
        state = self._otherwise
        for candidate, condition in self._rules:
            holds = condition.holds()
            if holds is None:  # the device does not know
                self.cause = DEVICE
                return oee.UNKNOWN
            if holds:
                state = candidate
                break
        self.cause = 0
        if self._code and self._code.source.alive and state >= oee.STOPPED_PLANNED:
            self.cause = int(self._code.raw() or 0) & 0xFFFF
        noticed = self._noticed.holds() if self._noticed else state == oee.FAULT
        return state | (oee.DETECTED if noticed else 0)

    # --- from time to time

    def step(self, zero):
        """Account for what has happened. zero: ms of UTC since 2020 at uptime 0, None while it is not known."""
        now = self._now()
        for source in self.sources:
            if source.alive and now - self._when(source.good) > source.hold_ms:
                self._lose(source, now)
        self._settle()
        if zero is not None:
            self._place(zero)
        if self._latest & oee.STATE_BITS == oee.UNKNOWN:
            self._advance(now - SETTLE_MS)
        else:
            self._advance(self._vouched())

    def end(self):
        """The boot ends here: what was seen last holds for one period, then nothing is known."""
        for source in self.sources:
            if source.alive and source.states:
                self._lose(source, self._when(source.good) + source.period_ms)
        self._settle()

    def begin(self):
        """Another boot begins: uptime counts anew and UTC is not known yet."""
        self.account.fresh = True
        for raw, first, last, _ in self._pending:  # of a boot that never knew UTC
            if raw & oee.STATE_BITS:
                self.unplaced_ms += last - first
        self._pending = []
        self.zero = None
        self._t = self._now()
        self._raw = self._latest = oee.UNKNOWN
        self.cause = GATEWAY
        for counter in self.counters.values():
            counter.seen = False
        for source in self.sources:
            source.alive = False

    def resume(self, at, last):
        """What was accounted up to `at` (uptime) has been restored; last: {place: what its counter showed}."""
        self._changes = []
        self._pending = []
        self._t = at
        self._raw = self._latest
        for place, counter in self.counters.items():
            if not counter.value.source.alive:
                counter.last = last.get(place)

    @property
    def state(self):
        """As the last sample shows it, with what the calendar knows once UTC is known."""
        if self.zero is None:
            return self._latest & oee.STATE_BITS
        return self.account.classify(self._latest, self._now() + self.zero)

    def _vouched(self):
        # All sources that are read were read at least once up to here.
        return min([self._when(source.good) for source in self.sources if source.alive])

    def _settle(self):
        changes, self._changes = self._changes, []
        for t, raw, place, pieces, seen in changes:
            self._advance(t)
            if raw >= 0:
                self._raw = raw
            elif self.zero is not None:
                self.account.count(place, pieces, seen)
            else:
                if not self._pending:
                    self._pending.append([self._raw, self._t, self._t, []])
                self._pending[-1][3].append((place, pieces, seen))

    def _advance(self, t):
        begin = self._t
        if t <= begin:
            return
        self._t = t
        if self.zero is not None:
            self.account.account(self._raw, begin + self.zero, t + self.zero)
            return
        last = self._pending[-1] if self._pending else None
        if last and last[0] == self._raw and not last[3]:
            last[2] = t
            return
        self._pending.append([self._raw, begin, t, []])
        if len(self._pending) > MAX_PENDING:
            self._merge()

    def _merge(self):
        """Make room: the two neighbours of one state that are shortest together become one, else the oldest goes."""
        pending = self._pending
        best = None
        for i in range(len(pending) - 1):
            if pending[i][0] == pending[i + 1][0]:
                length = pending[i + 1][2] - pending[i][1]
                if best is None or length < best[0]:
                    best = length, i
        if best is None:
            _, begin, end, _ = pending.pop(0)
            self.unplaced_ms += end - begin
            return
        second = pending.pop(best[1] + 1)
        first = pending[best[1]]
        first[2] = second[2]
        sums = {}
        for place, pieces, seen in first[3] + second[3]:
            sums[place, seen] = sums.get((place, seen), 0) + pieces
        first[3] = [(place, pieces, seen) for (place, seen), pieces in sums.items()]

    def _place(self, zero):
        """UTC is known: what has waited goes into the books."""
        self.zero = zero
        pending, self._pending = self._pending, []
        for raw, begin, end, counts in pending:
            self.account.account(raw, begin + zero, end + zero)
            for place, pieces, seen in counts:
                self.account.count(place, pieces, seen)
