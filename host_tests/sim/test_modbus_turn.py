"""The good way of a poll (`turn`): machine code and plain Python do the same, call for call, and it is really taken.

Both run a line in virtual time, where every look at clock or port takes its time: one look more, or another order, and
all times behind it differ.
"""

import line as wire
from clock import Clock
from modbus import bus as bus_module
from modbus import crc, plain, reply
from modbus.cells import (
    BACK_TO_BACK,
    BEHIND_US,
    BUSY_US,
    CHOOSE,
    COUNT,
    DEADLINE_MS,
    ECHO,
    ENDED,
    EXACT,
    FAILS,
    FAR,
    FINISH,
    GAP,
    GAP_US,
    GO_ON,
    HOLD,
    IDEAL_US,
    LAST_US,
    LATE_US,
    LEAST_US,
    LOOK_US,
    MAX_US,
    MISSING,
    NEED,
    NEXT_ROW,
    OWES,
    PART,
    PENDING,
    PENDING_BYTES,
    PERIOD_MS,
    PROBE,
    QUARANTINED,
    RANK,
    READ,
    READ_CELLS,
    READY_MS,
    REPLY,
    REST,
    SEEN_US,
    SENT_US,
    SILENCE_US,
    SLACK_US,
    SPIN_US,
    STATE,
    STOP_US,
    STRANGE,
    STRAY,
    SUM_US,
    TICK_MS,
    TICK_US,
    TIMES,
    TRIES,
    UNCLEAR,
    UNIT,
    WATCHED,
    WHAT,
)
from modbus.evidence import Evidence
from modbus.line import Line
from modbus.plan import Plan
from modbus.scheduler import Scheduler
from mutants import Mutant
from rig import Rand, Rig, unit

HEAP_KB = 8000


def record(turn, baud, seed, share_permille):
    """What the line and the application have seen of a run with all kinds of trouble."""
    before = bus_module.turn
    bus_module.turn = turn
    try:
        units = [wire.Unit(k, turnaround_us=1500 + 700 * k) for k in (1, 2, 3, 4)]
        configs = [unit(k, ((0, 2 * k, 150 * k), (40, 3, 400)), first_byte_timeout_ms=60) for k in (1, 2, 3, 4)]
        rig = Rig(units, configs, baud, "8N1", share_permille, seed=seed)
        rand = Rand(seed)

        async def holder():
            while True:
                await rig.loop.sleep_ms(1 + rand(60))
                rig.clock.advance_us(rand(15000))

        rig.loop.spawn(holder())
        units[3].registers = {i: i for i in range(40, 50)}  # refuses one read
        for _ in range(40):
            each = units[rand(4)]
            kind = rand(8)
            each.lose = int(kind == 0)
            each.corrupt = int(kind == 1)
            each.stray = b"\xff\x00" if kind == 2 else b""
            each.late, each.late_us = int(kind == 3), 30000 + rand(60000)
            each.dead = kind == 4 and rand(2) == 0
            rig.wire.echo = kind == 5
            if kind == 6:
                rig.wire.inject(rand(3000), bytes((rand(256), rand(256))))
            rig.run_ms(300)
            if kind == 7:
                rig.bus.ask(1)
                rig.run_ms(rand(50))
                rig.bus.done(1)
    finally:
        bus_module.turn = before
    results = [(read.group, quality, ms, data) for read, quality, ms, data in rig.results]
    return rig.wire.frames, results, rig.events, rig.bus.stats(), list(rig.bus.engine.cells), rig.bus.evidence.rows()


def test_machine_code_and_plain_python_do_the_same():
    for baud, seed, share_permille in ((9600, 1, 1000), (19200, 2, 1000), (115200, 3, 1000), (115200, 4, 700)):
        fast = record(crc.turn, baud, seed, share_permille)
        slow = record(plain.turn, baud, seed, share_permille)
        assert len(fast[0]) > 100 and len(fast[1]) > 200
        for a, b in zip(fast, slow):
            assert a == b, (baud, seed, a, b)


def test_one_look_more_would_be_seen():
    def hesitant(parts):
        parts[4]()  # the clock
        return plain.turn(parts)

    assert record(hesitant, 19200, 2, 1000)[0] != record(plain.turn, 19200, 2, 1000)[0]


def test_a_good_line_never_leaves_the_good_way():
    for baud in (9600, 19200, 115200):
        rig = Rig([wire.Unit(1), wire.Unit(2)], [unit(1, ((0, 10, 3000),)), unit(2, ((0, 3, 3000),))], baud, "8N1")
        rig.saturate()
        engine = rig.bus.engine
        left = []
        for name in ("take_part", "search", "hear_gap", "start"):
            way = getattr(engine, name)
            setattr(engine, name, lambda *rest, name=name, way=way: (left.append(name), way(*rest))[1])
        rig.run_ms(5000)  # until the units' latency is known
        left.clear()
        rig.run_ms(5000)
        assert len(rig.results) > 150 and left == [], (baud, left[:5])


