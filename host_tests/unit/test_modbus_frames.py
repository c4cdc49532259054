"""Frames: CRC, request building, times of a line, and the search for a reply among received bytes.

Expected values: golden frames as published by device vendors and users (sources beside them), the CRC's
definition (Modbus over serial line V1.02, 6.2.2) written out bit by bit, and arithmetic on the standard's times.
"""

from array import array

from line import crc16 as defined_crc
from line import sealed
from modbus import adu, plain, reply
from modbus.codes import CRC, TIMEOUT, WRONG_REPLY
from modbus.crc import TABLE, crc16, move, onward, pick, seal, settle, sound
from modbus.crc import whole as fast_whole
from modbus.line import Line
from modbus.names import quality_name
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
REQUEST = bytearray(sealed((1, 3, 0, 0, 0, 2)))  # two holding registers of unit 1
REPLY = sealed((1, 3, 4, 0x12, 0x34, 0x56, 0x78))
NEED = 9


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
        count = rand(12)
        ready = array("i", [-1 if rand(4) == 0 else (now + rand(3000) - 1500) & 0x3FFFFFFF for _ in range(count)])
        deadline = array("i", [(now + rand(4000) - 1000) & 0x3FFFFFFF for _ in range(count)])
        rank = bytes(rand(4) for _ in range(count))
        assert pick(ready, deadline, rank, count, now) == plain.pick(ready, deadline, rank, count, now)


def test_pick_takes_the_earliest_deadline_and_tells_the_wait():
    from array import array

    same = b"\1\1\1"
    assert pick(array("i", [10, 5, -1]), array("i", [40, 50, 1]), same, 3, 20) == 0
    assert pick(array("i", [10, 5, -1]), array("i", [60, 50, 1]), same, 3, 20) == 1
    assert pick(array("i", [30, 45]), array("i", [60, 50]), same, 2, 20) == -11
    assert pick(array("i", [-1]), array("i", [0]), same, 1, 20) == -1001
    assert pick(array("i", [3]), array("i", [7]), same, 1, 0x3FFFFFFF) == -5  # over the wrap


def test_pick_takes_the_highest_rank_of_those_that_are_ready():
    from array import array

    ready = array("i", [10, 5, 6, 30])
    deadline = array("i", [90, 60, 50, 21])
    assert pick(ready, deadline, b"\1\2\2\3", 4, 20) == 2  # the fourth is not ready
    assert pick(ready, deadline, b"\3\2\2\3", 4, 20) == 0
    assert pick(ready, deadline, b"\0\0\0\0", 4, 20) == 2


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


def test_fast_settle_and_onward_do_what_the_plain_ones_do():
    rand = Rand(8)
    fast = [array("i", bytes(4 * n)) for n in (10, 5, 192)]
    slow = [array("i", bytes(4 * n)) for n in (10, 5, 192)]
    fast[1][4] = slow[1][4] = 1750
    least = 0
    for _ in range(300):
        latency = -1 if rand(4) == 0 else rand(60000)
        values = (rand(90000), rand(50), latency, least, rand(255), rand(0x3FFFFFFF))
        least = settle(fast[0], fast[1], fast[2], *values)
        assert least == plain.settle(slow[0], slow[1], slow[2], *values)
        assert fast == slow, (fast, slow)
    for _ in range(300):
        due = (0x3FFFFF00 + rand(512)) & 0x3FFFFFFF  # around the wrap
        now = (due + rand(400) - 200) & 0x3FFFFFFF
        tables = [[array("i", (0, -1)), array("i", (0, due))] for _ in range(2)]
        period = 1 + rand(150)
        fast, slow = tables
        assert onward(fast[0], fast[1], 1, period, now) == plain.onward(slow[0], slow[1], 1, period, now)
        assert fast == slow


def test_whole_reply_is_known_at_once_fast_and_plain():
    rand = Rand(9)
    for whole in (fast_whole, plain.whole):
        assert whole(bytearray(REPLY), NEED, REQUEST, TABLE) == 1
        for other in (sealed((2, 3, 4, 1, 2, 3, 4)), sealed((1, 4, 4, 1, 2, 3, 4)), sealed((1, 3, 5, 1, 2, 3, 4))):
            assert whole(bytearray(other), NEED, REQUEST, TABLE) == 0
        for i in range(8 * NEED):
            damaged = bytearray(REPLY)
            damaged[i // 8] ^= 1 << i % 8
            assert whole(damaged, NEED, REQUEST, TABLE) == 0
        for _ in range(300):
            data = bytearray((1, 3, 4) + tuple(rand(256) for _ in range(6)))
            assert whole(data, NEED, REQUEST, TABLE) == (1 if find(data, True) == 0 else 0)


def find(data, final=False):
    return reply.find(bytearray(data), len(data), REQUEST, NEED, final)


def test_reply_is_found_where_it_is():
    assert find(REPLY) == 0
    for stray in (b"\0", b"\xff", b"\x01", b"\x01\x03", b"\x01\x03\x04", b"\x01\x83", b"\0\xff\0\xff"):
        assert find(stray + REPLY, True) == len(stray), stray
    assert find(bytes(REQUEST) + REPLY) == 8
    assert find(bytes(REQUEST) + b"\0" + REPLY) == 9
    assert find(REPLY + b"\0\0") == 0
    refusal = sealed((1, 0x83, 2))
    assert find(refusal) == 0 and find(b"\0" + refusal) == 1


def test_missing_bytes_are_told():
    for n in range(3, NEED):
        assert find(REPLY[:n]) == n - NEED
    assert find(sealed((1, 0x83, 2))[:4]) == -1
    for data in (b"", b"\x01", b"\x01\x03", b"\0", bytes(REQUEST), b"\x02\x03\x04"):
        assert find(data) < -1000, data


def test_nothing_but_the_answer_is_taken():
    other_unit = sealed((2, 3, 4, 1, 2, 3, 4))
    other_function = sealed((1, 4, 4, 1, 2, 3, 4))
    other_length = sealed((1, 3, 6, 1, 2, 3, 4, 5, 6))
    for data in (other_unit, other_function, other_length, bytes(REQUEST), REPLY[:-1], REPLY[:-1] + b"\0"):
        assert find(data, True) < 0, data
    assert reply.verdict(bytearray(other_unit), 9, REQUEST) == WRONG_REPLY
    assert reply.verdict(bytearray(other_length), 11, REQUEST) == WRONG_REPLY
    assert reply.verdict(bytearray(REPLY), 8, REQUEST) == CRC
    assert reply.verdict(bytearray(REQUEST), 8, REQUEST) == TIMEOUT
    assert reply.verdict(bytearray(1), 1, REQUEST) == TIMEOUT


def test_qualities_have_names():
    assert quality_name(0) == "good" and quality_name(5) == "not_asked"
    assert quality_name(18) == "exception 2 (illegal data address)"
    assert quality_name(16 + 77) == "exception 77 (unknown)"
