"""Aggregates against plain sums in whole numbers and fractions; counters at wraps and resets; energy; windows."""

import math

from edge.aggregate import COUNT, COVERED, ENERGY, INCREASE, LAST, MAX, MEAN, MIN, RATE, STD, Aggregate, Window
from edge.words import put, ratio, root
from edge_plant import UTC_MS, Plant, clear, ot_of

EVERYTHING = MIN | MAX | MEAN | STD | COUNT | LAST | INCREASE | RATE | ENERGY | COVERED


class Clock:
    def ticks_diff(self, a, b):
        return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000


def aggregate(timed=False, scale=(1, 1), offset=(0, 1), modulus=1 << 32, gap_ms=10000, what=EVERYTHING):
    return Aggregate(0, what, timed, scale, offset, modulus, gap_ms)


def fed(samples, **settings):
    """The Aggregate after [(ms, value)]; times begin below the wrap of the ticks."""
    one = aggregate(**settings)
    for at, value in samples:
        one.look(Clock(), value, 0x3FFFF000 + at & 0x3FFFFFFF)
    return one


def result(one, bit):
    return Window(one).result(bit)


def near(found, wanted, places=6):
    return found == wanted or abs(found - wanted) <= abs(wanted) * 10**-places + 1e-30


def random(seed):
    state = seed
    while True:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state >> 8


def test_least_largest_last_count_are_the_samples_themselves():
    one = fed([(0, 5), (1000, -3), (2000, None), (3000, 1 << 63), (4000, 7)])
    assert [result(one, bit) for bit in (MIN, MAX, LAST, COUNT)] == [-3, 1 << 63, 7, 4]
    empty = fed([(0, None)])
    assert [result(empty, bit) for bit in (MIN, MAX, LAST, MEAN, STD, INCREASE, RATE, ENERGY)] == [None] * 8
    assert result(empty, COUNT) == 0 and result(empty, COVERED) == 0


def test_mean_and_deviation_of_random_numbers():
    chance = random(1)
    for round in range(40):
        whole = round % 2
        base, width = (0, 1000000000, -50, 230)[round % 4], (5, 1000, 7, 2)[round % 4]
        values = []
        for _ in range(2 + next(chance) % 300):
            value = base + next(chance) % 1024 * width / 1024
            values.append(int(value) if whole or base > 16777216 else value)
        one = fed([(1000 * i, value) for i, value in enumerate(values)])
        mean = sum(values) / len(values)
        spread = math.sqrt(sum([(value - mean) ** 2 for value in values]) / (len(values) - 1))
        assert near(result(one, MEAN), mean, 5), (result(one, MEAN), mean)
        assert abs(result(one, STD) - spread) <= 1e-4 * spread + 1e-6 * abs(mean) * 1e-3, (result(one, STD), spread)


def test_a_day_of_samples_loses_nothing_where_a_single_precision_sum_would():
    one = aggregate(what=MEAN | STD)
    single = 0.0
    for i in range(86400):
        value = 230.0 + (i % 4) * 0.25
        one.look(Clock(), value, i * 1000 & 0x3FFFFFFF)
        single = to_single(single + value)
    assert result(one, MEAN) == 230.375
    assert near(result(one, STD), math.sqrt(0.078125 * 86400 / 86399))
    print("REPORT: mean of a day at 1 s: exact; a single-precision sum is off by %.3f" % abs(single / 86400 - 230.375))
    assert abs(single / 86400 - 230.375) > 0.01  # or this test could not fail


def test_time_weighted_values_hold_until_the_next_sample():
    one = fed([(0, 10), (1000, 20), (4000, 0)], timed=True)
    one._advance(Clock(), 0x3FFFF000 + 5000 & 0x3FFFFFFF)
    assert result(one, MEAN) == (10 * 1000 + 20 * 3000 + 0) / 5000 and result(one, COVERED) == 5000
    mean = 14
    spread = math.sqrt(((10 - mean) ** 2 * 1000 + (20 - mean) ** 2 * 3000 + mean**2 * 1000) / 5000)
    assert near(result(one, STD), spread)


def test_what_was_not_seen_is_not_covered():
    one = fed([(0, 10), (1000, None), (5000, 30), (20000, 50), (21000, 50)], timed=True, gap_ms=3000)
    assert result(one, COVERED) == 2000  # until the failed read, and the last second
    assert result(one, MEAN) == 30


def test_a_counter_wraps_and_is_set_back():
    one = fed([(0, 0xFFFFFFF0), (1000, 0xFFFFFFFF), (2000, 5), (3000, 6)])
    assert result(one, INCREASE) == 22 and near(result(one, RATE), 22 / 3)
    one = fed([(0, 500000), (1000, 500010), (2000, 3), (3000, 10)])
    assert result(one, INCREASE) == 10 + 3 + 7  # from 0 after somebody has set it back
    one = fed([(0, 9998), (1000, 2)], modulus=10000)
    assert result(one, INCREASE) == 4
    one = fed([(0, 65530), (1000, 4)], modulus=0)
    assert result(one, INCREASE) == 4
    one = fed([(0, (1 << 64) - 2), (1000, 1)], modulus=1 << 64)
    assert result(one, INCREASE) == 3
    one = fed([(0, 100), (1000, None), (2000, 130)])
    assert result(one, INCREASE) == 30 and near(result(one, RATE), 15.0)  # it counts on while nobody looks
    assert result(fed([(0, 100)]), INCREASE) is None


