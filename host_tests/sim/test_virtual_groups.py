"""Virtual groups, what the box computes by itself: numbers apart from all polled groups, through log and publisher
like a read of a unit, and in the schema after every split."""

import json
import os

from batch_reader import samples
from gateway import schema, schema_store, splits, virtual
from gateway.errors import ConfigError
from gateway.latest import Latest
from gateway.recorder import columns_of
from ot_half import planned
from records_box import UTC_MS, Box, clear_schemas

POINTS = [virtual.point("power", 0, "float32", "W"), virtual.point("energy", 2, "uint32", "Wh", 0.1)]
POINTS.append(virtual.point("state", 4, "uint16"))


def ot_of(buses=1, points=4, gap=8):
    made = []
    for bus in range(buses):
        listed = [
            {"name": "p%d" % i, "fc": 3, "address": 2 * i, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0}
            for i in range(points)
        ]
        for point in listed:
            point.update({"unit": "", "period_ms": 10000, "priority": 1})
        unit = {"name": "plc%d" % bus, "unit_id": 4, "max_gap": gap, "points": listed}
        made.append({"name": "line%d" % bus, "port": bus, "baud": 115200, "serial_format": "8N1", "units": [unit]})
        made[-1]["max_busy_percent"] = 100
    return {"format": 1, "owner": "o", "revision": 1, "buses": made}


class Wanting:
    """As long as it is entered, every configuration wants these virtual groups."""

    def __init__(self, *groups):
        self._groups = list(groups)

    def __enter__(self):
        self._before = virtual.wanted, virtual.count
        virtual.wanted = lambda _ot: self._groups
        virtual.count = lambda _ot: len(self._groups)

    def __exit__(self, *_):
        virtual.wanted, virtual.count = self._before


def test_a_virtual_group_looks_like_a_read_with_function_code_0():
    (read,) = virtual.numbered([("machine", 5000, POINTS)])
    text = schema_store.read_text(virtual.BUS, read, read.points)
    assert text.startswith(
        '"group":254,"bus":"box","unit":"machine","unit_id":0,"fc":0,"address":0,"count":5,"period_ms":5000,"points":['
        '{"name":"power","at":0,"type":"float32","order":"ABCD","scale":1,"offset":0,"unit":"W"},{"name":"energy","at":2,'
    )


def test_numbers_are_never_those_of_polled_groups_even_after_all_splits():
    for buses in (1, 2):
        for count in (0, 1, virtual.MAX_VIRTUAL):
            clear_splits()
            with Wanting(*[("u%d" % i, 1000, POINTS) for i in range(count)]):
                made = planned(ot_of(buses, 200, 100))
                mine = [read.group for read in made.computed]
                plans = made.plans
            assert mine == list(range(255 - count, 255))
            taken = set(mine)
            for plan in plans:
                while any([plan.split(read) is not None for read in list(plan.reads) if read.active]):
                    pass
                for read in plan.reads:
                    assert read.group not in taken
                    taken.add(read.group)
            assert max(taken) <= 254
            assert 254 - len(taken) <= 2 * buses  # a split takes two numbers: none is wasted


def test_100_reads_and_10_splits_of_each_of_two_buses_find_numbers_beside_all_virtual_groups():
    clear_splits()
    with Wanting(*[("u%d" % i, 1000, POINTS) for i in range(virtual.MAX_VIRTUAL)]):
        for plan in planned(ot_of(2, 100, 0)).plans:
            assert len(plan.reads) == 100 and plan.end_group - plan.first_group >= 119


def test_too_many_or_too_large_groups_are_refused_in_one_line():
    for groups, wanted in (
        ([("u", 1000, POINTS)] * 17, "ot.json: found 17 groups of values that the box computes, allowed 16: "),
        ([("u", 1000, [virtual.point("p", 125, "uint32")])], "found 127 registers of values that the box computes"),
    ):
        try:
            virtual.numbered(groups)
        except ConfigError as error:
            assert len(error.lines) == 1 and wanted in error.lines[0], error.lines
        else:
            raise AssertionError


