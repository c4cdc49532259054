"""The heap is collected before it is full, with few looks, however fast it fills; a task finds its moment."""

from clock import Clock, VirtualLoop
from gateway.heap import BURST, COLLECT, LEFT_BYTES, LOOK, MOST_MS, NOTHING, HeapPlan
from gateway.keeper import FEW_TURNS, MOST_TURNS, Keeper, Moment

FREE = 90000
TICK_MS = 20


def live(seconds, rate, plan=None, most=FREE):
    """Let time pass with `rate(ms)` bytes of garbage per second; returns looks, collections and the least that was free
    before a collection."""
    clock = Clock()
    plan = plan or HeapPlan(clock)
    free, looks, collections, least = most, 0, 0, most
    for ms in range(0, seconds * 1000, TICK_MS):
        clock.advance_ms(TICK_MS)
        free -= rate(ms) * TICK_MS // 1000
        assert free > 0, "the heap was full after %d ms" % ms
        now = clock.ticks_ms()
        due = plan.due(now)
        if due == LOOK:
            looks += 1
            plan.looked(now, free)
            due = plan.due(now)
        if due == COLLECT:
            collections += 1
            least = min(least, free)
            free = most
            plan.collected(now)
    return looks, collections, least


def test_the_heap_never_runs_full_and_is_not_collected_too_often():
    for rate in (500, 5000, 27000, 60000, BURST):
        looks, collections, least = live(60, lambda ms: rate)
        needed = max(60 // 11, 60 * rate // FREE)
        print("REPORT: heap of %d B filled with %d B/s for 60 s: %d looks, %d collections, least free %d B" % (
            FREE, rate, looks, collections, least))  # fmt: skip
        assert needed <= collections <= 2 + 60 * rate * 14 // 10 // (FREE - LEFT_BYTES) + 6
        assert looks <= 2 * collections + 60000 // MOST_MS + 8


def test_a_rate_that_doubles_does_not_fill_it():
    assert live(120, lambda ms: 15000 if ms // 3000 % 2 else 30000)[2] > 0
    assert live(120, lambda ms: 2000 if ms % 9000 > 1500 else 24000)[2] > 0


def test_a_burst_is_looked_after_at_once():
    clock = Clock()
    plan = HeapPlan(clock)
    plan.looked(clock.ticks_ms(), FREE)
    plan.collected(clock.ticks_ms())
    plan.burst(clock.ticks_ms())
    clock.advance_ms(250)
    assert plan.due(clock.ticks_ms()) == NOTHING
    clock.advance_ms(400)
    assert plan.due(clock.ticks_ms()) == LOOK  # 100 KB/s would have filled it after 740 ms
    plan.looked(clock.ticks_ms(), LEFT_BYTES + 5000)
    assert plan.due(clock.ticks_ms()) == COLLECT


def turns(free, need_us):
    """How many turns a task waits when free_us is what `free(turn)` says."""
    count = [0]

    def free_us():
        count[0] += 1
        return free(count[0])

    moment = Moment(free_us)
    while not moment.come(need_us):
        pass
    return count[0]


def test_a_task_waits_for_its_moment_but_not_for_ever():
    assert turns(lambda turn: 3000, 2500) == 1
    assert turns(lambda turn: (0, 0, 1000, 3300, 2500)[turn % 5], 2500) == 3
    busy = turns(lambda turn: 0, 2500)
    assert busy == MOST_TURNS + 1
    # What is longer than the lines ever have time for begins where they have most.
    at = turns(lambda turn: (0, 500, 1500, 3300, 2400)[turn % 5], 10000)
    assert at > FEW_TURNS and at % 5 == 3


class Line:
    """A bus that has time now and then."""

    def __init__(self, frees):
        self.frees = frees
        self.asked = 0
        self.told = []

    def free_us(self):
        self.asked += 1
        return self.frees[self.asked % len(self.frees)]

    def expect(self, cause):
        self.told.append(("expect", cause))

    def held(self, cause, held_us, free_us):
        self.told.append((cause, held_us, free_us))


def test_a_long_hold_begins_where_the_line_has_most_time_and_is_told_to_it():
    clock = Clock()
    line = Line((0, 500, 3300, 3300, 0))  # asked twice at the right moment: whether it has come, and how long it is
    keeper = Keeper(clock, None, [line], None, None, None, None)
    got = []

    def work():
        clock.us += 9000
        return "done"

    async def once():
        got.append(await keeper.do(1, work, 10000, loop.sleep_ms))

    loop = VirtualLoop(clock)
    loop.spawn(once())
    loop.run_ms(500)
    assert got == ["done"]
    assert line.told == [("expect", 1), (1, 9000, 3300)]
