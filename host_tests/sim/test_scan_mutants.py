"""Searches that break a promise on purpose: the checks of test_scan_search.py must see it. And rubbish without end."""

import clock as virtual
import line as wire
from modbus import probe, scan, ways
from modbus.ask import Ask
from modbus.scan import Search
from rig import Rand
from scan_world import Foreign, Server, World, run

HEAP_KB = 16000


def make(kind=Search, servers=(), way=None, foreign=None):
    clock = virtual.Clock(look_us=4)
    world = World(clock, servers, foreign=foreign)
    return clock, world, kind(Ask(world.open, clock), clock, way or ways.common())


def other_client():
    return Foreign([wire.sealed((5, 3, 0, 0, 0, 2))], 9600, "8N1", 1000, 700)


def frames_while_foreign(kind):
    clock, world, search = make(kind, [Server(5)], foreign=other_client())
    run(search, clock, 60000, lambda: world.now_ms() > 20000)
    return len(world.frames)


def test_a_search_that_does_not_listen_is_seen():
    class Deaf(Search):
        def _listen(self):
            self._take_item()
            self.state = scan.ASK
            return 0

    assert frames_while_foreign(Search) == 0 and frames_while_foreign(Deaf) > 0


def load_permille(kind):
    clock, world, search = make(kind, [Server(5)], ways.known(9600, "8N1"), other_client())
    run(search, clock, 60000, lambda: search.state == scan.FOREIGN)
    search.confirm()
    begin_us = clock.us
    run(search, clock, 120000, lambda: search.position >= 30)
    held = sum(end - begin + 55000000 for begin, end, _, _, _ in world.frames)
    return held // (clock.us - begin_us)


def test_a_search_that_never_rests_is_seen():
    class Restless(Search):
        def _settle(self, outcome):
            super()._settle(outcome)
            self._rest_ms = 0

    assert load_permille(Search) <= 110 and load_permille(Restless) > 110


def test_a_search_without_the_dual_request_is_seen():
    def found():
        clock, world, search = make(servers=[Server(3, 9600, probe.parity_format(3))])
        run(search, clock, 60000)
        return len(search.found)

    dual = probe.dual
    assert found() == 1
    probe.dual = probe.plain
    try:
        assert found() == 0
    finally:
        probe.dual = dual


def test_a_gap_that_is_too_short_is_seen():
    def errors(gap_us):
        clock = virtual.Clock(look_us=4)
        world = World(clock, [Server(1, 9600, "8E1")])
        ask = Ask(world.open, clock)
        ask.tune(9600, "8E1")
        if gap_us is not None:
            ask._gap_us = gap_us
        for _ in range(5):
            ask.start(probe.plain(1), 100)
            while not ask.done:
                ask.step()  # without the sleep: looks as often as it can
                clock.us += 20
        return len(world.errors)

    assert errors(None) == 0 and errors(0) == 4 and errors(3900) == 4


def test_rubbish_without_end_raises_nothing_and_finds_nothing():
    rand = Rand(77)
    for density in (1, 4, 40, 400):
        clock, world, search = make()
        begin = clock.us

        def rubbish():
            port = world.port
            if port is not None and not port.closed and rand(density) == 0 and len(port.due) < 600:
                unit_id = search._item[2] if search._item else 1
                for i in range(1 + rand(12)):
                    byte = (unit_id, 3, 0x83, 2, rand(256))[rand(5)]
                    port.due.append(((clock.us + 500 * i) * 1000, byte))
                port.due.sort()
            if density > 1 and rand(3000) == 0:
                search.confirm()
            return clock.us - begin > 30000000

        run(search, clock, 60000, rubbish)
        assert search.found == [], (density, search.found[0].unit_id)
        search.cancel()
        assert search.over
