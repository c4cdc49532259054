"""What it.json may say about Sparkplug and Home Assistant, and which units a Sparkplug birth has room for."""

import json

from gateway import config, rules
from gateway import sparkplug_births as births
from gateway.schema_store import group_text
from uplink import sparkplug as spb
from uplink.sparkplug import PayloadWriter

IT = {
    "format": 1, "owner": "it", "revision": 1, "box": "fg-0001",
    "place": {key: key for key in ("enterprise", "site", "area", "line", "cell", "asset")},
    "mqtt": {"brokers": [{"host": "127.0.0.1"}]},
}  # fmt: skip


def lines(**publish):
    """Lines about it.json with this "publish"."""
    it = dict(IT)
    it["publish"] = publish
    errors = []
    filled = rules.check(it, rules.IT, "", errors)
    return errors or config.check_it(filled)


def test_sparkplug_is_a_payload_with_names_of_its_own():
    assert lines(payload="sparkplug") == []
    assert lines(payload="sparkplug", sparkplug={"group": "plant", "node": "press-7", "host": "scada"}) == []
    assert lines(payload="sparkplug", sparkplug={"group": "a/b"})[0].startswith('publish.sparkplug.group: found "a/b"')
    assert lines(payload="spark")[0].startswith('publish.payload: found "spark", allowed "columns" or "typed" or')


def test_home_assistant_needs_latest_and_a_status():
    assert lines(homeassistant="homeassistant", latest_s=5) == []
    expected = ["publish.homeassistant: needs latest_s of 1 or more and another payload than sparkplug"]
    assert lines(homeassistant="homeassistant") == expected
    assert lines(homeassistant="homeassistant", latest_s=5, payload="sparkplug") == expected
    assert lines(homeassistant="home/assistant", latest_s=5)[0].startswith("publish.homeassistant: found")


def points(count, unit="", scale=1, kind="uint32", **more):
    usual = {"type": kind, "order": "ABCD", "scale": scale, "offset": 0, "unit": unit}
    return [dict(usual, name="%s%02d" % ("p" * 30, i), address=i, **more) for i in range(count)]


def line(group, unit, listed):
    return "{%s}" % group_text("line1", unit, 1, group, 3, 0, 2 * len(listed), 1000, listed)


def test_units_that_cannot_be_born_are_named():
    limit = births.MAX_POINTS
    assert births.too_many([line(0, "a", points(limit))]) == []
    found = births.too_many([line(0, "a", points(limit - 1)), line(1, "b", points(1)), line(2, "a", points(2))])
    assert found == [
        "it.json: publish.payload: unit a has %d points, sparkplug allows %d: they are born in one message"
        % (limit + 1, limit)
    ]


def born(listed, value=b"\xff\xff\xff\xff"):
    """The birth of a unit with these points, longest names and values."""
    count = len(listed)
    writer = PayloadWriter(births.PAYLOAD_BYTES)
    now = spb.split((1 << 42) - 1)
    writer.begin(now)
    meta = '{"format":1,"schema":"a1b2c3d4",' + line(200, "a", listed)[1:]
    last = {200: (now, 0, bytes(8 * count))}
    for _ in births.put_device(writer, now, "a", lambda: iter([meta]), last, lambda data, point: (value, 0)):
        pass
    assert json.loads(meta)["unit"] == "a"
    return bytes(writer.finish(255))


def test_the_largest_births_fit():
    from spb_reader import read

    for count, told in ((births.MAX_POINTS, 0), (births.PAYLOAD_BYTES // 170, 3)):
        metrics = read(born(points(count, "µ" * 16, 0.123456)))["metrics"]
        assert len(metrics) == count and len(set([metric["alias"] for metric in metrics])) == count
        assert all([len(metric["properties"]) == told for metric in metrics])


def test_the_largest_births_of_longer_points_fit_too():
    from spb_reader import read

    scaled = {"scale_from": "s" * 32, "scale_as": "exponent"}
    for weight, kind, value, more in (
        (2, "uint64", b"\xff" * 8, {}),
        (2, "float64", b"\xff" * 8, {}),
        (5, "string120", "\xe9" * 120, {}),
        (3, "int64", b"\xff" * 8, scaled),
        (2, "int16", b"\xff" * 4, scaled),
    ):
        # The most without properties, and the most with them: name, unit and scale as long as they can be.
        for limit in (births.MAX_POINTS, births.PAYLOAD_BYTES // 170):
            most = limit // weight
            listed = points(most, "\u00b5" * 16, 0.123456, kind, **more)
            assert births.too_many([line(0, "a", listed)]) == []
            assert len(read(born(listed, value))["metrics"]) == most, (kind, limit)
