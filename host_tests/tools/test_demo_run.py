"""The demo for real: plant, broker, firmware on MicroPython. What is right passes; one hidden publish is seen.

Runs take 15 s each, the demo's shortest. From one run's records the faults are derived by hiding, doubling or
altering one delivered message, so that the verdict is known to be able to fail on real data.
"""

import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from fieldgate.demo import result
from fieldgate.demo.run import Demo, DemoError, DemoSettings
from fieldgate.demo_cli import conclude
from fieldgate.monitor.decoder import decode
from fieldgate.monitor.site import base_of
from fieldgate.monitor.store import Delivery, Store
from fieldgate.monitor.values import text
from fieldgate.summary import Balance, compare, match

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "boards" / "virtual"
Arrival = tuple[str, bytes, int]


def built_tree() -> Path:
    from fieldgate.device_build import build

    return build("virtual").tree


class Recorded(Demo):
    """A demo that keeps what the broker handed out."""

    def _feed(self, topic: str, payload: bytes, arrival_ms: int) -> None:
        self.__dict__.setdefault("arrivals", []).append((topic, payload, arrival_ms))
        super()._feed(topic, payload, arrival_ms)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Balance]]:
    """One run without faults."""
    settings = DemoSettings(15, tmp_path_factory.mktemp("demo") / "run", built_tree(), CONFIG)
    demo = Recorded(settings, print, lambda running: None)
    yield demo, demo.run()


def judged(demo: Demo, arrivals: list[Arrival]) -> Balance:
    """The verdict on other arrivals."""
    deliveries: list[Delivery] = []
    store = Store(decode, deliveries.append)
    for topic, payload, arrival_ms in arrivals:
        if base_of(topic) is not None:
            store.feed(topic, payload, arrival_ms)
    served = result.served_record(demo.settings.folder / "plant")
    return compare(served, result.delivered_record(deliveries, store), demo.end_ms)


def data_indices(arrivals: list[Arrival]) -> list[int]:
    return [index for index, arrival in enumerate(arrivals) if arrival[0].endswith("/data")]


def test_nothing_is_lost_in_the_outage(finished: tuple[Demo, Balance]) -> None:
    demo, balance = finished
    assert balance.ok, (balance.lost[:3], balance.wrong[:3], balance.invented[:3], balance.reordered)
    assert balance.served == balance.delivered > 50
    assert len(balance.streams) >= 4, "all four units"
    assert len(demo.outages_ms) == 1
    low, high = demo.outages_ms[0]
    kept = [at for at, late in balance.latencies_ms if low <= at and at + late >= high]
    assert len(kept) > 10, "the outage was one: samples taken in it arrived after it"
    assert demo.store.counts["rubbish"] == 0
    assert demo.store.missing == 0
    assert all(child.status is not None for child in demo.children.values())


