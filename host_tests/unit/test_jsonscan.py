"""A JSON file read value by value gives what reading it whole gives, wherever its blocks end."""

import io
import json

from gateway import jsonscan
from gateway.jsonscan import NotJson, Scanner
from ot_half import Half

ODD = ["", 'quote " and \\ and }]', "\u00b0C \u00fc", "x" * 700, -1.5, 10**9, True, None, [], {}, [[1, [2]], {"a": []}]]


def opened(text):
    return Scanner(io.BytesIO(text.encode()))


def texts_of(tree):
    plain = json.dumps(tree)
    return plain, plain.replace(", ", " ,\n\t").replace(": ", " : ")


def test_items_of_a_list_come_one_by_one():
    for pad in range(0, 300, 7):  # so that blocks and batches end at every kind of place
        items = ["p" * pad] + ODD + [{"name": "n%d" % i, "of": ODD} for i in range(5)]
        for text in texts_of(items):
            scan = opened(text)
            assert list(scan.values(0)) == json.loads(text), (pad, text[:80])
            scan.end()
    for text in ("[]", "[ ]", "[\n]"):
        assert list(opened(text).values(0)) == []


def test_an_object_comes_without_the_list_that_is_left_out():
    for pad in range(0, 300, 7):
        for inner in ([], [1] * 400, ODD):
            tree = {"a": "p" * pad, "list": inner, "b": ODD}
            for text in texts_of(tree):
                scan = opened(text)
                found = {}
                for key, place in jsonscan.items(scan):
                    scan.skip()
                    found[key] = (place.start, scan.tell())
                assert sorted(found) == ["a", "b", "list"]
                scan.rewind()
                without = scan.value(0, *found["list"])
                assert without == dict(json.loads(text), list=[])
                assert scan.value(*found["b"][:1]) == json.loads(text)["b"]


def test_what_is_no_json_names_its_line():
    good = (
        '{"format": 1, "owner": "o", "revision": 1,\n "buses": [\n  {"name": "l", "units": [\n   {"name": "u",\n'
        '    "unit_id": 1, "points": [\n     {"name": "p", "fc": 3, "address": 1, "type": "uint16"},\n'
        '     {"name": "q", "fc": 3, "address": 2, "type": "uint16"}]}]}]\n}\n'
    )
    assert Half(good).errors == []
    for line, wrong in (
        (1, good.replace("1,", "one,", 1)),
        (3, good.replace('"l"', "l")),
        (5, good.replace('"unit_id": 1', '"unit_id": x1')),
        (6, good.replace('"address": 1', '"address": x')),
        (7, good.replace('"address": 2', '"address": ]')),
        (7, good.replace("}]}]}]\n", "}}}]}]\n")),
        (9, good + "x"),
        (1, "["),
        (1, ""),
    ):
        assert Half(wrong).errors == ["line %d: not valid JSON" % line], (line, Half(wrong).errors)


def test_a_bracket_of_the_other_kind_ends_it():
    """Found by the soak: such a list had items without end."""
    for text in ("[}", '{"a": ]}', "[1 2]", "[1, }", '{"a": 1]', "[[1}"):
        try:
            for count, _ in enumerate(jsonscan.items(opened(text))):
                assert count < 9, text
        except NotJson:
            continue
        raise AssertionError(text)


def test_too_many_brackets_and_a_cut_file_are_told():
    for text in ("[" * 300, '{"a": [1, "b', '"\\', "[1"):
        try:
            scan = opened(text)
            scan.skip()
            scan.end()
        except NotJson:
            continue
        raise AssertionError(text[:20])
