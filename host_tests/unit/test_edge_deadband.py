"""Report by exception: what is left out was within the deadband, and silence is never longer than the heartbeat."""

import json
import struct

from edge import deadband as deadband_module
from edge.inputs import Inputs, decode
from edge.limits import band, fraction, raw_range
from edge_box import Gateway, float_bytes, line, point, registers
from gateway.edge import Edge
from mutants import Mutant, survives
from points.numbers import kind_of, number


def box(lines, names=(), room=1 << 30):
    made = Gateway(room)
    made.edge = Edge(made, Inputs(list(names)))
    made.edge.describe(lines)
    return made


def recorded(made):
    return [data for _, _, _, data in made.recorder.samples]


def random(seed):
    state = seed
    while True:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state >> 8


def test_without_deadband_every_sample_is_recorded():
    made = box([line([point("a", 0)], count=1)])
    for _ in range(5):
        made.feed(registers(7))
    assert len(made.recorder.samples) == 5 and made.edge.suppressed == 0


def test_on_change_a_value_is_recorded_when_a_bit_of_it_differs():
    made = box([line([point("a", 0), point("b", 1)], [0, 0], count=2)])
    for values in ((1, 2), (1, 2), (1, 3), (1, 3), (0, 3), (0, 3)):
        made.feed(registers(*values))
    assert recorded(made) == [registers(1, 2), registers(1, 3), registers(0, 3)]
    assert made.edge.suppressed == 3


def test_registers_between_the_points_do_not_count():
    made = box([line([point("a", 0), point("b", 2)], [0, 0], count=3)])
    for noise in range(10):
        made.feed(registers(1, noise, 2))
    assert len(made.recorder.samples) == 1


def test_an_absolute_deadband_counts_from_the_last_recorded_value():
    made = box([line([point("a", 0, scale=0.1)], [0.5], 3600, count=1)])
    for raw in (100, 101, 105, 95, 106, 107, 111, 112, 106):
        made.feed(registers(raw))
    assert recorded(made) == [registers(raw) for raw in (100, 106, 112, 106)]  # more than 0.5 is 6 of 0.1


def test_limits_are_decimal_though_a_boards_floats_are_not():
    kind = kind_of(point("a", 0))
    for scale in (0.1, 0.01, 0.001, 0.3, 0.7, 1e-05, 10, 0.25):
        top, bottom = fraction(scale)
        for steps in (1, 3, 7, 23, 997):
            value = steps * top / bottom
            if abs(float("%.6g" % value) - value) < 1e-12:
                assert band(float("%.6g" % value), scale, kind) == steps, (scale, steps)
    assert raw_range(point("a", 0, scale=0.1, low=-40, high=23.7), kind) == (-400, 237)
    assert raw_range(point("a", 0, scale=-0.1, low=-40, high=23.7), kind) == (-237, 400)
    assert fraction(1e-05) == (1, 100000) and fraction(2.5) == (25, 10) and fraction(-3) == (-3, 1)


def test_a_percentage_is_of_the_last_recorded_value_with_its_offset():
    percent = {"percent": 10}
    made = box([line([point("a", 0, scale=0.5, offset=-50)], [percent], 3600, count=1)])
    for raw in (300, 320, 321, 278, 277, 300):  # 100, 110, 110.5, 89, 88.5, 100
        made.feed(registers(raw))
    assert recorded(made) == [registers(raw) for raw in (300, 321, 278, 300)]
    made = box([line([point("a", 0, "float32")], [percent], 3600, count=2)])
    for value in (100.0, 109.0, 91.0, 110.5, 100.0, 99.0):
        made.feed(float_bytes(value))
    assert recorded(made) == [float_bytes(value) for value in (100.0, 110.5, 99.0)]


def test_a_heartbeat_comes_before_its_time_is_over():
    for period_ms, heartbeat_s in ((1000, 60), (700, 10), (60000, 60)):
        made = box([line([point("a", 0)], [0], heartbeat_s, count=1, period_ms=period_ms)])
        for _ in range(300):
            made.feed(registers(1), after_ms=period_ms)
        times = [ticks for _, _, ticks, _ in made.recorder.samples]
        apart = [made.clock.ticks_diff(after, before) for before, after in zip(times, times[1:])]
        assert max(apart) <= heartbeat_s * 1000 and min(apart) > heartbeat_s * 1000 - 2 * period_ms - 1, apart


def test_a_change_of_quality_is_always_recorded():
    made = box([line([point("a", 0)], [5], count=1)])
    for quality in (0, 0, 1, 1, 1, 18, 0, 0):
        made.feed(registers(1), quality=quality)
    assert [quality for _, quality, _, _ in made.recorder.samples] == [0, 1, 18, 0]


def test_what_found_no_room_counts_as_not_told():
    made = box([line([point("a", 0)], [5], count=1)], room=1)
    made.feed(registers(1))
    made.feed(registers(20))
    made.recorder.room = 1
    made.feed(registers(3))  # near the value that was recorded, and not near the one that was lost
    made.feed(registers(20))
    assert recorded(made) == [registers(1), registers(20)]


