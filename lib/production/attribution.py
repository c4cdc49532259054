"""Whose fault it is: one decision a second from what the parts know, with cause, reason, confidence and duration.

Causes: equipment (the device answers and reports a fault), device (one unit is silent, damaged or unsteady while
others of its bus are not), bus (no unit answers, damaged or stray bytes that are no single unit's, a foreign client, an
echo, the port), network (no link, address, name or route), broker (the network works, it refuses or does not answer),
gateway (started anew, overloaded). At most one fault of a cause for each subject. What a fault hides is not reported:
with a silent bus nothing is said of its units or of the machine, without a network nothing of the broker.

Confidence in percent: 90 and more where the evidence allows nothing else, 50 where two causes look alike.
"""

from array import array

from modbus.evidence import CRC_ERRORS, EXCEPTIONS, REPLIES, TIMEOUTS, WRONG_REPLIES

EQUIPMENT = 1
DEVICE = 2
BUS = 3
NETWORK = 4
BROKER = 5
GATEWAY = 6

CLEAR_ROUNDS = 3  # a fault that was not seen for so many has ended
MAX_FAULTS = 32
_MASK = 0x3FFFFFFF
_HIGH = 0x20000000
# Scores: 16 for each happening, an eighth less each round. Three within a few seconds make a fault.
_EACH = 16
_ENOUGH = 40
_ANY = 24
_ECHO_ROUNDS = 8
_SURE_ROUNDS = 8  # stray bytes may have made a unit look silent for so long

# What uplink.session says of why there is no session: (part of the text, cause, reason, confidence); first match.
_TEXTS = (
    ("closed by the gateway", 0, 0, 0),
    ("network is down", NETWORK, 1, 95),
    ("unreachable", NETWORK, 2, 85),
    ("no connection within", NETWORK, 2, 60),
    ("timed out", NETWORK, 2, 60),
    ("name", NETWORK, 3, 70),
    ("connection refused", BROKER, 1, 90),
    ("refused", BROKER, 2, 95),
    ("says:", BROKER, 2, 95),
    ("speak MQTT", BROKER, 2, 95),
    ("no CONNACK", BROKER, 3, 80),
    ("no PUBACK", BROKER, 4, 75),
    ("PINGREQ", BROKER, 4, 60),
    ("TLS", BROKER, 6, 80),
    ("certificate", BROKER, 6, 80),
    ("protocol error", BROKER, 5, 90),
)


def of_session(text):
    """(cause, reason, confidence) of a session's last_error; anything else ended it: the broker, with little doubt."""
    for part, cause, reason, confidence in _TEXTS:
        if part in text:
            return cause, reason, confidence
    return BROKER, 5, 60


class Faults:
    """The faults of now. tell(begins, cause, reason, subject, value): value is the confidence or the duration in s."""

    def __init__(self, tell):
        self.now = {}  # cause << 16 | bus << 8 | subject: [begin, last seen, reason, confidence], in rounds
        self.dropped = 0
        self.changed = False
        self._tell = tell
        self._round = 0

    def see(self, cause, reason, subject, confidence, bus=0):
        """Evidence of this round; the strongest of a subject counts."""
        key = cause << 16 | bus << 8 | subject
        fault = self.now.get(key)
        if fault is None:
            if len(self.now) >= MAX_FAULTS:
                self.dropped += 1
                return
            self.now[key] = [self._round, self._round, reason, confidence]
            self.changed = True
            self._tell(True, cause, reason, subject, confidence)
            return
        if fault[1] != self._round or confidence > fault[3]:
            if fault[2] != reason and (fault[3] < confidence or fault[1] != self._round):
                self.changed = True
            fault[2] = reason
            fault[3] = confidence
        fault[1] = self._round

    def end_round(self):
        """What was not seen for some rounds has ended. Call once a second, after all `see`."""
        for key in list(self.now):
            begin, last, reason, _ = self.now[key]
            if self._round - last >= CLEAR_ROUNDS:
                del self.now[key]
                self.changed = True
                self._tell(False, key >> 16, reason, key & 255, last - begin + 1)
        self._round += 1

    def causes(self):
        """The causes of now."""
        return set([key >> 16 for key in self.now])

    def age(self, fault):
        """Seconds since it began."""
        return self._round - fault[0]


