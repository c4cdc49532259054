"""The search as the running box has it: beside its polling, or with the bus for itself; the house is kept."""

import line as wire
from clock import Clock, VirtualLoop
from gateway.search import Between, Searching, forget, identify, read
from modbus.bus import Bus
from modbus.codes import PAUSE_ERASE, PAUSE_FLASH, PAUSE_HOLD, PAUSE_SCAN
from modbus.line import Line
from modbus.plan import Plan
from rig import Rand, Rig, unit
from scan_world import Server, World

HEAP_KB = 16000


class Box:
    """What the service needs of a gateway: one polled bus on a rig's wire."""

    def __init__(self, rig):
        self.clock = rig.clock
        self.buses = [rig.bus]
        self.ports = [rig.wire]


def polled(baud, period_ms, extra=(33, 200)):
    units = [wire.Unit(i, turnaround_us=5000) for i in (1, 2) + extra]
    return Rig(units, [unit(i, ((0, 10, period_ms),)) for i in (1, 2)], baud, "8E1")


def beside_polling(baud, period_ms):
    rig = polled(baud, period_ms)
    rig.run_ms(5000)
    rig.results.clear()
    skipped = rig.bus.scheduler.skipped
    begun = rig.wire.sent
    progress = []
    task = Searching(Box(rig), 0, "known", None, None, lambda *row: progress.append(row))
    begin_us = rig.clock.us
    rig.loop.spawn(task.run(rig.loop.sleep_ms))
    assert rig.loop.run_ms(900000, lambda: task.search.over)
    rig.run_ms(2)
    took_ms = (rig.clock.us - begin_us) // 1000
    assert [found.unit_id for found in task.search.found] == [1, 2, 33, 200]
    assert rig.wire.errors == [] and rig.wire.collisions == 0 and rig.events == []
    assert set(rig.qualities(1)) == set(rig.qualities(2)) == {0}
    due = took_ms // period_ms
    held = rig.bus.pause_ms[PAUSE_SCAN] * 1000 // took_ms
    late = [rig.clock.ticks_diff(b[2], a[2]) for a, b in zip(*both_ways(rig))]
    assert progress[-1] == ("done", 247, 247, 4) and progress[0][0] == "asking"
    asked = rig.wire.sent - begun
    missed = rig.bus.scheduler.skipped - skipped
    print("REPORT: search beside polling every %d ms at %d: 247 ids in %d s, %d permille of the time," % (
        period_ms, baud, took_ms // 1000, held))  # fmt: skip
    print("REPORT: %d polls left out of %d, steps of a read %d..%d ms, %d questions without idle time" % (
        missed, 2 * due, min(late), max(late), task.between.forced))  # fmt: skip
    assert held <= 100 and asked > 247
    return rig, task, missed, late, due


def both_ways(rig):
    own = [row for row in rig.results if row[0].unit.unit_id == 1]
    return own, own[1:]


def test_polling_keeps_its_deadlines_while_a_search_runs():
    for baud, period_ms in ((9600, 500), (19200, 300), (115200, 200)):
        rig, task, missed, late, due = beside_polling(baud, period_ms)
        assert missed == 0 and task.between.forced == 0
        assert rig.good(1) >= due - 1 and rig.good(2) >= due - 1
        assert period_ms - 30 <= min(late) and max(late) <= period_ms + 30, (min(late), max(late))


def test_a_service_that_does_not_wait_for_idle_time_is_caught():
    class Impatient(Between):
        def ask(self):
            return self._bus.ask(PAUSE_SCAN)

    steps = []
    for kind in (Between, Impatient):
        rig = polled(9600, 400)
        rig.run_ms(5000)
        rig.results.clear()
        task = Searching(Box(rig), 0, "known")
        task.search._pause = kind(rig.bus, rig.clock)
        rig.loop.spawn(task.run(rig.loop.sleep_ms))
        rig.run_ms(60000)
        task.cancel()
        steps.append(max([rig.clock.ticks_diff(b[2], a[2]) for a, b in zip(*both_ways(rig))]))
    assert steps[0] <= 402 and steps[1] > 410, steps


def test_where_there_is_no_idle_time_a_poll_waits_for_one_question_at_a_tenth_of_the_time():
    rig = polled(19200, 70)
    rig.run_ms(5000)
    rig.results.clear()
    task = Searching(Box(rig), 0, "known")
    rig.loop.spawn(task.run(rig.loop.sleep_ms))
    rig.run_ms(60000)
    task.cancel()
    assert task.between.forced >= 20 and task.search.position >= 20
    assert rig.bus.pause_ms[PAUSE_SCAN] <= 6000
    assert rig.good(1) >= 857 * 95 // 100 and set(rig.qualities(1)) == {0} and rig.wire.errors == []


def test_cancel_and_a_task_that_is_ended_leave_the_bus_polling():
    rig = polled(19200, 300)
    rig.run_ms(1000)
    task = Searching(Box(rig), 0, "known")
    rig.loop.spawn(task.run(rig.loop.sleep_ms))
    rig.run_ms(3000)
    task.cancel()
    rig.run_ms(500)
    assert rig.loop.run_ms(1, lambda: task.search.over) and not rig.bus._asked and not rig.bus._granted
    rig.results.clear()
    rig.run_ms(3000)
    assert rig.good(1) >= 9
    task = Searching(Box(rig), 0, "known")
    steps = task.run(rig.loop.sleep_ms)
    while not task.search.asking:  # as asyncio steps it, until a question has the line
        steps.send(None)
        rig.run_ms(1)
    steps.close()
    assert task.search.over and not rig.bus._asked and not rig.bus._granted
    rig.results.clear()
    rig.run_ms(3000)
    assert rig.good(1) >= 9


class Held:
    """A polled bus on a line where settings matter."""

    def __init__(self, servers, period_ms=500):
        self.clock = Clock(look_us=4)
        self.world = World(self.clock, servers)
        self.port = self.world.open(19200, "8E1")
        line = Line("line1", 19200, "8E1")
        self.results = []
        self.bus = Bus(
            self.port,
            self.clock,
            line,
            Plan(line, [unit(5, ((0, 2, period_ms),))]),
            self.on_result,
            self.on_event,
            Rand(1),
        )
        self.events = []
        self.buses, self.ports = [self.bus], [self.port]
        self.loop = VirtualLoop(self.clock)
        self.loop.spawn(self.bus.run(self.loop.sleep_ms))

    def on_result(self, read, quality, ms, buf, n):
        self.results.append(quality)

    def on_event(self, *event):
        self.events.append(event)


def test_a_search_at_all_common_settings_has_the_bus_and_gives_it_back():
    servers = [Server(5, 19200, "8E1", 5000), Server(9, 9600, "8N1", 30000), Server(14, 115200, "8O1", 10000)]
    held = Held(servers)
    held.loop.run_ms(3000)
    assert set(held.results) == {0}
    held.results.clear()
    paused = []

    async def keeper():
        while True:
            await held.loop.sleep_ms(700)
            for cause in (PAUSE_FLASH, PAUSE_ERASE):
                begin = held.clock.us
                held.bus.ask(cause)
                while not held.bus.granted(cause):
                    await held.loop.sleep_ms(1)
                waiting = (held.clock.us - begin) // 1000
                due = [ns for ns, _ in held.port.due if ns > held.clock.us * 1000]
                paused.append((waiting, len(due)))
                held.clock.advance_ms(10)
                held.bus.done(cause)

    task = Searching(held, 0, "common")
    held.loop.spawn(keeper())
    held.loop.spawn(task.run(held.loop.sleep_ms))
    begin = held.clock.us
    over = held.loop.run_ms(60000, lambda: task.search.over)
    took_ms = (held.clock.us - begin) // 1000
    assert over, (task.search.state, task.search.position, task.search.foreign, task.search.noise, len(paused))
    found = sorted((each.unit_id, each.baud, each.serial_format) for each in task.search.found)
    assert found == [(5, 19200, "8E1"), (9, 9600, "8N1"), (14, 115200, "8O1")], found
    assert held.world.errors == [] and held.world.collisions == 0, held.world.errors
    assert held.results in ([5], [0, 5]) and held.events == [], (held.results, held.events)  # told: not asked
    waits = [waiting for waiting, _ in paused]
    assert len(paused) > 10 and max(waits) <= 320 and not [1 for _, due in paused if due], (max(waits), paused)
    print(
        "REPORT: search at common settings on a polled bus: %d ms, flash waited at most %d ms" % (took_ms, max(waits))
    )
    held.results.clear()
    held.loop.run_ms(5000)
    assert (held.port.baud, held.port.serial_format) == (19200, "8E1")
    assert held.results.count(0) >= 8 and set(held.results) == {0}, held.results
    assert held.bus.pause_ms[PAUSE_HOLD] >= took_ms - 100
    assert [frame for frame in held.world.frames if frame[4][1] not in (1, 3)] == []


def test_a_port_that_fails_ends_the_search_and_polling_comes_back():
    held = Held([Server(5, 19200, "8E1", 5000)])
    held.loop.run_ms(3000)
    task = Searching(held, 0, "common")
    held.loop.spawn(task.run(held.loop.sleep_ms))
    held.loop.run_ms(4000)
    held.world.broken = True
    held.loop.run_ms(3000)
    assert task.search.state == 5 and not held.bus._asked
    held.world.broken = False
    held.port.tune(19200, "8E1")  # as a port does by itself when it is opened anew
    held.results.clear()
    held.loop.run_ms(5000)
    assert held.results.count(0) >= 5, held.results


def test_who_a_unit_is_can_be_asked_between_polls():
    server = Server(5, 19200, "8E1", 5000)
    server.objects = {0: b"Acme", 1: b"M-1", 2: b"V2", 4: b"Meter"}
    server.server_id = b"\x09\xffX"
    held = Held([server])
    held.loop.run_ms(3000)
    answers = []

    async def ask():
        answers.append(await identify(held, 0, 5, held.loop.sleep_ms))
        answers.append(await identify(held, 0, 77, held.loop.sleep_ms))

    held.loop.spawn(ask())
    held.loop.run_ms(20000, lambda: len(answers) == 2)
    assert answers[0]["vendor"] == "Acme" and answers[0]["product_name"] == "Meter" and answers[0]["running"] == "yes"
    assert answers[1] == {}
    assert held.world.errors == [] and set(held.results) == {0} and held.bus.scheduler.skipped == 0


def test_one_at_a_time():
    held = Held([Server(5, 19200, "8E1", 5000)])
    held.loop.run_ms(1000)
    task = Searching(held, 0, "known")
    held.loop.spawn(task.run(held.loop.sleep_ms))
    held.loop.run_ms(2000)
    try:
        Searching(held, 0, "common")
        raise RuntimeError("accepted")
    except ValueError as error:
        assert "runs already" in str(error)
    answers = []

    async def ask():
        answers.append(await identify(held, 0, 5, held.loop.sleep_ms))

    held.loop.spawn(ask())
    held.loop.run_ms(5000)
    assert answers == [] and not task.search.over
    task.cancel()
    held.loop.run_ms(3000)
    assert answers == [{}] and not held.bus.borrowed and held.world.errors == []


def test_what_cannot_be_searched_is_refused_in_one_line():
    rig = polled(19200, 300)
    box = Box(rig)
    for kind in ("all", ""):
        try:
            Searching(box, 0, kind)
        except ValueError as error:
            assert str(error).startswith("search: found %s, allowed known" % kind), error
        else:
            raise RuntimeError("accepted")
    box.buses = [type("Ears", (), {"line": rig.line})()]
    try:
        Searching(box, 0, "known")
    except ValueError as error:
        assert "line1 is in mode listen" in str(error)
    else:
        raise RuntimeError("accepted")
    try:
        identify(box, 0, 1, rig.loop.sleep_ms).send(None)
        raise RuntimeError("it asked")
    except StopIteration as end:
        assert end.value == {} and rig.wire.sent == 0
    try:
        read(box, 0, bytearray(8), rig.loop.sleep_ms).send(None)
        raise RuntimeError("it asked")
    except OSError as error:
        assert "mode listen" in str(error) and rig.wire.sent == 0


def test_forget_gives_the_memory_back():
    import sys

    forget()
    left = [name for name in sys.modules if name in ("gateway.search", "modbus.scan", "modbus.ways", "modbus.listener")]
    assert left == []
