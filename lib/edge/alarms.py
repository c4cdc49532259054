"""Alarms: from numbers to states with hysteresis, delays and latching, and to few events however much they flutter.

An alarm is unknown until its input was good once since the start; it is active from the end of its delay on to the end
of its delay off. While the input is not good its state stays and counts as not known, and a delay begins anew. A
latching alarm that was active stays in the list until somebody has acknowledged it, also over a restart. Limits are
raw numbers (edge.limits); what an alarm says for people is made when it is published.
"""

HIGH, LOW, RATE, STATE, STALE, ANOMALY = 0, 1, 2, 3, 4, 5
KINDS = ("high", "low", "rate", "state", "stale", "anomaly")

UNKNOWN, NORMAL, ACTIVE = 0, 1, 2

# Events in a minute; beyond that they are counted and told as a number.
EVENTS_PER_MIN = 60
EVENTS_PER_ALARM = 6
_MINUTE_MS = 60000
_FAR = float("inf")


class Alarm:
    """One alarm. index: of its input; limit, clear: raw numbers where it becomes active and inactive (STALE: ms).

    `look` sees every sample of the input, `tick` lets time pass; both return True when it became active or inactive.
    """

    __slots__ = (
        "least", "most", "index", "kind", "name", "limit", "clear", "on_ms", "off_ms", "latching", "state", "known",
        "acked", "latched",
        "since_ms", "watch", "_waits", "_since", "_last", "_at", "events",
    )  # fmt: skip

    def __init__(self, name, index, kind, limit, clear, on_ms=0, off_ms=0, latching=False):
        self.least = 1  # a number from `least` to `most` changes nothing now; at first every one does
        self.most = 0
        self.name = name
        self.index = index
        self.kind = kind
        self.limit = limit
        self.clear = clear
        self.on_ms = on_ms
        self.off_ms = off_ms
        self.latching = latching
        self.state = UNKNOWN
        self.known = False  # the input is good now
        self.acked = False
        self.latched = False  # it was active and nobody has acknowledged it
        self.since_ms = None  # uptime at which it became active, None: before the start
        self.watch = None  # edge.anomaly.Watch of an ANOMALY
        self._waits = False  # a delay runs
        self._since = 0  # ticks_ms at which it began
        self._last = None  # RATE: the number before; STALE: True when there is a time in _at
        self._at = 0  # ticks_ms of the last good sample
        self.events = 0  # in this minute

    def look(self, clock, value, ticks_ms):
        """A sample of the input; value None: it is not good."""
        if self.kind == STALE:
            if value is not None or self._last is None:
                self._last = True
                self._at = ticks_ms
                return value is not None and self._decide(clock, False, True, ticks_ms)
            return False
        if value is None:
            self.known = self._waits = False
            self._last = None
            self._quiet()
            return False
        kind = self.kind
        if kind == HIGH:
            return self._decide(clock, value > self.limit, value <= self.clear, ticks_ms)
        if kind == LOW:
            return self._decide(clock, value < self.limit, value >= self.clear, ticks_ms)
        if kind == STATE:
            return self._decide(clock, value == self.limit, value != self.limit, ticks_ms)
        if kind == ANOMALY:
            above, below = self.watch.judge(clock, value, ticks_ms)
            return (above or below) and self._decide(clock, above, below, ticks_ms)
        before, self._last = self._last, value
        step_ms = clock.ticks_diff(ticks_ms, self._at)
        self._at = ticks_ms
        if before is None or step_ms <= 0:
            return False
        move = abs(value - before) * 1000
        return self._decide(clock, move > self.limit * step_ms, move <= self.clear * step_ms, ticks_ms)

    def tick(self, clock, now):
        """Time has passed without a sample."""
        if self.kind == STALE:
            if self._last is None:
                self._last = True
                self._at = now
            if self.state != ACTIVE and clock.ticks_diff(now, self._at) > self.limit:
                return self._decide(clock, True, False, now)
        if not self._waits:
            return False
        active = self.state == ACTIVE
        return self._decide(clock, not active, active, now)

    def acknowledge(self):
        """Somebody has seen it. True if that changed something."""
        changed = self.latched or (self.state == ACTIVE and not self.acked)
        self.latched = False
        self.acked = self.state == ACTIVE
        return changed

    @property
    def listed(self):
        """True if it is in the list of those that want attention."""
        return self.state == ACTIVE or self.latched

    def _quiet(self):
        # Which numbers change nothing: most of the time nearly all.
        self.least, self.most = 1, 0
        if self.known and self.state == NORMAL and not self._waits:
            if self.kind == HIGH:
                self.least, self.most = -_FAR, self.limit
            elif self.kind == LOW:
                self.least, self.most = self.limit, _FAR

    def _decide(self, clock, above, below, now):
        changed = self._decided(clock, above, below, now)
        self._quiet()
        return changed

    def _decided(self, clock, above, below, now):
        self.known = True
        active = self.state == ACTIVE
        if self.state == UNKNOWN and not above:
            self.state = NORMAL
        if not (below if active else above):
            self._waits = False
            return False
        if not self._waits:
            self._waits = True
            self._since = now
        if clock.ticks_diff(now, self._since) < (self.off_ms if active else self.on_ms):
            return False
        self._waits = False
        self.state = NORMAL if active else ACTIVE
        if not active:
            self.acked = False
            self.latched = self.latching
        return True