def test_a_reply_that_is_longer_than_the_time_for_its_first_byte_is_taken_whole():
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 125, 3000),), max_registers=125)], 9600, "8N1")
    assert rig.plan.reads[0].wire_us > 250000 > 1000 * rig.plan.units[0].first_byte_timeout_ms
    rig.saturate()
    searched = []
    search = rig.bus.engine.search
    rig.bus.engine.search = lambda now: (searched.append(now), search(now))[1]
    rig.run_ms(5000)  # until the unit's latency is known
    searched.clear()
    rig.run_ms(15000)
    assert rig.good(1) > 60 and searched == [], (rig.good(1), len(searched))
    rig.units[0].functions = ()  # now it refuses
    rig.run_ms(1000)
    rig.wire.frames.clear()
    rig.run_ms(1000)
    begins = [frame[0] for frame in rig.wire.frames]
    assert max(b - a for a, b in zip(begins, begins[1:])) < 215000000, "an exception is no part of a long reply"


class Script(Clock):
    """A port and a clock that answer what was prepared, and note who asked for what."""

    def __init__(self, rand, reply, now_us, now_ms):
        self.rand = Rand(rand(0x7FFFFFFF))
        self.reply = reply
        self.us = now_us
        self.ms = now_ms
        self.asked = []

    def ticks_us(self):
        self.us = (self.us + (0, 7, 400, 3000)[self.rand(4)]) & 0x3FFFFFFF
        self.asked.append("us")
        return self.us

    def ticks_ms(self):
        self.ms = (self.ms + self.rand(3)) & 0x3FFFFFFF
        self.asked.append("ms")
        return self.ms

    def available(self):
        self.asked.append("available")
        return len(self.reply) if self.rand(3) else 0

    def receive_into(self, buf, n):
        self.asked.append(("receive", n))
        n = min(n, len(self.reply))
        buf[:n] = self.reply[:n]
        return n

    def gate(self, frame, at_us):
        self.asked.append(("gate", bytes(frame), at_us))
        return int(self.rand(8) > 0)

    def on_result(self, read, quality, ticks_ms, buf, nbytes):
        self.asked.append((read.group, quality, ticks_ms, bytes(buf[:nbytes])))


def some_state(rand):
    """(cells, table, reads, reply, us, ms) of a line somewhere in its life, and what is in its port."""
    configs = [unit(k, ((0, 1 + rand(12), 100),)) for k in range(1, 2 + rand(4))]
    plan = Plan(Line("x", 19200, "8N1"), configs)
    rig_us, rig_ms = [(0x3FFFF000 + rand(8192)) & 0x3FFFFFFF for _ in range(2)]  # near the wrap
    clock = Script(rand, b"", rig_us, rig_ms)
    evidence = Evidence((1750, 4010)[rand(2)], plan.units)
    scheduler = Scheduler(plan, clock, rand, print, evidence.cells)
    c, table, count = evidence.cells, scheduler.table, len(plan.reads)

    def near(base, span):
        return (base + rand(2 * span) - span) & 0x3FFFFFFF

    for row in range(0, len(table), READ_CELLS):
        table[row + READY_MS] = -1 if rand(4) == 0 else near(rig_ms, 1500)
        table[row + DEADLINE_MS] = (rig_ms + 250 * rand(9) - 1000) & 0x3FFFFFFF  # some are equal
        table[row + RANK] = rand(4)
        table[row + PERIOD_MS] = 1 + rand((20, 3000, 100000)[rand(3)])
        table[row + TRIES] = rand(2)
        at = table[row + UNIT]
        c[at + LEAST_US], c[at + MAX_US], c[at + TIMES] = rand(9000), rand(9000), rand(65)
        c[at + SUM_US], c[at + FAILS], c[at + OWES] = rand(9000) * c[at + TIMES], rand(2), int(rand(20) == 0)
    c[READ] = rand(count)
    read = plan.reads[c[READ]]
    row = c[READ] * READ_CELLS
    c[STATE] = (REPLY, REPLY, REPLY, GAP, REST)[rand(5)]
    c[SENT_US] = near(rig_us, 20000)
    c[LOOK_US] = rand(30000)
    c[SEEN_US] = rand(20000)
    c[LAST_US] = near(rig_us, 3000)
    c[GAP_US] = 4000 + rand(400)
    c[SILENCE_US] = 2000 + rand(2000)
    c[SPIN_US] = 2000
    c[STOP_US], c[BEHIND_US] = rand(50), rand(50)
    c[MISSING] = table[row + NEED] if rand(4) else rand(20)
    c[TICK_US], c[TICK_MS] = near(rig_us, 100000), near(rig_ms, 100)
    c[BUSY_US], c[IDEAL_US], c[LATE_US] = rand(1000000), (0x10000000, 0xFFFF000)[rand(2)] - rand(9000), rand(9000)
    c[NEXT_ROW] = rand(64)
    c[FAR] = (GO_ON, GO_ON, FINISH, HOLD)[rand(4)]
    for place, odds in (
        (EXACT, 16), (WATCHED, 2), (BACK_TO_BACK, 2), (ECHO, -12), (PROBE, -20), (UNCLEAR, -20), (SLACK_US, -20),
        (QUARANTINED, -8), (COUNT, -20),
    ):  # fmt: skip
        c[place] = int(rand(odds) > 0) if odds > 0 else int(rand(-odds) == 0)
    if rand(2):
        c[PENDING], c[PENDING_BYTES], c[WHAT] = 1 + rand(count), 2 * rand(9), rand(0x8000)
    need = table[row + NEED]
    reply = bytearray(wire.sealed(bytes((read.unit.unit_id, 3, need - 5)) + bytes(rand(256) for _ in range(need - 5))))
    if rand(8) == 0:
        reply[rand(len(reply))] ^= 1 << rand(8)
    return c, table, plan.reads, reply, rig_us, rig_ms


