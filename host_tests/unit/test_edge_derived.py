"""Derived points: samples of a virtual group, computed at their period; what is not good stays without a number."""

from edge_plant import Plant, clear, ot_of
from modbus import codes

POINTS = {"p": "float32", "q": "uint16", "c": "uint32"}


def derived(name, expression, **more):
    made = {"name": name, "expression": expression}
    made.update(more)
    return made


def plant_of(*entries, **sections):
    clear()
    sections["derived"] = list(entries)
    return Plant(sections, POINTS)


def test_one_sample_in_each_period_with_the_newest_numbers():
    plant = plant_of(derived("sum", "m.p + m.q"), derived("wide", "m.c * 2", type="uint32", period_ms=500))
    for i in range(6):
        plant.feed(p=1.5 * i, q=i, c=1 << 30)
    found = plant.values("derived", 1000)
    assert [quality for quality, _, _ in found] == [codes.NOT_ASKED] + [0] * (len(found) - 1)
    assert [row["sum"] for _, row, _ in found[1:]] == [2.5 * i for i in range(len(found) - 1)]
    ticks = [at for _, _, at in found]
    steps = [plant.clock.ticks_diff(after, before) for before, after in zip(ticks, ticks[1:])]
    assert max(steps) <= 1050 and min(steps) >= 950 and len(found) in (6, 7)
    fast = plant.values("derived", 500)
    assert len(fast) in (12, 13) and fast[-1][1] == {"wide": 2147483648}


def test_one_may_be_made_of_those_before_it():
    plant = plant_of(derived("a", "m.q * 2"), derived("b", "derived.a + 1", type="uint16"))
    plant.feed(q=20)
    plant.run(1)
    assert plant.values("derived")[-1][1] == {"a": 40.0, "b": 41}
    errors = ot_of({"derived": [derived("b", "derived.a + 1"), derived("a", "m.q")]}, POINTS).errors
    assert errors == ['derived[0].expression: column 1: found "derived.a", allowed a point as unit.point']


def test_a_number_that_is_not_good_is_not_available_and_all_of_them_a_failed_sample():
    rest = [derived("n", "m.q", type="uint16"), derived("s", "m.q - 3", type="uint16")]
    plant = plant_of(derived("r", "m.p / m.q"), *rest)
    plant.feed(p=1.0, q=0)
    plant.run(1)
    assert plant.values("derived")[-1][:2] == (0, {"r": None, "n": 0, "s": None})  # -3 does not fit a uint16
    plant.feed(quality=codes.TIMEOUT)
    plant.run(1)
    assert plant.values("derived")[-1][:2] == (codes.TIMEOUT, None)
    plant.feed(p=float("nan"), q=5)
    plant.run(1)
    assert plant.values("derived")[-1][1] == {"r": None, "n": 5, "s": 2}
    plant.run(10)  # nothing was polled for so long: old numbers are not current
    assert plant.values("derived")[-1][:2] == (codes.STALE, None)


def test_alarms_and_aggregates_see_derived_points():
    entry = {"name": "hot", "point": "derived.twice", "kind": "high", "limit": 10}
    window = {"name": "tw", "point": "derived.twice", "window_s": 10, "of": ["max", "count"]}
    plant = plant_of(derived("twice", "m.q * 2", unit="A"), alarms=[entry], aggregates=[window])
    for _ in range(4):
        plant.feed(q=6)
    assert [text for _, text in plant.events()] == ["hot: 12"]
    for _ in range(10):
        plant.feed(q=4)
    assert plant.listed()["listed"] == 0
    (quality, row, _) = plant.values("windows")[0]
    assert quality == 0 and row["tw_max"] == 12.0 and row["tw_count"] in (9, 10)


def test_a_derived_point_may_have_a_deadband():
    plant = plant_of(derived("d", "m.q", type="uint16", deadband=2, heartbeat_s=30))
    for i in range(20):
        plant.feed(q=100 + i % 2)
    good = [row for quality, row, _ in plant.values("derived") if quality == 0]
    assert len(good) == 1 and plant.edge.suppressed >= 17


def test_mistakes():
    for entry, line in (
        (derived("d", "m.q +"), 'derived[0].expression: found "m.q +", allowed an expression: column 6: found the end'),
        (derived("d", "m.q", type="float64"), "derived[0].type: found "),
        (derived("d", "m.q", period_ms=10), "derived[0].period_ms: found 10, allowed a whole number 100..86400000"),
        (derived("d", "m.q", heartbeat_s=10), "derived[0].heartbeat_s: found without deadband, allowed beside"),
    ):
        errors = ot_of({"derived": [entry]}, POINTS).errors
        assert len(errors) == 1 and line in errors[0], errors


def test_rules_may_name_what_is_published_of_the_machine():
    machine = {"states": [{"state": "running", "when": "m.q > 0"}]}
    rule = {"name": "w", "point": "m.p", "state": "machine.state", "learn_s": 60}
    errors = ot_of({"machine": machine, "anomaly": [rule]}, POINTS).errors
    assert errors == [], errors
    errors = ot_of({"anomaly": [rule]}, POINTS).errors
    assert errors == ['anomaly[0].state: found "machine.state", allowed a point as unit.point']
