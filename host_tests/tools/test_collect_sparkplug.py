"""`fieldgate collect` with Sparkplug nodes: payloads of the firmware's own writer become rows, each value once."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from pysparkplug import NCmd
from sqlalchemy import text

from fieldgate.collect_sparkplug import MAX_HELD
from fieldgate.collect_store import Collection, Message, open_database
from fieldgate.collect_topics import base_of, filters, node_of
from fieldgate.collect_view import gap_lines
from fieldgate.sparkplug_payload import rebirth
from uplink import sparkplug as spb
from uplink.sparkplug import PayloadWriter, split

UTC_MS = 1_795_313_755_000
NODE = "spBv1.0/lyon/fg-1"
TENTH = spb.property_set(
    [("engUnit", spb.text_property("m")), ("scale", spb.text_property("0.1")), ("offset", spb.text_property("-5"))]
)
BAD = spb.property_set([("Quality", spb.number_property(0)), ("quality_code", spb.number_property(18))])
STALE = spb.property_set([("Quality", spb.number_property(500))])


def message(kind: str, seq: int | None, *metrics: tuple[Any, ...], device: str = "tank", at: int = 0) -> Message:
    """metrics: (name, alias, ms after UTC_MS, datatype, word or text or None[, properties])."""
    writer = PayloadWriter(4096)
    writer.begin(split(UTC_MS + at))
    for name, alias, ms, datatype, value, *properties in metrics:
        data = struct.pack(">I", value) if isinstance(value, int) else value
        writer.metric(name, alias, split(UTC_MS + ms), datatype, data, False, *properties)
    topic = f"spBv1.0/lyon/{kind}/fg-1" + (f"/{device}" if kind[0] == "D" else "")
    return Message(topic, bytes(writer.finish(seq)), UTC_MS + at + 100)


def births(seq: int = 0) -> list[Message]:
    return [
        message("NBIRTH", seq, ("bdSeq", 0, 0, spb.INT64, 0), ("Node Control/Rebirth", 0, 0, spb.BOOLEAN, 0),
                ("Event", 65535, 0, spb.STRING, None)),
        message("DBIRTH", seq + 1, ("level", 1, 0, spb.UINT16, None, STALE + TENTH), ("total", 2, 0, spb.INT64, 7),
                ("power", 3, 0, spb.FLOAT, None, STALE), ("run", 4, 0, spb.BOOLEAN, None, STALE)),
    ]  # fmt: skip


def values(seq: int, ms: int, level: int, word: int = 0x4366199A) -> Message:
    return message("DDATA", seq, (None, 1, ms, spb.UINT16, level), (None, 2, ms, spb.INT64, 0xFFFFFFFF),
                   (None, 3, ms, spb.FLOAT, word), (None, 4, ms, spb.BOOLEAN, 1), at=ms)  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with open_database(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def collected(url: str, *messages: Message) -> Collection:
    collection = Collection(open_database(url))
    collection.take(messages)
    return collection


READINGS = "SELECT name, utc_ms, quality, value, exact, unit FROM readings ORDER BY utc_ms, name"


def test_values_are_exact_with_unit_quality_and_time(url: str) -> None:
    failed = message("DDATA", 3, (None, 1, 2000, spb.UINT16, None, BAD))
    collection = collected(url, *births(), values(2, 1000, 237), failed)
    volts = struct.unpack(">f", struct.pack(">I", 0x4366199A))[0]
    assert rows(url, READINGS) == [
        ("tank.total", UTC_MS, 0, 7.0, "7", ""),
        ("tank.level", UTC_MS + 1000, 0, 18.7, "18.7", "m"),
        ("tank.power", UTC_MS + 1000, 0, volts, "230.1", ""),
        ("tank.run", UTC_MS + 1000, 0, 1.0, "true", ""),
        ("tank.total", UTC_MS + 1000, 0, 4294967295.0, "4294967295", ""),
        ("tank.level", UTC_MS + 2000, 18, None, None, "m"),
    ]
    box = collection.boxes[NODE]
    assert (box.state, box.missing, box.waiting, box.counts["rubbish"]) == ("online", 0, 0, 0)
    assert box.counts["failed"] == 1 and box.delays.worst_ms == 100


def test_floats_that_are_no_number_and_events(url: str) -> None:
    event = message("NDATA", 3, (None, 65535, 500, spb.STRING, '[2, 4, 1200]'))
    collected(url, *births(), values(2, 1000, 1, 0x7FC00001), event)
    assert ("tank.power", UTC_MS + 1000, 0, None, "nan 0x7fc00001", "") in rows(url, READINGS)
    assert rows(url, "SELECT code, what, utc_ms FROM events") == [(2, "[4, 1200]", UTC_MS + 500)]


def test_what_comes_again_is_dropped_also_after_a_restart(url: str) -> None:
    first = collected(url, *births(), values(2, 1000, 237))
    first.take([*births(), values(2, 1000, 237), values(3, 2000, 238)])
    assert first.boxes[NODE].counts["duplicates"] == 4
    again = collected(url, *births(), values(2, 2000, 238), values(3, 3000, 239))
    assert again.boxes[NODE].counts["duplicates"] == 4
    assert [row[4] for row in rows(url, READINGS) if row[0] == "tank.level"] == ["18.7", "18.8", "18.9"]
    assert again.boxes[NODE].missing == 0, "a birth begins a round without a gap"


def test_a_gap_is_counted_in_messages_over_the_wrap(url: str) -> None:
    collection = collected(url, *births(), values(2, 1000, 1))
    collection.take([values(seq & 255, 1000 * seq, 1) for seq in range(3, 300) if not 250 <= seq < 260])
    assert collection.boxes[NODE].missing == 10
    assert any("10 messages missing" in line for line in gap_lines(collection))


def test_a_node_whose_birth_was_missed_is_asked_and_what_it_says_waits(url: str) -> None:
    collection = collected(url, values(7, 1000, 237), values(8, 2000, 238))
    assert collection.nodes.asks == ["spBv1.0/lyon/NCMD/fg-1"] and collection.boxes[NODE].waiting == 2
    assert rows(url, READINGS) == []
    collection.take(births())
    assert [row[4] for row in rows(url, READINGS) if row[0] == "tank.level"] == ["18.7", "18.8"]
    assert collection.boxes[NODE].waiting == 0 and len(collection.nodes.asks) == 1
    collection.nodes.forget()  # the connection was lost
    collection.take([values(2, 3000, 239)])
    assert collection.boxes[NODE].waiting == 1, "its alias may mean something else now"


def test_what_waits_is_bounded(url: str) -> None:
    collection = collected(url, *[values(i & 255, i, 1) for i in range(MAX_HELD + 50)])
    box = collection.boxes[NODE]
    assert box.waiting == MAX_HELD and box.counts["rubbish"] == 50


def test_the_rebirth_request_is_read_by_pysparkplug() -> None:
    (metric,) = NCmd.decode(rebirth(UTC_MS)).metrics
    assert (metric.name, metric.value, metric.timestamp) == ("Node Control/Rebirth", True, UTC_MS)


def test_deaths_are_states(url: str) -> None:
    collection = collected(url, *births(), message("DDEATH", 2, at=500))
    documents = "SELECT topic, text FROM documents ORDER BY topic"
    assert rows(url, documents)[0] == ("devices/tank", f'{{"state": "offline", "utc_ms": {UTC_MS + 500}}}')
    collection.take([message("NDEATH", None, ("bdSeq", 0, 0, spb.INT64, 0))])
    assert rows(url, "SELECT base, state FROM boxes") == [(NODE, "offline")]


def test_an_alias_of_another_type_than_at_birth_is_no_value(url: str) -> None:
    """Held over a restart of the node, it may name something else."""
    wrong = message("DDATA", 2, (None, 3, 1000, spb.INT64, 5))
    assert collected(url, *births(), wrong).boxes[NODE].counts["rubbish"] == 1
    assert all(row[0] != "tank.power" for row in rows(url, READINGS))


def test_rubbish_is_counted(url: str) -> None:
    bad = [Message("spBv1.0/lyon/DDATA/fg-1/tank", payload, UTC_MS) for payload in (b"\xff" * 9, b"\x12\x7f", b"")]
    collection = collected(url, *births(), *bad, Message("spBv1.0/STATE/scada", b"{}", UTC_MS))
    assert collection.boxes[NODE].counts["rubbish"] == 3 and collection.ignored == 1


@pytest.mark.parametrize(
    ("topic", "base"),
    [("a/b/c/d/meta/f/data", "a/b/c/d/meta/f"), ("a/b/c/d/e/f/latest/meter/0", "a/b/c/d/e/f"),
     ("a/b/c/d/e/f/telemetry/data", "a/b/c/d/e/f"), ("a/b/c/d/e/f/assets/line1/4", "a/b/c/d/e/f"),
     ("a/b/c/d/e/f/glossary/point", "a/b/c/d/e/f"), ("x/data", "x"), ("a/b/c/d/e/f/other", None)],
)  # fmt: skip
def test_everything_that_a_box_publishes_is_subscribed_to_and_known(topic: str, base: str | None) -> None:
    assert base_of(topic) == base
    if base and base.count("/") == 5:
        for chosen in ("", base):
            assert any(mqtt.topic_matches_sub(each, topic) for each in filters(chosen))


def test_sparkplug_topics() -> None:
    topic = "spBv1.0/lyon/DDATA/fg-1/data"
    assert node_of(topic) == (NODE, "DDATA", "data") and node_of("a/b/c/d/e/f/data") is None
    for chosen in ("", NODE):
        assert any(mqtt.topic_matches_sub(each, topic) for each in filters(chosen))
        assert any(mqtt.topic_matches_sub(each, "spBv1.0/lyon/NDATA/fg-1") for each in filters(chosen))
    assert not any(mqtt.topic_matches_sub(each, "spBv1.0/lyon/DDATA/fg-2/x") for each in filters(NODE))
