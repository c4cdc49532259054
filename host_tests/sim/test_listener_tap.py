"""Listening in virtual time: a real client polls, a box beside it hears the same results and never drives the line."""

import line as wire
from clock import Clock, VirtualLoop
from ear import Ear
from modbus.bus import Bus
from modbus.line import Line
from modbus.overhear import PlanFeed, Tap
from modbus.plan import Plan
from rig import Rand, unit

HEAP_KB = 8000


class Pair:
    """A polling client and a box that listens with a plan of its own."""

    def __init__(self, units, polled, wanted, baud=19200, look_ms=4):
        self.clock = Clock(look_us=4)
        self.line = Line("line1", baud, "8E1")
        self.wire = wire.Wire(self.clock, baud, self.line.char_bits, units)
        self.ear = Ear(self.wire)
        self.polled = []
        self.listened = []
        plan = Plan(self.line, polled)
        bus = Bus(self.wire, self.clock, self.line, plan, self.on_polled, lambda *event: None, Rand(1))
        self.plan = Plan(self.line, wanted)
        self.feed = PlanFeed(self.plan, self.on_listened)
        self.tap = Tap(self.ear, self.clock, self.line, self.feed.on_pair)
        self.loop = VirtualLoop(self.clock)
        self.loop.spawn(bus.run(self.loop.sleep_ms))
        self.loop.spawn(self.listen(look_ms))

    async def listen(self, look_ms):
        while True:
            wait = self.tap.step()
            await self.loop.sleep_ms(look_ms if wait else 0)

    def on_polled(self, read, quality, ms, buf, n):
        self.polled.append((read.unit.unit_id, read.address, quality, bytes(buf[:n]), ms))

    def on_listened(self, read, quality, ms, buf, n):
        self.listened.append((read.unit.unit_id, read.address, quality, bytes(buf[:n]), ms))


def test_the_same_results_as_polling():
    configs = [unit(1, ((0, 10, 300), (60, 3, 500))), unit(2, ((5, 8, 400),))]
    for look_ms in (1, 4, 20):
        pair = Pair([wire.Unit(1), wire.Unit(2)], configs, configs, look_ms=look_ms)
        pair.loop.run_ms(10000)
        n = len(pair.listened)
        assert n > 70 and len(pair.polled) - n in (0, 1)
        assert [row[:4] for row in pair.listened] == [row[:4] for row in pair.polled[:n]]
        late = [pair.clock.ticks_diff(a[4], b[4]) for a, b in zip(pair.listened, pair.polled)]
        assert -2 <= min(late) and max(late) <= look_ms + 2, (min(late), max(late))
        assert pair.ear.sent == 0 and pair.tap.listener.stray_bytes == 0
        assert sorted(pair.tap.listener.units) == [1, 2]
        learned = sorted((each.unit_id, each.address, each.count) for each in pair.tap.listener.reads.values())
        assert learned == [(1, 0, 10), (1, 60, 3), (2, 5, 8)]


def test_a_part_of_a_foreign_read_feeds_our_read():
    pair = Pair([wire.Unit(1)], [unit(1, ((0, 20, 300),))], [unit(1, ((4, 3, 1000),)), unit(2, ((0, 1, 1000),))])
    pair.loop.run_ms(2000)
    assert len(pair.listened) >= 6
    assert {row[:4] for row in pair.listened} == {(1, 4, 0, b"\x10\x04\x10\x05\x10\x06")}


def coils(unit_id, first, count, period_ms):
    points = [
        {"name": "c%d" % i, "fc": 1, "address": i, "type": "bool", "period_ms": period_ms}
        for i in range(first, first + count)
    ]
    return {"name": "u%d" % unit_id, "unit_id": unit_id, "points": points}


def test_coils_are_moved_to_bit_0():
    server = wire.Unit(1, coils={i: (0x5A3C9 >> i) & 1 for i in range(20)})
    pair = Pair([server], [coils(1, 0, 20, 300)], [coils(1, 3, 11, 300)])
    pair.loop.run_ms(1000)
    expected = (0x5A3C9 >> 3) & 0x7FF
    assert pair.listened and {row[3] for row in pair.listened} == {bytes((expected & 0xFF, expected >> 8))}


def test_failures_are_heard_as_failures():
    units = [wire.Unit(1), wire.Unit(2)]
    configs = [unit(1, ((0, 2, 300),), retries=0), unit(2, ((0, 2, 300),), retries=0)]
    pair = Pair(units, configs, configs)
    units[0].functions = (4,)
    units[1].lose = 1
    pair.loop.run_ms(2000)
    first = [row[2] for row in pair.listened if row[0] == 1]
    second = [row[2] for row in pair.listened if row[0] == 2]
    assert set(first) == {17} and second[0] == 1 and set(second[1:]) == {0}, (first, second)


def test_noise_costs_no_more_than_what_it_hits():
    units = [wire.Unit(1, turnaround_us=5000)]
    configs = [unit(1, ((0, 4, 200),))]
    pair = Pair(units, configs, configs)
    for k in range(20):
        pair.wire.inject(120000 + 1000000 * k, b"\x01\x03\x00\xff\x55")
    pair.loop.run_ms(20000)
    good = [row for row in pair.listened if row[2] == 0]
    assert len(good) >= 95, len(good)
    assert {row[3] for row in good} == {b"\x10\x00\x10\x01\x10\x02\x10\x03"}
    assert pair.tap.listener.stray_bytes > 0


def test_a_frame_that_an_operating_system_holds_back_is_heard_all_the_same():
    """50 ms between two bytes of a reply: on a board that ends the frame; on a busy host it is somebody else's turn."""
    request = wire.sealed(b"\x01\x04\x00\x00\x00\x02")
    reply = wire.sealed(b"\x01\x04\x04\x10\x00\x10\x01")
    for rest_ms, pairs in ((0, 0), (1, 1)):
        clock = Clock(look_us=4)
        line = wire.Wire(clock, 19200, 11, [])
        ear = Ear(line)
        ear.rest_ms = rest_ms
        tap = Tap(ear, clock, Line("line1", 19200, "8E1"))
        for data, wait_ms in ((request, 20), (reply[:5], 50), (reply[5:], 300)):
            line.inject(0, data)
            for _ in range(wait_ms):
                while not tap.step():
                    pass
                clock.advance_ms(1)
        assert tap.listener.pairs == pairs, rest_ms
        assert tap.listener.stray_bytes == (0 if pairs else len(reply))
        assert tap.quiet_us > 100000


def test_the_listener_cannot_send():
    # It is given no door: neither Tap nor what it holds refers to anything of the port but these two.
    ear = Ear(wire.Wire(Clock(), 19200, 11, []))
    ear.send = None
    tap = Tap(ear, Clock(), Line("line1", 19200, "8E1"))
    tap.step()
    for part in (tap, tap.listener):
        held = [getattr(part, name) for name in dir(part)]
        assert not [each for each in held if each is ear]
