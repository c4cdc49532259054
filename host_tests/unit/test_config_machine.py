"""The section "machine" of ot.json: what is accepted, and one clear line for each mistake."""

from gateway import edge_cost
from ot_half import Half

SHIFT = {"name": "early", "days": [1, 2, 3, 4, 5], "start": "06:00", "end": "14:00"}
MACHINE = {
    "states": [
        {"state": "fault", "when": "plc.word & 2"},
        {"state": "running", "when": "plc.word & 1 and plc.speed > 10.5"},
    ],
    "noticed": "not plc.word & 4",
    "cycles": "plc.cycles",
    "zone": "CET-1CEST,M3.5.0,M10.5.0/3",
    "shifts": [SHIFT],
    "planned": [{"from": "2026-12-24 06:00", "to": "2027-01-04 06:00"}],
}
POINTS = [("word", "uint16", 0), ("speed", "float32", 1), ("cycles", "uint32", 3), ("count", "int16", 5)]


def ot(**changes):
    machine = dict(MACHINE)
    machine.update(changes)
    points = [{"name": name, "fc": 3, "address": address, "type": kind} for name, kind, address in POINTS]
    units = [{"name": "plc", "unit_id": 4, "points": points}]
    return {"format": 1, "owner": "ot", "revision": 1, "buses": [{"name": "line1", "units": units}], "machine": machine}


def lines(tree):
    return Half(tree).errors


def test_the_example_is_accepted():
    assert lines(ot()) == []


def test_each_mistake_is_one_line_with_place_found_and_allowed():
    for changes, where, found in (
        ({"states": []}, "machine.states", "a list of 0"),
        ({"states": [{"state": "broken", "when": "plc.word"}]}, "machine.states[0].state", '"broken"'),
        ({"states": [{"state": "fault", "when": "plc.ward"}]}, "machine.states[0].when", '"plc.ward"'),
        ({"states": [{"state": "fault", "when": "plc.word &"}]}, "machine.states[0].when", '"plc.word &"'),
        ({"states": [{"state": "fault", "when": "plc.speed & 1"}]}, "machine.states[0].when", "of type float32"),
        ({"noticed": "word"}, "machine.noticed", '"word"'),
        ({"cycles": "plc.count"}, "machine.cycles", "plc.count of type int16"),
        ({"zone": "Europe/Berlin"}, "machine.zone", '"Europe/Berlin"'),
        ({"day_start": "6:00"}, "machine.day_start", '"6:00"'),
        ({"shifts": [dict(SHIFT, end="24:30")]}, "machine.shifts[0].end", '"24:30"'),
        ({"shifts": [dict(SHIFT, days=[0])]}, "machine.shifts[0].days[0]", "0"),
        ({"planned": [{"from": "2026-13-01 00:00", "to": "2027-01-01 00:00"}]}, "machine.planned[0].from", "2026-13"),
        ({"checkpoint_s": 5}, "machine.checkpoint_s", "5"),
        ({"ideal_cycle": 5}, "machine.ideal_cycle", "unknown key"),
    ):
        told = lines(ot(**changes))
        assert len(told) == 1, (changes, told)
        assert told[0].startswith(where + ":") and found in told[0], told


def test_points_with_a_deadband_are_refused_and_derived_ones_are_known():
    tree = ot()
    tree["buses"][0]["units"][0]["points"][0]["deadband"] = 1
    told = lines(tree)
    assert told and "deadband" in told[0], told
    tree = ot(states=[{"state": "running", "when": "derived.presses == 1"}])
    assert len(lines(tree)) == 1
    tree["derived"] = [{"name": "presses", "expression": "plc.speed > 3", "type": "uint16"}]
    assert lines(tree) == []


def test_check_says_what_the_code_takes():
    told = [line.split(":")[0] for line in edge_cost.lines({"machine": 1, "attribution": 1, "alarms": 0})]
    assert told == ["attribution", "machine"]
