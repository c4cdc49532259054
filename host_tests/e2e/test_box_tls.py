"""The whole box with TLS: a clock that is not known at first, a time server, a certificate that is wrong.

The truth is the plant's own record, as in test_main_job.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_uplink_tls import HOST, Plant
from virtual_box import VirtualBox

NTP_TO_UNIX_S = 2208988800


class TimeServer:
    """A real UDP socket that tells the host's time (RFC 4330); silent until `speaks` is set."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.port = self.socket.getsockname()[1]
        self.asked = 0
        self.speaks = False
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                data, peer = self.socket.recvfrom(512)
            except OSError:
                return
            assert len(data) == 48 and data[0] == 0x23
            self.asked += 1
            if self.speaks:
                now = time.time() + NTP_TO_UNIX_S
                stamp = int(now).to_bytes(4, "big") + int(now % 1 * (1 << 32)).to_bytes(4, "big")
                head = b"\x24\x02\x06\xec" + bytes(8) + b"TEST" + stamp
                self.socket.sendto(head + data[40:48] + stamp + stamp, peer)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: str) -> Iterator[Plant]:
    plant = Plant(tmp_path_factory.mktemp("tls"), mosquitto_program)
    yield plant
    plant.close()


@pytest.fixture
def box(plant: Plant, tmp_path: Path) -> Iterator[VirtualBox]:
    broker = SimpleNamespace(port=plant.ports["plain"], consumer_port=plant.ports["plain"], kind="mosquitto")
    with VirtualBox(tmp_path / "run", broker) as box:  # type: ignore[arg-type]
        for name, path in (
            ("ca.der", plant.ca.pair.der),
            ("box.der", plant.client.der),
            ("key.der", plant.client.key_der),
        ):
            shutil.copy(path, box.box / name)
        yield box


def test_a_box_without_a_clock_sets_it_and_connects_by_tls(box: VirtualBox, plant: Plant, monkeypatch) -> None:
    monkeypatch.setenv("FIELDGATE_CLOCK", "unset")
    server = TimeServer()
    tls = {"ca": "ca.der", "cert": "box.der", "key": "key.der"}
    box.it["mqtt"]["brokers"] = [{"host": HOST, "port": plant.ports["client"], "tls": tls}]
    box.it["time_servers"] = [{"host": HOST, "port": server.port}]
    box.it["publish"]["telemetry_s"] = 1
    box.start()
    where = f"broker {HOST}:{plant.ports['client']}: "
    box.wait(lambda: where + "clock is not set, no TLS without" in box.said(), "the refusal without a clock")
    assert box.samples == 0
    server.speaks = True
    box.wait(lambda: where + "connected" in box.said(), "the session", 60)
    assert f"clock: time is known from {HOST}" in box.said()
    box.wait_samples(60)
    balance = box.balance()
    assert balance.ok, balance
    box.wait(lambda: tls_pause_ms(box) > 0, "telemetry says that the handshake was announced to the bus")
    hold_ms = box.store.telemetry["hold_max_ms"]
    print(f"REPORT: whole virtual box with TLS: longest hold {hold_ms} ms, bus paused {tls_pause_ms(box)} ms for TLS")
    floor = box.box / "time_floor.txt"
    box.wait(lambda: floor.exists() and floor.read_text().strip(), "the floor is kept")
    assert abs(int(floor.read_text()) - time.time()) < 3600


def tls_pause_ms(box: VirtualBox) -> int:
    """How long the bus says it was paused for TLS."""
    return sum(bus["pause_ms"]["tls"] for bus in box.store.telemetry.get("bus", ()))


def test_a_wrong_authority_is_an_event_and_never_a_plain_connection(box: VirtualBox, plant: Plant) -> None:
    bad = {"host": HOST, "port": plant.ports["other_ca"], "tls": {"ca": "ca.der"}}
    box.it["mqtt"]["brokers"] = [bad, {"host": HOST, "port": plant.ports["plain"]}]
    box.start()
    box.wait_samples(20, "the second broker of the list is used")
    box.wait(
        lambda: any(event.startswith("broker down certificate not signed by our CA") for event in box.events()),
        "the event with its reason",
    )
    assert f"broker {HOST}:{plant.ports['other_ca']}: connected" not in box.said()
