"""What the box says beside its data, with a real broker: latest values, telemetry, inventory, glossary; typed payload.

Everything is taken from the broker as a consumer would that came late: retained messages only, where they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from virtual_box import VirtualBox

from fieldgate import glossary_cli
from fieldgate.broker import HOST, Broker
from fieldgate.monitor.client import Consumer
from fieldgate.summary import report


class Retained:
    """The newest message of every topic below the base, as a fresh subscriber gets them."""

    def __init__(self, broker: Broker, base: str) -> None:
        self.found: dict[str, Any] = {}
        self._base = base
        self._consumer = Consumer(HOST, broker.consumer_port, [base + "/#"])
        self._consumer.start()
        assert self._consumer.wait_subscribed(15)

    def take(self, topic: str, payload: bytes, _arrival_ms: int) -> None:
        name = topic[len(self._base) + 1 :]
        if name != "data":
            self.found[name] = json.loads(payload)

    def look(self) -> dict[str, Any]:
        self._consumer.drain(self.take)
        return self.found

    def below(self, start: str) -> list[Any]:
        return [message for name, message in sorted(self.look().items()) if name.startswith(start)]

    def stop(self) -> None:
        self._consumer.stop()


def test_a_consumer_that_comes_late_learns_everything_from_the_broker(
    tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with VirtualBox(tmp_path / "run", broker) as box:
        box.it["publish"].update(payload="typed", latest_s=1, telemetry_s=2)
        box.ot["buses"][0]["identify"] = True
        base = "/".join(box.it["place"][part] for part in ("enterprise", "site", "area", "line", "cell", "asset"))
        box.start()
        box.wait_samples(60)
        late = Retained(broker, base)
        try:
            box.wait(lambda: len(late.below("assets/")) == 4, "the inventory", 60)
            box.wait(lambda: len(late.below("latest/")) == 7, "the latest values of every group")
            box.wait(lambda: len(late.below("telemetry/")) == 4, "telemetry of every unit")
            _, terms = glossary_cli.load()
            box.wait(lambda: len(late.below("glossary/")) == len(terms), "the whole glossary")
            check_meta(late, {term["term"] for term in terms})
            check_latest(box, late)
            telemetry = late.found["telemetry"]
            assert telemetry["clock"] == "set" and telemetry["reset"] == "power" and telemetry["boot"] == 1
            assert telemetry["ot"]["hash"] == late.found["status"]["ot"]["hash"]
            size = len(json.dumps(telemetry, separators=(",", ":")))
            unit_size = len(json.dumps(late.below("telemetry/")[0]))
            print(f"REPORT: telemetry of the demo's box: {size} B, of a unit {unit_size} B")
            meter = late.found["assets/line1/1"]
            assert meter["unit"] == "meter" and meter["state"] == "ok" and meter["first_seen_utc_ms"]
            assert (box.box / "assets.jsonl").read_text().count("\n") == 4
            balance = box.balance()
            assert balance.ok, report(balance)
        finally:
            late.stop()


def check_meta(late: Retained, terms: set[str]) -> None:
    """Name, unit, scale, type, source unit and register, period, deadband, terms, schema: of every point."""
    metas = late.below("meta/" + late.found["status"]["schema"])
    assert len(metas) == late.found["status"]["groups"] == 7
    for meta in metas:
        assert set(meta["terms"]) <= terms and meta["deadband"] is None
        for key in ("schema", "bus", "unit", "unit_id", "fc", "address", "period_ms"):
            assert meta[key] is not None, key
        for point in meta["points"]:
            assert set(point) == {"name", "at", "type", "order", "scale", "offset", "unit"}


def check_latest(box: VirtualBox, late: Retained) -> None:
    """Numbers as in the data, and null with a reason once a unit is dead."""
    drive = next(message for message in late.below("latest/") if message["unit"] == "drive")
    assert drive["quality"] == 0 and set(drive["values"]) == {
        "output_frequency", "output_current", "dc_bus_voltage", "output_voltage",
    }  # fmt: skip
    assert 1.7e12 < drive["utc_ms"] < 4e12
    box.fault("dead_unit", unit=3)

    def dead() -> bool:
        message = next(message for message in late.below("latest/") if message["unit"] == "drive")
        return message["quality"] in (1, 5) and set(message["values"].values()) == {None}

    box.wait(dead, "null and a reason in the place of the values")
    box.clear()
