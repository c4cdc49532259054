"""The program `fieldgate collect` on a real broker: kill -9 at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cbor_batches import BASE, batch, meta_text
from fieldgate.broker import HOST, Broker, child_environment
from fieldgate.demo.child import Child

WAIT_S = 60.0


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "fieldgate", "collect", *map(str, words)]


def wait(condition: Callable[[], object], what: str, log: Path | None = None) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        said = log.read_text() if log and log.exists() else ""
        assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}\n{said}"
        time.sleep(0.05)


def count(db: Path, query: str = "SELECT count(*) FROM samples") -> int:
    try:
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:  # not there yet, or the tables are being made
        return 0


class Collector:
    """One `fieldgate collect` at a time on the same database."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.db, self.log = folder / "fieldgate.db", folder / "collect.log"
        self._folder, self._broker = folder, broker
        self.child: Child | None = None
        self.holders: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        words = command(f"{HOST}:{self._broker.consumer_port}", "--db", self.db, "--every", 1)
        before = self.said().count("collect: connected")
        self.child = Child("collect", words, self._folder, child_environment(), self.log)
        wait(lambda: self.said().count("collect: connected") > before, "it connects", self.log)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def collector(tmp_path: Path, mosquitto_program: str, start_broker: Callable[..., Broker]):
    made = Collector(tmp_path, start_broker())
    yield made
    if made.child is not None:
        made.child.stop()
    for holder in made.holders:
        holder.wait()
        holder.stdout.close()


@pytest.fixture
def publish(collector: Collector):
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(200)
    client.connect(HOST, collector._broker.port)
    client.loop_start()
    yield lambda topic, payload, retain=False: client.publish(f"{BASE}/{topic}", payload, qos=1, retain=retain)
    client.disconnect()
    client.loop_stop()


def wait_for_more(collector: Collector, values: int) -> None:
    """Until at least so many values more are stored, or all that there are."""
    before = last = count(collector.db)
    since = time.monotonic()
    while last < before + values and time.monotonic() - since < 0.5:
        if (now := count(collector.db)) > last:
            last, since = now, time.monotonic()


def held_up(collector: Collector) -> None:
    """Another program holds the database's lock for a while; the collector waits 5 s for it."""
    code = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], timeout=30)\n"
        "connection.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\ntime.sleep(1)\n"
    )
    words = [sys.executable, "-c", code, str(collector.db)]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    collector.holders.append(holder)


def test_kill_9_loses_nothing_and_doubles_nothing(collector: Collector, publish: Callable[..., object]) -> None:
    """Batches keep coming while the collector is killed again and again, right after it has stored something new."""
    batches, each = 600, 5
    random.seed(5)
    publish("meta/a1b2c3d4/0", meta_text(), True)
    collector.start()
    kills = extra = 0
    for number in range(batches):
        samples = [(1000 * (number * each + i), 0, i, float(number)) for i in range(each)]
        payload = batch(number * each, samples)
        publish("data", payload)
        if number % 97 == 3:
            publish("data", payload)  # as QoS 1 may after a reconnect
        if number % 100 == 50:
            wait_for_more(collector, random.randint(1, 200))
            if kills % 2:
                held_up(collector)  # it has received something that it cannot store
                publish("data", batch(10**7 + kills, [(10**8 + kills, 0, 1, 1.0)], boot=9))
                extra += 1
                time.sleep(0.5)
            collector.child.kill()
            kills += 1
            for late in range(3):  # meanwhile
                publish("data", batch(10**6 * kills + late, [(10**9 * kills + late, 0, 1, 1.0)], boot=8))
            collector.start()
    expected = 2 * (batches * each + 3 * kills + extra)
    wait(lambda: count(collector.db) >= expected, f"{expected} values are stored", collector.log)
    time.sleep(0.5)
    assert count(collector.db) == expected
    assert count(collector.db, "SELECT sum(records) FROM batches") == expected // 2
    repeats = count(collector.db, "SELECT sum(repeats) FROM batches")
    assert repeats >= 7
    collector.child.stop()
    assert collector.child.status == 0
    said = collector.said()
    print(f"REPORT: collect: {expected} values over {kills} kill -9: 0 lost, 0 doubled, {repeats} batches came twice")
    assert "Traceback" not in said and "records missing" in said.splitlines()[-1]


def test_an_outage_of_the_broker_is_told_and_survived(collector: Collector, publish: Callable[..., object]) -> None:
    collector.start()
    broker = collector._broker
    publish("meta/a1b2c3d4/0", meta_text(), True)
    publish("data", batch(0, [(0, 0, 1, 1.0)]))
    wait(lambda: count(collector.db) == 2, "the first batch", collector.log)
    broker.stop()
    wait(lambda: "collect: connection to the broker lost" in collector.said(), "the loss is told", collector.log)
    broker.start()
    wait(lambda: collector.said().count("collect: connected") == 2, "it connects again", collector.log)
    publish("data", batch(1, [(1000, 0, 1, 1.0)]))
    wait(lambda: count(collector.db) == 4, "the second batch", collector.log)
    collector.child.stop()
    assert collector.child.status == 0 and "forgotten" not in collector.said()
    assert "missing 0" in collector.said().splitlines()[-1]


# What a user gets wrong: one line, no traceback.


def said_by(*words: object, folder: Path) -> str:
    done = subprocess.run(
        command(*words, "--seconds", 0.3), cwd=folder, env=child_environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but a text that is long enough to be read as one" * 20)
    (tmp_path / "other.db").touch()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE samples (x)")
    nowhere = f"{HOST}:1"
    assert "file is not a database" in said_by(nowhere, "--db", "text.db", folder=tmp_path)
    assert "a database of its own" in said_by(nowhere, "--db", "other.db", folder=tmp_path)
    assert "no/such/folder/x.db: No such file or directory" in said_by(
        nowhere, "--db", "no/such/folder/x.db", folder=tmp_path
    )
    assert "nosuch" in said_by(nowhere, "--db", "nosuch://x", folder=tmp_path)
    driver = said_by(nowhere, "--db", "postgresql+psycopg2://user:secret@host/db", folder=tmp_path)
    assert "driver psycopg2 is not installed" in driver and "secret" not in driver
    assert "TLS files" in said_by(nowhere, "--ca", "missing.pem", folder=tmp_path)


def test_no_broker_is_told_and_not_an_end(tmp_path: Path) -> None:
    done = subprocess.run(
        command(f"{HOST}:1", "--seconds", 1.5), cwd=tmp_path, env=child_environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert f"collect: no broker at {HOST}:1: Connection refused" in done.stdout


def test_two_collectors_on_one_file_are_refused(collector: Collector) -> None:
    collector.start()
    said = said_by(f"{HOST}:{collector._broker.port}", "--db", collector.db, folder=collector.db.parent)
    assert said == f"collect: another fieldgate collect writes into {collector.db}\n"
