"""The listening bus in virtual time: a real client polls, the box feeds its plan from what it hears."""

import line as wire
from clock import Clock, VirtualLoop
from ear import Ear
from modbus.bus import Bus
from modbus.line import Line
from modbus.listenbus import ListeningBus
from modbus.plan import Plan
from rig import Rand, unit

HEAP_KB = 8000


class Beside:
    """A client that polls `polled`, and a listening bus with the plan `wanted`."""

    def __init__(self, units, polled, wanted, baud=19200):
        self.clock = Clock(look_us=4)
        self.line = Line("line1", baud, "8E1")
        self.wire = wire.Wire(self.clock, baud, self.line.char_bits, units)
        self.ear = Ear(self.wire)
        self.polled = []
        self.results = []
        self.events = []
        plan = Plan(self.line, polled)
        self.client = Bus(self.wire, self.clock, self.line, plan, self.on_polled, lambda *event: None, Rand(1))
        self.plan = Plan(self.line, wanted)
        self.bus = ListeningBus(self.ear, self.clock, self.line, self.plan, self.on_result, self.on_event)
        self.loop = VirtualLoop(self.clock)
        self.loop.spawn(self.client.run(self.loop.sleep_ms))
        self.loop.spawn(self.bus.run(self.loop.sleep_ms))

    def on_polled(self, read, quality, ms, buf, n):
        self.polled.append((read.unit.unit_id, read.address, quality, bytes(buf[:n])))

    def on_result(self, read, quality, ms, buf, n):
        self.results.append((read.unit.unit_id, read.address, quality, bytes(buf[:n]), read.group, ms))

    def on_event(self, code, a, b):
        self.events.append((code, a, b))

    def run_ms(self, ms):
        self.loop.run_ms(ms)
        assert self.ear.sent == 0


def test_the_plan_is_fed_as_by_polling_and_nothing_is_sent():
    configs = [unit(1, ((0, 10, 300), (60, 3, 500))), unit(2, ((5, 8, 400),))]
    both = Beside([wire.Unit(1), wire.Unit(2)], configs, configs)
    both.run_ms(20000)
    n = len(both.results)
    assert n > 140 and len(both.polled) - n in (0, 1)
    assert [row[:4] for row in both.results] == both.polled[:n]
    assert both.events == [] and both.bus.stray_bytes == 0
    stats = both.bus.stats()
    assert stats["requests"] == stats["replies"] == n and stats["foreign_requests"] in (n, n + 1), stats
    assert [row["state"] for row in stats["units"]] == ["ok", "ok"]
    assert len(list(both.bus.learned())) == 2 + 3


def test_what_comes_more_often_is_thinned_to_the_plans_period():
    both = Beside([wire.Unit(1)], [unit(1, ((0, 4, 110),))], [unit(1, ((0, 4, 1000),))])
    both.run_ms(60000)
    assert 59 <= len(both.results) <= 61, len(both.results)
    steps = [both.clock.ticks_diff(b[5], a[5]) for a, b in zip(both.results, both.results[1:])]
    assert 750 <= min(steps) and max(steps) <= 1150, (min(steps), max(steps))
    assert both.bus.skipped > 450


def test_a_client_a_little_slower_or_faster_loses_nothing_of_note():
    for polled_ms, least in ((990, 59), (1010, 58)):
        both = Beside([wire.Unit(1)], [unit(1, ((0, 4, polled_ms),))], [unit(1, ((0, 4, 1000),))])
        both.run_ms(60000)
        assert least <= len(both.results) <= 61, (polled_ms, len(both.results))


def test_a_read_that_the_client_makes_in_parts_is_split_there():
    polled = [unit(1, ((0, 5, 300), (5, 3, 200)), max_gap=0)]  # two reads, as their periods differ
    wanted = [unit(1, ((0, 8, 1000),))]
    both = Beside([wire.Unit(1)], polled, wanted)
    both.run_ms(10000)
    assert both.events == [(12, 0, 5)], both.events
    rows = sorted({row[:4] for row in both.results})
    assert rows == [
        (1, 0, 0, b"\x10\x00\x10\x01\x10\x02\x10\x03\x10\x04"),
        (1, 5, 0, b"\x10\x05\x10\x06\x10\x07"),
    ], rows
    assert {row[4] for row in both.results} == {1, 2}
    assert both.plan.splits == [(1, 3, 5)]
    assert len(both.results) in (18, 19, 20)


