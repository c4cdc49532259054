"""The demo's parts: its script, its children, its broker that comes back, its picture."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fieldgate.broker import HOST, Broker, BrokerError, free_port
from fieldgate.demo.child import Child
from fieldgate.demo.script import MIN_SECONDS, Action, describe, script
from fieldgate.monitor.client import Consumer
from fieldgate.picture import Series, backlog, choose, draw, met_outage

PATIENCE_S = 60.0


def await_true(condition: Callable[[], bool]) -> bool:
    """Poll until it holds or patience ends; the bound is no measure of anything."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# Script


def test_the_script_has_an_outage_with_room_before_and_after() -> None:
    for seconds in (MIN_SECONDS, 60, 3600):
        for kill in (False, True):
            steps = script(seconds, kill)
            actions = [step.action for step in steps]
            assert [step.at_s for step in steps] == sorted(step.at_s for step in steps)
            assert actions[:2] == [Action.BROKER_STOPS, Action.BROKER_RETURNS]
            assert actions[-1] is Action.END_MARK
            assert (Action.FIRMWARE_KILLED in actions) == kill
            assert steps[1].at_s - steps[0].at_s >= seconds / 4
            assert all(describe(action) for action in actions)


# Children


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_stop_ends_the_whole_group_even_when_it_does_not_obey(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    log = tmp_path / "log"
    child = Child("thing", [sys.executable, "-c", code], tmp_path, dict(os.environ), log)
    assert await_true(lambda: log.read_text().endswith("\n"))
    grandchild = int(log.read_text())
    assert alive(grandchild)
    child.stop()
    child.stop()
    assert child.status == -signal.SIGKILL
    assert await_true(lambda: not alive(grandchild))


def test_a_death_is_told_with_the_last_words(tmp_path: Path) -> None:
    code = "import sys; print('\\n'.join(map(str, range(30)))); print('no port /dev/x'); sys.exit(3)"
    child = Child("firmware", [sys.executable, "-c", code], tmp_path, dict(os.environ), tmp_path / "log")
    assert await_true(lambda: child.status is not None)
    lines = child.obituary()
    assert lines[0] == "the firmware ended with status 3; its last lines:"
    assert lines[-1] == "  | no port /dev/x"
    assert len(lines) == 13


def test_a_killed_child_says_so(tmp_path: Path) -> None:
    child = Child("plant", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path, {}, tmp_path / "log")
    child.kill()
    assert child.obituary() == ["the plant was ended by signal 9; it said nothing"]


# Broker


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_a_broker_goes_away_and_comes_back_without_losing_what_it_took(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "mosquitto":
        request.getfixturevalue("mosquitto_program")
    got: list[bytes] = []
    with Broker(tmp_path, kind=kind) as broker:
        consumer = Consumer(HOST, broker.consumer_port, ["a/data"], client_id="test")
        consumer.start()
        try:
            assert consumer.wait_subscribed(PATIENCE_S)
            port = broker.port
            for number in range(3):
                publish(broker.port, b"%d" % number)
                if number == 1:
                    assert received(consumer, got, 2)
                    broker.stop()
                    with pytest.raises(OSError):
                        socket.create_connection((HOST, port), 1).close()
                    broker.start()
                    assert broker.port == port
            assert received(consumer, got, 3)
        finally:
            consumer.stop()
    assert once(got) == [b"0", b"1", b"2"], got
    with pytest.raises(OSError):
        socket.create_connection((HOST, port), 1).close()


def publish(port: int, payload: bytes) -> None:
    """One acknowledged QoS 1 PUBLISH."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(HOST, port)
    client.loop_start()
    info = client.publish("a/data", payload, qos=1)
    info.wait_for_publish(PATIENCE_S)
    assert info.is_published()
    client.disconnect()
    client.loop_stop()


def received(consumer: Consumer, got: list[bytes], count: int) -> bool:
    """Wait for `count` different messages."""

    def enough() -> bool:
        consumer.drain(lambda topic, payload, at: got.append(payload))
        return len(once(got)) >= count

    return await_true(enough)


def once(got: list[bytes]) -> list[bytes]:
    """Each payload where it first came. A broker that stops before it has read a PUBACK sends that message again: QoS 1
    is at least once (MQTT 3.1.1, clause 4.3.2), and the consumer has a message before the broker has its PUBACK."""
    return list(dict.fromkeys(got))


def test_a_broker_that_cannot_start_says_why(tmp_path: Path, mosquitto_program: str) -> None:
    with pytest.raises(BrokerError, match="FIELDGATE_BROKER: found 'nats', allowed mosquitto or amqtt"):
        Broker(tmp_path, kind="nats")
    port = free_port()
    bad = Broker(tmp_path, port, "mosquitto")
    (tmp_path / "mosquitto.db").write_bytes(b"not a session file")
    with pytest.raises(BrokerError, match="mosquitto ended at once: "):
        bad.start()
    bad.close()


# Picture


def test_backlog_counts_what_waits() -> None:
    rand = random.Random(2)
    taken = [rand.randrange(1000) for _ in range(200)]
    arrived = [at + rand.randrange(300) for at in taken]
    grid = list(range(0, 1400, 7))
    expected = [sum(a <= at < b for a, b in zip(taken, arrived, strict=True)) for at in grid]
    assert backlog(taken, arrived, grid) == expected
    assert expected[-1] == 0


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    series = [Series(f"unit.point_{k}", "V") for k in range(6)]
    for k, one in enumerate(series):
        for second in range(30):
            one.times_ms.append(10**12 + 1000 * second)
            one.values.append(float(second % (k + 2)))
            one.arrivals_ms.append(10**12 + 1000 * max(second + 1, 20 if second > 10 else 0))
    series[1].failed_ms = [10**12 + 5500]
    chosen = choose(series, ["unit.point_1", "unit.unknown"])
    assert [one.name for one in chosen] == ["unit.point_1", "unit.point_5", "unit.point_4", "unit.point_3"]
    samples = list(zip(series[0].times_ms, series[0].arrivals_ms, strict=True))
    outage = [(10**12 + 10_500, 10**12 + 19_000)]
    assert [met_outage(at, arrival, outage) for at, arrival in samples].count(True) == 10
    path = tmp_path / "demo.png"
    draw(path, chosen, samples, outage, outage, [10**12 + 25_000], "title")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.stat().st_size > 20_000


# Command line


def test_a_senseless_length_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "fieldgate", "demo", "--seconds", "3"]
    tools = str(Path(__file__).resolve().parents[2] / "tools")
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": tools}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "found 3, allowed 15..86400" in done.stderr.replace("\n", " ").replace("│", "")
