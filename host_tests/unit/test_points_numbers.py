"""Numbers for comparing: every bit of integers, all orders, bit fields, BCD, what is not available.

Expected values are written out by hand; random ones: host_tests/tools/test_points_matrix.py.
"""

from points.numbers import kind_of, number, patterns, raw, width_of

EIGHT = b"\x01\x23\x45\x67\x89\xab\xcd\xef"


def value(data, at=0, **point):
    return number(kind_of(point), data, at, patterns(point))


def test_orders_of_all_widths():
    wire = {
        "ABCD": (b"\x12\x34", b"\x11\x22\x33\x44", EIGHT),
        "CDAB": (b"\x12\x34", b"\x33\x44\x11\x22", b"\xcd\xef\x89\xab\x45\x67\x01\x23"),
        "BADC": (b"\x34\x12", b"\x22\x11\x44\x33", b"\x23\x01\x67\x45\xab\x89\xef\xcd"),
        "DCBA": (b"\x34\x12", b"\x44\x33\x22\x11", b"\xef\xcd\xab\x89\x67\x45\x23\x01"),
    }
    for order in wire:
        two, four, eight = wire[order]
        for at in (0, 2, 6):
            assert value(bytes(at) + two, at, type="uint16", order=order) == 0x1234
            assert value(bytes(at) + four, at, type="uint32", order=order) == 0x11223344
            assert value(bytes(at) + eight, at, type="uint64", order=order) == 0x0123456789ABCDEF
            assert raw(kind_of({"type": "string8", "order": order}), bytes(at) + eight, at) == EIGHT


def test_integers_keep_every_bit():
    assert value(b"\xff" * 8, type="uint64") == 18446744073709551615
    assert value(b"\x80" + bytes(7), type="int64") == -9223372036854775808
    assert value(b"\x00\x20\x00\x00\x00\x00\x00\x01", type="int64") == 9007199254740993  # 2^53 + 1: no double holds it
    assert value(b"\x01\x00\x00\x01", type="uint32") == 16777217  # 2^24 + 1: no single holds it
    assert value(b"\xff\xff", type="int16") == -1 and value(b"\xff\xff", type="uint16") == 65535
    assert value(b"\xff\xfe", type="int16", order="BADC") == -257
    assert value(b"\x80\x00\x00\x00", type="int32") == -2147483648
    assert type(value(b"\xff" * 8, type="uint64")) is int


def test_bits():
    assert value(b"\x00\x04", 10, type="bool") == 1 and value(b"\x00\x04", 11, type="bool") == 0
    assert [value(b"\x80\x01", type="uint16", bit=bit) for bit in (0, 1, 15)] == [1, 0, 1]
    assert value(b"\x12\x34", type="uint16", bits=[4, 8]) == 0x23
    assert value(b"\x12\x34", type="uint16", bits=[0, 16], order="BADC") == 0x3412
    assert value(b"\x80\x00\x00\x00", type="uint32", bit=31) == 1
    assert value(b"\xff\xff\xff\xfe", type="uint32", bits=[0, 32]) == 4294967294
    assert value(b"\x00\x01\x80\x00", type="uint32", order="CDAB", bits=[30, 2]) == 2


def test_bcd():
    assert value(b"\x12\x34", type="bcd16") == 1234 and value(b"\x99\x99\x99\x99", type="bcd32") == 99999999
    assert value(b"\x56\x78\x12\x34", type="bcd32", order="CDAB") == 12345678
    for wrong in (b"\x1a\x00", b"\xa1\x00", b"\xff\xff", b"\x00\x0a"):
        assert value(wrong, type="bcd16") is None


def test_floats():
    assert value(b"\x3f\xc0\x00\x00", type="float32") == 1.5
    assert value(b"\x3f\xf8\x00\x00\x00\x00\x00\x00", type="float64") == 1.5
    for head in (b"\x7f", b"\xff"):
        assert value(head + b"\x80\x00\x00", type="float32") is None
        assert value(head + b"\xc0\x00\x01", type="float32") is None
        assert value(head + b"\xf0\x00\x00\x00\x00\x00\x00", type="float64") is None
        assert value(head + b"\xf8\x00\x00\x00\x00\x00\x01", type="float64") is None
    assert value(b"\x7f\x7f\xff\xff", type="float32") > 3.4e38


def test_patterns():
    assert value(b"\xff\xff", type="uint16", na=["ff"]) is None
    assert value(b"\xff\xfe", type="uint16", na=["ff"]) == 65534
    assert value(b"\x80\x00", type="int16", na=[32768]) is None
    assert value(b"\x80\x00", type="int16", na=[-32768]) is None
    assert value(b"\xff\xff\x80\x00", type="int32", order="CDAB", na=[0x8000FFFF]) is None
    assert value(b"\xff" * 8, type="uint64", na=["ff"]) is None
    assert value(b"\x80" + bytes(7), type="int64", na=[1, -9223372036854775808]) is None
    assert value(b"\x7f\xc0\x00\x00", type="float32", na=["nan"]) is None
    assert value(b"\x00\x00", type="bcd16", na=[0]) is None


def test_strings_have_no_number():
    assert value(b"12", type="string2") is None
    assert width_of(kind_of({"type": "string32"})) == 32


def test_what_is_no_type():
    for point in ({"type": "uint24"}, {"type": "float32", "order": "ACBD"}, {"type": "stringx"}):
        try:
            kind_of(point)
            assert False, point
        except ValueError:
            pass
