"""Searches a line for units: listens first, asks with reads only, one question at a time.

    search = Search(Ask(open_port, clock), clock, ways.common(), on_found)
    while not search.over:
        await sleep_ms(search.step() // 1000)

Promises
- nothing is sent before the line was silent for `listen_ms`, and nothing while somebody else's
  bytes are heard, unless `confirm()` was called; then, and when `pause` says that our own
  polling runs, questions take at most a tenth of the time;
- every request passes the gate; one at a time, none before the wait for the one before is over;
- a unit is reported only after a reply with its id, function, length and a right CRC, in the
  format that is reported (see SEARCH.md for what 8N1 and 8N2 can be told apart by);
- steps do not block; `cancel()` ends the search at the next step; a port that fails ends it with
  the state FAILED. No bytes on the line raise anything.
"""

from modbus import probe, ways
from modbus.ask import ANSWER, BLOCKED, RUBBISH
from modbus.codes import const
from modbus.listener import Listener

LISTEN = const(0)  # nothing is sent yet
FOREIGN = const(1)  # somebody else is heard: nothing is sent, the setting of the others is looked for
ASK = const(2)
DONE = const(3)
CANCELLED = const(4)
FAILED = const(5)  # the port failed
STATES = ("listening", "foreign traffic", "asking", "done", "cancelled", "port failed")

_LOOK_US = const(4000)
_FOREIGN_QUIET_MS = const(10000)  # foreign traffic is over after so much silence
_TURN_MS = const(2500)  # so long each setting is tried in listening
_SLOT_US = const(20000)  # silence before a question beside another client
_LOAD = const(9)  # rest in units of the time that a question took: 10 % of the time
_SURE_MS = const(200)  # patience where something was heard
_TURNS = ("8E1", "8N1", "8O1")  # 8N2 sounds like 8N1


class Found:
    """A unit: unit_id, baud, serial_format; `asked` is False if it was only heard answering somebody else."""

    def __init__(self, unit_id, baud, serial_format, asked):
        self.unit_id = unit_id
        self.baud = baud
        self.serial_format = serial_format
        self.asked = asked


