"""A configuration goes from box to box as text: what `dump` prints, pasted into a box with another configuration."""

import json
import os

from console import edit
from console.verbs import Refused
from gateway import revisions

OT = {
    "format": 1,
    "owner": "controls team",
    "revision": 1,
    "buses": [
        {"name": "line1", "port": 1, "baud": 9600, "serial_format": "8N1", "identify": True, "units": [
            {"name": "meter", "unit_id": 1, "functions": [3, 4], "holes": [{"fc": 3, "address": 5, "count": 2}],
             "points": [{"name": "voltage", "fc": 4, "address": 0, "type": "float32", "scale": 0.1, "unit": "x:kV a"},
                        {"name": "current", "fc": 4, "address": 2, "type": "float32", "unit": "A"}]},
            {"name": "drive", "unit_id": 3, "points": [{"name": "speed", "fc": 3, "address": 7, "type": "int16"}]}]},
        {"name": "line2", "baud": 4800, "units": [
            {"name": "plc", "unit_id": 1, "points": [{"name": "good", "fc": 3, "address": 0, "type": "uint32"}]}]},
    ],
}  # fmt: skip
IT = {
    "format": 1,
    "owner": "it",
    "revision": 1,
    "box": "fg-0002",
    "place": {"enterprise": "acme", "site": "lyon north"},
    "network": {"wifi": [{"ssid": "plant", "key": "secret"}, {"ssid": "hall 2", "key": None}], "country": "FR"},
    "mqtt": {"brokers": [{"host": "a.example", "port": 8883, "tls": {"ca": "ca.der"}}, {"host": "10.0.0.2"}]},
}
OTHER_OT = {"format": 1, "owner": "maker", "revision": 1, "buses": [
    {"name": "test", "units": [{"name": "x", "unit_id": 9, "points": [
        {"name": "y", "fc": 1, "address": 0, "type": "bool"}]}]}]}  # fmt: skip
OTHER_IT = {"format": 1, "owner": "maker", "revision": 1, "box": "new", "mqtt": {"brokers": [{"host": "x"}]}}


class Shell:
    rs485 = 2  # ports

    def __init__(self):
        self.gateway = self

    def need(self, half):
        pass

    def who(self):
        return "test"


def put(ot, it):
    revisions.forget_candidate()
    for name, tree in (("ot.json", ot), ("it.json", it)):
        with open(name, "w") as file:
            json.dump(tree, file)


def typed(line):
    words = line.split()
    return list(getattr(edit, words[0])(Shell(), words[1:]))


def candidate(half):
    with open("%s/%s.json" % (revisions.EDIT, half)) as file:
        return json.load(file)


def by_name(tree):
    # Lists in the order of names, so that trees can be compared.
    if isinstance(tree, dict):
        return {key: by_name(value) for key, value in tree.items()}
    if isinstance(tree, list):
        items = [by_name(item) for item in tree]
        named = items and isinstance(items[0], dict) and "name" in items[0]
        return sorted(items, key=lambda item: item["name"]) if named else items
    return tree


def test_a_dump_pasted_into_another_box_gives_the_same():
    put(OT, IT)
    lines = [line for line in edit.dump(Shell(), []) if line.startswith("set ")]
    put(OTHER_OT, OTHER_IT)
    typed("unset test")
    for line in lines:
        typed(line)
    assert by_name(candidate("ot")) == by_name(OT), candidate("ot")
    wanted = json.loads(json.dumps(IT))
    del wanted["network"]["wifi"][0]["key"]  # a secret is left out
    assert candidate("it") == wanted, candidate("it")


def test_what_is_added_by_one_line_has_its_name():
    put(OT, IT)
    typed("set line1.+pump.+flow.fc 3")
    typed("set +line3.+fan.+rpm.address 4")
    buses = candidate("ot")["buses"]
    assert buses[0]["units"][2] == {"name": "pump", "points": [{"name": "flow", "fc": 3}]}
    assert buses[2] == {"name": "line3", "units": [{"name": "fan", "points": [{"name": "rpm", "address": 4}]}]}


def test_without_the_plus_nothing_is_added():
    put(OT, IT)
    for line in ("set line9.baud 9600", "set line1.pump.unit_id 4", "set line1.meter.power.fc 3"):
        try:
            typed(line)
        except Refused as error:
            assert "to add it" in error.text
        else:
            raise AssertionError(line)
    try:
        typed("set line1.metr.unit_id 4")
    except Refused as error:
        assert error.text == "there is no metr: did you mean meter, or type +metr to add it", error.text
    if revisions.has_candidate():
        assert not os.stat(revisions.CHANGES)[6]


def test_load_takes_sound_json_with_the_right_half_only():
    put(OT, IT)
    for text, said in (
        ("5", "has no buses"),
        ('"buses"', "has no buses"),
        ("[1, 2", "is not JSON"),
        ('{"buses": [], "buses": []}', "has a key twice"),
        ('{"buses": [1 2]}', "is not JSON"),
        ('{"mqtt": {}}', "is it the OT half?"),
    ):
        with open("new.json", "w") as file:
            file.write(text)
        try:
            typed("load ot new.json")
        except Refused as error:
            assert said in error.text, (text, error.text)
        else:
            raise AssertionError(text)
    with open("new.json", "w") as file:
        json.dump(OT, file)
    typed("load ot new.json")
    assert candidate("ot") == OT