def turned(way, seed):
    """What one call does in a state of that seed: what it returns, all that it asked, all that it left."""
    rand = Rand(seed)
    c, table, reads, reply, us, ms = some_state(rand)
    port = Script(rand, reply, us, ms)
    buf, data = bytearray(280), bytearray(256)
    parts = [
        c, table, port.available, port.receive_into, port.ticks_us, port.ticks_ms, port.gate, port.on_result, buf,
        data, crc.TABLE, reads,
    ]  # fmt: skip
    return way(parts), port.asked, list(c), list(table), bytes(buf), bytes(data)


STATES = 4000


def test_in_any_state_machine_code_does_what_plain_python_does():
    outcomes = {}
    for seed in range(1, STATES):
        fast = turned(crc.turn, seed)
        slow = turned(plain.turn, seed)
        assert fast == slow, (seed, fast[:2], slow[:2], [k for k in range(len(fast[2])) if fast[2][k] != slow[2][k]])
        outcome = min(0, fast[0]), len([1 for what in fast[1] if what[0] == "gate"])
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    for outcome in ((ENDED, 0), (CHOOSE, 0), (PART, 0), (STRANGE, 0), (STRAY, 0), (STRAY, 1), (0, 0), (0, 1)):
        assert outcomes.get(outcome, 0) > 20, (outcome, outcomes)


MUTANTS = (
    ("left < best_left", "left <= best_left"),
    ("now_ms = end_ms = ms()", "end_ms = ms()\n        now_ms = ms()"),
    ("max(0, latency - behind)", "latency"),
    ("c[BEHIND_US] = behind", "c[BEHIND_US] = 0"),
    ("c[PROBE] = 0", "pass"),
    ("c[NEXT] = i", "pass"),
    ("table[row + TRIES] = 0", "pass"),
    ("since + _WATCH_US", "since + 2 * _WATCH_US"),
)


def test_mutants_of_the_plain_one_are_seen():
    for old, new in MUTANTS:
        with Mutant(plain, old, new, "turn"):
            seen = any(turned(crc.turn, seed) != turned(plain.turn, seed) for seed in range(1, STATES))
        assert seen, (old, new)


REQUEST = bytearray(wire.sealed((1, 3, 0, 0, 0, 2)))  # two holding registers of unit 1
ANSWER = wire.sealed((1, 3, 4, 0x12, 0x34, 0x56, 0x78))


class Port(wire.Wire):
    """What `came` is there at the first look, long after the request."""

    came = b""

    def available(self):
        self._call()
        return len(self.came)

    def receive_into(self, buf, n):
        buf[:n] = self.came[:n]
        return n


def taken(way, data):
    """True if `way`, which is one of the two `turn`, takes data for the answer to REQUEST."""
    rig = Rig([], [unit(1, ((0, 2, 1000),))])
    port = Port(rig.clock, 19200, rig.line.char_bits, [], 0, 3, 0)
    parts = rig.bus._parts
    cells = parts[0]
    parts[2], parts[3] = port.available, port.receive_into
    while cells[STATE] != REPLY:
        rig.clock.advance_us(max(0, way(parts)))
        if cells[STATE] != REPLY:
            rig.bus.step()
    assert rig.plan.reads[0].frame == REQUEST
    rig.clock.advance_us(cells[LOOK_US] + 3000)
    cells[FAR] = HOLD
    port.came = bytes(data)
    return way(parts) == ENDED and cells[COUNT] == 0


def test_the_whole_reply_is_known_at_once_fast_and_plain():
    rand = Rand(9)
    for way in (crc.turn, plain.turn):
        assert taken(way, ANSWER)
        for head in ((2, 3, 4), (1, 4, 4), (1, 3, 5)):
            assert not taken(way, wire.sealed(head + (1, 2, 3, 4)))
        for i in range(8 * len(ANSWER)):
            damaged = bytearray(ANSWER)
            damaged[i // 8] ^= 1 << i % 8
            assert not taken(way, damaged)
        for _ in range(300):
            data = bytearray((1, 3, 4) + tuple(rand(256) for _ in range(6)))
            assert taken(way, data) == (reply.find(data, 9, REQUEST, 9, True) == 0)
