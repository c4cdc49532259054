"""Frames: CRC, request building, times of a line, accounts and choice, the gate.

Expected values: golden frames as published by device vendors and users (sources beside them), the CRC's
definition (Modbus over serial line V1.02, 6.2.2) written out bit by bit, and arithmetic on the standard's times.
"""

from array import array

from line import crc16 as defined_crc
from line import sealed
from modbus import adu, plain
from modbus.cells import (
    BUSY_S,
    END_MS,
    LATE_US,
    LATENCY_US,
    LEAST_US,
    LINE_CELLS,
    LOST_US,
    READS,
    SKIPPED,
    T35_US,
    TOOK_US,
    UNIT_CELLS,
    WATCHED,
    WHAT,
)
from modbus.crc import TABLE, crc16, gate_of, move, pick, seal, settle, sound
from modbus.line import Line
from rig import Rand

GOLDEN = (
    "01041408D1006C000000F4000000260000 01F40064000051 34",  # PZEM-016 reply, esphome pzemac.cpp
    "01 04 00 01 00 01 60 0A",  # XY-MD02 request of the temperature
    "50 03 00 34 00 03 49 84",  # WTVB01 request of the acceleration
    "50 03 00 3A 00 03 28 47",
    "50 03 00 40 00 01 88 5F",
    "50 03 00 44 00 03 48 5F",
    "01 03 14 50 00 06 C0 29",  # QM42VT2 request
    "01 03 0C 002E 006C 0625 0206 0047 00B6 BD F3",  # QM42VT1 reply
)


def frames():
    digits = [text.replace(" ", "") for text in GOLDEN]
    return [bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2)) for text in digits]


