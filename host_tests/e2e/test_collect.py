"""`fieldgate collect` beside the real firmware: what stands in the database is what the units served, once.

The first boot publishes columns, the second one typed arrays; a Sparkplug node is a test of its own.
"""

from __future__ import annotations

import sqlite3
import struct
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from virtual_box import VirtualBox

from fieldgate.broker import HOST, Broker, child_environment
from fieldgate.collect_store import exact
from fieldgate.demo.child import Child
from fieldgate.demo.result import served_record
from fieldgate.monitor.values import values_of, word
from fieldgate.summary import report


def stored(db: Path) -> list[tuple[str, int, int, int, str | None]]:
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return connection.execute("SELECT name, boot, uptime_ms, quality, exact FROM readings").fetchall()


def received(box: VirtualBox) -> set[tuple[str, int, int, int, str | None]]:
    """The same rows from the test's own consumer, whose words `balance` compares with the plant's record."""
    rows = set()
    for one in box.deliveries:
        for index, point in enumerate(one.group.points):
            text, quality = None, one.sample.quality
            if one.sample.words:
                words = one.sample.words
                found = values_of(one.group.points, words)[index]
                text, quality = exact(found, word(point, words[index]))[1], found.quality
            rows.add((f"{one.group.unit}.{point.name}", one.boot, one.sample.uptime_ms, quality, text))
    return rows


def test_the_database_holds_what_was_served_over_kills_of_box_and_collector(
    tmp_path: Path, mosquitto_program: str, start_broker: Callable[..., Broker]
) -> None:
    db, log = tmp_path / "fieldgate.db", tmp_path / "collect.log"
    words = [sys.executable, "-m", "fieldgate", "collect", "--every", "1", "--db", str(db)]

    with VirtualBox(tmp_path / "run", start_broker()) as box:

        def collector() -> Child:
            address = f"{HOST}:{box.broker.consumer_port}"
            return Child("collect", [*words, address], tmp_path, child_environment(), log)

        collecting = collector()
        try:
            box.wait(lambda: log.exists() and "collect: connected" in log.read_text(), "collect connects")
            box.start()
            box.wait_samples(40)
            collecting.kill()
            box.wait_samples(20)
            box.kill_firmware()
            box.it["publish"]["payload"] = "typed"  # from now on
            box.write_configuration()
            box.start_firmware()
            collecting = collector()
            box.wait_samples(40)
            balance = box.balance()
            assert balance.ok, report(balance)
            assert box.firmware is not None
            box.kill_firmware()
            box.wait(lambda: {row[1] for row in stored(db)} == {1, 2}, "both boots are stored")
            box.wait(lambda: len(stored(db)) >= len(received(box)), "what the test's consumer got is stored, too")
            rows = stored(db)
            assert len(rows) == len(set(rows)) and set(rows) == received(box)
        finally:
            collecting.stop()
    assert collecting.status == 0
    said = log.read_text()
    assert "Traceback" not in said and "missing 0, no meta yet 0, unreadable 0" in said.splitlines()[-1], said[-600:]
    summary = said.splitlines()[-1].partition(": ")[2]
    print(f"REPORT: collect: {len(rows)} values of 2 boots stored, equal to what was served; last run: {summary}")


def test_a_sparkplug_node_that_was_born_before_the_collector_came(
    tmp_path: Path, mosquitto_program: str, start_broker: Callable[..., Broker]
) -> None:
    """It is asked for its birth; from then on every value that the plant served is there, bit for bit."""
    db, log = tmp_path / "fieldgate.db", tmp_path / "collect.log"
    words = [sys.executable, "-m", "fieldgate", "collect", "--every", "1", "--db", str(db)]
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.it["publish"]["payload"] = "sparkplug"
        box.start_plant()
        box.start_firmware()
        served = box.folder / "plant" / "served.jsonl"
        box.wait(lambda: served.exists() and len(served.read_text().splitlines()) > 20, "the node speaks")
        collecting = Child("collect", [*words, f"{HOST}:{box.broker.port}"], tmp_path, child_environment(), log)
        try:
            box.wait(lambda: db.exists() and count(db) > 0, "the first values are stored")
            since_ms = oldest(db)
            box.wait(lambda: count(db) > 300, "more of them", 60)
            collecting.stop()
            rows = stored(db)
            until_ms = max(row[2] for row in rows) - 3000
        finally:
            collecting.stop()
        wanted = {
            (f"{unit['name']}.{point['name']}", text)
            for reply in served_record(box.folder / "plant")
            for unit in box.ot["buses"][0]["units"]
            for point in unit["points"]
            if since_ms + 1000 < reply.utc_ms < until_ms and (text := value_of(unit, point, reply)) is not None
        }
    assert len(rows) == len({row[:3] for row in rows})
    missing = wanted - {(row[0], row[4]) for row in rows}
    assert len(wanted) > 50 and not missing, missing
    said = log.read_text()
    assert "Traceback" not in said and "unreadable 0" in said.splitlines()[-1] and "gap:" not in said, said[-600:]
    print(f"REPORT: collect from a Sparkplug node: {len(rows)} values, none of {len(wanted)} served ones is missing")


def count(db: Path) -> int:
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the tables are being made


def oldest(db: Path) -> int:
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT min(arrival_ms) FROM samples").fetchone()[0])


def value_of(unit: dict, point: dict, reply) -> str | None:
    """Decimal text of a point in a reply that the plant delivered whole, None if it is not in there."""
    from fieldgate.monitor.values import float32_text

    number, code, address, size = reply.stream
    at = 2 * (point["address"] - address)
    width = 4 if point["type"].endswith("32") else 2
    if (number, code) != (unit["unit_id"], point["fc"]) or code < 3 or not reply.owed:
        return None
    if not 0 <= at <= len(reply.data) - width:
        return None
    data = reply.data[at : at + width]
    if point.get("order", "ABCD") == "CDAB":
        data = data[2:] + data[:2]
    if point["type"] == "float32":
        digits = float32_text(struct.unpack(">f", data)[0])
    else:
        digits = str(int.from_bytes(data, "big", signed=point["type"].startswith("int")))
    scale, offset = point.get("scale", 1), point.get("offset", 0)
    return digits if (scale, offset) == (1, 0) else format(Decimal(digits) * Decimal(str(scale)) + offset, "f")
