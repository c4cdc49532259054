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


def test_not_a_number_is_null_and_not_available():
    clock = Clock()
    latest = Latest([json.dumps(META)])
    latest.note(3, 0, 0, bytearray(b"\x7f\xc0\x00\x00" + ROW[4:]), len(ROW))
    _, found = message(latest, clock)
    assert found["quality"] == 0 and found["values"]["voltage"] is None and found["values"]["state"] == 5
    assert found["qualities"] == {"voltage": 7}


def described(points, count=32):
    usual = {"order": "ABCD", "scale": 1, "offset": 0, "unit": ""}
    return json.dumps(dict(META, count=count, points=[dict(usual, **point) for point in points]))


def told(points, row):
    """(values as they are written, qualities, names) of one sample."""
    latest = Latest([described(points, len(row) // 2)])
    latest.note(3, 0, 0, bytearray(row), len(row))
    text = "".join(latest.pieces(0, Clock()))
    found = json.loads(text)
    values = text[text.index('"values":{') + 10 : text.index("}", text.index('"values":{'))]
    return values, found.get("qualities", {}), found.get("names", {})


def test_wide_types_keep_every_digit():
    points = [
        {"name": "a", "at": 0, "type": "uint64"},
        {"name": "b", "at": 0, "type": "int64", "scale": 0.001},
        {"name": "c", "at": 4, "type": "uint64", "order": "CDAB", "scale": 0.01, "offset": 1},
        {"name": "d", "at": 8, "type": "float64"},
        {"name": "e", "at": 12, "type": "bcd32"},
        {"name": "f", "at": 12, "type": "bcd16", "order": "BADC"},
    ]
    row = b"\xff" * 8 + b"\x00\x01\x00\x00\x00\x00\x00\x20" + struct.pack(">d", 0.1) + b"\x12\x34\x56\x78"
    values, qualities, _ = told(points, row)
    # 2^53 + 1 is 9007199254740993, the first number that a double does not hold
    assert values == (
        '"a":18446744073709551615,"b":-0.001,"c":%d.%02d,"d":0.1,"e":12345678,"f":3412'
        % divmod((0x20 << 48 | 1) + 100, 100)
    )
    assert qualities == {}


def test_float64_is_the_shortest_too():
    for value in (230.1, -1e300, 5e-324, 2.2250738585072014e-308, 1e23, 9007199254740993.0, 0.0, 123456789.123456789):
        values, _, _ = told([{"name": "d", "at": 0, "type": "float64"}], struct.pack(">d", value))
        if struct.calcsize("P") == 8:  # a runtime with doubles can judge
            assert struct.pack(">d", float(values[4:])) == struct.pack(">d", value), values
        assert len(values) < 30


def test_bits_texts_and_names():
    points = [
        {"name": "ready", "at": 0, "type": "uint16", "bit": 15},
        {"name": "mode", "at": 0, "type": "uint16", "bits": [0, 3], "names": {"5": 'run "fast", or not', "0": "stop"}},
        {"name": "serial", "at": 1, "type": "string6"},
        {"name": "other", "at": 1, "type": "string4", "order": "BADC"},
        {"name": "state", "at": 0, "type": "uint16", "names": {"7": "x"}},
    ]
    values, qualities, names = told(points, b"\x80\x05" + b'A"\xe9 \x00Z')
    assert values == '"ready":true,"mode":5,"serial":%s,"other":%s,"state":32773' % (
        json.dumps('A"\xe9'),
        json.dumps('"A \xe9'),
    )
    assert names == {"mode": 'run "fast", or not'} and qualities == {}
    assert told([{"name": "u", "at": 0, "type": "string2"}], b"\xc3\xa9")[0] == '"u":' + json.dumps("\xe9")


def test_what_is_not_available_or_out_of_range():
    points = [
        {"name": "a", "at": 0, "type": "uint16", "na": [65535, "ff"]},
        {"name": "b", "at": 1, "type": "int16", "na": [-32768], "scale": 0.1, "low": -40, "high": 60.5},
        {"name": "c", "at": 2, "type": "float32", "na": ["nan"], "high": 0.1},
        {"name": "d", "at": 4, "type": "bcd16", "low": 1},
    ]
    good = b"\x00\x01\x02\x5d" + struct.pack(">f", 0.1) + b"\x00\x01"
    assert told(points, good) == ('"a":1,"b":60.5,"c":0.1,"d":1', {}, {})
    beyond = b"\x00\x01\x02\x5e" + struct.pack(">f", 0.100001) + b"\x00\x00"
    values, qualities, _ = told(points, beyond)
    assert values == '"a":1,"b":60.6,"c":0.100001,"d":0' and qualities == {"b": 6, "c": 6, "d": 6}
    none = b"\xff\xff\x80\x00\x7f\xc0\x00\x00\xff\xff"
    values, qualities, _ = told(points, none)
    assert values == '"a":null,"b":null,"c":null,"d":null'
    assert qualities == {"a": 7, "b": 7, "c": 7, "d": 7}
    assert told(points, b"\x00\x01\xfe\x70" + bytes(4) + b"\x00\x01")[0].startswith('"a":1,"b":-40.0,')


def test_a_scale_from_a_register():
    def scaled(how, register, number=b"\x00\xea", **more):
        points = [
            dict({"name": "p", "at": 0, "type": "int16", "scale_from": "s", "scale_as": how}, **more),
            {"name": "s", "at": 1, "type": "int16", "na": [32767]},
        ]
        values, qualities, _ = told(points, number + struct.pack(">h", register))
        return values[4 : values.index(',"s"')], qualities.get("p", 0)

    assert scaled("exponent", -2) == ("2.34", 0) and scaled("exponent", 3) == ("234000", 0)
    assert scaled("exponent", -2, scale=0.5, offset=-1) == ("0.170", 0)
    assert scaled("decimals", 1) == ("23.4", 0) and scaled("divisor", 100) == ("2.34", 0)
    assert scaled("divisor", 8) == ("29.250", 0) and scaled("divisor", 1) == ("234", 0)
    for how, register in (("exponent", -32768), ("exponent", 11), ("decimals", -11), ("exponent", 32767),
                          ("divisor", 0), ("divisor", 3), ("divisor", -10)):  # fmt: skip
        assert scaled(how, register) == ("null", 7), (how, register)
    alone = [{"name": "p", "at": 0, "type": "int16", "scale_from": "s", "scale_as": "exponent"}]
    assert told(alone, b"\x00\x01")[0] == '"p":null'


def test_what_a_point_takes():
    """At most 100 bytes resident per point: its text, its bytes of the sample, its column in the publisher."""

    def taken(**point):
        described_point = dict({"order": "ABCD", "scale": 1, "offset": 0, "unit": "kWh", "at": 20}, **point)
        latest = Latest([json.dumps(dict(META, points=[described_point]))])
        return len(latest._points[0]) + 8 + 8

    plain = taken(name="import_energy_1", type="float32")
    scaled = taken(name="import_energy_1", type="uint16", scale=0.1)
    wide = taken(name="import_energy_1", type="uint64", scale=0.001, na=["ff"], low=0, high=100000)
    named = taken(name="state_of_machine", type="uint16", names={"0": "stopped", "1": "starting", "2": "running",
                                                                 "3": "idle", "4": "fault"})  # fmt: skip
    print("REPORT: bytes resident per point with latest: plain %d, scaled %d, 64 bits with limits %d, names %d"
          % (plain, scaled, wide, named))  # fmt: skip
    assert plain <= 50 and scaled <= 50 and wide <= 100 and named <= 110