def test_random_counters_equal_the_true_count_over_windows():
    chance = random(7)
    for bits in (16, 32, 64):
        one = aggregate(modulus=1 << bits, what=INCREASE)
        count = (1 << bits) - 1000
        total = taken = 0
        first = True
        data = bytearray(4)
        for i in range(2000):
            step = next(chance) % 50
            count += step
            total += 0 if first else step
            first = False
            one.look(Clock(), count & ((1 << bits) - 1), i * 1000)
            if i % 37 == 36:
                one.close(Clock(), i * 1000 + 500).put(((INCREASE, "uint32"),), data, 0)
                taken += int.from_bytes(data, "big")
        assert taken + (result(one, INCREASE) or 0) == total


def test_energy_from_power_is_the_sum_of_power_times_time():
    # 1200.5 W for 1 h in steps of a second, then 2 kW for a quarter of an hour: thousandths of Wh
    samples = [(1000 * i, 1200.5) for i in range(3600)] + [(3600000 + 1000 * i, 2000.0) for i in range(901)]
    one = fed(samples, what=ENERGY | COVERED)
    assert result(one, ENERGY) == 1200500 + 500000
    # a register in 0.1 kW with an offset: thousandths of kWh
    one = fed([(1000 * i, 235) for i in range(3601)], scale=(1, 10), offset=(-5, 2), what=ENERGY)
    assert result(one, ENERGY) == 21000
    one = fed([(1000 * i, -100) for i in range(3601)], what=ENERGY)
    assert result(one, ENERGY) == -100000


def test_windows_go_on_where_the_last_one_ended():
    one = aggregate(what=ENERGY | COVERED | COUNT, gap_ms=120000)
    data = bytearray(12)
    found = []
    fields = ((ENERGY, "int32"), (COVERED, "uint32"), (COUNT, "uint32"))
    for i in range(61):
        if i % 10 == 0 and i:
            assert one.close(Clock(), i * 60000 - 30000).put(fields, data, 0) == 12
            found.append([int.from_bytes(data[k : k + 4], "big") for k in (0, 4, 8)])
        one.look(Clock(), 60.0, i * 60000)
    assert found[0] == [9500, 570000, 10] and found[1:] == [[10000, 600000, 10]] * 5


def test_numbers_as_words():
    data = bytearray(8)
    for type_name, number, wanted in (
        ("uint16", 65534, b"\xff\xfe"),
        ("uint16", 65535, b"\xff\xff"),  # would mean "not available", and is
        ("uint16", -1, b"\xff\xff"),
        ("int16", -32768, b"\x80\x00"),
        ("int16", 7.5, b"\x00\x08"),
        ("uint32", 4294967294, b"\xff\xff\xff\xfe"),
        ("int32", None, b"\x80\x00\x00\x00"),
        ("uint64", 1 << 63, b"\x80" + bytes(7)),
        ("int64", 1e30, b"\x80" + bytes(7)),
        ("float32", 230.5, b"\x43\x66\x80\x00"),
    ):
        put(data, 0, type_name, number)
        assert bytes(data[: len(wanted)]) == wanted, (type_name, number, bytes(data))


def test_ratios_and_roots_of_any_size():
    for top, bottom, power in ((1, 3, 0), (10**60, 7 * 10**59, 0), (5, 10**40, 100), (-7, 2, -3), (1 << 90, 3, -80)):
        assert near(ratio(top, bottom, power), top / bottom * 2.0**power), (top, bottom, power)
    for top, bottom, power in ((2, 1, 0), (10**60, 3, -60), (1, 10**12, 10), (1, 1, 0), (3, 4, 1)):
        assert near(root(top, bottom, power), math.sqrt(top / bottom) * 2.0**power), (top, bottom, power)


def test_windows_of_a_box_end_at_whole_minutes_of_utc():
    clear()
    entry = {"name": "w", "point": "m.p", "window_s": 60, "of": ["mean", "count", "energy", "increase"]}
    plant = Plant({"aggregates": [entry]}, {"p": ("uint16", {"unit": "W"})})
    assert UTC_MS % 60000 == 0
    for _ in range(185):
        plant.feed(p=3600)
    found = plant.values("windows")
    ages = [plant.clock.ticks_diff(plant.clock.ticks_ms(), at) for _, _, at in found]
    assert [(plant.clock.utc_ms() - age) % 60000 for age in ages] == [0, 0, 0]
    assert [row["w_count"] for _, row, _ in found] in ([59, 60, 60], [60, 60, 60])
    assert found[1][1] == {"w_mean": 3600.0, "w_count": 60, "w_energy": 60000, "w_increase": 0}
    for _ in range(130):
        plant.feed(quality=1)
    quality, data, _ = plant.values("windows")[-1]
    assert quality == 1 and data is None


def test_mistakes():
    points = {"p": "float32", "q": "uint16"}
    base = {"name": "w", "point": "m.p", "of": ["mean"]}
    for change, line in (
        ({"point": "m.z"}, 'aggregates[0].point: found "m.z", allowed a point as unit.point'),
        ({"of": ["rate"]}, "aggregates[0].of: found rate of a float32, allowed it of a whole number that counts"),
        ({"of": ["mean", "mean"]}, "aggregates[0].of[1]: found mean again, allowed once"),
        ({"of": []}, "aggregates[0].of: found a list of 0, allowed a list of 1..10"),
        ({"window_s": 0}, "aggregates[0].window_s: found 0, allowed a whole number 1..86400"),
    ):
        entry = dict(base)
        entry.update(change)
        errors = ot_of({"aggregates": [entry]}, points).errors
        assert errors == [line], errors


def to_single(value):
    import struct

    return struct.unpack(">f", struct.pack(">f", value))[0]