def test_samples_reach_the_broker_and_the_latest_values_bit_for_bit():
    box = Box()
    (read,) = virtual.numbered([("machine", 5000, POINTS)])
    box.schema = schema_store.store(lambda: [schema_store.read_text(virtual.BUS, read, read.points)])
    box.recorder.change_schema(box.schema)
    box.recorder.know({read.group: columns_of(read)})
    box.session.known = box.publisher._taught = True  # the glossary is not the point here
    box.publisher.greet("{}", box.schema)
    latest = Latest(schema.lines(box.schema))
    box.recorder.mark_time()
    sent = []
    for value in range(30):
        box.clock.advance_ms(100)
        data = bytearray(10)
        data[0:4] = b"\x43\x66\x19\x9a" if value % 3 else b"\x7f\xc0\x00\x00"  # 230.1, or NaN
        data[4:8] = (0xFFFFFFF0 + value & 0xFFFFFFFF).to_bytes(4, "big")
        data[9] = value
        quality = 0 if value % 5 else 1
        for take in (box.recorder.sample, latest.note):
            take(254, quality, box.uptime.update(), data, 10)
        words = [int.from_bytes(data[0:4], "big"), int.from_bytes(data[4:8], "big"), value]
        sent.append((quality, None if quality else words))
    box.recorder.write()
    box.settle()
    found = []
    for payload in box.session.batches():
        _, groups = samples(payload, {254: ["float32", "uint32", "uint16"]})
        found += [(quality, words) for _, quality, words in groups.get(254, ())]
    assert found == sent
    topic = "base/meta/%s/254" % schema.hex_of(box.schema)
    (meta,) = [json.loads(payload) for _, told, payload, _ in box.session.sent if told == topic]
    assert meta["fc"] == meta["unit_id"] == 0 and len(meta["points"]) == 3
    value = json.loads("".join(latest.pieces(latest.next(), box.clock)))
    assert value["utc_ms"] == UTC_MS + 3000, value["utc_ms"] - UTC_MS
    assert value["unit"] == "machine" and value["unit_id"] == 0
    assert value["values"] == {"power": 230.1, "energy": 1.3, "state": 29}


def test_a_split_of_a_read_keeps_them_in_the_schema():
    clear_schemas()
    clear_splits()
    with Wanting(("machine", 5000, POINTS), ("line", 1000, POINTS[:1])):
        made = planned(ot_of())
        plans = made.plans
        before = schema_store.store(made.texts)
    assert before == made.schema
    assert plans[0].split(plans[0].reads[0]) is not None
    after = splits.schema_of(plans, before)
    assert after != before
    splits.store(plans, before, after)
    metas = [json.loads(line) for line in schema.lines(after)]
    assert [(meta["group"], meta["fc"], meta["unit"]) for meta in metas] == [
        (1, 3, "plc0"), (2, 3, "plc0"), (253, 0, "machine"), (254, 0, "line"),
    ]  # fmt: skip
    assert [point["name"] for point in metas[2]["points"]] == ["power", "energy", "state"]
    plans[0].split(plans[0].reads[1])
    assert schema_store.schema_of(splits._texts(plans, after)) == splits.schema_of(plans, after)
    assert [meta[0] for meta in groups_of(splits._texts(plans, after))][-2:] == [253, 254]
    clear_splits()


def test_a_split_keeps_what_silence_means():
    clear_schemas()
    clear_splits()
    ot = ot_of()
    for i, point in enumerate(ot["buses"][0]["units"][0]["points"]):
        point.update({"deadband": i} if i else {"deadband_percent": 2.5, "heartbeat_s": 20})
    made = planned(ot)
    plans = made.plans
    before = schema_store.store(made.texts)
    plans[0].split(plans[0].reads[0])
    after = splits.schema_of(plans, before)
    splits.store(plans, before, after)
    metas = [json.loads(line) for line in schema.lines(after)]
    assert [meta["deadband"]["points"] for meta in metas] == [[{"percent": 2.5}], [1, 2, 3]]
    assert {meta["deadband"]["heartbeat_s"] for meta in metas} == {20}
    clear_splits()


def test_what_they_mean_is_part_of_the_schema_id():
    ids = set()
    for points in (None, POINTS, POINTS[:2]):
        with Wanting(*([("machine", 5000, points)] if points else [])):
            made = planned(ot_of())
            ids.add(made.schema)
            assert made.schema == schema_store.schema_of(made.texts())
    assert len(ids) == 3


def groups_of(texts):
    found = [json.loads("{" + text + "}") for text in texts]
    return [(meta["group"], meta["unit"]) for meta in found]


def clear_splits():
    if splits.FILE in os.listdir():
        os.remove(splits.FILE)
