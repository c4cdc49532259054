"""Whose fault it is, on the virtual board: the retained topic and the events, from the plant's faults to the broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_box_reports import Retained
from virtual_box import VirtualBox

from fieldgate.broker import Broker

TIMEOUT_S = 180


def test_faults_are_told_to_the_broker_with_cause_and_subject(
    tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with VirtualBox(tmp_path / "run", broker) as box:
        box.ot["attribution"] = True
        base = "/".join(box.it["place"][part] for part in ("enterprise", "site", "area", "line", "cell", "asset"))
        box.start()
        late = Retained(broker, base)
        try:

            def now() -> list[tuple[Any, Any, Any]] | None:
                told = late.look().get("faults")
                return told and [(row["cause"], row["reason"], row["subject"]) for row in told["faults"]]

            box.wait(lambda: now() == [], "no fault", 60)
            assert any(event.startswith("fault begins") for event in box.events()), "the start itself"
            box.fault("dead_unit", unit=2)
            box.wait(lambda: now() == [("device", "silent", "climate")], "the silent unit", 60)
            box.clear()
            box.wait(lambda: now() == [], "the unit is back", 90)
            broker.stop()
            box.wait(lambda: "connection refused" in box.said() or "reset" in box.said(), "the broker is missed")
            broker.start()

            def of_broker() -> list[str]:
                begins = [event for event in box.events() if event.startswith("fault begins ")]
                return [event for event in begins if int(event.split()[2]) >> 16 == 5]

            box.wait(lambda: len(of_broker()) > 0, "what the broker's outage was", 60)
        finally:
            late.stop()
