"""Values are shown exactly: shortest float32 text, decimal scaling, and every wrong metadata entry named."""

import random
import struct
from typing import Any

import pytest

from fieldgate.monitor.coverage import MAX_GAPS, Coverage
from fieldgate.monitor.values import (
    MetaError,
    float32_text,
    point_from_meta,
    raw_number,
    shown,
    text,
    to_words,
    value,
    values_of,
)  # fmt: skip


def point(**changes: Any) -> Any:
    entry = {"name": "x", "at": 0, "type": "float32", "order": "ABCD", "scale": 1, "offset": 0, "unit": "V"}
    return point_from_meta({**entry, **changes})


def test_float32_text_gives_the_same_bits_again() -> None:
    rand = random.Random(3)
    patterns = [rand.getrandbits(32) for _ in range(5000)]
    patterns += [0, 0x80000000, 1, 0x7F7FFFFF, 0xFF7FFFFF, 0x00800000, 0x4B800001, 0x3DCCCCCD, 0x7F800000, 0xFF800000]
    for bits in patterns:
        number = struct.unpack(">f", bits.to_bytes(4, "big"))[0]
        if number == number:
            assert struct.pack(">f", float(float32_text(number))) == bits.to_bytes(4, "big"), hex(bits)


def test_float32_text_is_short() -> None:
    for number, short in ((230.1, "230.1"), (0.1, "0.1"), (50.0, "50"), (-1.5, "-1.5"), (16777216.0, "16777216")):
        single = struct.unpack(">f", struct.pack(">f", number))[0]
        assert float32_text(single) == short


def test_word_orders_and_types() -> None:
    words = bytes.fromhex("43661ccd")
    assert text(point(), words) == "230.1125"
    assert text(point(order="CDAB"), words[2:] + words[:2]) == "230.1125"
    assert text(point(order="DCBA"), words[::-1]) == "230.1125"
    assert raw_number(point(type="uint32", order="BADC"), bytes.fromhex("01000200")) == 0x10002
    assert raw_number(point(type="uint32", order="CDAB"), bytes.fromhex("00020001")) == 0x10002
    assert raw_number(point(type="int16"), b"\xff\xfe") == -2
    assert raw_number(point(type="int32"), b"\xff\xff\xff\xfe") == -2
    assert text(point(type="bool"), b"\x01") == "on"
    for kind in ("uint32", "int32", "float32"):
        for order in ("ABCD", "BADC", "CDAB", "DCBA"):
            p = point(type=kind, order=order)
            assert to_words(p, raw_number(p, words)) == words


def test_scaling_is_decimal() -> None:
    assert text(point(type="int16", scale=0.1), struct.pack(">h", -235)) == "-23.5"
    assert text(point(type="uint16", scale=0.01), struct.pack(">H", 5000)) == "50.00"
    assert text(point(type="uint32", scale=0.1), struct.pack(">I", 4294967295)) == "429496729.5"
    assert text(point(type="uint16", scale=0.1, offset=-40), struct.pack(">H", 3)) == "-39.7"
    assert value(point(type="uint16", scale=0.5, offset=1), b"\x00\x03") == 2.5


def test_wrong_length_is_an_error_and_no_number() -> None:
    with pytest.raises(ValueError, match="2 bytes, 4 wanted"):
        raw_number(point(), b"\x00\x01")


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("type", "float16"), ("type", "string3"), ("type", None),
        ("bits", [0, 33]), ("order", "ABDC"), ("scale", "1"), ("scale", True), ("at", -1),
        ("at", 1.5), ("at", 65536), ("name", ""), ("name", 7), ("offset", float("nan")),
    ],
)  # fmt: skip
def test_wrong_metadata_is_named(key: str, found: Any) -> None:
    with pytest.raises(MetaError, match=key):
        point(**{key: found})


def test_coverage_against_a_plain_set() -> None:
    rand = random.Random(5)
    for _ in range(200):
        coverage, seen = Coverage(), set()
        for _ in range(30):
            seq, count = rand.randrange(60), rand.randrange(8)
            numbers = set(range(seq, seq + count))
            assert coverage.add(seq, count) == len(numbers - seen)
            seen |= numbers
        if seen:
            holes = set(range(min(seen), max(seen) + 1)) - seen
            assert {n for start, length in coverage.gaps() for n in range(start, start + length)} == holes
            assert (coverage.missing, coverage.newest) == (len(holes), max(seen))


def test_coverage_is_bounded_and_counts_what_it_gives_up() -> None:
    coverage = Coverage()
    for k in range(MAX_GAPS + 50):
        coverage.add(3 * k, 1)
    assert len(coverage.gaps()) == MAX_GAPS
    assert coverage.missing == 2 * (MAX_GAPS + 49)


def test_what_points_may_have_beside_type_and_scale() -> None:
    state = point(type="uint16", names={"0": "stop", "1": "run"})
    assert text(state, b"\x00\x01") == "run (1)" and text(state, b"\x00\x07") == "7"
    assert text(point(type="uint16", na=["ff"]), b"\xff\xff") == "not available"
    assert text(point(type="int16", na=[-32768]), b"\x80\x00") == "not available"
    assert text(point(type="float32"), b"\x7f\xc0\x00\x00") == "not available"
    assert text(point(type="string6"), b"AB\xc3\xa4 \x00") == "ABä" and text(point(type="string2"), b"\xe4 ") == "ä"
    assert text(point(type="uint16", bit=3), b"\x00\x08") == "on"
    assert text(point(type="uint32", bits=[4, 8], order="CDAB"), b"\x01\x23\x00\x00") == "18"
    assert text(point(type="bcd32", order="BADC"), b"\x34\x12\x78\x56") == "12345678"
    assert text(point(type="bcd16"), b"\x0a\x00") == "not available"
    assert text(point(type="uint64", scale=0.001), b"\xff" * 8) == "18446744073709551.615"
    assert text(point(type="float64"), struct.pack(">d", 0.1)) == "0.1"
    assert values_of([point(type="int16", high=10)], [b"\x00\x0b"])[0].quality == 6
    for kind in ("uint64", "int64", "float64", "bcd32", "bcd16"):
        for order in ("ABCD", "BADC", "CDAB", "DCBA"):
            described = point(type=kind, order=order)
            words = bytes.fromhex("1234567812345678")[: described.width_bytes]
            assert to_words(described, raw_number(described, words)) == words


def test_a_scale_of_another_point() -> None:
    power = point(type="int16", name="p", scale_from="sf", scale_as="divisor", scale=2)
    scale = point(type="uint16", name="sf", na=["ff"])

    def told(by: bytes) -> tuple[int, str]:
        found = values_of([power, scale], [b"\x00\xea", by])[0]
        return found.quality, shown(found)

    assert told(b"\x00\x64") == (0, "4.68") and told(b"\x00\x08") == (0, "58.500")
    assert told(b"\x00\x00") == told(b"\xff\xff") == told(b"\x00\x03") == (7, "not available")
    assert values_of([power], [b"\x00\xea"])[0].quality == 7, "what scales it is not in this read"