def test_a_value_that_is_not_available_comes_and_goes():
    made = box([line([point("a", 0, na=["ff"])], [100], count=1)])
    for raw in (10, 12, 0xFFFF, 0xFFFF, 12):
        made.feed(registers(raw))
    assert recorded(made) == [registers(raw) for raw in (10, 0xFFFF, 12)]


def test_bits_and_wide_counters():
    made = box([line([point("a", 0, "bool"), point("b", 3, "bool")], [0, 0], fc=1, count=9)])
    for data in (b"\x01\x00", b"\x03\x00", b"\x09\x00", b"\x09\x01", b"\x08\x01"):
        made.feed(data)
    assert recorded(made) == [b"\x01\x00", b"\x09\x00", b"\x08\x01"]
    made = box([line([point("a", 0, "uint64")], [1], count=4)])
    for raw in (1 << 63, (1 << 63) + 1, (1 << 63) + 2, (1 << 63) + 3):
        made.feed(raw.to_bytes(8, "big"))
    assert [int.from_bytes(data, "big") - (1 << 63) for data in recorded(made)] == [0, 2]


def test_any_walk_stays_within_the_band_of_what_was_told():
    chance = random(5)
    kinds = ("uint16", "int16", "uint32", "int32", "float32")
    for round in range(30):
        kind = kinds[round % 5]
        width = next(chance) % 50
        made = box([line([point("a", 0, kind)], [width], 10, count=1 + (kind[-2:] == "32"))])
        value = told = None
        last_ms = 0
        for _ in range(200):
            value = 1000 if value is None else value + next(chance) % 41 - 20
            data = struct.pack({"float32": ">f"}.get(kind, ">H" if kind == "uint16" else ">i"), value)
            if kind == "int16":
                data = struct.pack(">h", value)
            before = len(made.recorder.samples)
            made.feed(data)
            if len(made.recorder.samples) > before:
                told, last_ms = value, made.clock.ticks_ms()
            assert abs(value - told) <= width
            assert made.clock.ticks_diff(made.clock.ticks_ms(), last_ms) <= 10000
        assert made.edge.suppressed + len(made.recorder.samples) == 200


def test_the_fast_decoder_equals_the_exact_one():
    chance = random(9)
    for kind_name in ("uint16", "int16", "uint32", "int32", "float32", "uint64", "bcd16"):
        for order in ("ABCD", "CDAB", "BADC", "DCBA"):
            kind = kind_of({"type": kind_name, "order": order})
            for _ in range(50):
                data = bytearray([next(chance) & 255 for _ in range(12)])
                assert decode(kind, data, 2, ()) == number(kind, data, 2, ()), (kind_name, order, data)
    for word, good in ((b"\x7f\x80\0\0", 0), (b"\xff\x80\0\0", 0), (b"\x7f\xc0\0\x01", 0), (b"\x7f\x7f\xff\xff", 1)):
        assert (decode(kind_of({"type": "float32", "order": "ABCD"}), word, 0, ()) is not None) == good


def test_the_meta_says_what_silence_means():
    from gateway import silence
    from gateway.schema_store import group_text

    points = [
        {"name": "a", "address": 4, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""},
        {"name": "b", "address": 5, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""},
    ]
    points[0]["deadband"] = 0.5
    plain = group_text("line1", "plc", 4, 0, 3, 4, 2, 1000, points)
    assert '"deadband"' not in plain  # one point wants every sample
    points[1].update({"deadband_percent": 2, "heartbeat_s": 30})
    text = "{" + group_text("line1", "plc", 4, 0, 3, 4, 2, 1000, points) + "}"
    meta = json.loads(text)
    assert meta["deadband"] == {"heartbeat_s": 30, "points": [0.5, {"percent": 2}]}
    silence.restore(meta, meta["points"][1:])
    assert meta["points"][1]["deadband_percent"] == 2 and "deadband" not in meta["points"][0]


def test_mutants_are_caught():
    walk = test_any_walk_stays_within_the_band_of_what_was_told
    for what, old, new, test in (
        ("the heartbeat is a period late", '["heartbeat_s"] * 1000 - meta["period_ms"]', '["heartbeat_s"] * 1000',
         test_a_heartbeat_comes_before_its_time_is_over),
        ("a change of quality is no news", "quality != self._quality\n            or", "",
         test_a_change_of_quality_is_always_recorded),
        ("the band is twice as wide", "if old > entries[e + 3] or", "if old > 2 * entries[e + 3] or", walk),
        ("only the first point counts", "            e = 6 * i", "            e = 0",
         test_on_change_a_value_is_recorded_when_a_bit_of_it_differs),
    ):  # fmt: skip
        with Mutant(deadband_module, old, new, "Reports"):
            assert not survives(test), what