class Search:
    """One search. `state`, `position` of `total` and `found` are its progress; on_found(found) tells each unit once.

    ask: modbus.ask.Ask. way: see modbus.ways. pause: None, or, if the line is polled meanwhile, an object
    with ask() (True when polling pauses) and done(), as modbus.bus has them for a cause; the way is
    then a `ways.known` of the polled setting, and open_port hands out the polled port.
    """

    def __init__(self, ask, clock, way, on_found=None, listen_ms=1500, pause=None):
        self.state = LISTEN if pause is None else ASK
        self.position = 0
        self.total = way.total
        self.found = []
        self.confirmed = False
        self.foreign = 0  # how often foreign bytes held the search up
        self.noise = 0  # questions that got bytes but no reply in any format
        self.listener = None  # what was heard of others
        self._ask = ask
        self._way = way
        self._on_found = on_found
        self._pause = pause
        self._ms = clock.ticks_ms
        self._us = clock.ticks_us
        self._clock = clock
        self._diff = clock.ticks_diff
        self._listen_ms = listen_ms
        self._since_ms = clock.ticks_ms()  # silent since
        self._turn_ms = self._since_ms  # at this setting since
        self._turn = 0
        self._item = None  # step of the way that is not settled yet
        self._last_id = 0
        self._checks = []  # (unit id, format) that are tried because something was heard
        self._checking = None
        self._asking = False
        self._held = False  # polling pauses for us, since _granted_us
        self._granted_us = 0
        self._rest_ms = 0
        self._rest_from_ms = 0

    @property
    def over(self):
        """True when nothing more will happen."""
        return self.state >= DONE

    @property
    def asking(self):
        """True while a question has the line."""
        return self._asking or self._held

    def confirm(self):
        """A person says: ask although others are heard. From now on with at most a tenth of the time."""
        self.confirmed = True

    def cancel(self):
        """End the search; what was found stays. Nothing is sent any more."""
        self._end(CANCELLED)

    def step(self):
        """Do what can be done now; returns us until there is something to do."""
        try:
            if self.over:
                return 0
            if self.state == LISTEN:
                return self._listen()
            if self.state == FOREIGN:
                return self._listen_to_others()
            return self._go_on()
        except OSError:
            self._end(FAILED)
            return 0

    def _end(self, state):
        if self.over:
            return
        self.state = state
        self._asking = False
        if self._pause is not None:
            self._pause.done()
        try:
            self._ask.close()
        except OSError:
            self.state = FAILED

    # --- listening

    def _listen(self):
        if self._item is None and not self._take_item():
            return 0
        if self._heard():
            self._turn_ms = self._ms()
            self.foreign += 1
            self.state = FOREIGN
        elif self._silent_ms() >= (self._listen_ms if self.foreign < 2 else _FOREIGN_QUIET_MS):
            self.state = ASK
        return _LOOK_US

    def _listen_to_others(self):
        """Somebody else is on the line: find their setting, until they are silent or we are told to go on."""
        if self.confirmed:
            self.state = ASK
            return 0
        if self.listener is None:
            self.listener = Listener(self._clock)
        ask = self._ask
        if self._heard():
            self.listener.feed(ask.buf, ask.n)
        elif ask.quiet_us() > ask.line.t35_us + _SLOT_US:
            self.listener.rest()
        known = self.listener.frames > 1
        if self._silent_ms() >= (_FOREIGN_QUIET_MS if known else _TURN_MS * len(ways.BAUDS) * len(_TURNS)):
            self._listen_again()  # at a wrong setting a UART may hear nothing: only a whole round proves silence
        elif known:
            self._report_heard()
        elif self._diff(self._ms(), self._turn_ms) > _TURN_MS:
            self._turn_on()
        return _LOOK_US

    def _heard(self):
        self._ask.n = 0
        if self._ask.hear():
            self._since_ms = self._ms()
            return True
        return False

    def _silent_ms(self):
        return self._diff(self._ms(), self._since_ms)

    def _listen_again(self):
        """Whatever is or was on the line: first silence, then the next question."""
        self.state = LISTEN
        self._since_ms = self._ms()

    def _turn_on(self):
        """Listen at the next setting."""
        baud = ways.BAUDS[self._turn // len(_TURNS)]
        self._ask.tune(baud, _TURNS[self._turn % len(_TURNS)])
        self._turn = (self._turn + 1) % (len(_TURNS) * len(ways.BAUDS))
        self._turn_ms = self._ms()
        self.listener = Listener(self._clock)

    def _report_heard(self):
        line = self._ask.line
        serial_format = "8N1" if line.serial_format == "8N2" else line.serial_format  # they sound the same
        for unit_id, counts in self.listener.units.items():
            if counts[1] or counts[2]:
                self._report(unit_id, line.baud, serial_format, False)

    # --- asking

    def _go_on(self):
        if self._asking:
            wait = self._ask.step()
            if not self._ask.done:
                return wait
            self._asking = False
            self._settle(self._ask.outcome)
            return 0
        if self._held:
            left = self._ask.gap_left_us()
            if left > 0:
                return left
            self._held = False
            self._pause.done()
            self._rest(self._diff(self._us(), self._granted_us))
        if self._rest_ms:
            left = self._rest_ms - self._diff(self._ms(), self._rest_from_ms)
            if left > 0:
                if self._pause is None:
                    self._heard()
                return min(left * 1000, 100000 if self._pause else _LOOK_US)
            self._rest_ms = 0
        if not self._checks and self._item is None and not self._take_item():
            return 0
        return self._begin()

    def _begin(self):
        """Send the next question when the line is ours."""
        ask = self._ask
        if self._pause is not None and not self._pause.ask():
            return 1000
        baud, serial_format, unit_id, dual = self._item
        patience_ms = self._way.patience_ms
        self._checking = None
        if self._checks:
            self._checking = unit_id, serial_format = self._checks[0]
            patience_ms = max(patience_ms, _SURE_MS)
            dual = False
        ask.tune(baud, serial_format)
        if self._pause is not None:
            ask.resume()
            self._granted_us = self._us()
        elif self.confirmed and self.foreign:
            self._heard()
            if ask.quiet_us() < _SLOT_US + ask.line.t35_us:
                return _LOOK_US
        frame = probe.dual(unit_id) if dual else probe.plain(unit_id)
        ask.start(frame, patience_ms)
        self._asking = True
        return 0

    def _take_item(self):
        """The next step of the way; False and the end if there is none."""
        self._item = next(self._way.steps, None)
        if self._item is None:
            self._end(DONE)
            return False
        if self._pause is None:
            self._ask.tune(self._item[0], self._item[1])
        return True

    def _settle(self, outcome):
        """A question has ended."""
        ask = self._ask
        self._held = self._pause is not None  # polling goes on after t3.5
        if not self._held and self.confirmed and self.foreign:
            self._rest(ask.held_us + ask.line.t35_us)
        if outcome == BLOCKED:
            self._blocked()
        elif self._checking is not None:
            self._checked(outcome)
        else:
            self._asked(outcome)

    def _rest(self, held_us):
        """The line was ours for so long: leave it alone for nine times that, rounded up."""
        self._rest_ms = (held_us // 1000 + 1) * _LOAD
        self._rest_from_ms = self._ms()

    def _blocked(self):
        """Bytes came between questions, nothing was sent: the unit before is late, or it is somebody else."""
        if self._late():
            baud, serial_format, unit_id, dual = self._item
            self._check_late(self._formats(unit_id, serial_format, dual))
            return
        self.foreign += 1
        if self._pause is None and not self.confirmed:
            self._listen_again()
            if self.foreign > 1:
                self.state = FOREIGN
                self._turn_ms = self._ms()

    def _late(self):
        return self._last_id and self._ask.n and self._ask.buf[0] == self._last_id

    def _check_late(self, formats):
        """Ask the unit before once more, with more patience."""
        self._checks[0:0] = [(self._last_id, each) for each in formats]
        self._last_id = 0

    def _formats(self, unit_id, serial_format, dual):
        """Formats in which a unit may be that has answered this question with rubbish, likely ones first."""
        return (probe.parity_format(unit_id), "8N1", "8N2") if dual else (serial_format,)

    def _asked(self, outcome):
        baud, serial_format, unit_id, dual = self._item
        if outcome == ANSWER:
            if dual:
                self._checks = [(unit_id, each) for each in ("8N1", "8N2", probe.parity_format(unit_id))]
            else:
                self._report(unit_id, baud, serial_format, True)
        elif outcome == RUBBISH:
            late = self._late()
            formats = self._formats(unit_id, serial_format, dual)
            self._checks = [(unit_id, each) for each in formats]
            if late:
                self._check_late(self._formats(self._last_id, serial_format, dual))
        if not self._checks:
            self._step_done()

    def _checked(self, outcome):
        unit_id, serial_format = self._checks.pop(0)
        if outcome == ANSWER:
            self._report(unit_id, self._item[0], serial_format, True)
            self._checks = []
        elif not self._checks:
            self.noise += 1
            if self._pause is None and not self.confirmed:
                self._listen_again()
        if not self._checks and unit_id == self._item[2]:
            self._step_done()  # else the question after the late unit is asked again

    def _step_done(self):
        self._last_id = self._item[2]
        self._item = None
        self.position += 1

    def _report(self, unit_id, baud, serial_format, asked):
        for each in self.found:
            if each.unit_id == unit_id and each.baud == baud and each.serial_format == serial_format:
                each.asked = each.asked or asked
                return
        found = Found(unit_id, baud, serial_format, asked)
        self.found.append(found)
        if self._on_found is not None:
            self._on_found(found)
