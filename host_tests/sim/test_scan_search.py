"""The search in virtual time on a line of bit-level UARTs: times, promises, faults."""

import clock as virtual
import line as wire
from modbus import probe, scan, ways
from modbus.ask import Ask
from modbus.codes import PAUSE_MODULE
from modbus.scan import Search
from rig import Rand, Rig, unit
from scan_world import Foreign, Server, World, run

HEAP_KB = 16000  # for waves and records

BAUDS = (9600, 19200, 115200)
FORMATS = ("8N1", "8E1", "8O1", "8N2")


def make(servers=(), way=None, **more):
    clock = virtual.Clock(look_us=4)
    pause = more.pop("pause", None)
    world = World(clock, servers, **more)
    search = Search(Ask(world.open, clock), clock, way or ways.common(), pause=pause)
    return clock, world, search


def rows(search):
    return [(each.unit_id, each.baud, each.serial_format, each.asked) for each in search.found]


def time_to_find(baud, serial_format, unit_id, turnaround_us, passes_errors):
    server = Server(unit_id, baud, serial_format, turnaround_us, strict_stops=True)
    clock, world, search = make([server], passes_errors=passes_errors)
    ms = run(search, clock, 15000, lambda: search.found)
    assert rows(search) == [(unit_id, baud, serial_format, True)], (baud, serial_format, unit_id, rows(search))
    assert world.errors == [], world.errors
    return ms


