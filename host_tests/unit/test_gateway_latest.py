"""Values as text: exact for every type, the shortest for floats; failed reads are never numbers; 1970 never."""

import json
import struct

from clock import Clock
from gateway import decimals
from gateway.latest import Latest
from uplink.points import kind_of

UTC_MS = 1795312800000


def text(type_name, data, order="ABCD", at=0, scale="", offset="0"):
    return decimals.text_of(kind_of(type_name, order), data, at, scale, offset)


def word(value):
    return struct.unpack(">I", struct.pack(">f", value))[0]


def test_whole_numbers_keep_every_digit():
    assert text("uint32", b"\xff\xff\xff\xff") == "4294967295"
    assert text("uint32", b"\x01\x00\x00\x01") == "16777217"  # the first one that a float32 cannot hold
    assert text("uint32", b"\x00\x01\x01\x00", "CDAB") == "16777217"
    assert text("int32", b"\x80\x00\x00\x00") == "-2147483648"
    assert text("int16", b"\xff\xfe") == "-2" and text("uint16", b"\xff\xfe") == "65534"
    assert text("int32", b"\x00\x80\x00\x00", "BADC") == "-2147483648"
    assert text("int32", b"\x00\x00\x00\x80", "DCBA") == "-2147483648"
    assert text("bool", b"\x00\x02", at=9) == "true" and text("bool", b"\x00\x02", at=8) == "false"


def test_scale_and_offset_are_decimal():
    assert text("uint16", b"\x00\xed", scale="0.1", offset="-40") == "-16.3"
    assert text("uint16", b"\x00\xed", scale="0.1") == "23.7"
    assert text("uint16", b"\x00\xe6", scale="0.1") == "23.0"
    assert text("uint32", b"\xff\xff\xff\xff", scale="0.001") == "4294967.295"
    assert text("int16", b"\xff\xff", scale="0.01") == "-0.01"
    assert text("uint16", b"\x00\x07", scale="1e-05", offset="2.5") == "2.50007"
    assert text("uint16", b"\x00\x07", scale="1000000.0", offset="0") == "7000000.0"
    assert text("float32", struct.pack(">f", 230.1), scale="0.1", offset="0") == "23.01"
    assert text("uint16", b"\x00\x00", scale="0.1") == "0.0"


def test_floats_are_the_shortest_that_give_the_same_bits():
    for value, expected in (
        (230.1, "230.1"),
        (0.1, "0.1"),
        (-40.0, "-40"),
        (16777216.0, "16777216"),
        (1e10, "10000000000"),
        (1.17549435e-38, "1.1754944e-38"),
        (3.4028234e38, "3.4028235e38"),
        (1e-45, "1e-45"),
        (0.0, "0"),
    ):
        shown = text("float32", struct.pack(">f", value))
        assert shown == expected or float(shown) == float(expected), (value, shown)
    for bits in (b"\x7f\x80\x00\x00", b"\xff\x80\x00\x00", b"\x7f\xc0\x00\x01"):
        assert text("float32", bits) is None


def test_random_floats_against_the_runtime():
    state = 12345
    for i in range(600):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        bits = (state << 1 ^ state >> 7) & 0xFFFFFFFF
        if i % 3 == 0:
            bits = word((state % 200001 - 100000) / 10 ** (state >> 20 & 3))
        data = struct.pack(">I", bits)
        value = struct.unpack(">f", data)[0]
        shown = text("float32", data)
        if bits >> 23 & 255 == 255:
            assert shown is None
            continue
        assert struct.pack(">f", float(shown)) == data or value == 0, (hex(bits), shown)
        digits = len(shown.split("e")[0].replace("-", "").replace(".", "").lstrip("0").rstrip("0"))
        assert digits <= 9
        if digits > 1:  # one digit less does not do
            shorter = "%.*e" % (digits - 2, value)
            assert struct.pack(">f", float(shorter)) != data, (hex(bits), shown, shorter)


def test_the_column_coder_gives_the_same_decimals():
    import uplink.columns  # from now on it is found

    assert uplink.columns
    few = 0
    for i in range(-3000, 3000, 7):
        for power in (1, 10, 1000, 100000):
            data = struct.pack(">f", i / power)
            found = decimals._by_columns(data)
            slow = decimals.shortest(*data)
            if found:
                few += 1
                assert float(decimals.show(*found)) == float(decimals.show(*slow)), (i, power)
    assert few > 2000


