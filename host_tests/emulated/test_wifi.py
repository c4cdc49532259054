"""The whole application on an emulated Pico W that publishes over its Wi-Fi to a real mosquitto, plain and by TLS.

`POLLS=1000` makes it a long run (default 60); half-way, when data have come, the broker goes away and comes back. What
mosquitto got is judged by its own subscriber; the heap is printed with its largest free block.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import test_application
import wifi_model
from bus_model import Line, Unit
from certificates import Authority
from device_files import as_on_a_box, compiled
from figures_table import Table
from pico import Pico
from test_box_tls import TimeServer
from test_uplink_tls import HOST, wait_open

from fieldgate import device_build
from fieldgate.broker import free_port
from fieldgate.monitor.client import Consumer
from fieldgate.monitor.decoder import decode
from fieldgate.monitor.site import filters
from fieldgate.monitor.store import Store

TIMEOUT_S = 14000
BOARD = "RPI_PICO_W"
BAUD = 115200
POLLS = int(os.environ.get("POLLS") or 60)
LIMIT_S = 90 + POLLS // 40  # virtual; TLS handshakes begin 30 s apart
FREE_BYTES = {"plain": 70 * 1024, "tls": 40 * 1024}  # issue "real boards", with 32 points
TURNAROUND_US = 500
KEEP_ALIVE_S = 3600  # the broker counts seconds of this machine


class Mosquitto:
    """mosquitto with a plain and a TLS listener, which can go away and come back."""

    def __init__(self, folder: Path, program: str) -> None:
        self.ca = Authority(folder, "plant")
        pair = self.ca.issue("broker", [HOST])
        self.ports = {"plain": free_port(), "tls": free_port()}
        lines = [
            "user root",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            f"listener {self.ports['plain']} {HOST}",
        ]
        lines += [f"listener {self.ports['tls']} {HOST}", f"cafile {self.ca.pair.cert}", f"certfile {pair.cert}"]
        (folder / "mosquitto.conf").write_text("\n".join([*lines, f"keyfile {pair.key}"]) + "\n")
        self.command = [program, "-c", str(folder / "mosquitto.conf")]
        self.log = (folder / "mosquitto.log").open("w")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        for port in self.ports.values():
            wait_open(port)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def mosquitto(tmp_path: Path, mosquitto_program: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path, mosquitto_program)
    yield broker
    broker.stop()
    broker.log.close()


def halves(mosquitto: Mosquitto, kind: str, time_port: int) -> tuple[dict[str, Any], dict[str, Any]]:
    broker: dict[str, Any] = {"host": wifi_model.HOST, "port": mosquitto.ports[kind]}
    if kind == "tls":
        broker["tls"] = {"ca": "ca.der", "server_name": HOST}
    it: dict[str, Any] = json.loads(json.dumps(test_application.IT))
    it["mqtt"]["brokers"] = [broker]
    it["mqtt"]["keep_alive_s"] = KEEP_ALIVE_S
    it["network"] = {"wifi": [{"ssid": "RP2040PY-GUEST", "key": None}]}
    it["time_servers"] = [{"host": wifi_model.HOST, "port": time_port}]
    return test_application.ot(BAUD, 4, 8, 500), it


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_polls_and_publishes_over_wifi(
    uf2: Path, mosquitto: Mosquitto, kind: str, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    wifi_model.lead_to_this_host(monkeypatch)
    server = TimeServer()
    server.speaks = True
    wiring = device_build.ROOT / "firmware" / "wiring.py"
    scripts = ("app_runs", "wifi_runs")
    files = compiled(*test_application.PACKAGES, "umodbus", "umqtt", scripts=scripts, others=(wiring,))
    files["board.py"] = (device_build.ROOT / "boards" / BOARD / "board.py").read_bytes()
    files = as_on_a_box(files, scripts)
    ot, it = halves(mosquitto, kind, server.port)
    files |= {"ot.json": json.dumps(ot).encode(), "it.json": json.dumps(it).encode()}
    files["ca.der"] = mosquitto.ca.pair.der.read_bytes()
    store = Store(decode)
    consumer = Consumer(HOST, mosquitto.ports["plain"], filters(""), client_id="emulated")
    consumer.start()
    assert consumer.wait_subscribed(15), consumer.problem
    with Pico(uf2, BOARD, files) as pico:
        units = [Unit(unit["unit_id"], TURNAROUND_US, list(range(256))) for unit in ot["buses"][0]["units"]]
        line = Line(pico.mcu, pico.uarts[test_application.UART], units, BAUD, "8N1")

        def look() -> None:  # every virtual second
            consumer.drain(store.feed)
            if len(line.transactions) < POLLS // 2 or not store.counts["samples"]:
                alarm.schedule(1e9)
            else:
                mosquitto.stop()
                mosquitto.start()

        alarm = pico.mcu.clock.create_alarm(look)
        alarm.schedule(1e9)
        began = time.monotonic()
        said = pico.run(f"import wifi_runs\nwifi_runs.run({POLLS}, {LIMIT_S})")
    rows = [words.split() for words in said.splitlines()]
    figures = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].lstrip("-").isdigit()}
    largest = 16 * int(re.findall(r"max free sz: (\d+)", said)[-1])
    time.sleep(2)  # what the broker still has
    consumer.drain(store.feed)
    consumer.stop()
    print(
        f"REPORT: emulated Pico W on its Wi-Fi, {kind}, 32 points, {figures['requests']} polls, {figures['connects']}"
        f" connections, {figures['acked']} batches acknowledged: heap free at boot {figures['boot']}, started"
        f" {figures['started']}, connected {figures.get('connected')}, at the end {figures['running']} (lowest"
        f" {figures['heap_low']}), largest free block {largest}; first poll {figures['first_poll_ms']} ms, first batch"
        f" {figures.get('first_publish_ms')} ms, longest hold {figures['hold_max_ms']} ms; consumer:"
        f" {dict(store.counts)}, missing {store.missing}; {time.monotonic() - began:.0f} s of this machine"
    )
    row = (figures["running"], largest, figures["hold_max_ms"], pico.flash.operations)
    table.row(f"Pico W on its Wi-Fi, {kind}, 32 points", line, None, *row)
    assert not line.breaches
    assert figures["requests"] >= POLLS and figures["session_stands"] == 1
    assert figures["connects"] >= 2, "the broker went away once"
    assert store.counts["samples"] > 20 and not store.counts["rubbish"] and not store.counts["unexplained"]
    assert figures["running"] >= FREE_BYTES[kind]
