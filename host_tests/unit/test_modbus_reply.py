"""The search for a reply among received bytes, what else they can be, and the names of the outcomes."""

from line import sealed
from modbus import reply
from modbus.codes import CRC, TIMEOUT, WRONG_REPLY
from modbus.names import quality_name

REQUEST = bytearray(sealed((1, 3, 0, 0, 0, 2)))  # two holding registers of unit 1
REPLY = sealed((1, 3, 4, 0x12, 0x34, 0x56, 0x78))
NEED = 9


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