def test_one_hidden_publish_is_seen(finished: tuple[Demo, Balance]) -> None:
    demo, _ = finished
    arrivals: list[Arrival] = demo.__dict__["arrivals"]
    assert judged(demo, arrivals).ok, "the replay itself is right"
    indices = data_indices(arrivals)
    for hidden in (indices[0], indices[len(indices) // 2]):
        balance = judged(demo, arrivals[:hidden] + arrivals[hidden + 1 :])
        assert balance.lost
        assert not balance.ok


def test_one_doubled_publish_is_no_fault_and_counted(finished: tuple[Demo, Balance]) -> None:
    demo, _ = finished
    arrivals: list[Arrival] = demo.__dict__["arrivals"]
    index = data_indices(arrivals)[3]
    balance = judged(demo, [*arrivals[: index + 1], arrivals[index], *arrivals[index + 1 :]])
    assert balance.duplicates > 0
    assert balance.ok


def test_swapped_publishes_are_seen(finished: tuple[Demo, Balance]) -> None:
    demo, _ = finished
    arrivals: list[Arrival] = list(demo.__dict__["arrivals"])
    first, second = data_indices(arrivals)[2:4]
    arrivals[first], arrivals[second] = arrivals[second], arrivals[first]
    balance = judged(demo, arrivals)
    assert balance.reordered > 0
    assert not balance.ok


def words_of(arrival: Arrival, others: list[Arrival]) -> list[object]:
    """The samples' words in one data message, explained by the others' metadata."""
    deliveries: list[Delivery] = []
    store = Store(decode, deliveries.append)
    for topic, payload, arrival_ms in [*(other for other in others if "/meta/" in other[0]), arrival]:
        store.feed(topic, payload, arrival_ms)
    return sorted((one.sample.group, one.sample.words) for one in deliveries)


def test_an_altered_bit_that_changes_a_value_is_seen(finished: tuple[Demo, Balance]) -> None:
    """Bits of times and events may change without making a value wrong; every bit that changes one must be seen."""
    demo, _ = finished
    arrivals: list[Arrival] = demo.__dict__["arrivals"]
    index = data_indices(arrivals)[5]
    topic, payload, at = arrivals[index]
    right = words_of(arrivals[index], arrivals)
    changed = 0
    for place in range(0, len(payload), max(1, len(payload) // 40)):
        altered = bytearray(payload)
        altered[place] ^= 1
        message = (topic, bytes(altered), at)
        if words_of(message, arrivals) != right:
            changed += 1
            assert not judged(demo, [*arrivals[:index], message, *arrivals[index + 1 :]]).ok, place
    assert changed > 15


def test_the_monitor_shows_what_was_served_bit_for_bit(finished: tuple[Demo, Balance]) -> None:
    """From the text on the screen back to the bytes that pymodbus put on the line."""
    demo, _ = finished
    delivered = result.delivered_record(demo.deliveries, demo.store)
    served = result.served_record(demo.settings.folder / "plant")
    good = [one for one in demo.deliveries if one.sample.words]
    float_count = 0
    for stream in {one.stream for one in delivered}:
        replies = sorted((reply for reply in served if reply.stream == stream), key=lambda reply: reply.utc_ms)
        places = [place for place, one in enumerate(delivered) if one.stream == stream]
        for i, j in match(replies, [delivered[place] for place in places]):
            group, sample = good[places[j]].group, good[places[j]].sample
            for point, words in zip(group.points, sample.words, strict=True):
                if point.type == "float32":
                    at = 2 * point.at
                    assert struct.pack(">f", float(text(point, words))) == replies[i].data[at : at + 4]
                    float_count += 1
    assert float_count > 50


def test_the_verdict_is_the_exit_status(finished: tuple[Demo, Balance], capsys: pytest.CaptureFixture[str]) -> None:
    demo, balance = finished
    folder = demo.settings.folder
    conclude(demo, balance, folder)
    assert (folder / "demo.png").read_bytes()[:4] == b"\x89PNG"
    assert "demo.png" in capsys.readouterr().out
    arrivals: list[Arrival] = demo.__dict__["arrivals"]
    hidden = data_indices(arrivals)[4]
    with pytest.raises(typer.Exit) as caught:
        conclude(demo, judged(demo, arrivals[:hidden] + arrivals[hidden + 1 :]), folder)
    assert caught.value.exit_code == 1
    said = capsys.readouterr()
    assert "FAILED" in said.err
    assert re.search(r"samples lost +[1-9]", said.out)


def test_after_kill_9_at_most_one_unflushed_block_is_missing(tmp_path: Path) -> None:
    """With amqtt, so that the demo's other broker is run as well."""
    settings = DemoSettings(15, tmp_path / "run", built_tree(), CONFIG, kill=True, broker="amqtt")
    demo = Demo(settings, print, lambda running: None)
    balance = demo.run()
    assert balance.ok, (balance.lost[:3], balance.wrong[:3], balance.invented[:3], balance.reordered)
    assert len(demo.kills_ms) == 1
    assert {one.boot for one in demo.deliveries} == {1, 2}
    print(f"REPORT: demo with kill -9: {balance.served} served, {len(balance.lost_at_kill)} in the unflushed block")


def test_a_configuration_that_the_firmware_refuses_is_told_with_its_line(tmp_path: Path, broker_program: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "it.json").write_text((CONFIG / "it.json").read_text())
    (config / "ot.json").write_text((CONFIG / "ot.json").read_text().replace('"unit_id": 1,', '"unit_id": 300,'))
    demo = Demo(DemoSettings(15, tmp_path / "run", built_tree(), config, broker=broker_program), print, lambda _: None)
    with pytest.raises(DemoError) as caught:
        demo.run()
    assert caught.value.lines[0].startswith("the firmware ended with status 2")
    assert "unit_id: found 300, allowed" in str(caught.value)
    assert all(child.status is not None for child in demo.children.values())


def test_ctrl_c_leaves_nothing_behind(broker_program: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "fieldgate", "demo", "--seconds", "60", "--broker", broker_program]
    demo = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.stdout is not None
    said = []
    for line in demo.stdout:
        said.append(line)
        if "first samples" in line or "records:" in line:
            break
    demo.send_signal(signal.SIGINT)
    said += demo.stdout.readlines()
    text = "".join(said)
    assert demo.wait() == 130, text
    assert "interrupted; everything it started has ended" in text
    found = re.search(r"process (\d+)", text)
    assert found, text
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[1]), 0)
