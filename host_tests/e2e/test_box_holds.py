"""The whole box, with its log, over every fault of the network: nothing is lost and the event loop is never held long.

The real firmware on the virtual plant, the real broker behind a fault proxy. A hold is one turn of one task of the
firmware. It is judged by the CPU time of the process, as the machine may be shared; the wall's clock is in the report.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fault_proxy import TO_BROKER, FaultProxy
from test_uplink_tls import HOST, Plant
from virtual_box import VirtualBox

from fieldgate.broker import Broker
from fieldgate.summary import report

MAIN = Path(__file__).with_name("metered_main.py")
LIMIT_MS = 20  # longest hold of the event loop, TLS handshake included
TIMEOUT_S = 240


class MeteredBox(VirtualBox):
    """See metered_main. `holds`: (phase, task, CPU ms, wall ms) of the longest turn of each phase."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        super().__init__(folder, broker)
        self.holds: list[tuple[str, str, float, float]] = []
        self.network(signal_dbm=-61)

    def command(self) -> list[str]:
        return [*super().command()[:-1], str(MAIN)]

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "FIELDGATE_NET": "net.json"}

    def network(self, **faults: object) -> None:
        """What the virtual board's network does from now on, see ports/linux/net_faults.py."""
        new = self.box / "net.new"
        new.write_text(json.dumps({"signal_dbm": -61, **faults}))
        new.rename(self.box / "net.json")

    def phase(self, name: str) -> None:
        """What was measured since the last time belongs to `name`."""
        answer = self.box / "hold.json"
        answer.unlink(missing_ok=True)
        (self.box / "hold.ask").touch()
        self.wait(answer.exists, "the meter answers")
        told = json.loads(answer.read_text())
        task = max(told, key=lambda each: told[each])
        wall_us = max(wall for _, wall in told.values())
        self.holds.append((name, task, told[task][0] / 1000, wall_us / 1000))

    def judge(self, what: str) -> None:
        """Print the phases, check the limit and the balance."""
        for name, task, cpu_ms, wall_ms in self.holds:
            print(f"REPORT: whole box, {name}: longest hold {cpu_ms:.0f} ms CPU ({task}), {wall_ms:.1f} ms wall")
        balance = self.balance(30)
        print(f"REPORT: whole box, {what}: {balance.served} samples served, {len(balance.lost)} lost, "
              f"{balance.reordered} reordered, {balance.duplicates} duplicates")  # fmt: skip
        assert balance.ok, report(balance)
        assert all(cpu_ms < LIMIT_MS for _, _, cpu_ms, _ in self.holds), self.holds


def said(box: VirtualBox, text: str, count: int = 1) -> Callable[[], bool]:
    return lambda: box.said().count(text) >= count


@pytest.fixture
def box(tmp_path: Path, mosquitto_program: str, start_broker: Callable[..., Broker]) -> Iterator[MeteredBox]:
    with MeteredBox(tmp_path / "run", start_broker()) as box:
        box.it["publish"]["telemetry_s"] = box.it["publish"]["latest_s"] = 1
        box.it["mqtt"]["keep_alive_s"] = 5
        yield box


def test_every_fault_of_the_network(box: MeteredBox) -> None:
    with FaultProxy(box.broker.port) as proxy:
        box.it["mqtt"]["brokers"] = [{"host": HOST, "port": proxy.port}]
        box.start()
        box.wait_samples(30)
        box.phase("start")
        box.wait_samples(25)
        box.phase("no fault")

        rand = random.Random(5)
        proxy.cuts = iter([(rand.randrange(200, 3000), rand.randrange(10, 300)) for _ in range(6)])
        proxy.reset_all()
        box.wait(lambda: proxy.resets >= 6, "six resets at random bytes", 90)
        box.wait_samples(30)
        box.phase("6 resets at random bytes")

        consumer = box.consumer
        assert consumer is not None
        proxy.refuse = True  # until the consumer is there again, or it would miss what it cannot see
        box.broker.kill()
        box.wait(lambda: not consumer.connected, "the consumer notices")
        box.broker.start()
        box.wait(lambda: consumer.connected, "the consumer is back")
        proxy.refuse = False
        box.wait_samples(25)
        box.phase("broker killed with -9")

        box.network(stall=True)
        seen = len(box.said())
        box.wait(lambda: "no " in box.said()[seen:], "a half-open link", 60)
        box.network()
        box.wait_samples(25, "the half-open link is given up")
        box.phase("half-open link: the network stalls")

        proxy.hold_answers = True
        proxy.reset_all()
        box.wait(said(box, "no CONNACK within"), "CONNACK is held")
        proxy.hold_answers = False
        proxy.apply()
        box.wait_samples(25)
        box.phase("CONNACK held")

        proxy.drop_pubacks = 1
        held = box.said().count("no PUBACK for")
        box.wait(said(box, "no PUBACK for", held + 1), "a PUBACK is lost", 60)
        box.wait_samples(30)
        box.phase("PUBACK lost")

        before = proxy.bytes[TO_BROKER]
        proxy.rate = 200
        proxy.apply()
        box.wait(lambda: proxy.bytes[TO_BROKER] > before + 1000, "1000 bytes at 200 B/s")
        box.phase("link of 200 B/s")
        proxy.rate = 0
        proxy.apply()
        box.wait_samples(25)
        box.phase("backlog of the slow link")

        box.network(delay_ms=100)
        box.wait_samples(25)
        assert box.store.telemetry["net"] == {"signal_dbm": -61}
        resets = box.said().count("connection reset")
        box.network(delay_ms=100, cut=1)
        box.wait(said(box, "connection reset", resets + 1), "the stand-in cuts")
        box.network(cut=1, up=False)
        box.wait(said(box, "network is down"), "a network without an address")
        box.network(cut=1)
        box.wait_samples(25)
        box.phase("network delayed, cut, down")
        box.judge("all of these faults")


def test_the_control_a_hold_is_seen(box: MeteredBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judgement must be able to fail: one turn of one task burns 40 ms."""
    monkeypatch.setenv("FIELDGATE_BURN", "reports")
    box.start()
    box.wait_samples(20)
    box.phase("control, 40 ms burnt")
    assert box.holds[0][1] == "reports"
    with pytest.raises(AssertionError, match="control, 40 ms burnt"):
        box.judge("control")


def test_tls_with_a_client_certificate(tmp_path: Path, mosquitto_program: str) -> None:
    plant = Plant(tmp_path, mosquitto_program)
    broker = SimpleNamespace(port=plant.ports["plain"], consumer_port=plant.ports["plain"], kind="mosquitto")
    with contextlib.closing(plant):
        with MeteredBox(tmp_path / "run", broker) as box:  # type: ignore[arg-type]
            for name, path in (
                ("ca.der", plant.ca.pair.der),
                ("box.der", plant.client.der),
                ("key.der", plant.client.key_der),
            ):
                shutil.copy(path, box.box / name)
            tls = {"ca": "ca.der", "cert": "box.der", "key": "key.der"}
            box.it["mqtt"]["brokers"] = [{"host": HOST, "port": plant.ports["client"], "tls": tls}]
            box.it["publish"]["telemetry_s"] = 1
            box.start()
            box.wait(said(box, "connected"), "the session")
            box.phase("start with a TLS handshake and client certificate")
            box.wait_samples(25)
            box.phase("TLS, no fault")
            box.judge("TLS")
