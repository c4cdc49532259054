"""The search for units as a service of the running box, for whoever shows it to a person.

    task = Searching(gateway, 0, "common", None, None, on_progress, on_found)
    asyncio.create_task(task.run(asyncio.sleep_ms))     # task.cancel(), task.confirm()

kind "known" at the bus's own setting runs between polls: it takes at most a tenth of the time and asks when
the bus is idle for long enough; where it never is, a poll waits for one question. Any other search has the
bus for itself (units: the configured ones, at every setting): polling is off, every read is reported as not_asked,
flash and garbage collection get their pauses between questions. Only reads are sent; nothing is while others are heard,
unless confirmed. The module is loaded for a search and dropped afterwards by `forget`.
"""

import sys

from gateway import unload
from modbus import ways
from modbus.ask import Ask
from modbus.codes import NOT_ASKED, PAUSE_HOLD, PAUSE_SCAN
from modbus.identity import Identify
from modbus.scan import STATES, Search

KINDS = ("known", "common", "whole", "units")
PATIENCE_MS = 55
QUESTION_MS = 20  # of a question besides patience, request and reply: looks, t3.5 on both sides
WAIT_MS = 2000  # for an idle time that is long enough
TELL_MS = 500
MODULES = ("scan", "ways", "probe", "ask", "identity", "listener")


class Between:
    """Takes the line for one question at a time, where polling leaves room: the `pause` of a Search."""

    def __init__(self, bus, clock, patience_ms=PATIENCE_MS):
        self.forced = 0  # questions for which there was no idle time: a poll may have waited
        self._bus = bus
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._need_ms = patience_ms + QUESTION_MS + (bus.line.chars_us(8 + 7) + 2 * bus.line.t35_us) // 1000
        self._since = None  # when the question began to wait

    def ask(self):
        """True once the line is ours."""
        if self._since is None:
            self._since = self._ms()
        if not self._bus.granted(PAUSE_SCAN) and self._bus.idle_ms() < self._need_ms:
            if 0 <= self._diff(self._ms(), self._since) < WAIT_MS:
                return False
            self.forced += 1
        return self._bus.ask(PAUSE_SCAN)

    def done(self):
        """Polling goes on."""
        self._since = None
        self._bus.done(PAUSE_SCAN)


