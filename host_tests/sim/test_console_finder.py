"""The verbs scan and identify on a bit-level line: progress, units, questions, Ctrl-C at any moment."""

import line as wire
from clock import Clock, VirtualLoop
from console import finder, verbs
from gateway import search
from modbus.bus import Bus
from modbus.line import Line
from modbus.plan import Plan
from rig import Rand, unit
from scan_world import Foreign, Server, World

HEAP_KB = 16000


class Task:
    def __init__(self, loop, coroutine):
        self.coroutine = coroutine
        self.ended = False
        loop.spawn(self._run())

    async def _run(self):
        try:
            await self.coroutine
        finally:
            self.ended = True

    def done(self):
        return self.ended

    def cancel(self):
        if not self.ended:
            self.coroutine.close()  # as a cancelled task: its `finally` runs


class Shell:
    """What the verbs need: a gateway with one bus that polls unit 5, and asyncio in virtual time."""

    def __init__(self, servers, foreign=None, period_ms=500):
        self.clock = Clock(look_us=4)
        self.world = World(self.clock, servers, foreign=foreign)
        self.port = self.world.open(19200, "8E1")
        line = Line("line1", 19200, "8E1")
        plan = Plan(line, [unit(5, ((0, 2, period_ms),))])
        self.qualities = []
        self.bus = Bus(self.port, self.clock, line, plan, self.on_result, lambda *event: None, Rand(1))
        self.buses, self.ports = [self.bus], [self.port]
        self.loop = VirtualLoop(self.clock)
        self.loop.spawn(self.bus.run(self.loop.sleep_ms))
        self.gateway = self
        self.log = self.needed = []  # not None: this box polls
        self.sleep_ms = self.loop.sleep_ms
        finder.asyncio = self

    def create_task(self, coroutine):
        self.task = Task(self.loop, coroutine)
        return self.task

    async def load_search(self):
        await self.sleep_ms(5)
        search.forget = lambda: None  # this test has imported it
        return search

    def need(self, half):
        self.needed.append(half)

    def on_result(self, read, quality, ms, buf, n):
        self.qualities.append(quality)

    def play(self, verb, words, answers=(), limit=3000, stop_after=None):
        """Lines and questions of a verb."""
        said = []
        answers = list(answers)
        steps = verb(self, words.split())
        reply = None
        for k in range(limit):
            try:
                piece = steps.send(reply)
            except StopIteration:
                return said
            reply = None
            if k == stop_after:
                steps.close()
                return said
            if isinstance(piece, str):
                said += list(verbs.wrapped(piece))  # as the console writes it
            elif piece is None:
                self.loop.run_ms(100)
            else:
                said.append(piece.text)
                reply = answers.pop(0)
        raise RuntimeError("no end: %s" % said[-3:])

    def still_polls(self):
        self.qualities.clear()
        self.loop.run_ms(3000)
        return self.qualities.count(0) >= 5 and not self.bus.borrowed and not self.bus._asked


def test_scan_between_polls():
    shell = Shell([Server(5, 19200, "8E1", 5000), Server(77, 19200, "8E1", 20000)])
    said = shell.play(finder.scan, "")
    assert said[-1] == "done: 247 of 247 asked, 2 units found", said[-3:]
    assert "unit 5: 19200 8E1" in said and "unit 77: 19200 8E1" in said
    assert [line for line in said if line.startswith("asking: ")] and max([len(line) for line in said]) <= 78
    assert shell.needed == [] and set(shell.qualities) == {0} and shell.still_polls()


def test_scan_of_other_settings_is_asked_for_and_holds_the_bus():
    shell = Shell([Server(5, 19200, "8E1", 5000), Server(9, 9600, "8N1", 5000)])
    assert shell.play(finder.scan, "line1 common", ["n"]) == ["polling of line1 stops meanwhile. Go on? y: "]
    said = shell.play(finder.scan, "line1 common", ["y"])
    assert said[-1] == "done: 96 of 96 asked, 2 units found", said[-3:]
    assert "unit 9: 9600 8N1" in said and shell.needed == ["ot", "ot"] and shell.still_polls()
    assert shell.play(finder.scan, "known 9600 8n1", ["y"])[-1] == "done: 247 of 247 asked, 1 units found"
    assert shell.still_polls()


