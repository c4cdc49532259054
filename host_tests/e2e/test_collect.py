"""`fieldgate collect` beside the real firmware: what stands in the database is what the units served, once.

The first boot publishes columns, the second one typed arrays.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from virtual_box import VirtualBox

from fieldgate.broker import HOST, Broker, child_environment
from fieldgate.collect_store import exact
from fieldgate.demo.child import Child
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