class Searching:
    """One search on one bus. `search` has its state; see modbus.scan.Search.

    number: of the bus. kind: one of KINDS. baud, serial_format: for "known"; None is the bus's own.
    on_progress(state text, position, total, units found) is called at most every TELL_MS and at the end,
    on_found(found) for each unit. Raises ValueError with one clear line.
    """

    def __init__(self, gateway, number, kind, baud=None, serial_format=None, on_progress=None, on_found=None):
        if kind not in KINDS:
            raise ValueError("search: found %s, allowed %s" % (kind, ", ".join(KINDS)))
        bus = gateway.buses[number]
        line = bus.line
        if not _may_ask(bus):
            raise ValueError("%s is in mode listen: the box never sends on it" % line.name)
        if bus.borrowed:
            raise ValueError("%s: a search or identification runs already" % line.name)
        self._bus = bus
        self._port = gateway.ports[number]
        self._on_progress = on_progress
        baud, serial_format = baud or line.baud, serial_format or line.serial_format
        own = kind == "known" and (baud, serial_format) == (line.baud, line.serial_format)
        self._tuned = (line.baud, line.serial_format)
        self.between = Between(bus, gateway.clock) if own else None
        if kind == "known":
            way = ways.known(baud, serial_format, PATIENCE_MS)
        elif kind == "units":
            missing = [unit.unit_id for unit in bus.plan.units]
            way = ways.units(missing, baud, serial_format)
            tell = on_found

            def on_found(found):
                if found.unit_id in missing:
                    missing.remove(found.unit_id)
                    tell(found)

        else:
            way = getattr(ways, kind)()
        self._ask = Ask(self._open, gateway.clock, True)
        self.search = Search(self._ask, gateway.clock, way, on_found, 1500, self.between)
        self.cancel = self.search.cancel
        self.confirm = self.search.confirm

    def _open(self, baud, serial_format):
        if self._tuned != (baud, serial_format):
            self._port.tune(baud, serial_format)
            self._tuned = (baud, serial_format)
        return self._port

    async def run(self, sleep_ms):
        """Until the search is over, cancelled, or this task is. The bus polls again afterwards, whatever happened."""
        search = self.search
        told_ms = 0
        state = -1
        while self._bus.borrowed:
            await sleep_ms(TELL_MS)
        self._bus.borrowed = True
        try:
            if not self.between:
                await self._take(PAUSE_HOLD, sleep_ms)
                self._bus.tell_all(NOT_ASKED)
                await self._take(PAUSE_SCAN, sleep_ms)
            while not search.over:
                if not self.between and not search.asking and self._bus.others_wait():
                    await self._let_others(sleep_ms)
                wait_ms = max(1, search.step() // 1000)
                told_ms += wait_ms
                if told_ms >= TELL_MS or state != search.state:
                    told_ms = 0
                    state = search.state
                    self._tell()
                await sleep_ms(wait_ms)
        finally:
            self._give_back()
            self._tell()

    async def _take(self, cause, sleep_ms):
        while not self._bus.ask(cause):
            await sleep_ms(1)

    async def _let_others(self, sleep_ms):
        """Flash, garbage collection and the like have waited for the end of the question."""
        self._bus.done(PAUSE_SCAN)
        while self._bus.others_wait():
            await sleep_ms(1)
        await self._take(PAUSE_SCAN, sleep_ms)

    def _give_back(self):
        """The port as it was, polling on."""
        self.search.cancel()
        line = self._bus.line
        if self._tuned != (line.baud, line.serial_format):
            try:
                self._port.tune(line.baud, line.serial_format)
            except OSError:
                pass  # the bus meets the same failure and reports it
        self._bus.done(PAUSE_SCAN)
        self._bus.done(PAUSE_HOLD)
        self._bus.borrowed = False

    def _tell(self):
        if self._on_progress is not None:
            search = self.search
            self._on_progress(STATES[search.state], search.position, search.total, len(search.found))


async def identify(gateway, number, unit_id, sleep_ms):
    """Ask a unit of a polled bus who it is (FC 43/14, FC 17), between polls: its texts by name, {} if it knows neither.

    On a bus in mode listen nobody is asked: {}. OSError when the port failed.
    """
    bus = gateway.buses[number]
    if not _may_ask(bus):
        return {}
    ask, between = await _borrow(gateway, number, 200, sleep_ms)
    try:
        asked = Identify(ask, unit_id)
        while not asked.done:
            while not between.ask():
                await sleep_ms(1)
            ask.resume()
            request = asked.requests
            while not asked.done and asked.requests == request:
                await sleep_ms(asked.step() // 1000)
            while ask.gap_left_us() > 0:
                await sleep_ms(1)
            between.done()
    finally:
        between.done()
        bus.borrowed = False
    return asked.objects


async def read(gateway, number, frame, sleep_ms, patience_ms=250):
    """Send one read request to a unit of a polled bus, between polls: (outcome, bytes) with an outcome of modbus.ask.

    The bytes are what came in: the ADU of a reply or exception if the outcome is ANSWER. OSError when the port failed.
    """
    bus = gateway.buses[number]
    ask, between = await _borrow(gateway, number, patience_ms, sleep_ms)
    try:
        ask.start(frame, patience_ms)
        while not ask.done:
            await sleep_ms(ask.step() // 1000)
        while ask.gap_left_us() > 0:
            await sleep_ms(1)
    finally:
        between.done()
        bus.borrowed = False
    return ask.outcome, bytes(ask.buf[max(0, ask.at) : ask.n])


async def _borrow(gateway, number, patience_ms, sleep_ms):
    """(Ask, Between) of a bus that is ours for one question; `borrowed` and Between are to be given back."""
    bus = gateway.buses[number]
    if not _may_ask(bus):
        raise OSError("%s is in mode listen: the box never sends on it" % bus.line.name)
    ask = Ask(lambda baud, serial_format: gateway.ports[number], gateway.clock, True)
    between = Between(bus, gateway.clock, patience_ms)
    while bus.borrowed:
        await sleep_ms(TELL_MS)
    bus.borrowed = True
    try:
        while not between.ask():
            await sleep_ms(1)
        ask.tune(bus.line.baud, bus.line.serial_format)
    except BaseException:  # also when this task is cancelled
        between.done()
        bus.borrowed = False
        raise
    return ask, between


def _may_ask(bus):
    """True only for a bus that can be borrowed: on one in mode listen (modbus.listenbus) the box never sends."""
    return hasattr(bus, "borrowed")


def forget():
    """Drop this module and what only it needs from memory; a later search loads it again."""
    for name in MODULES:
        if name != "listener" or "modbus.listenbus" not in sys.modules:
            unload.unload("modbus." + name)
    unload.unload("gateway.search")
