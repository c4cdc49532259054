"""The console's JSON files: found, shown and changed by scanning, compared with json on the whole file."""

import io
import json

from console import jsonfile, strict
from console.jsonfile import NotFound, Scanner

TEXT = (
    '{"format": 1, "owner": "contr\u00f6ls \\"x\\" \\\\ }", "buses": [{"name": "line1", "baud": 19200, "units": ['
    '{"name": "meter", "unit_id": 1}, {"unit_id": 2, "name": "vfd"}]}, {"name": "line2", "units": [], "empty": {}}], '
    '"numbers": [1, -2.5, true, null]}'
)
TREE = json.loads(TEXT)
TEXTS = (TEXT, TEXT.replace(", ", " ,\n\t").replace("{", "{\r\n "))


def opened(text):
    return io.BytesIO(text.encode())


def place_of(text, path):
    scan = Scanner(opened(text))
    place = jsonfile.find(scan, path)
    return scan, place


def at(tree, path):
    for step in path:
        if isinstance(tree, list) and isinstance(step, str):
            tree = [item for item in tree if item.get("name") == step][0]
        else:
            tree = tree[step]
    return tree


def changed(text, start, end, new):
    out = io.BytesIO()
    jsonfile.splice(opened(text), out, start, end, new)
    return json.loads(out.getvalue())


PATHS = (
    ["format"],
    ["owner"],
    ["buses"],
    ["buses", "line1", "units", "vfd", "unit_id"],
    ["buses", 0, "units", 1],
    ["buses", "line2", "empty"],
    ["numbers", 3],
    [],
)


def test_find_gives_the_value():
    for text in TEXTS:
        for path in PATHS:
            scan, place = place_of(text, path)
            found = json.loads(jsonfile.text_of(scan, place.start, place.end))
            assert found == at(TREE, path), (path, found)


def test_replace_changes_that_value_only():
    for text in TEXTS:
        for path in PATHS[:-1]:
            _, place = place_of(text, path)
            tree = changed(text, place.start, place.end, '"new"')
            wanted = json.loads(text)
            at(wanted, path[:-1])[path[-1]] = "new"
            assert tree == wanted, path


def test_remove_leaves_sound_json():
    for text in TEXTS:
        for path in (
            ["format"],
            ["numbers"],
            ["owner"],
            ["buses", "line1"],
            ["buses", 1],
            ["numbers", 3],
            ["numbers", 0],
        ):
            _, place = place_of(text, path)
            start, end = place.item, place.end
            if place.right >= 0:
                end = place.right + 1
            elif place.left >= 0:
                start = place.left
            wanted = json.loads(text)
            inner = at(wanted, path[:-1])
            del inner[path[-1] if not isinstance(inner, list) else inner.index(at(wanted, path))]
            assert changed(text, start, end, "") == wanted, path


def test_what_is_not_there_says_how_far_it_came():
    for text in TEXTS:
        for path, depth, empty in (
            (["nothing"], 0, False),
            (["buses", "line3"], 1, False),
            (["buses", "line2", "units", "x"], 3, True),
            (["buses", "line2", "empty", "x"], 3, True),
            (["format", "x"], 1, True),
        ):
            try:
                place_of(text, path)
            except NotFound as error:
                assert (error.depth, not error.count) == (depth, empty), (path, error.depth, error.count)
                if error.end >= 0:
                    new = '"k":1' if error.kind == 123 else "7"
                    changed(text, error.end, error.end, new if empty else "," + new)
            else:
                raise AssertionError(path)


def test_leaves_are_all_plain_values_in_order():
    scan, place = place_of(TEXTS[1], ["buses"])
    assert list(jsonfile.leaves(scan, place)) == [
        ("line1.name", '"line1"'),
        ("line1.baud", "19200"),
        ("line1.units.meter.name", '"meter"'),
        ("line1.units.meter.unit_id", "1"),
        ("line1.units.vfd.unit_id", "2"),
        ("line1.units.vfd.name", '"vfd"'),
        ("line2.name", '"line2"'),
    ]


def test_a_file_that_ends_early_is_an_error_not_a_hang():
    text = TEXTS[0]
    for end in range(1, len(text.encode()), 7):
        scan = Scanner(io.BytesIO(text.encode()[:end]))
        try:
            jsonfile.find(scan, ["numbers", 3])
        except (ValueError, NotFound):
            pass


def test_items_of_what_is_no_container_or_ends_early_come_to_an_end():
    for text in ("5", "[1, 2", "[", '"a"', ""):
        scan = Scanner(opened(text))
        try:
            for number, _ in enumerate(jsonfile.items(scan)):
                assert number < 10, text
        except ValueError:
            pass


def test_a_strict_reader():
    for text, sound in (
        (TEXT, True), ("[]", True), ("{}", True), (' {"a": [1, -0.5e+3, 0, 10, 1E2, true, false, null, ""]}\n', True),
        ('{"a": "\\u00e9\\n\\\\"}', True), ("5", True), ("", False), ("{", False), ("[1 2]", False), ("[1,]", False),
        ("[,1]", False), ('{"a" 1}', False), ('{"a": 1, "a": 2}', False), ('{"a": 1,}', False), ("{1: 2}", False),
        ("[01]", False), ("[+1]", False), ("[1.]", False), ("[.5]", False), ("[1e]", False), ("[-]", False),
        ("[nul]", False), ("[NaN]", False), ("[Infinity]", False), ('["\\x"]', False), ('["\\u12"]', False),
        ('["a\nb"]', False), ('["\\ud800"]', False), ("[1]]", False), ("[1] x", False), ("'a'", False),
        ("[" * 12 + "]" * 12, True), ("[" * 13 + "]" * 13, False), ("[" * 5000, False), ('{"a"', False), ('"a', False),
    ):  # fmt: skip
        with open("strict.json", "wb") as file:
            file.write(text.encode())
        try:
            for _ in strict.check("strict.json"):
                pass
            found = True
        except ValueError:
            found = False
        assert found == sound, text
