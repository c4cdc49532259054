"""Sparkplug payloads: every type and length of number, times beyond 31 bits, and what asks for a rebirth."""

import struct

from spb_reader import read
from uplink import sparkplug as spb
from uplink.sparkplug import PayloadWriter, asks_rebirth, later, split

UTC_MS = 1795313755123


def test_times_are_exact_without_big_ints():
    writer = PayloadWriter(512)
    for ms in (1 << 28, (1 << 28) + 127, UTC_MS, (1 << 42) - 1, (1 << 42), 253402300799999):
        writer.begin(split(ms))
        assert read(writer.finish(0))["timestamp"] == ms, ms


def test_uptime_is_added_over_all_carries():
    for zero in (UTC_MS, (7 << 28) - 1, (7 << 28) - 5000):
        for era in (0, 1, 5):
            for ticks in (0, 1, 4999, 5000, (1 << 28) - 1, 1 << 28, (1 << 30) - 1):
                high, low = later(split(zero), era, ticks)
                assert (high << 28) + low == zero + (era << 30) + ticks


def test_the_example_byte_for_byte():
    # sparkplug_b.proto by hand: timestamp 1 = 300; one metric 2 {alias 2 = 257, timestamp 3 = 300, datatype 4 = 6,
    # int_value 10 = 1000}; seq 3 = 5. Times are always written with at least 5 bytes.
    writer = PayloadWriter(512)
    writer.begin((1, 300))
    writer.metric(None, 257, (1, 300), spb.UINT16, b"\0\0\x03\xe8")
    assert bytes(writer.finish(5)) == bytes.fromhex(
        "08ac82808001 120e 108102 18ac82808001 2006 50e807 1805".replace(" ", "")
    )


def test_every_value_of_every_type():
    words = [0, 1, 127, 128, 16383, 16384, 32767, 32768, 65535, 65536, 0x1FFFFF, 0x200000, 0x7FFFFFFF, 0x80000000]
    words += [0xFFFF8000, 0xFFFFFFFF, 0x7F800001, 0x80000001]
    for datatype in (spb.INT32, spb.INT64, spb.UINT16, spb.FLOAT):
        for word in words:
            writer = PayloadWriter(512)
            writer.begin(split(UTC_MS))
            writer.metric("x", 0, split(UTC_MS), datatype, struct.pack(">I", word))
            metric = read(writer.finish(255))["metrics"][0]
            assert metric["value"] == word and metric["datatype"] == datatype
    writer.begin(None)
    writer.metric("on", 1, None, spb.BOOLEAN, b"\0\0\0\x01")
    writer.metric("off", 2, None, spb.BOOLEAN, bytes(4))
    writer.metric("text", 3, None, spb.STRING, "größe")
    writer.metric("null", 4, None, spb.INT32, None, True)
    top = read(writer.finish(None))
    assert top["timestamp"] is None and top["seq"] is None
    assert [metric["value"] for metric in top["metrics"]] == [1, 0, "größe", None]
    assert [metric["historical"] for metric in top["metrics"]] == [False, False, False, True]
    assert top["metrics"][3]["null"]


def test_properties_and_metrics_of_every_length():
    for size in list(range(60, 140)) + [255, 256, 300]:
        writer = PayloadWriter(1024)
        writer.begin(None)
        pairs = [("Quality", spb.number_property(500)), ("engUnit", spb.text_property("u" * (size % 17)))]
        writer.metric("n" * size, 1, None, spb.INT32, b"\xff\xff\xff\xff", False, spb.property_set(pairs))
        writer.metric("behind", 2, None, spb.INT32, bytes(4))
        first, second = read(writer.finish(1))["metrics"]
        assert first["name"] == "n" * size and first["value"] == 0xFFFFFFFF and second["name"] == "behind"
        assert first["properties"] == {"Quality": 500, "engUnit": "u" * (size % 17)}


def test_the_longest_data_metric_is_as_long_as_said():
    writer = PayloadWriter(512)
    writer.begin(split((1 << 49) - 1))
    before = writer._at
    quality = spb.property_set([("Quality", spb.number_property(0)), ("quality_code", spb.number_property(255))])
    writer.metric(None, 0xFFFF, split((1 << 49) - 1), spb.INT64, None, True, quality)
    assert writer._at - before <= spb.METRIC_BYTES


def request(name=b"Node Control/Rebirth", value=1):
    body = bytes((0x0A, len(name))) + name + b"\x18" + b"\xb3\xd1\xdd\xa2\xa0\x34" + b"\x20\x0b\x70" + bytes((value,))
    return b"\x08\xb3\xd1\xdd\xa2\xa0\x34" + b"\x12" + bytes((len(body),)) + body


def test_rebirth_is_asked_for_by_name_and_value():
    assert asks_rebirth(request())
    assert asks_rebirth(memoryview(request()))
    assert not asks_rebirth(request(value=0))
    assert not asks_rebirth(request(name=b"Node Control/Reboot"))
    other = b"\x12\x05\x0a\x01x\x50\x07"
    assert asks_rebirth(other + request()) and not asks_rebirth(other)


def test_rubbish_never_asks_and_never_raises():
    good = request()
    seed = 1
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(3):
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            data[seed % len(data)] = seed >> 16 & 255
        asks_rebirth(bytes(data[: seed >> 8 & 127]))
    for end in range(len(good) - 1):
        assert not asks_rebirth(good[:end])
    assert not asks_rebirth(b"\xff" * 40)
