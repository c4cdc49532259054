"""Priorities and periods of the schedule: who keeps his rate when there is not time for all; 20 ms to 24 h."""

import line as wire
from modbus import plain
from modbus.cells import NEXT
from modbus.evidence import Evidence
from modbus.line import Line
from modbus.plan import Plan
from modbus.scheduler import Scheduler
from rig import Rand, Rig, unit

HEAP_KB = 8000


class Flaky(wire.Unit):
    """Leaves every second request unanswered: never twice in a row, so it is not quarantined."""

    def answer(self, frame):
        self.lose = self.requests & 1
        return wire.Unit.answer(self, frame)


def overloaded(priority):
    """(polls of unit 1, of all others, events) in 20 s, when retries and timeouts take more than the bus has."""
    configs = [unit(1, ((0, 10, 100),))]
    for point in configs[0]["points"]:
        point["priority"] = priority
    for i in range(2, 8):
        configs.append(unit(i, ((0, 10, 250),), first_byte_timeout_ms=50, retries=2))
    rig = Rig([wire.Unit(1)] + [Flaky(i) for i in range(2, 8)], configs)
    rig.run_ms(1000)
    rig.results.clear()
    rig.run_ms(20000)
    own = rig.good(1)
    assert rig.bus.scheduler.skipped > 50, "no overload"
    return own, len([1 for _, quality, _, _ in rig.results if quality == 0]) - own, rig.events


def choice(scheduler, clock):
    """What the schedule chooses now, without a bus."""
    scheduler.cells[NEXT] = plain.pick(scheduler.cells, scheduler.table, clock.ticks_ms())
    return scheduler.choose()


def test_high_priority_keeps_its_rate_in_an_overload():
    high, others, events = overloaded(3)
    equal, _, _ = overloaded(1)
    low, _, _ = overloaded(0)
    print("REPORT: overload by timeouts and retries, a read of 100 ms beside six flaky units, 20 s: good polls")
    print("REPORT: of 200 with priority 3: %d (others %d), 1 like the others: %d, 0: %d" % (high, others, equal, low))
    assert high >= 198 and others > 150 and events == [], (high, others, events)
    assert equal < 190 and low < equal, (equal, low)


def test_equal_priorities_are_earliest_deadline_first():
    plan = Plan(Line("x", 19200, "8E1"), [unit(1, ((0, 1, 1000), (50, 1, 200))), unit(2, ((0, 1, 500),))])
    clock = Rig([], [unit(1)]).clock
    clock.look_us = 0
    scheduler = Scheduler(plan, clock, Rand(1), None, Evidence(1750, plan.units).cells)
    clock.advance_ms(400)  # all three are late; the deadlines are 200, 500, 1000, and of the first again 600
    order = []
    for _ in range(4):
        i = choice(scheduler, clock)
        order.append(plan.reads[i].period_ms)
        scheduler.answered(i)
    assert order == [200, 500, 200, 1000], order


def test_a_merged_read_has_the_highest_priority_of_its_points():
    config = unit(1, ((0, 4, 1000),))
    config["points"][2]["priority"] = 3
    plan = Plan(Line("x", 19200, "8E1"), [config])
    assert [read.priority for read in plan.reads] == [3]
    plan.split(plan.reads[0])
    assert [read.priority for read in plan.reads if read.active] == [1, 3]


def test_every_20_ms():
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 2, 20),))], 115200, "8N1")
    rig.run_ms(10000)
    starts = [frame[0] // 1000 for frame in rig.wire.frames]
    steps = [b - a for a, b in zip(starts, starts[1:])]
    assert rig.good(1) == 500 and rig.bus.scheduler.skipped == 0
    assert 18000 <= min(steps) and max(steps) <= 22000, (min(steps), max(steps))


def test_every_24_hours_over_the_wrap_of_ticks():
    # 2^30 ms are 12.4 days: 40 days see the wrap three times.
    day_ms = 86400000
    plan = Plan(Line("x", 19200, "8E1"), [unit(1, ((0, 1, day_ms),)), unit(2, ((0, 1, 43200000),))])
    clock = Rig([], [unit(1)]).clock
    clock.look_us = 0
    begin = clock.us
    scheduler = Scheduler(plan, clock, Rand(1), None, Evidence(1750, plan.units).cells)
    polls = {1: [], 2: []}
    while clock.us - begin < 40 * day_ms * 1000:
        i = choice(scheduler, clock)
        if i < 0:
            clock.advance_us(max(1000, 59000000 * (i < -900)))
            continue
        polls[plan.reads[i].unit.unit_id].append((clock.us - begin) // 1000)
        scheduler.answered(i)
    assert len(polls[1]) == 40 and len(polls[2]) == 80, (len(polls[1]), len(polls[2]))
    for n, (unit_id, period_ms) in enumerate(((1, day_ms), (2, day_ms // 2))):
        drift = [at - k * period_ms for k, at in enumerate(polls[unit_id])]
        assert 0 <= min(drift) and max(drift) <= 60000, (unit_id, drift)
    assert scheduler.skipped == 0
