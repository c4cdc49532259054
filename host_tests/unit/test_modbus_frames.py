"""Frames: CRC, request building, times of a line, accounts and choice, the gate.

Expected values: golden frames as published by device vendors and users (sources beside them), the CRC's
definition (Modbus over serial line V1.02, 6.2.2) written out bit by bit, and arithmetic on the standard's times.
"""

from array import array

from line import crc16 as defined_crc
from line import sealed
from modbus import adu, plain
from modbus.cells import DEADLINE_MS, PERIOD_MS, RANK, READ_CELLS, READS, READY_MS, SKIPPED, UNITS
from modbus.crc import TABLE, crc16, gate_of, move, seal, sound
from modbus.line import Line
from modbus.scheduler import advance
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


def test_fast_move_does_what_the_plain_one_does():
    rand = Rand(8)
    for _ in range(300):
        source = bytes(rand(256) for _ in range(40))
        fast, slow = bytearray(60), bytearray(60)
        at, start, n = rand(20), rand(20), rand(20)
        move(fast, at, source, start, n)
        plain.move(slow, at, source, start, n)
        assert fast == slow and fast[at : at + n] == source[start : start + n]


def table_of(ready, deadline, rank, period=10):
    """Rows of so many reads."""
    table = array("i", bytes(4 * READ_CELLS * len(ready)))
    for i in range(len(ready)):
        for place, value in ((READY_MS, ready[i]), (DEADLINE_MS, deadline[i]), (RANK, rank[i]), (PERIOD_MS, period)):
            table[i * READ_CELLS + place] = value
    return table


def cells_of(reads):
    """Cells of a line with so many reads."""
    cells = array("i", bytes(4 * UNITS))
    cells[READS] = reads
    return cells


def picked(ready, deadline, rank, now):
    return plain.pick(cells_of(len(ready)), table_of(ready, deadline, rank), now)


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


def test_advance_leaves_out_what_is_past():
    cells, table = cells_of(1), table_of([0], [0x3FFFFFFF], [1])
    for now, ready, deadline, skipped in (
        (8, 0x3FFFFFFF, 9, 0), (38, 29, 39, 2), (49, 49, 59, 3), (51, 59, 69, 3), (58, 69, 79, 3),
    ):  # fmt: skip
        advance(cells, table, 0, now)
        assert (table[READY_MS], table[DEADLINE_MS], cells[SKIPPED]) == (ready, deadline, skipped), now


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
