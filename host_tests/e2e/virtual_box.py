"""A virtual box on a virtual plant for end-to-end tests: real firmware on MicroPython, real broker, real Modbus units.

    with VirtualBox(folder, broker) as box:
        box.start()
        box.wait(lambda: box.delivered > 50)
    assert box.balance().ok

Promises: every wait is bounded and says what it waited for; what the firmware printed is in the failure; nothing is
left running.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from fieldgate import summary
from fieldgate.broker import HOST, Broker, child_environment
from fieldgate.demo import result
from fieldgate.demo.child import Child
from fieldgate.demo.run import HEAP, find_micropython
from fieldgate.device_build import build
from fieldgate.monitor.client import Consumer, utc_ms
from fieldgate.monitor.decoder import decode
from fieldgate.monitor.site import filters
from fieldgate.monitor.store import Delivery, Store
from fieldgate.plant.control import ask

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "boards" / "virtual"
WAIT_S = 30.0
# A box that waits for a processor of this host closes its block so much later; tests with a kill -9 count the reads.
BUSY_HOST_MS = 1000


class VirtualBox:
    """`ot`, `it`: called with the parsed half to change it before the start. `speed`: machine seconds per second.

    `beside`: what ends after the box and before the plant. A box opens its port again when that has gone, and a
    pseudo-terminal's name may be somebody else's by then: another test's console.
    """

    def __init__(self, folder: Path, broker: Broker, speed: float = 10.0) -> None:
        self.folder = folder
        self.broker = broker
        self.speed = speed
        self.box = folder / "box"
        self.flash = self.box / "flash.img"
        self.serial = folder / "line1"
        self.log = folder / "firmware.log"
        self.beside = contextlib.ExitStack()
        self.kills_ms: list[int] = []
        self.deliveries: list[Delivery] = []
        self.store = Store(decode, self.deliveries.append)
        self.firmware: Child | None = None
        self.plant: Child | None = None
        self.consumer: Consumer | None = None
        self.box.mkdir(parents=True)
        self.ot = json.loads((CONFIG / "ot.json").read_text())
        self.it = json.loads((CONFIG / "it.json").read_text())
        self.it["mqtt"]["brokers"] = [{"host": HOST, "port": broker.port}]

    def __enter__(self) -> VirtualBox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.firmware is not None:
            self.firmware.stop()
        self.beside.close()
        if self.plant is not None:
            self.plant.stop()
        if self.consumer is not None:
            self.consumer.stop()
        print(f"firmware, at its end:\n{self.said()[-3000:]}")  # pytest shows it with a failure

    # Starting and stopping

    def start(self) -> None:
        """Plant, consumer, firmware."""
        self.start_plant()
        self.start_consumer()
        self.start_firmware()

    def start_plant(self) -> None:
        folder = self.folder / "plant"
        folder.mkdir()
        self.control = folder / "plant.sock"
        command = [*fieldgate("plant"), "--json", "--speed", str(self.speed), "--folder", str(folder)]
        command += ["--link", str(self.serial), "--control", str(self.control)]
        self.plant = Child("plant", command, self.folder, child_environment(), self.folder / "plant.log")
        self.wait(lambda: self.serial.exists() and self.control.exists(), "the plant opens its line")

    def start_consumer(self) -> None:
        self.consumer = Consumer(HOST, self.broker.consumer_port, filters(""), client_id="fieldgate-test")
        self.consumer.start()
        assert self.consumer.wait_subscribed(15), self.consumer.problem

    def write_configuration(self) -> None:
        (self.box / "ot.json").write_text(json.dumps(self.ot))
        (self.box / "it.json").write_text(json.dumps(self.it))

    def command(self) -> list[str]:
        """How the firmware is started: the same files as on a board, compiled."""
        return [find_micropython(), "-X", f"heapsize={HEAP}", str(build("virtual").tree / "main.py")]

    def environment(self) -> dict[str, str]:
        """What the virtual board reads from there."""
        return {
            **os.environ,
            "MICROPYPATH": f".frozen:{build('virtual').tree}",
            "FIELDGATE_SERIAL": str(self.serial),
            "FIELDGATE_FLASH": str(self.flash),
        }

    def start_firmware(self) -> None:
        """As a process that can be killed and started again."""
        if not (self.box / "ot.json").exists():
            self.write_configuration()
        self.firmware = Child("firmware", self.command(), self.box, self.environment(), self.log)

    def kill_firmware(self) -> None:
        """kill -9."""
        assert self.firmware is not None
        self.firmware.kill()
        self.kills_ms.append(utc_ms())

    def fault(self, name: str, **parameters: Any) -> None:
        """Switch a fault of the line on."""
        asyncio.run(ask(self.control, "fault", name=name, **parameters))

    def clear(self) -> None:
        """Switch all faults of the line off."""
        asyncio.run(ask(self.control, "clear"))

    # Looking and waiting

    def pump(self) -> None:
        """Take in what the broker has delivered."""
        if self.consumer is not None:
            self.consumer.drain(self.store.feed)

    def said(self) -> str:
        """What the firmware has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def samples(self) -> int:
        """Good samples that came out of the broker, duplicates apart."""
        self.pump()
        return self.store.counts["samples"]

    def events(self) -> list[str]:
        """Events that came out of the broker, in the glossary's words with their arguments."""
        self.pump()
        return [self.store.event_text(seen.event) for seen in self.store.events]

    def wait(self, condition: Callable[[], object], what: str = "", seconds: float = WAIT_S) -> None:
        """Until `condition()` is true; fails with what the firmware printed."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}\nfirmware:\n{self.said()[-2000:]}"
            time.sleep(0.05)
            self.pump()

    def wait_exit(self, seconds: float = WAIT_S) -> int:
        """The firmware's exit status."""
        firmware = self.firmware
        assert firmware is not None
        self.wait(lambda: firmware.status is not None, "the firmware ends", seconds)
        assert firmware.status is not None
        return firmware.status

    def wait_samples(self, count: int, what: str = "") -> None:
        """Until `count` more good samples have arrived."""
        target = self.samples + count
        self.wait(lambda: self.samples >= target, what or f"{count} more samples arrive")

    def balance(self, settle_s: float = 15.0) -> summary.Balance:
        """What the plant served until now against what has arrived by the time all of it could."""
        end_ms = utc_ms()
        unflushed_ms = self.it["publish"]["flush_ms"] + BUSY_HOST_MS
        deadline = time.monotonic() + settle_s
        while True:
            self.pump()
            balance = summary.compare(
                result.served_record(self.folder / "plant"),
                result.delivered_record(self.deliveries, self.store),
                end_ms,
                self.kills_ms,
                unflushed_ms,
            )
            if not balance.lost or time.monotonic() > deadline:
                return balance
            time.sleep(0.2)


def fieldgate(command: str) -> list[str]:
    """The host program as a user's shell would start it."""
    import sys

    return [sys.executable, "-m", "fieldgate", command]