class Alarms:
    """All alarms of the box. event(code, alarm, value or None), counts(number): told of what may be recorded.

    `changed` counts up whenever the list has changed, `stored` says what `latched` was when it was last kept.
    """

    def __init__(self, clock, uptime, alarms, event, counts):
        self._clock = clock
        self._uptime = uptime
        self.alarms = alarms
        self._event = event
        self._counts = counts
        self._minute = clock.ticks_ms()
        self._events = 0  # in this minute
        self._held = 0  # events that were too many in this minute
        self.suppressed = 0  # since the start
        self.changed = 1

    def look_all(self, alarms, values, ticks_ms):
        """A sample of the inputs of these alarms."""
        for alarm in alarms:
            value = values[alarm.index]
            if value is None or not alarm.least <= value <= alarm.most:
                self.look(alarm, value, ticks_ms)

    def look(self, alarm, value, ticks_ms):
        """A sample of the alarm's input."""
        known, state = alarm.known, alarm.state
        if alarm.look(self._clock, value, ticks_ms):
            self._turned(alarm, value)
        elif known != alarm.known and alarm.listed or state != alarm.state:
            self.changed += 1

    def tick(self):
        """Let time pass; a few times a second."""
        clock = self._clock
        now = clock.ticks_ms()
        if clock.ticks_diff(now, self._minute) >= _MINUTE_MS:
            self._minute = now
            self._events = 0
            for alarm in self.alarms:
                alarm.events = 0
            held, self._held = self._held, 0
            if held:
                self._counts(held)
        for alarm in self.alarms:
            if alarm.tick(clock, now):
                self._turned(alarm, None)

    def _turned(self, alarm, value):
        if alarm.state == ACTIVE:
            alarm.since_ms = self._uptime.ms()
        self.changed += 1
        if alarm.events >= EVENTS_PER_ALARM or self._events >= EVENTS_PER_MIN:
            self._held += 1
            self.suppressed += 1
            return
        alarm.events += 1
        self._events += 1
        self._event(alarm, value)

    def acknowledge(self, alarm):
        """True if that changed something."""
        if not alarm.acknowledge():
            return False
        self.changed += 1
        return True

    def latched(self):
        """Names of the alarms that must be known after a restart."""
        return [alarm.name for alarm in self.alarms if alarm.latched]

    def restore(self, names):
        """What `latched` gave before the restart."""
        for alarm in self.alarms:
            if alarm.latching and alarm.name in names:
                alarm.latched = True
                self.changed += 1
