"""What `fieldgate collect` writes: each record once, exactly, with quality and time, whatever is delivered twice."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from cbor_batches import BASE, META, batch, meta_text
from fieldgate import collect_tables as tables
from fieldgate.collect_store import Collection, Delays, Message, exact, open_database
from fieldgate.collect_tables import WrongTables
from fieldgate.collect_view import box_line, gap_lines
from fieldgate.points import point_from_meta, values
from uplink.envelope import BatchEncoder
from uplink.points import layout_of

UTC_MS = 1_795_313_755_000


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'test.db'}"


def data(payload: bytes, arrival_ms: int = UTC_MS + 500) -> Message:
    return Message(f"{BASE}/data", payload, arrival_ms)


META_MESSAGE = Message(f"{BASE}/meta/a1b2c3d4/0", meta_text(), UTC_MS)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with open_database(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def collected(url: str, *messages: Message) -> Collection:
    collection = Collection(open_database(url))
    collection.take(messages)
    return collection


def test_values_are_exact_and_have_quality_time_boot_and_number(url: str) -> None:
    samples = [(0, 0, 237, 230.1), (1000, 1, 0, 0), (2000, 0, 65535, float("nan"))]
    box = collected(url, META_MESSAGE, data(batch(4711, samples, utc_ms=UTC_MS))).boxes[BASE]
    found = rows(url, "SELECT name, uptime_ms, utc_ms, quality, value, exact, unit, boot, log, seq FROM readings "
                      "ORDER BY uptime_ms, name")  # fmt: skip
    volts = struct.unpack(">f", struct.pack(">f", 230.1))[0]
    tail = (7, "9f3c12aa", 4711)
    assert found == [
        ("meter.level", 61000, UTC_MS, 0, 18.7, "18.7", "m", *tail),
        ("meter.voltage", 61000, UTC_MS, 0, volts, "230.1", "V", *tail),
        ("meter.level", 62000, UTC_MS + 1000, 1, None, None, "m", *tail),
        ("meter.voltage", 62000, UTC_MS + 1000, 1, None, None, "V", *tail),
        ("meter.level", 63000, UTC_MS + 2000, 0, 6548.5, "6548.5", "m", *tail),
        ("meter.voltage", 63000, UTC_MS + 2000, 7, None, "nan 0x7fc00000", "V", *tail),
    ]
    assert (box.counts["samples"], box.counts["failed"], box.counts["values"]) == (2, 1, 6)


@pytest.mark.parametrize("restart", [False, True])
def test_what_comes_twice_is_dropped_also_when_it_was_batched_differently(url: str, restart: bool) -> None:
    samples = [(1000 * i, 0, i, float(i)) for i in range(6)]
    event = (2, 300, 5, 6)
    collection = collected(url, META_MESSAGE, data(batch(0, samples[:4], events=[event])))
    if restart:
        collection = Collection(open_database(url))
    again = [batch(0, samples[:4], events=[event]), batch(2, samples[2:], events=[event])]
    collection.take([data(payload) for payload in again])
    counts = collection.boxes[BASE].counts
    assert counts["duplicates"] == 4 + 2
    assert rows(url, "SELECT count(*), count(DISTINCT uptime_ms) FROM samples") == [(12, 6)]
    assert rows(url, "SELECT code, what, count(*) FROM events") == [(2, "[5, 6]", 1)]
    assert rows(url, "SELECT seq, records, repeats FROM batches ORDER BY seq") == [(0, 5, 1), (2, 5, 0)]


def test_gaps_are_found_by_number_closed_by_what_comes_late_and_survive_a_restart(url: str) -> None:
    def four(seq: int) -> Message:
        return data(batch(seq, [(1000 * (seq + i), 0, 1, 1.0) for i in range(4)]))

    collection = collected(url, META_MESSAGE, four(100), four(108), four(120))
    assert collection.boxes[BASE].missing == 12
    collection = Collection(open_database(url))
    assert gap_lines(collection) == [
        f"gap: {BASE} log 9f3c12aa: 4 records missing from number 104",
        f"gap: {BASE} log 9f3c12aa: 8 records missing from number 112",
    ]
    collection.take([four(104)])
    assert Collection(open_database(url)).boxes[BASE].missing == 8
    assert "missing 8" in box_line(collection.boxes[BASE])


def test_a_batch_before_its_meta_waits_in_the_database(url: str) -> None:
    collected(url, data(batch(0, [(0, 0, 1, 1.0)])), data(batch(1, [(1000, 0, 2, 2.0)])))
    collection = Collection(open_database(url))
    assert collection.boxes[BASE].waiting == 2
    collection.take([META_MESSAGE])
    assert collection.boxes[BASE].waiting == 0 and collection.boxes[BASE].counts["samples"] == 2
    assert rows(url, "SELECT count(*) FROM waiting") == [(0,)]
    assert rows(url, "SELECT count(*) FROM samples") == [(4,)]


@pytest.mark.parametrize("told", ["mark", "base"])
def test_utc_follows_when_the_box_learns_it(url: str, told: str) -> None:
    collection = collected(url, META_MESSAGE, data(batch(0, [(0, 0, 1, 1.0)], events=[(1, 10, 7, 0)])))
    assert rows(url, "SELECT DISTINCT utc_ms FROM samples") == [(None,)]
    if told == "mark":
        later = batch(2, [], marks=[(5000, UTC_MS)])
    else:
        later = batch(2, [(5000, 0, 3, 3.0)], base_ms=66000, utc_ms=UTC_MS)
    collection.take([data(later)])
    assert rows(url, "SELECT DISTINCT utc_ms FROM samples WHERE uptime_ms = 61000") == [(UTC_MS - 5000,)]
    assert rows(url, "SELECT utc_ms FROM events") == [(UTC_MS - 4990,)]
    Collection(open_database(url)).take([data(batch(9, [(7000, 0, 4, 4.0)]))])  # remembered
    assert rows(url, "SELECT DISTINCT utc_ms FROM samples WHERE uptime_ms = 68000") == [(UTC_MS + 2000,)]


def test_boots_boxes_and_logs_are_kept_apart(url: str) -> None:
    one = [(0, 0, 1, 1.0)]
    other = BASE.replace("press-7", "press-8")
    collection = collected(
        url, META_MESSAGE, Message(f"{other}/meta/a1b2c3d4/0", meta_text(), 0), data(batch(0, one)),
        data(batch(1, one, boot=8)), data(batch(0, one, log="00000001")), Message(f"{other}/data", batch(0, one), 0),
    )  # fmt: skip
    assert all(box.counts["duplicates"] == 0 for box in collection.boxes.values())
    assert rows(url, "SELECT count(*) FROM samples") == [(8,)]


def test_documents_keep_the_newest(url: str) -> None:
    def status(state: str) -> Message:
        return Message(f"{BASE}/status", b'{"format":1,"box":"fg-1","state":"%s"}' % state.encode(), UTC_MS)

    collected(url, status("online"), Message(f"{BASE}/telemetry", b'{"uptime_s":1}', 1), status("offline"))
    assert rows(url, "SELECT base, box, state FROM boxes") == [(BASE, "fg-1", "offline")]
    assert [row[0] for row in rows(url, "SELECT topic FROM documents ORDER BY topic")] == ["status", "telemetry"]


def test_rubbish_is_counted_and_stops_nothing(url: str) -> None:
    good = batch(0, [(0, 0, 1, 1.0)])
    rubbish = [b"", b"\xff", good[:-1], good + b"x", b"\xa1\x00\x02", b"{}"]
    collection = collected(
        url, META_MESSAGE, *(data(one) for one in rubbish), Message(f"{BASE}/status", b"[", 0),
        Message(f"{BASE}/status", b"7", 0), Message(f"{BASE}/meta/a/1", b'{"schema":"a"}', 0),
        Message("elsewhere", good, 0), data(good),
    )  # fmt: skip
    assert collection.boxes[BASE].counts["rubbish"] == len(rubbish) + 3
    assert collection.ignored == 1 and collection.boxes[BASE].counts["samples"] == 1


def test_a_transaction_that_fails_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_database(url)
    collection = Collection(engine)

    def fail(*_: object) -> None:
        raise OperationalError("insert", {}, Exception("disk is full"))

    monkeypatch.setattr("fieldgate.collect_store._write_ranges", fail)
    with pytest.raises(OperationalError):
        collection.take([META_MESSAGE, data(batch(0, [(0, 0, 1, 1.0)]))])
    with engine.connect() as connection:
        for table in (tables.boxes, tables.samples, tables.groups, tables.batches):
            assert connection.execute(select(table)).first() is None, table.name


def exact_of(word: int, **point: Any) -> tuple[float | None, str]:
    described = point_from_meta({"name": "p", "at": 0, **point})
    return exact(values([described], [word])[0], word)


@pytest.mark.parametrize(
    ("kind", "word", "scale", "expected"),
    [
        ("int16", 0xFFFF, 1, (-1.0, "-1")),
        ("uint32", 0xFFFFFFFF, 1, (4294967295.0, "4294967295")),
        ("uint32", 4294967295, 0.001, (4294967.295, "4294967.295")),
        ("int32", 0x80000000, 0.1, (-214748364.8, "-214748364.8")),
        ("bool", 1, 1, (1.0, "true")),
        ("float32", 0x80000000, 1, (-0.0, "-0")),
        ("float32", 0x7F800000, 1, (None, "inf 0x7f800000")),
        ("uint64", 0xFFFFFFFFFFFFFFFF, 0.001, (18446744073709551.615, "18446744073709551.615")),
        ("float32", 0x3DCCCCCD, 10, (1.0, "1.0")),
    ],
)
def test_exact(kind: str, word: int, scale: float, expected: tuple[float | None, str]) -> None:
    assert exact_of(word, type=kind, scale=scale) == expected


def test_values_of_all_types_have_a_quality_of_their_own(url: str) -> None:
    points = [
        {"name": "energy", "at": 0, "type": "uint64", "order": "DCBA", "scale": 0.01, "offset": 0, "unit": "kWh"},
        {"name": "serial", "at": 4, "type": "string6", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""},
        {"name": "power", "at": 7, "type": "int16", "order": "ABCD", "scale": 1, "offset": 0, "unit": "W",
         "scale_from": "sf", "scale_as": "exponent", "high": 100},
        {"name": "sf", "at": 8, "type": "int16", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""},
    ]  # fmt: skip
    meta = META_MESSAGE._replace(payload=json.dumps({**META, "points": points}).encode())
    encoder = BatchEncoder(0x9F3C12AA)
    encoder.begin(7, bytes.fromhex(META["schema"]), {META["group"]: layout_of(points)}, 0, 0, 61000)
    head = b"\xff" * 8 + b"PM-1\0\0"
    for i, tail in enumerate((b"\x00\x05\x00\x01", b"\x00\x65\x00\x00", b"\x00\x05\x80\x00")):
        assert encoder.sample(META["group"], 0, 0, 61000 + 1000 * i, head + tail)
    collected(url, meta, data(bytes(encoder.finish(UTC_MS))))
    found = rows(url, "SELECT name, quality, exact, value FROM readings ORDER BY uptime_ms, name")
    assert found[:4] == [
        ("meter.energy", 0, "184467440737095516.15", 184467440737095516.15), ("meter.power", 0, "50", 50.0),
        ("meter.serial", 0, "PM-1", None), ("meter.sf", 0, "1", 1.0),
    ]  # fmt: skip
    assert [row[1:] for row in found if row[0] == "meter.power"] == [
        (0, "50", 50.0), (6, "101", 101.0), (7, "not available 0x5", None),
    ]  # fmt: skip


def test_a_meta_that_cannot_be_decoded_is_counted_and_never_raises(url: str) -> None:
    for point in ({"type": "uint24"}, {"bits": [9, 9]}, {"na": "ff"}, {"scale": "1"}):
        wrong = {"name": "p", "at": 0, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": "", **point}
        message = META_MESSAGE._replace(payload=json.dumps({**META, "points": [wrong]}).encode())
        assert collected(url, message).boxes[BASE].counts["rubbish"] == 1, point


def test_exact_floats_give_their_bits_back() -> None:
    for word in [1, 0x00800000, 0x7F7FFFFF, 0x4B800000, *range(0x3F800000, 0x47000000, 1234567)]:
        value, digits = exact_of(word, type="float32")
        assert struct.pack(">f", float(digits)) == struct.pack(">I", word) == struct.pack(">f", value)


def test_delays_are_right_within_five_percent() -> None:
    delays = Delays()
    values = sorted((i * i * 7919) % 100_003 for i in range(5000))
    for value in values:
        delays.add(value)
    for permille in (500, 950, 1000):
        true = values[-(-len(values) * permille // 1000) - 1]
        assert true <= delays.permille(permille) <= true * 1.06 + 1
    assert delays.worst_ms == values[-1] and Delays().permille(500) == 0


def test_tables_of_another_version_are_refused(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(tables.about.update().values(format=2))
    with pytest.raises(WrongTables, match="version 2, this program writes 1"):
        open_database(url)


def test_the_meta_used_here_is_what_the_format_says() -> None:
    assert set(META["points"][0]) == {"name", "at", "type", "order", "scale", "offset", "unit"}