class Line:
    """What a bus (modbus.bus.Bus, or the listening one) tells of its faults."""

    def __init__(self, bus, number):
        self._bus = bus
        self._number = number
        self._scheduler = getattr(bus, "scheduler", bus)
        self._engine = getattr(bus, "engine", None)
        n = len(bus.plan.units)
        self._last = array("i", bytes(4 * 3 * n))  # good, missing, damaged answers of each unit
        self._scores = array("i", bytes(4 * 3 * n))
        self._before = [0, 0, 0]  # stray, late, foreign
        self._missed = False  # an answer was missing in the round before
        self._lines = [0, 0, 0]
        self._rounds = 0
        self._silent = bytearray(n)  # rounds for which it has been
        self._count(True)

    def look(self, faults):
        """Tell this round's evidence."""
        self._count(False)
        bus = self._bus
        number = self._number
        stray, late, foreign = self._lines
        if getattr(bus, "broken", False):
            faults.see(BUS, 2, number, 100, number)
            return
        if self._scheduler.fault:
            faults.see(BUS, 1, number, 90, number)
            return
        if foreign > 0:
            faults.see(BUS, 6, number, 95, number)
        if self._engine and self._echo():
            faults.see(BUS, 7, number, 90, number)
        if self._damaged() and not foreign:
            faults.see(BUS, 4, number, 80, number)
        elif stray >= _ENOUGH and not foreign:
            faults.see(BUS, 5, number, 60, number)
        self._units(faults, late, stray >= _ENOUGH)

    def _units(self, faults, late, noisy):
        units = self._bus.plan.units
        alone = len(units) == 1
        totals = self._sums()
        for i, unit in enumerate(units):
            good, missing, damaged = self._scores[3 * i : 3 * i + 3]
            health = self._scheduler.health[i]
            self._silent[i] = min(self._silent[i] + 1, 255) if health.announced else 0
            if health.announced and (not noisy or self._silent[i] >= _SURE_ROUNDS):
                faults.see(DEVICE, 4 if late else 1, unit.unit_id, 50 if alone else 90, self._number)
            elif damaged >= _ENOUGH and self._only(damaged, good + missing, totals, 2, noisy):
                faults.see(DEVICE, 2, unit.unit_id, 50 if alone else 70, self._number)
            elif missing >= _ENOUGH and self._only(missing, good + damaged, totals, 1, noisy):
                faults.see(DEVICE, 4 if late else 3, unit.unit_id, 50 if alone else 70, self._number)

    def _only(self, bad, other, totals, kind, noisy):
        # At least a fifth of its answers are bad, at most a twentieth of the others'; beside stray bytes two thirds, a
        # quarter.
        rest = sum(totals) - bad - other
        others = totals[kind] - bad
        return bad >= 2 * other and others * 4 <= rest if noisy else bad * 4 >= other and others * 20 <= rest

    def _damaged(self):
        hit = sum([self._scores[i] >= _ANY for i in range(2, len(self._scores), 3)])
        totals = self._sums()
        return hit > 1 and totals[2] * 10 >= sum(totals)

    def _sums(self):
        return [sum([self._scores[i] for i in range(kind, len(self._scores), 3)]) for kind in range(3)]

    def _echo(self):
        # The engine's mark stays for ever: it is taken away now and then.
        self._rounds += 1
        engine = self._engine
        if not getattr(engine, "echo", False):
            return False
        if self._rounds % _ECHO_ROUNDS == 0:
            engine.forget_echo()
        return True

    def _count(self, first):
        engine = self._engine or self._bus
        second = getattr(self._bus, "second", None)
        now = (
            getattr(engine, "resyncs", 0) + getattr(engine, "stray_bytes", 0) & _MASK,
            getattr(engine, "late", 0),
            second.requests if second and second is not self._bus else 0,  # listening is living with a second client
        )
        i = 0
        missing = 0
        for tally in self._bus.evidence.tallies:
            c = tally.counts
            for count in (c[REPLIES] + c[EXCEPTIONS], c[TIMEOUTS], c[CRC_ERRORS] + c[WRONG_REPLIES]):
                missing += count - self._last[i] if i % 3 == 1 else 0
                self._scores[i] = self._score(self._scores[i], count - self._last[i])
                self._last[i] = count
                i += 1
        for k in range(3):
            # Stray bytes beside a missing answer may be that answer, late or damaged.
            step = 0 if k == 0 and (missing or self._missed) else now[k] - self._before[k]
            self._lines[k] = self._score(self._lines[k], step)
            self._before[k] = now[k]
        self._missed = missing != 0
        if first:
            self._lines = [0, 0, 0]
            for i in range(len(self._scores)):
                self._scores[i] = 0

    def _score(self, score, step):
        step &= _MASK
        return score - (score + 7) // 8 + _EACH * min(step, 64) if step < _HIGH else score


class Uplink:
    """What net and session tell. session: uplink.session.Session."""

    def __init__(self, session):
        self._session = session
        self._failures = session.failures
        self._now = None

    def look(self, faults):
        """Tell this round's evidence. A fault ends when a broker has answered, not when it has let us in."""
        session = self._session
        failed, self._failures = session.failures != self._failures, session.failures
        if session.last_error and (failed or not session.ready):
            found = of_session(session.last_error)
            self._now = found if found[0] else self._now
        elif session.ready and session.proven:
            self._now = None
        if self._now:
            cause, reason, confidence = self._now
            faults.see(cause, reason, 0, confidence)


class Box:
    """What the gateway tells of itself. reset_cause: as in ports.<port>.chip; dropped(): records that found no room."""

    _LATE_MS = 100
    _OVERLOAD = 60  # late in five rounds in a row or nearly so: flash, garbage and a handshake are shorter

    def __init__(self, clock, reset_cause, dropped):
        self._clock = clock
        self._reset = {"power": (1, 60), "watchdog": (2, 95)}.get(reset_cause, (3, 80))
        self._rounds = 0
        self._due = None
        self._late = 0
        self._dropped = dropped
        self._before = dropped()

    def look(self, faults, period_ms):
        """Once every period_ms, as well as the box can: how well that is is evidence."""
        clock = self._clock
        now = clock.ticks_ms()
        late = self._due is not None and clock.ticks_diff(now, self._due) > self._LATE_MS
        self._due = clock.ticks_add(now, period_ms)
        self._late = self._late - (self._late + 7) // 8 + (_EACH if late else 0)
        if self._rounds < CLEAR_ROUNDS:
            self._rounds += 1
            faults.see(GATEWAY, self._reset[0], 0, self._reset[1])
            return
        dropped = self._dropped()
        if dropped != self._before:
            self._before = dropped
            faults.see(GATEWAY, 5, 0, 95)
        elif self._late >= self._OVERLOAD:
            faults.see(GATEWAY, 4, 0, 80)