def test_golden_frames_have_a_right_crc():
    for frame in frames():
        assert sound(frame, 0, len(frame))
        again = bytearray(frame[:-2] + b"\0\0")
        seal(again)
        assert again == frame
        for i in range(8 * len(frame)):
            damaged = bytearray(frame)
            damaged[i // 8] ^= 1 << i % 8
            assert not sound(damaged, 0, len(damaged))


def test_crc_is_the_defined_one_fast_and_plain():
    rand = Rand(7)
    for n in range(200):
        data = bytes(rand(256) for _ in range(n))
        assert crc16(data, 0, n, TABLE) == plain.crc16(data, 0, n, TABLE) == defined_crc(data)
        assert crc16(data, n // 3, n - n // 3, TABLE) == defined_crc(data[n // 3 :])


def test_fast_move_and_pick_do_what_the_plain_ones_do():
    rand = Rand(8)
    for _ in range(300):
        source = bytes(rand(256) for _ in range(40))
        fast, slow = bytearray(60), bytearray(60)
        at, start, n = rand(20), rand(20), rand(20)
        move(fast, at, source, start, n)
        plain.move(slow, at, source, start, n)
        assert fast == slow and fast[at : at + n] == source[start : start + n]
        now = (0x3FFFFF00 + rand(512)) & 0x3FFFFFFF  # near the wrap
        count = 1 + rand(12)
        ready = array("i", [-1 if rand(4) == 0 else (now + rand(3000) - 1500) & 0x3FFFFFFF for _ in range(count)])
        deadline = array("i", [(now + rand(4000) - 1000) & 0x3FFFFFFF for _ in range(count)])
        rank = bytes(rand(4) for _ in range(count))
        done, period = rand(count + 1) - 1, 1 + rand((20, 3000, 100000)[rand(3)])
        fast, slow = [[cells_of(count), ready[:], deadline[:]] for _ in range(2)]
        assert pick(*fast, rank, done, period, now) == plain.pick(*slow, rank, done, period, now)
        assert fast == slow, (ready, deadline, done, period, now)


def cells_of(reads):
    """Cells of a line with so many reads."""
    cells = array("i", bytes(4 * LINE_CELLS))
    cells[READS] = reads
    return cells


def picked(ready, deadline, rank, now):
    return pick(cells_of(len(ready)), array("i", ready), array("i", deadline), rank, -1, 0, now)


def test_pick_takes_the_earliest_deadline_and_tells_the_wait():
    same = b"\1\1\1"
    assert picked([10, 5, -1], [40, 50, 1], same, 20) == 0
    assert picked([10, 5, -1], [60, 50, 1], same, 20) == 1
    assert picked([10, 5, 20], [50, 50, 50], same, 20) == 0
    assert picked([30, 45], [60, 50], same, 20) == -11
    assert picked([-1], [0], same, 20) == -1001
    assert picked([3], [7], same, 0x3FFFFFFF) == -5  # over the wrap


def test_pick_takes_the_highest_rank_of_those_that_are_ready():
    ready = [10, 5, 6, 30]
    deadline = [90, 60, 50, 21]
    assert picked(ready, deadline, b"\1\2\2\3", 20) == 2  # the fourth is not ready
    assert picked(ready, deadline, b"\3\2\2\3", 20) == 0
    assert picked(ready, deadline, b"\0\0\0\0", 20) == 2


def test_requests_are_built_and_changed_with_a_right_crc():
    assert adu.build(1, b"\x04\x00\x01\x00\x01") == frames()[1]
    assert adu.retarget(adu.build(0x50, b"\x03\x00\x34\x00\x03"), 0x3A, 3) == frames()[3]
    assert [adu.reply_bytes(fc, 16) for fc in (1, 2, 3, 4)] == [7, 7, 37, 37]
    assert adu.reply_bytes(1, 17) == 8 and adu.reply_bytes(3, 125) == 255


def test_times_of_a_line():
    line = Line("x", 9600, "8N1")
    assert (line.char_us, line.t35_us) == (1042, 3646)  # 10 bits / 9600; 3.5 characters = 3645.83 us
    line = Line("x", 19200, "8E1")
    assert (line.char_us, line.t35_us) == (573, 2006)  # 11 bits / 19200 = 572.9 us
    assert Line("x", 115200, "8N2").t35_us == 1750  # fixed above 19200 baud
    assert Line("x", 1200, "8O1").chars_us(256) == 2346667
    for bad in ((299, "8N1"), (9600, "7E1")):
        try:
            Line("x", bad[0], bad[1])
            raise RuntimeError("accepted %s %s" % bad)
        except ValueError as error:
            assert "found" in str(error) and "allowed" in str(error)


def test_fast_settle_does_what_the_plain_one_does():
    rand = Rand(8)
    fast = [array("i", bytes(4 * n)) for n in (LINE_CELLS, UNIT_CELLS, 192)]
    slow = [array("i", bytes(4 * n)) for n in (LINE_CELLS, UNIT_CELLS, 192)]
    for _ in range(400):
        for place, value in (
            (T35_US, 1750), (TOOK_US, rand(9000000)), (LOST_US, rand(50)), (WATCHED, int(rand(4) > 0)),
            (LATENCY_US, rand(60000)), (WHAT, rand(0x4000)), (END_MS, rand(0x3FFFFFFF)),
        ):  # fmt: skip
            fast[0][place] = slow[0][place] = value
        kind = 1 + rand(6) // 2
        settle(fast[0], fast[1], fast[2], kind)
        plain.settle(slow[0], slow[1], slow[2], kind)
        assert fast == slow, (fast, slow)
    assert fast[0][BUSY_S] > 1000 and fast[0][LATE_US] > 0 and fast[1][LEAST_US] > 0


def test_pick_leaves_out_what_is_past():
    cells, ready, deadline = cells_of(1), array("i", (0,)), array("i", (0x3FFFFFFF,))
    assert pick(cells, ready, deadline, b"\1", 0, 10, 8) == 0 and (ready[0], deadline[0]) == (0x3FFFFFFF, 9)
    assert pick(cells, ready, deadline, b"\1", 0, 10, 38) == 0 and (ready[0], deadline[0]) == (29, 39)
    assert cells[SKIPPED] == 2
    assert pick(cells, ready, deadline, b"\1", 0, 10, 49) == 0 and (ready[0], deadline[0]) == (49, 59)  # due at once
    assert pick(cells, ready, deadline, b"\1", 0, 10, 51) == -9 and cells[SKIPPED] == 3  # in 8 ms


class Door:
    """A port whose line may get a byte, and a clock."""

    def __init__(self, noise=False):
        self.left = []
        self.us = 0
        self.noise = noise

    def available(self):
        return int(self.noise)

    def ticks_us(self):
        self.us = (self.us + 100) & 0x3FFFFFFF
        return self.us

    def opens(self, make, frame, at):
        """What left through a gate made by `make`; None: it refused."""
        self.left = []
        try:
            sent = make(self.left.append, self.available, self.ticks_us)(frame, at)
        except AssertionError:
            assert self.left == []
            return None
        assert len(self.left) == sent
        return self.left


def test_fast_gate_passes_what_the_plain_one_passes():
    rand = Rand(10)
    passed = 0
    for _ in range(4000):
        body = [rand(256) for _ in range((8, 8, 4, 7, rand(12))[rand(5)])]
        if len(body) > 2 and rand(2):
            body[0] = (0, 1, 247, 248)[rand(4)]
            body[1] = (0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 43, 43, 0x83)[rand(13)]
            body[2] = (14, body[2])[rand(2)]
        frame = bytearray(body)
        fast, slow = [Door().opens(make, frame, 500) for make in (gate_of, plain.gate_of)]
        assert fast == slow, frame
        passed += fast is not None
    assert passed > 100


def test_gate_waits_and_keeps_silent_while_others_send():
    frame = bytearray(sealed((1, 3, 0, 0, 0, 2)))
    for make in (gate_of, plain.gate_of):
        door = Door()
        door.us = 0x3FFFFFC0
        assert door.opens(make, frame, 1000) == [frame] and door.us == 1036  # over the wrap
        assert Door(noise=True).opens(make, frame, 1000) == []
