"""The poll plan: which points share a read, what the bus time is, what is refused and with which words.

On MicroPython only, because the PDUs come from micropython-modbus.
"""

import sys

from line import sealed
from modbus import pdu
from modbus.line import Line
from modbus.plan import Plan
from modbus.planner import PlanError

LINE = Line("line1", 9600, "8N1")


def point(address, kind="uint16", fc=3, period_ms=1000):
    return {"name": "p%d_%d" % (fc, address), "fc": fc, "address": address, "type": kind, "period_ms": period_ms}


def plan(points, splits=(), line=LINE, **settings):
    return Plan(line, [dict({"name": "u", "unit_id": 1, "points": points}, **settings)], splits)


def reads(points, splits=(), **settings):
    return [(r.fc, r.address, r.count, r.period_ms, len(r.points)) for r in plan(points, splits, **settings).reads]


def test_neighbours_share_a_read_up_to_the_gap_limit():
    assert reads([point(0), point(1), point(10)], max_gap=8) == [(3, 0, 11, 1000, 3)]
    assert reads([point(0), point(1), point(10)], max_gap=7) == [(3, 0, 2, 1000, 2), (3, 10, 1, 1000, 1)]
    assert reads([point(10), point(0, "float32")], max_gap=8) == [(3, 0, 11, 1000, 2)]
    assert reads([point(0, "float32"), point(1), point(0)], max_gap=0) == [(3, 0, 2, 1000, 3)]  # they overlap


def test_no_read_touches_a_hole_of_the_unit():
    points = [point(0), point(4), point(6), point(9)]
    assert reads(points) == [(3, 0, 10, 1000, 4)]
    assert reads(points, holes=[{"fc": 3, "address": 5}]) == [(3, 0, 5, 1000, 2), (3, 6, 4, 1000, 2)]
    assert reads(points, holes=[{"fc": 3, "address": 1, "count": 3}]) == [(3, 0, 1, 1000, 1), (3, 4, 6, 1000, 3)]
    assert reads(points, holes=[{"fc": 4, "address": 5}, {"fc": 3, "address": 10}]) == [(3, 0, 10, 1000, 4)]


def test_a_read_keeps_the_units_limit_and_cuts_no_point():
    points = [point(2 * i, "float32") for i in range(10)]
    assert reads(points, max_registers=7) == [(3, 6 * i, 6, 1000, 3) for i in range(3)] + [(3, 18, 2, 1000, 1)]
    assert reads(points, max_registers=125) == [(3, 0, 20, 1000, 10)]


def test_wide_types_take_their_registers():
    points = [point(0, "uint64"), point(4, "string10"), point(9, "bcd16"), point(10, "bcd32"), point(12, "float64")]
    assert reads(points) == [(3, 0, 16, 1000, 5)]
    assert reads(points, max_registers=5) == [(3, 0, 4, 1000, 1), (3, 4, 5, 1000, 1), (3, 9, 3, 1000, 2),
                                              (3, 12, 4, 1000, 1)]  # fmt: skip


def scaled(address, by, kind="int16"):
    return dict(point(address, kind), scale_from="p3_%d" % by)


def refusal(points, **settings):
    try:
        plan(points, **settings)
    except PlanError as error:
        return str(error)
    return None


def test_a_point_and_what_scales_it_share_a_read():
    apart = [scaled(0, 30), point(10), point(30)]
    assert len(reads([point(0), point(10), point(30)], max_gap=0)) == 3
    assert reads(apart, max_gap=0) == [(3, 0, 31, 1000, 3)], "whatever lies between"
    assert reads(apart, splits=[(1, 3, 30)], max_gap=0) == [(3, 0, 31, 1000, 3)], "also where it was split before"
    # The read is not begun so early that the pair would not fit any more.
    points = [point(0), scaled(8, 17), point(17)]
    assert reads(points, max_registers=10) == [(3, 0, 1, 1000, 1), (3, 8, 10, 1000, 2)]
    assert reads(points, max_registers=18) == [(3, 0, 18, 1000, 3)]
    # One scale for many, before, between and behind them; pairs that overlap stay together.
    assert reads([point(5), scaled(0, 5), scaled(9, 5, "uint64")], max_gap=0) == [(3, 0, 13, 1000, 3)]
    chain = [scaled(0, 10), scaled(5, 15), point(10), point(15), point(16)]
    assert reads(chain, max_gap=0, max_registers=16) == [(3, 0, 16, 1000, 4), (3, 16, 1, 1000, 1)]


def test_a_scale_that_cannot_be_read_together_is_refused():
    text = "line1: u.p3_0 and what scales it (scale_from): found %s, allowed %s in one read"
    points = [scaled(0, 30), point(30)]
    assert refusal(points, max_registers=30) == text % ("31 registers apart", "30")
    assert refusal(points, holes=[{"fc": 3, "address": 7}]) == text % ("a hole of the unit between them", "none")
    assert refusal(points, holes=[{"fc": 4, "address": 7}]) is None and refusal(points, max_registers=31) is None


