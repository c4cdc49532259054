"""The console's check goes through the rules of a candidate unit by unit and says what they cost; keys lead to them."""

import json
import os

from console import checker, keys
from gateway import revisions
from gateway.edge_cost import lines as cost_lines

POINTS = [
    {"name": "t", "fc": 3, "address": 0, "type": "int16", "scale": 0.1, "deadband": 0.5},
    {"name": "n", "fc": 3, "address": 1, "type": "uint16"},
]
IT = {
    "format": 1, "owner": "it", "revision": 1, "box": "fg-1", "mqtt": {"brokers": [{"host": "10.0.0.1"}]},
    "place": {key: "x" for key in ("enterprise", "site", "area", "line", "cell", "asset")},
}  # fmt: skip


def checked(**sections):
    """(mistakes, costs) of a candidate with these rules."""
    unit = {"name": "m", "unit_id": 1, "points": POINTS}
    ot = {"format": 1, "owner": "o", "revision": 1, "buses": [{"name": "line1", "units": [unit]}]}
    ot.update(sections)
    for folder in (revisions.EDIT[: revisions.EDIT.rfind("/")], revisions.EDIT):
        try:
            os.mkdir(folder)
        except OSError:
            pass
    for name, tree in (("ot.json", ot), ("it.json", IT)):
        with open(revisions.EDIT + "/" + name, "w") as file:
            file.write(json.dumps(tree))
    errors, costs = [], []
    for _ in checker.check(1, errors, costs):
        pass
    return errors, costs


ALARM = {"name": "hot", "point": "m.t", "kind": "high", "limit": 80}


def test_right_rules_cost_bytes_by_feature():
    derived = {"name": "twice", "expression": "m.n * 2"}
    errors, costs = checked(alarms=[ALARM], derived=[derived])
    assert errors == [], errors
    told = [line for line in costs if line.startswith("  ")]
    assert [line.split(":")[0] for line in told] == ["  alarms", "  deadband", "  derived"], costs
    assert [line.split(": ")[1].split(",")[0] for line in told] == ["1", "1", "1"]


def test_mistakes_are_those_of_the_start():
    for sections, wanted in (
        ({"alarms": [dict_with(ALARM, point="m.x")]}, 'alarms[0].point: found "m.x", allowed a point as unit.point'),
        ({"alarms": [dict_with(ALARM, kind="hot")]}, 'alarms[0].kind: found "hot", allowed "high" or "low"'),
        ({"derived": [{"name": "d", "expression": "m.n +"}]}, 'derived[0].expression: found "m.n +", allowed an'),
        ({"aggregates": [{"name": "d", "point": "m.t", "of": ["sum"]}]}, 'aggregates[0].of[0]: found "sum", allowed'),
    ):
        errors, _ = checked(**sections)
        assert len(errors) == 1 and errors[0].startswith("ot.json: " + wanted), errors


def test_no_rules_cost_nothing():
    POINTS[0].pop("deadband")
    _, costs = checked()
    POINTS[0]["deadband"] = 0.5
    assert not [line for line in costs if "rules" in line]
    assert list(cost_lines({"alarms": 0})) == []


def test_keys_lead_to_rules():
    key = keys.find("alarms.hot.limit")
    assert key.path == ["alarms", "hot", "limit"] and keys.parse("81.5", key.rule, "alarms.hot.limit") == (81.5, None)
    assert keys.find("line1.m.t.deadband").default is None
    assert keys.find("alarms.+cold.kind").new == 2


def dict_with(entry, **more):
    made = dict(entry)
    made.update(more)
    return made
