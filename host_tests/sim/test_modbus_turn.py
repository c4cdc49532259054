"""The good way of a poll (`turn`): machine code and plain Python do the same, call for call, and it is really taken.

Both run a line in virtual time, where every look at clock or port takes its time: one look more, or another order, and
all times behind it differ.
"""

import line as wire
from modbus import bus as bus_module
from modbus import crc, plain, reply
from modbus.cells import COUNT, ENDED, FAR, HOLD, LOOK_US, REPLY, STATE
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
        parts[3]()  # the clock
        return plain.turn(parts)

    assert record(hesitant, 19200, 2, 1000)[0] != record(plain.turn, 19200, 2, 1000)[0]


def test_a_good_line_never_leaves_the_good_way():
    for baud in (9600, 19200, 115200):
        rig = Rig([wire.Unit(1), wire.Unit(2)], [unit(1, ((0, 10, 3000),)), unit(2, ((0, 3, 3000),))], baud, "8N1")
        for read in rig.plan.reads:
            read.period_ms = 1
        engine = rig.bus.engine
        left = []
        for name in ("take_part", "search", "hear_gap", "start"):
            way = getattr(engine, name)
            setattr(engine, name, lambda *rest, name=name, way=way: (left.append(name), way(*rest))[1])
        rig.run_ms(5000)  # until the units' latency is known
        left.clear()
        rig.run_ms(5000)
        assert len(rig.results) > 150 and left == [], (baud, left[:5])


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
    parts[1], parts[2] = port.available, port.receive_into
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