META = {
    "format": 1, "schema": "a1b2c3d4", "group": 3, "bus": "line1", "unit": "meter", "unit_id": 7, "fc": 4,
    "address": 0, "count": 5, "period_ms": 1000, "points": [
        {"name": "voltage", "at": 0, "type": "float32", "order": "ABCD", "scale": 1, "offset": 0, "unit": "V"},
        {"name": "energy", "at": 2, "type": "uint32", "order": "CDAB", "scale": 0.01, "offset": 0, "unit": "kWh"},
        {"name": "state", "at": 4, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""},
    ],
}  # fmt: skip
ROW = struct.pack(">f", 230.1) + b"\xff\xff\xff\xff" + b"\x00\x05"


def message(latest, clock):
    i = latest.next()
    return None if i < 0 else (latest.topic(i), json.loads("".join(latest.pieces(i, clock))))


def test_a_good_read_and_its_source_time():
    clock = Clock(utc_ms=UTC_MS)
    latest = Latest([json.dumps(META)])
    assert message(latest, clock) is None
    latest.note(3, 0, clock.ticks_ms(), bytearray(ROW + b"more"), len(ROW))
    clock.advance_ms(4000)  # over the wrap of the ticks
    topic, found = message(latest, clock)
    assert topic == "latest/meter/3"
    assert found == {
        "format": 1, "schema": "a1b2c3d4", "group": 3, "unit": "meter", "unit_id": 7, "quality": 0, "utc_ms": UTC_MS,
        "values": {"voltage": 230.1, "energy": 42949672.95, "state": 5},
    }  # fmt: skip
    assert message(latest, clock) is None, "nothing new"
    latest.refresh()
    assert message(latest, clock)[1] == found


def test_the_text_itself_has_all_digits():
    clock = Clock()
    latest = Latest([json.dumps(META)])
    latest.note(3, 0, clock.ticks_ms(), bytearray(ROW), len(ROW))
    assert '"energy":42949672.95,' in "".join(latest.pieces(0, clock))


def test_a_failed_read_is_null_and_the_value_before_does_not_shine_through():
    clock = Clock(utc_ms=UTC_MS)
    latest = Latest([json.dumps(META)])
    latest.note(3, 0, clock.ticks_ms(), bytearray(ROW), len(ROW))
    clock.advance_ms(1000)
    for quality in (1, 2, 4, 5, 18):
        latest.note(3, quality, clock.ticks_ms(), bytearray(10), 0)
        _, found = message(latest, clock)
        assert found["quality"] == quality and found["utc_ms"] == UTC_MS + 1000
        assert found["values"] == {"voltage": None, "energy": None, "state": None}


def test_without_a_clock_there_is_no_time_and_never_1970():
    clock = Clock()
    latest = Latest([json.dumps(META)])
    latest.note(3, 0, clock.ticks_ms(), bytearray(ROW), len(ROW))
    assert message(latest, clock)[1]["utc_ms"] is None


def test_what_arrives_while_the_text_is_made_does_not_mix_in():
    clock = Clock()
    latest = Latest([json.dumps(META)])
    latest.note(3, 0, clock.ticks_ms(), bytearray(ROW), len(ROW))
    pieces = latest.pieces(latest.next(), clock)
    first = [next(pieces), next(pieces)]
    latest.note(3, 0, clock.ticks_ms(), bytearray(10), 10)
    assert json.loads("".join(first + list(pieces)))["values"] == {"voltage": 230.1, "energy": 42949672.95, "state": 5}
    assert message(latest, clock)[1]["values"] == {"voltage": 0, "energy": 0, "state": 0}


def test_unknown_groups_and_wrong_lengths_are_left_out():
    clock = Clock()
    latest = Latest([json.dumps(META)])
    latest.note(4, 0, 0, bytearray(ROW), len(ROW))
    latest.note(3, 0, 0, bytearray(ROW), 4)
    assert message(latest, clock) is None


def test_not_a_number_is_null_with_good_quality():
    clock = Clock()
    latest = Latest([json.dumps(META)])
    latest.note(3, 0, 0, bytearray(b"\x7f\xc0\x00\x00" + ROW[4:]), len(ROW))
    _, found = message(latest, clock)
    assert found["quality"] == 0 and found["values"]["voltage"] is None and found["values"]["state"] == 5