def test_a_read_that_is_sometimes_read_whole_is_not_split():
    polled = [unit(1, ((0, 8, 500),)), unit(1, ((0, 3, 100),))]
    both = Beside([wire.Unit(1)], polled, [unit(1, ((0, 8, 500),))])
    both.run_ms(10000)
    assert both.events == [] and len(both.results) >= 19


def test_a_silent_unit_is_named_and_comes_back():
    units = [wire.Unit(1), wire.Unit(2)]
    configs = [unit(1, ((0, 2, 300),), retries=0), unit(2, ((0, 2, 300),), retries=0)]
    both = Beside(units, configs, configs)
    both.run_ms(3000)
    units[1].dead = True
    both.run_ms(12000)
    assert [event[:2] for event in both.events] == [(2, 2)], both.events
    assert [row[2] for row in both.results if row[0] == 2].count(1) >= 2
    assert both.bus.stats()["units"][1]["state"] == "silent" and both.bus.frozen
    units[1].dead = False
    both.run_ms(60000)
    assert [event[:2] for event in both.events] == [(2, 2), (3, 2)], both.events
    assert both.bus.quarantined == 0


def test_silence_of_the_client_is_told_and_never_a_value():
    configs = [unit(1, ((0, 2, 300),))]
    both = Beside([wire.Unit(1)], configs, configs + [unit(7, ((0, 2, 1000),))])
    both.run_ms(15000)
    never = [row[2] for row in both.results if row[0] == 7]
    assert never == [5], never  # nobody asks unit 7
    both.results.clear()
    both.client.stop()
    both.run_ms(15000)
    assert both.events == [(4, 4, 0)], both.events
    assert both.results[-1][2:4] == (5, b"") and [row[2] for row in both.results if row[0] == 1].count(5) == 1
    both.client.stopped = False
    both.loop.spawn(both.client.run(both.loop.sleep_ms))
    both.run_ms(3000)
    assert both.events == [(4, 4, 0), (5, 1, 0)], both.events
    assert both.results[-1][2] == 0


def test_pauses_fall_between_frames_and_are_counted():
    configs = [unit(1, ((0, 20, 100),))]
    both = Beside([wire.Unit(1)], configs, configs)
    granted = []

    async def flash():
        for _ in range(40):
            await both.loop.sleep_ms(37)
            both.bus.ask(1)
            waited = 0
            while not both.bus.granted(1):
                await both.loop.sleep_ms(1)
                waited += 1
            granted.append((waited, both.bus.listener.waits))
            both.clock.advance_ms(10)
            both.bus.done(1)

    both.loop.spawn(flash())
    both.run_ms(8000)
    assert len(granted) == 40 and max(waited for waited, _ in granted) < 100, granted
    assert not [1 for _, waits in granted if waits]
    assert both.bus.pauses[1] == 40 and 400 <= both.bus.pause_ms[1] <= 440
    assert {row[2] for row in both.results} == {0} and len(both.results) >= 79
    assert both.bus.idle_ms() in (0, 100)


def test_a_pause_is_granted_beside_babble_too():
    both = Beside([], [unit(1, ((0, 2, 60000),))], [unit(1, ((0, 2, 1000),))])
    for k in range(2000):
        both.wire.inject(k * 2000, b"\x55")
    both.run_ms(500)
    assert not both.bus.ask(2)
    both.run_ms(100)
    assert not both.bus.granted(2)
    both.run_ms(520)
    assert both.bus.granted(2)
    both.bus.done(2)


def test_a_port_that_fails_is_opened_anew_without_sending():
    configs = [unit(1, ((0, 2, 300),))]
    both = Beside([wire.Unit(1)], configs, configs)
    both.run_ms(3000)
    both.ear.broken = True
    both.run_ms(5000)
    assert both.events == [(4, 2, 0)] and both.ear.tuned == []
    both.ear.broken = False
    both.results.clear()
    both.run_ms(3000)
    assert both.events == [(4, 2, 0), (5, 1, 0)], both.events
    assert len(both.ear.tuned) >= 1 and [row[2] for row in both.results].count(0) >= 5


def test_it_has_no_way_to_send():
    both = Beside([], [unit(1)], [unit(1)])
    for part in (both.bus, both.bus._tap, both.bus._feed, both.bus.listener):
        held = [getattr(part, name) for name in dir(part)]
        assert not [each for each in held if each is both.ear or each == both.ear.send]