def conclude(servers, ids=(5,)):
    """What `scan units` says at last, of a box that asks at 19200 8E1."""
    shell = Shell(servers)
    units = [unit(number, ((0, 2, 500),)) for number in ids]
    shell.bus.plan.units = [Plan(shell.bus.line, [each]).units[0] for each in units]
    said = shell.play(finder.scan, "units", ["y"])
    assert said[0].startswith("polling of line1 stops") and shell.still_polls() == any(
        [(each.unit_id, each.baud, each.serial_format) == (5, 19200, "8E1") for each in servers]
    )
    assert max([len(line) for line in said]) <= 78
    at = [line[:5] for line in said].index("done:")
    return " ".join([line.strip() for line in said[at + 1 :]])


def test_a_wrong_parity_is_told_by_the_one_that_is_answered():
    for serial_format in ("8N1", "8O1"):
        said = conclude([Server(5, 19200, serial_format, 5000)])
        assert "u5 (5) answers at 19200 %s, the box asks at 19200 8E1" % serial_format in said, said
        assert "-> wrong parity: set line1.baud 19200, set line1.serial_format %s, commit" % serial_format in said


def test_a_wrong_baud_is_told_from_a_wrong_parity():
    said = conclude([Server(number, 9600, "8N1", 30000) for number in (5, 6)], (5, 6))
    assert "-> wrong baud: set line1.baud 9600, set line1.serial_format 8N1, commit" in said, said


def test_one_unit_with_another_setting():
    said = conclude([Server(5, 19200, "8E1", 5000), Server(6, 9600, "8E1", 5000)], (5, 6))
    assert "u6 (6) answers at 9600 8E1" in said and "u5" not in said
    assert said.endswith("-> one line has one setting: set those units to 19200 8E1"), said


def test_silence_at_every_setting_is_no_parity():
    said = conclude([], (5, 6))
    assert "u5 (5), u6 (6) answer at no baud and no parity" in said
    assert said.endswith("or other addresses: scan line1 common")
    assert "parity:" not in said
    said = conclude([Server(5, 19200, "8E1", 5000)], (5, 9))
    assert said.endswith("has another address or no power: scan line1 asks all addresses"), said
    assert conclude([Server(5, 19200, "8E1", 5000)]) == "all units answer at the setting of line1, 19200 8E1"


def test_others_on_the_line_are_asked_about():
    foreign = Foreign([wire.sealed((5, 3, 0, 0, 0, 2))], 9600, "8N1", 1000)
    shell = Shell([Server(5, 9600, "8N1", 5000)], foreign)
    said = shell.play(finder.scan, "common", ["y", None])
    assert said[1].startswith("somebody else is heard") and said[2].startswith("ask all the same"), said
    assert not shell.bus.borrowed and not shell.bus._asked


def test_ctrl_c_at_any_moment_leaves_the_bus_polling():
    for words, answers in (("", []), ("common", ["y"])):
        for after in (1, 2, 5, 20, 33):
            shell = Shell([Server(5, 19200, "8E1", 5000)])
            shell.loop.run_ms(1000)
            shell.play(finder.scan, words, answers, 3000, after)
            assert shell.still_polls(), (words, after)


def test_identify():
    server = Server(5, 19200, "8E1", 5000)
    server.objects = {0: b"Acme", 1: b"M-1", 2: b"V2"}
    shell = Shell([server])
    said = shell.play(finder.identify, "5")
    assert said == ["product_code   M-1", "revision       V2", "vendor         Acme"], said
    assert shell.play(finder.identify, "line1 9") == ["unit 9 does not say (no answer to FC 43/14 and FC 17)"]
    assert shell.still_polls()


def test_what_is_no_search_is_refused():
    shell = Shell([])
    for verb, words in ((finder.scan, "all"), (finder.scan, "known 9600"), (finder.scan, "known 5 8N1"),
                        (finder.identify, ""), (finder.identify, "0"), (finder.identify, "x")):  # fmt: skip
        try:
            shell.play(verb, words, ["y"])
        except verbs.Refused as error:
            assert error.code == verbs.VALUE and len(error.text) < 70
        else:
            raise RuntimeError("accepted " + words)


def test_a_listening_bus_tells_what_it_has_heard():
    shell = Shell([])
    shell.buses[0] = type("Ears", (), {"line": shell.bus.line, "learned": lambda self: iter(["unit 3: 1 requests"])})()
    assert shell.play(finder.scan, "") == ["line1 only listens; what it has heard:", "unit 3: 1 requests"]
