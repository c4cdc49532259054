"""A point of every type on the real box, from the unit's registers to what the broker's consumers are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from virtual_box import VirtualBox

from fieldgate.broker import HOST, Broker
from fieldgate.monitor.client import Consumer
from fieldgate.plant.machine import State
from fieldgate.points import NOT_AVAILABLE
from fieldgate.summary import report

STATES = {str(number): state.value for number, state in enumerate(State)}
POINTS: list[dict[str, Any]] = [
    {"name": "energy", "address": 16, "type": "uint64", "order": "CDAB", "scale": 0.000001, "unit": "kWh"},
    {"name": "state", "address": 20, "type": "uint16", "names": STATES},
    {"name": "is_running", "address": 21, "type": "uint16", "bit": 0},
    {"name": "is_faulty", "address": 21, "type": "uint16", "bit": 1},
    {"name": "state_again", "address": 21, "type": "uint16", "bits": [8, 3], "names": STATES},
    {"name": "input", "address": 22, "type": "int16", "na": [-32768], "unit": "degC", "scale": 0.1},
    {"name": "speed", "address": 23, "type": "uint16", "scale_from": "speed_sf", "unit": "Hz", "high": 40},
    {"name": "speed_sf", "address": 24, "type": "int16"},
    {"name": "cycles_bcd", "address": 25, "type": "bcd32"},
    {"name": "mains", "address": 27, "type": "float64", "unit": "Hz"},
    {"name": "model", "address": 31, "type": "string8"},
]


@pytest.mark.parametrize("payload", ["columns", "typed"])
def test_every_type_from_registers_to_consumers(
    payload: str, tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with VirtualBox(tmp_path / "run", broker) as box:
        box.it["publish"].update(payload=payload, latest_s=1)
        plc = box.ot["buses"][0]["units"][3]
        plc["points"] += [{"fc": 3, "period_ms": 200, **point} for point in POINTS]
        base = "/".join(box.it["place"][part] for part in ("enterprise", "site", "area", "line", "cell", "asset"))
        told: list[str] = []
        consumer = Consumer(HOST, broker.consumer_port, [base + "/latest/plc/+"])
        consumer.start()
        assert consumer.wait_subscribed(15)
        try:
            box.start()
            box.wait(lambda: box.samples > 80 and "plc.energy" in box.store.latest, "samples of every unit")
            values = {name[4:]: one.value for name, one in box.store.latest.items() if name.startswith("plc.")}
            consumer.drain(lambda topic, text, arrival: told.append(text.decode()))
        finally:
            consumer.stop()
        balance = box.balance()
        assert balance.ok, report(balance)
    check_values(values)
    check_latest([text for text in told if '"energy"' in text])


def check_values(values: dict[str, Any]) -> None:
    """What the monitor has."""
    assert values["energy"].exact > 1204 and values["energy"].json == str(values["energy"].exact)
    assert values["state"].name == State.STOPPED.value or values["state"].name in STATES.values()
    assert values["is_running"].exact in (True, False) and values["state_again"].exact == values["state"].exact
    assert (values["input"].quality, values["input"].exact) == (NOT_AVAILABLE, None)
    assert values["speed_sf"].exact == -2 and 0 <= values["speed"].exact < 60
    assert values["cycles_bcd"].exact >= 0 and 45 < values["mains"].exact < 55 and values["model"].exact == "PM-1500"


def check_latest(texts: list[str]) -> None:
    """What the box itself wrote, with all digits: the consumer's decoder and the box's agree."""
    assert texts
    for text in texts:
        found = json.loads(text, parse_float=Decimal)
        values = found["values"]
        if values["energy"] is None:
            continue
        assert values["energy"].as_tuple().exponent == -6, "in mWh, every one of them"
        assert values["input"] is None and found["qualities"]["input"] == NOT_AVAILABLE
        assert found["names"]["state"] == STATES[str(values["state"])] == found["names"]["state_again"]
        assert (found["qualities"].get("speed", 0) == 6) == (values["speed"] > 40)
        assert values["model"] == "PM-1500" and isinstance(values["cycles_bcd"], int)