def test_common_settings_are_found_in_seconds():
    rand = Rand(3)
    times = []
    for baud in BAUDS:
        for serial_format in FORMATS:
            for unit_id in range(1, 17):
                times.append(time_to_find(baud, serial_format, unit_id, 2000 + rand(58000), rand(2)))
    times.sort()
    median = times[len(times) // 2]
    print("REPORT: search, %d common settings (3 bauds, 4 formats, ids 1-16; turnaround 2-60 ms):" % len(times))
    print(
        "REPORT: median %d ms, longest %d ms, listening included; virtual time, bit-level UARTs" % (median, times[-1])
    )
    assert median <= 5000 and times[-1] <= 15000, (median, times[-1])


def test_every_id_at_a_known_setting():
    for baud, serial_format in ((9600, "8N1"), (9600, "8E1"), (115200, "8O1")):
        ids = (1, 2, 17, 100, 246, 247)
        clock, world, search = make(
            [Server(i, baud, serial_format, 40000) for i in ids], ways.known(baud, serial_format)
        )
        ms = run(search, clock)
        assert [row[0] for row in rows(search)] == list(ids), rows(search)
        assert search.state == scan.DONE and search.position == search.total == 247
        assert world.errors == [] and world.collisions == 0
        print("REPORT: search, 247 ids at %d %s with 6 units: %d ms (virtual time)" % (baud, serial_format, ms))
        assert ms <= 20000, ms


def test_the_whole_space():
    servers = [
        Server(247, 1200, "8O1", 30000),
        Server(90, 4800, "8E1", 80000),
        Server(3, 57600, "8N1", 2000),
        Server(3, 2400, "8N2", 2000, strict_stops=True),
    ]
    clock, world, search = make(servers, ways.whole())
    ms = run(search, clock)
    expected = sorted((each.unit_id, each.baud, each.serial_format, True) for each in servers)
    assert sorted(rows(search)) == expected, rows(search)
    assert world.errors == [] and search.noise == 0
    print(
        "REPORT: search, 247 ids x 8 bauds x 4 formats: %d s, %d requests (virtual time)" % (ms // 1000, search.total)
    )
    assert ms <= 540000, ms


def test_a_setting_that_no_request_reaches_is_not_reported():
    clock, world, search = make([Server(1, 14400, "8E1")])
    run(search, clock)
    assert search.state == scan.DONE and search.found == [] and len(world.frames) == 96


def test_dual_parity_reaches_three_formats_and_no_fourth():
    # At the UART model: the search without it would need 4 requests per baud and id instead of 2.
    for unit_id in (1, 3, 128, 247):
        for serial_format in FORMATS:
            server = Server(unit_id, 9600, serial_format, strict_stops=True)
            clock = virtual.Clock()
            world = World(clock, [server])
            ask = Ask(world.open, clock)
            ask.tune(9600, "8N2")
            ask.start(probe.dual(unit_id), 100)
            while not ask.done:
                clock.us += max(ask.step(), 20)
            reached = serial_format != probe.other_format(unit_id)
            assert server.requests == reached and (ask.outcome > 0) == reached, (unit_id, serial_format)
            if reached:
                assert ask.buf[0] == unit_id  # its parity bit is mark: an 8N2 receiver gets it in every format


def test_nothing_is_sent_while_others_are_heard():
    requests = [wire.sealed((5, 3, 0, 0, 0, 10)), wire.sealed((6, 4, 0, 8, 0, 2))]
    for baud, serial_format in ((9600, "8N1"), (19200, "8E1"), (115200, "8O1"), (57600, "8N1")):
        foreign = Foreign(requests, baud, serial_format, 1000)
        servers = [Server(5, baud, serial_format), Server(9, baud, serial_format)]
        clock, world, search = make(servers, foreign=foreign)
        run(search, clock, 120000, lambda: world.now_ms() > 90000)
        assert world.frames == [] and search.state == scan.FOREIGN, (baud, search.state, search.position)
        assert rows(search) == [(5, baud, serial_format, False)], (baud, serial_format, rows(search))
        search.cancel()
        assert search.over and search.step() == 0 and world.port.closed


def test_search_goes_on_when_the_others_are_silent():
    foreign = Foreign([wire.sealed((5, 3, 0, 0, 0, 10))], 19200, "8E1", 700, 0, 20000)
    clock, world, search = make([Server(5, 19200, "8E1")], foreign=foreign)
    run(search, clock, 120000)
    assert search.state == scan.DONE and rows(search) == [(5, 19200, "8E1", True)]
    assert world.frames[0][0] - world._begin_ns > 29000 * 1000000, "sent too soon"
    assert world.collisions == 0


def test_a_client_that_starts_later_stops_the_search():
    foreign = Foreign([wire.sealed((5, 3, 0, 0, 0, 10))], 9600, "8N1", 300, 3000)
    clock, world, search = make([Server(5, 115200, "8E1")], foreign=foreign)
    run(search, clock, 120000, lambda: world.now_ms() > 60000)
    late = [frame for frame in world.frames if frame[0] - world._begin_ns > 6000 * 1000000]
    assert search.state == scan.FOREIGN and late == [], (search.state, len(late))


def test_parity_of_others_is_uncertain_where_the_port_hides_errors():
    foreign = Foreign([wire.sealed((5, 3, 0, 0, 0, 10))], 19200, "8O1", 500)
    clock, world, search = make([Server(5, 19200, "8O1")], foreign=foreign, passes_errors=True)
    run(search, clock, 120000, lambda: search.found)
    assert rows(search)[0][:2] == (5, 19200) and rows(search)[0][3] is False and world.frames == []


def load_permille(world, search, clock, begin_us):
    """Share of the time in which the line is ours: requests and the waits after them."""
    held = 0
    patience = search._way.patience_ms * 1000000
    for begin, end, _, _, _ in world.frames:
        held += end - begin + patience
    return held // (clock.us - begin_us)


def test_confirmed_search_keeps_to_a_tenth_of_the_time():
    foreign = Foreign([wire.sealed((5, 3, 0, 0, 0, 2))], 9600, "8N1", 1000)
    servers = [Server(5, 9600, "8N1", 10000), Server(60, 9600, "8N1", 10000)]
    clock, world, search = make(servers, ways.known(9600, "8N1"), foreign=foreign)
    run(search, clock, 60000, lambda: search.state == scan.FOREIGN)
    search.confirm()
    begin_us = clock.us
    run(search, clock)
    assert search.state == scan.DONE
    assert [row[0] for row in rows(search)] == [5, 60], rows(search)
    load = load_permille(world, search, clock, begin_us)
    print("REPORT: search beside another client: %d permille of the time, %d collisions" % (load, world.collisions))
    assert 50 <= load <= 100, load


class Polling:
    """Our own polling: grants a pause some ms after it was asked for."""

    def __init__(self):
        self.looks = 0
        self.given = 0
        self.held = False

    def ask(self):
        self.looks += 1
        if self.looks >= 5 and not self.held:
            self.held = True
            self.given += 1
        return self.held

    def done(self):
        self.held = False
        self.looks = 0


def test_search_beside_our_own_polling():
    polling = Polling()
    clock, world, search = make([Server(33, 19200, "8E1")], ways.known(19200, "8E1"), pause=polling)
    begin_us = clock.us
    run(search, clock)
    assert rows(search) == [(33, 19200, "8E1", True)]
    assert polling.given == len(world.frames) == 247 and not polling.held
    load = load_permille(world, search, clock, begin_us)
    assert 50 <= load <= 100, load


class BusPause:
    """The real bus grants the pauses, with one of its causes."""

    def __init__(self, bus):
        self.ask = lambda: bus.ask(PAUSE_MODULE)
        self.done = lambda: bus.done(PAUSE_MODULE)


class PolledPort:
    """The port of the bus, lent: it stays open."""

    def __init__(self, port):
        self.send = port.send
        self.available = port.available
        self.receive_into = port.receive_into
        self.discard = port.discard
        self.close = lambda: None


def search_beside_polling(baud):
    present = (1, 2, 33, 200)
    rig = Rig([wire.Unit(i) for i in present], [unit(i, ((0, 10, 100),)) for i in (1, 2)], baud, "8E1")
    ask = Ask(lambda baud, serial_format: PolledPort(rig.wire), rig.clock)
    ids = [1, 2] * 8 + list(range(25, 41)) + [199, 200]  # 34 questions, half of them answered
    way = ways.Way(((baud, "8E1", i, False) for i in ids), len(ids), 55)
    search = Search(ask, rig.clock, way, pause=BusPause(rig.bus))

    async def task():
        while not search.over:
            await rig.loop.sleep_ms(search.step() // 1000)

    rig.loop.run_ms(10000)
    before = rig.good(1)
    rig.loop.spawn(task())
    begin_us = rig.clock.us
    rig.results.clear()
    rig.loop.run_ms(300000, lambda: search.over)
    took_ms = (rig.clock.us - begin_us) // 1000
    assert [row[0] for row in rows(search)] == list(present), rows(search)
    assert rig.wire.errors == [] and rig.wire.collisions == 0, rig.wire.errors[:3]
    assert set(rig.qualities(1)) == {0} and rig.events == []
    rate = rig.good(1) * 10000 // took_ms * 1000 // before
    pause = rig.bus.pause_ms[PAUSE_MODULE] * 1000 // took_ms
    print(
        "REPORT: search beside own polling at %d: %d questions in %d s, %d permille of the time,"
        % (baud, len(ids), took_ms // 1000, pause)
    )
    print("REPORT: polling keeps %d permille of its rate (virtual time, real bus)" % rate)
    assert 50 <= pause <= 100 and rate >= 950, (pause, rate)


def test_search_beside_the_real_polling():
    search_beside_polling(19200)
    search_beside_polling(115200)


def test_late_unit_is_found_by_a_second_question():
    # It answers after its patience, before or in the window of the next id.
    for turnaround_us in (56000, 58000, 70000, 90000, 110000):
        clock, world, search = make([Server(40, 19200, "8E1", turnaround_us)], ways.known(19200, "8E1"))
        run(search, clock, 60000)
        assert rows(search) == [(40, 19200, "8E1", True)], (turnaround_us, rows(search), world.collisions)
        assert search.position == 247


def test_port_failure_ends_the_search_without_a_traceback():
    clock, world, search = make([Server(1, 9600, "8N1")])
    run(search, clock, 60000, lambda: world.now_ms() > 3000)
    world.broken = True
    run(search, clock, 60000)
    assert search.state == scan.FAILED and rows(search) == [(1, 9600, "8N1", True)]


def test_cancel_sends_nothing_more():
    clock, world, search = make()
    run(search, clock, 60000, lambda: search.position == 10)
    sent = len(world.frames)
    search.cancel()
    for _ in range(100):
        search.step()
        clock.us += 10000
    assert search.state == scan.CANCELLED and len(world.frames) == sent and world.port.closed


def test_echo_of_the_own_request_is_not_taken_for_a_unit():
    clock, world, search = make([Server(4, 19200, "8E1")], echo=True)
    run(search, clock, 60000)
    assert rows(search) == [(4, 19200, "8E1", True)] and search.state == scan.DONE
