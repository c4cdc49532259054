"""The console's check of a candidate: it refuses what the start would refuse, and says what the rest costs."""

import io
import json
import os

from console import checker, expense
from gateway import planning
from gateway.ot import Ot
from ot_half import planned

HEAP_KB = 16000
IT = {
    "format": 1, "owner": "it", "revision": 1, "box": "fg-1",
    "place": {key: "x" for key in ("enterprise", "site", "area", "line", "cell", "asset")},
    "mqtt": {"brokers": [{"host": "broker.plant", "port": 1883}]},
}  # fmt: skip


def point(i, **more):
    found = {"name": "p%d" % i, "fc": 3, "address": i, "type": "uint16"}
    found.update(more)
    return found


def ot_of(points, **more):
    unit = {"name": "plc", "unit_id": 1, "points": points}
    unit.update(more)
    bus = {"name": "line1", "baud": 115200, "units": [unit]}
    return {"format": 1, "owner": "ot", "revision": 1, "buses": [bus]}


def checked(ot, it=IT, sectors=64):
    """(mistakes, costs) by the console."""
    for path in ("config", "config/edit"):
        try:
            os.mkdir(path)
        except OSError:
            pass  # from the test before
    for name, half in (("ot.json", ot), ("it.json", it)):
        with open("config/edit/" + name, "w") as file:
            json.dump(half, file)
    errors, costs = [], []
    for _ in checker.check(1, errors, costs, sectors):
        pass
    return errors, costs


def starts(ot):
    """Whether the start takes it."""
    return start(json.dumps(ot)) == []


def start(text):
    """What the start says to the OT half."""
    errors = []
    planning.make(Ot(io.BytesIO(text.encode()), 1, errors), errors, None, False)
    return errors


def test_what_the_start_refuses_is_told_before():
    long_names = {str(number): "a_word_of_18_bytes" for number in range(18)}
    too_much = [point(i, names=long_names, name="a_name_of_28_characters_%04d" % i) for i in range(9)]
    scattered = [point(0, address=100 * i, name="p%d" % i, period_ms=60000) for i in range(110)]
    for ot, words in (
        (ot_of(too_much), "one read of 9 points needs"),
        (ot_of(scattered), "found 110 reads, allowed 100"),
        (ot_of([point(i, period_ms=20) for i in range(100)], max_registers=2), "of the bus, allowed 100.0 %"),
    ):
        errors, _ = checked(ot)
        assert len(errors) == 1 and words in errors[0], errors
        assert not starts(ot), "the start takes what check refuses: " + words
    errors, _ = checked(ot_of(too_much[:5]))
    assert errors == [] and starts(ot_of(too_much[:5])), errors


def test_mistakes_have_the_words_of_the_start():
    for ot in (
        ot_of([]),
        ot_of([point(0), point(0)]),
        ot_of([point(0, type="uint17")]),
        ot_of([point(0, bits=[3, 2], type="float32")]),
        ot_of([point(0, unit="degrees")]),
        ot_of([point(0)], comm_loss_ms=500),
        ot_of([point(70000)]),
    ):
        errors, _ = checked(ot)
        wanted = start(json.dumps(ot))
        assert len(errors) == 1 and errors == wanted, (errors, wanted)


def test_rules_are_checked_beside_the_points_they_name():
    ot = ot_of([point(0), point(1, type="float32")])
    ot["derived"] = [{"name": "double", "expression": "plc.p0 * 2"}]
    assert checked(ot)[0] == [] and starts(ot)
    ot["derived"] = [{"name": "double", "expression": "plc.nobody * 2"}]
    errors, _ = checked(ot)
    assert len(errors) == 1 and "nobody" in errors[0], errors
    assert not starts(ot)


def test_what_has_no_room_is_refused_with_its_size_and_boards_that_have_it():
    units = [
        {"name": "u%d" % number, "unit_id": number, "points": [point(i, period_ms=60000) for i in range(4)]}
        for number in range(1, 61)
    ]
    ot = ot_of([])
    ot["buses"][0]["units"] = units
    with open("config/edit/ot.json", "w") as file:
        json.dump(ot, file)
    free, expense._free = expense._free, lambda: 30000
    try:
        told = []
        for plans in ([], None):
            errors = []
            for _ in checker.check(1, errors, [], 64, plans):
                pass
            told.append(errors)
        errors = []
        in_use = planned(ot).plans
        for _ in checker.check(1, errors, [], 64, in_use):
            pass
    finally:
        expense._free = free
    (line,) = told[0]  # 60 units of 380, 60 reads of 300 and 240 points of 7 bytes are 42,480
    assert line.startswith("memory: found 60 units, 60 reads, 240 points, which need 13 KB more than it has: "), line
    assert told[1] == []  # a box without a configuration: what is free there says little
    assert errors == []  # it runs already


def test_the_cost_follows_from_the_configuration():
    _, slow = checked(ot_of([point(0, period_ms=1000)]))
    _, fast = checked(ot_of([point(0, period_ms=100)]))
    assert "about 86400 records a day" in slow and "about 864000 records a day" in fast, (slow, fast)
    assert any(["of the bus" in line for line in slow]) and any(["years of wear" in line for line in slow])

    def megabytes(costs):
        (line,) = [line for line in costs if " MB a day to the broker" in line]
        total, own = line.split(" MB")[0].split(" ")[-1], line.split("of that ")[1].split(" ")[0]
        return float(total), float(own)

    # Telemetry: 3328 bytes a minute; each second a reply of 7 bytes and a batch of 120, all at most.
    total, own = megabytes(slow)
    assert abs(own - 3328 * 1440 / 1e6) < 0.1 and abs(total - own - 86400 * (7 + 120) / 1e6) < 0.2, slow
    assert megabytes(fast)[0] > megabytes(slow)[0]
    (memory,) = [line for line in slow if line.startswith("memory:")]
    assert "names" in memory and "columns" in memory and "TLS" not in memory, memory


class Box:
    """Of the gateway what the check asks for."""

    rs485 = 1
    log = plans = None


class Short:
    """`_room` of the checker, which finds too little so many times, each time a few steps later."""

    def __init__(self, times):
        self.times = times
        self.steps = 0

    def __call__(self):
        self.steps += 1
        if self.times and self.steps > 3:
            self.times -= 1
            self.steps = 0
            raise MemoryError
        yield None


def test_a_passing_shortage_of_memory_is_waited_out_once():
    assert checked(ot_of([point(0), point(1)]))[0] == []
    room = checker._room
    outcomes = []
    try:
        for times in (0, 1, 2):
            checker._room = Short(times)
            job = checker.check_box(Box())
            try:
                while True:
                    next(job)
            except StopIteration as end:
                outcomes.append(end.value)
            except MemoryError:
                outcomes.append("none")
    finally:
        checker._room = room
    (errors, costs), again, none = outcomes
    assert errors == again[0] == [] and none == "none", outcomes
    assert again[1][:-1] == costs[:-1] and len(again[1]) == len(costs) > 2, outcomes  # the last line: what is free
