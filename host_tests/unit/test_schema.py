"""Schemas: equal configurations give equal ids, old meanings are kept, their number is bounded."""

import json
import os

from gateway import layouts, schema, schema_store, words
from modbus import codes
from uplink.points import layout_of

FOLDER = "schema-under-test"
POINT = {
    "name": "voltage",
    "fc": 4,
    "address": 6,
    "type": "float32",
    "order": "ABCD",
    "scale": 0.1,
    "offset": 0,
    "unit": "V",
    "period_ms": 1000,
}


def _store(*texts):
    return schema_store.store(lambda: texts, FOLDER)


def _text(period_ms=1000):
    return schema_store.group_text("line1", "meter", 1, 0, 4, 2, 14, period_ms, [POINT])


def _empty():
    if FOLDER in os.listdir():
        for name in os.listdir(FOLDER):
            os.remove(FOLDER + "/" + name)


def test_a_line_is_json_with_all_that_a_consumer_needs():
    _empty()
    texts = [_text()]
    kept = _store(*texts)
    lines = list(schema.lines(kept, FOLDER))
    assert len(lines) == 1
    assert json.loads(lines[0]) == {
        "format": 1,
        "schema": schema.hex_of(kept),
        "group": 0,
        "bus": "line1",
        "unit": "meter",
        "unit_id": 1,
        "fc": 4,
        "address": 2,
        "count": 14,
        "period_ms": 1000,
        "points": [
            {"name": "voltage", "at": 4, "type": "float32", "order": "ABCD", "scale": 0.1, "offset": 0, "unit": "V"}
        ],
    }


def test_the_bytes_are_the_same_on_every_runtime():
    assert _text() == (
        '"group":0,"bus":"line1","unit":"meter","unit_id":1,"fc":4,"address":2,"count":14,"period_ms":1000,'
        '"points":[{"name":"voltage","at":4,"type":"float32","order":"ABCD","scale":0.1,"offset":0,"unit":"V"}]'
    )
    _empty()
    assert schema.hex_of(_store(_text())) == "ea9d0afd"  # sha256sum of that line


def test_what_few_points_have_follows_in_a_fixed_order():
    names = {"10": "fault, or not", "-1": "?", "2": 'a "b"'}
    point = dict(POINT, type="int16", names=names, high=10.5, low=-3, na=[-32768, "ff"], scale_from="sf")
    text = schema_store.group_text("line1", "meter", 1, 0, 4, 2, 14, 1000, [point])
    assert text[text.index('"unit":"V"') :] == (
        '"unit":"V","scale_from":"sf","scale_as":"exponent","na":[-32768, "ff"],"low":-3,"high":10.5,'
        '"names":{"-1":"?","2":"a \\"b\\"","10":"fault, or not"}}]'
    )
    bits = dict(POINT, type="uint16", bits=[3, 4])
    assert schema_store.group_text("l", "u", 1, 0, 4, 2, 14, 1000, [bits]).endswith('"unit":"V","bits":[3, 4]}]')


def test_old_schemas_are_kept_up_to_the_bound_and_the_newest_survive():
    _empty()
    ids = [_store(_text(1000 + i)) for i in range(schema_store.MAX_SCHEMAS + 3)]
    assert len(os.listdir(FOLDER)) == schema_store.MAX_SCHEMAS
    for old in ids[:3]:
        assert list(schema.lines(old, FOLDER)) == []
    for kept in ids[3:]:
        assert len(list(schema.lines(kept, FOLDER))) == 1


def test_a_schema_that_comes_back_is_the_newest_again():
    _empty()
    first = _store(_text(1))
    for i in range(schema_store.MAX_SCHEMAS - 1):
        _store(_text(1000 + i))
    assert _store(_text(1)) == first
    assert _store(_text(1)) == first
    for i in range(schema_store.MAX_SCHEMAS - 1):
        _store(_text(2000 + i))
    assert len(list(schema.lines(first, FOLDER))) == 1


def test_a_damaged_file_is_not_believed_and_is_mended_when_it_is_in_use():
    _empty()
    texts = [_text(), _text(500)]
    kept = _store(*texts)
    (name,) = os.listdir(FOLDER)
    with open(FOLDER + "/" + name, "rb") as file:
        good = file.read()
    for bad in (b"", good[:100], good.replace(b"1000", b"1001"), good + b"x", bytes(300)):
        (name,) = os.listdir(FOLDER)
        with open(FOLDER + "/" + name, "wb") as file:
            file.write(bad)
        assert list(schema.lines(kept, FOLDER)) == []
        assert _store(*texts) == kept
        assert len(list(schema.lines(kept, FOLDER))) == 2


def test_between_the_steps_lies_little_work():
    """Long lines: what is hashed or read in one step is a piece, and the lines come out whole."""
    _empty()
    points = [dict(POINT, name="p%d" % i, unit="m\u00b3/h") for i in range(60)]
    texts = [schema_store.group_text("line1", "meter", 1, group, 4, 2, 125, 1000, points) for group in range(3)]
    kept = _store(*texts)
    steps = list(schema.steps(kept, FOLDER))
    assert [line for line in steps if line] == [schema.head(kept) + text + "}" for text in texts]
    hashed = sum([len(text.encode()) for text in texts])
    assert len([step for step in steps if not step]) >= hashed // 1024


def test_layouts_are_learned_point_by_point():
    _empty()
    wide = [dict(POINT, type="uint64"), dict(POINT, type="uint16", address=20, bit=3)]
    wide += [dict(wide[1], name="other", bit=4), dict(POINT, type="int16", address=30, unit='},{"name":"', scale=2)]
    wide.append(dict(wide[3], address=31, names={"1": '"points":[{"name":"}],"deadband":{"'}))
    quiet = [dict(POINT, deadband=1), dict(POINT, name="b", address=8, unit='}],"deadband":{"', deadband_percent=5)]
    groups = ([POINT], wide, quiet)
    texts = [schema_store.group_text("l", "u", 1, i, 4, 2, 60, 1000, points) for i, points in enumerate(groups)]
    found = {}
    steps = 0
    for line in schema.lines(_store(*texts), FOLDER):
        for _ in layouts.learn(line, found):
            steps += 1
        meta = json.loads(line)
        assert found[meta["group"]] == layout_of(meta["points"]), line
    assert steps == 1 + 5 + 2 and len(found[1]) == 5


def test_an_unknown_schema_has_no_lines():
    assert list(schema.lines(b"\x00\x01\x02\x03", "no-such-folder")) == []


def test_the_glossary_is_json_and_names_every_code():
    glossary = json.loads(words.glossary())
    assert glossary["quality"][str(codes.EXCEPTION + 2)] == "illegal_data_address"
    assert glossary["event"][str(words.LOG_DAMAGED)] == "log_damaged"
    assert glossary["event"][str(codes.READ_SPLIT)] == "read_split"
