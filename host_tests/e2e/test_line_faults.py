"""Every fault of the line, through the whole path: nothing wrong, nothing lost, and each named rightly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from virtual_box import VirtualBox

from fieldgate.broker import Broker
from fieldgate.plant.control import ask
from fieldgate.summary import report

STRIKES = 6

# Fault, its parameters, and what of the bus counters in the telemetry must have grown afterwards.
TOUR: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("lost_reply", {"permille": 300}, "timeouts"),
    ("corrupt", {"permille": 300}, "crc_errors"),
    ("stray_00", {}, "resyncs"),
    ("stray_ff", {}, "resyncs"),
    ("late_reply", {"ms": 250, "permille": 300}, "timeouts"),
    ("noise", {"ms": 100}, ""),
    ("echo", {}, "replies"),
)


def bus(box: VirtualBox) -> dict[str, Any]:
    """The bus entry of the newest telemetry."""
    box.pump()
    found = box.store.telemetry.get("bus") or [{}]
    return dict(found[0])


def strikes(box: VirtualBox, name: str) -> int:
    """How often the plant has done it."""
    return int(asyncio.run(ask(box.control, "status"))["faults"].get(name, 0))


def test_every_fault_of_the_line(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.it["publish"]["telemetry_s"] = 1
        box.start()
        box.wait_samples(20)
        box.wait(lambda: bus(box), "the first telemetry")
        for name, parameters, counter in TOUR:
            before = bus(box).get(counter, 0)
            box.fault(name, **parameters)
            box.wait(lambda name=name: strikes(box, name) >= STRIKES, f"the plant does {name} {STRIKES} times")
            box.clear()
            if counter:
                grown = lambda counter=counter, before=before: bus(box)[counter] > before  # noqa: E731
                box.wait(grown, f"{name} shows in {counter}")
            box.wait_samples(10, f"polling goes on after {name}")
        balance = box.balance()
        assert balance.ok, report(balance)
        print(
            f"REPORT: line faults, {STRIKES} or more of each of {len(TOUR)}: {balance.served} served, 0 lost, 0 wrong"
        )


def test_a_cut_cable_is_the_buss_fault_and_not_the_units(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.start()
        box.wait_samples(20)
        box.fault("cable_cut")
        box.wait(lambda: any(event.startswith("bus fault") for event in box.events()), "the event bus_fault")
        values = box.store.latest["meter.voltage"]
        box.wait(lambda: box.store.latest["meter.voltage"].quality != 0, "no value is called good")
        assert values.words == box.store.latest["meter.voltage"].words  # the last good one, with its own time
        box.clear()
        box.wait(lambda: any(event.startswith("bus back") for event in box.events()), "the event bus_back")
        box.wait_samples(30)
        assert not any(event.startswith("unit silent") for event in box.events())
        balance = box.balance()
        assert balance.ok, report(balance)


def test_last_will_and_birth(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.start()
        box.wait(lambda: box.store.status.get("state") == "online", "the birth")
        assert box.store.status["boot"] == 1
        box.kill_firmware()
        box.wait(lambda: box.store.status.get("state") == "offline", "the last will")
        assert box.store.status["boot"] == 1
        box.start_firmware()
        box.wait(lambda: box.store.status.get("state") == "online", "the next birth")
        assert box.store.status["boot"] == 2
        assert set(box.store.status) == {
            "format",
            "box",
            "boot",
            "log",
            "state",
            "firmware",
            "schema",
            "groups",
            "ot",
            "it",
        }