def test_a_split_does_not_part_them():
    made = plan([point(0), scaled(4, 8), point(6), point(8), point(10)])
    (read,) = made.reads
    assert list(read.sections) == [0, 1, 1, 4, 9, 1, 10, 11, 1]
    assert made.split(read, 7) == 4
    low, high = made.reads[1:]
    assert (low.address, low.count, high.address, high.count) == (0, 1, 4, 7)
    assert made.split(high, 5) == 10 and made.split(made.reads[3]) is None
    assert [each["name"] for each in made.reads[3].points] == ["p3_4", "p3_6", "p3_8"]


def test_function_and_period_divide():
    points = [point(0), point(1, fc=4), point(1), point(2, period_ms=500)]
    assert reads(points) == [(3, 2, 1, 500, 1), (3, 0, 2, 1000, 2), (4, 1, 1, 1000, 1)]


def test_coils_count_in_bits():
    assert reads([point(0, "bool", 1), point(128, "bool", 1)], max_gap=8) == [(1, 0, 129, 1000, 2)]
    assert reads([point(0, "bool", 2), point(130, "bool", 2)], max_gap=8) == [(2, 0, 1, 1000, 1), (2, 130, 1, 1000, 1)]


def test_requests_are_the_standards_bytes():
    made = plan([point(0x1450), point(0x1455)], max_gap=8)
    assert made.reads[0].frame == sealed((1, 3, 0x14, 0x50, 0, 6)) and made.reads[0].need == 17
    for fc, text in ((1, b"\x01\x00\x07\x00\x09"), (2, b"\x02\x00\x07\x00\x09"), (4, b"\x04\x00\x07\x00\x09")):
        assert pdu.build(fc, 7, 9) == text
    for bad in ((5, 0, 1), (3, 0, 126), (3, 0, 0), (1, 0, 2001), (3, 65535, 2), (3, -1, 1)):
        try:
            pdu.build(*bad)
            raise RuntimeError("built %s" % (bad,))
        except ValueError:
            pass


def test_release_drops_the_builder_from_memory():
    pdu.build(3, 0, 1)
    assert "umodbus.functions" in sys.modules
    pdu.release()
    assert [name for name in sys.modules if name.startswith("umodbus")] == []


def test_bus_time_is_counted_before_anything_is_polled():
    # 8 + 25 characters of 1041.7 us and twice t3.5 of 3.65 ms: 41.67 ms
    made = plan([point(i) for i in range(10)])
    assert abs(made.reads[0].cycle_us - 41667) <= 3, made.reads[0].cycle_us
    assert made.share_permille() == 42


def test_too_much_for_the_bus_is_refused_with_the_numbers():
    try:
        plan([point(i, period_ms=20) for i in range(10)])
        raise RuntimeError("accepted")
    except PlanError as error:
        text = str(error)
    assert "line1: polling needs at least 208.4 % of the bus, allowed 100.0 %" in text, text
    assert "2.09 times as long" in text and "fc 3 address 0" in text and "every 20 ms" in text, text
    half = Line("line1", 9600, "8N1", 40)
    try:
        plan([point(i) for i in range(10)], line=half)
        raise RuntimeError("accepted")
    except PlanError as error:
        assert "4.2 % of the bus, allowed 4.0 %" in str(error), error


def test_reads_of_one_period_are_spread_over_it():
    daily = [point(address, fc=4, period_ms=86400000) for address in (0, 99)]
    made = plan([point(100 * i) for i in range(5)] + daily)
    phases = dict(zip([(r.fc, r.address) for r in made.reads], made.phases()))
    assert [phases[3, 100 * i] for i in range(5)] == [0, 200, 400, 600, 800]
    assert [phases[4, 0], phases[4, 99]] == [0, 5000]  # not after half a day


def test_split_takes_the_middle_and_is_remembered():
    points = [point(0), point(2, "float32"), point(4), point(9)]
    made = plan(points)
    assert made.split(made.reads[0]) == 4
    rows = [(r.address, r.count, r.active, r.group) for r in made.reads]
    assert rows == [(0, 10, False, 0), (0, 4, True, 1), (4, 6, True, 2)]
    assert made.reads[2].frame == sealed((1, 3, 0, 4, 0, 6))
    assert made.splits == [(1, 3, 4)]
    assert [(a, n) for _, a, n, _, _ in reads(points, made.splits)] == [(0, 4), (4, 6)]
    alone = plan([point(7, "float32")])
    assert alone.split(alone.reads[0]) is None


def test_more_reads_than_numbers_are_refused():
    try:
        plan([point(20 * i, period_ms=60000) for i in range(256)], line=Line("x", 115200, "8N1"))
        raise RuntimeError("accepted")
    except PlanError as error:
        assert "255" in str(error)


def test_no_point_is_refused():
    try:
        plan([])
        raise RuntimeError("accepted")
    except PlanError as error:
        assert "no point" in str(error)
