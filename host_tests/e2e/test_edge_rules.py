"""Rules of ot.json on the whole path: a derived point, an aggregate, an alarm and a deadband, seen at the broker."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_box_reports import Retained
from test_console import ConsoleBox

from fieldgate.broker import Broker
from fieldgate.demo.result import served_record
from fieldgate.monitor.store import Delivery
from fieldgate.monitor.values import raw_number

RULES: dict[str, Any] = {
    "derived": [
        {"name": "volt_ampere", "expression": "meter.voltage * meter.current", "unit": "VA"},
        {"name": "made", "expression": "plc.good + plc.rejects", "type": "uint32"},
    ],
    "aggregates": [
        {"name": "power", "point": "meter.active_power", "window_s": 5, "of": ["min", "max", "mean", "count", "energy"]}
    ],
    "alarms": [
        {"name": "drive_silent", "point": "drive.output_frequency", "kind": "stale", "limit": 3, "latching": True,
         "severity": "critical", "text": "check the drive's supply"}
    ],
}  # fmt: skip


def test_rules_reach_the_broker(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    broker = start_broker()
    with ConsoleBox(tmp_path / "run", broker) as box:
        box.it["publish"].update(telemetry_s=2, latest_s=1)
        box.ot.update(RULES)
        climate = next(unit for unit in box.ot["buses"][0]["units"] if unit["name"] == "climate")
        for point in climate["points"]:
            point.update(deadband=80, heartbeat_s=6)
        base = "/".join(box.it["place"][part] for part in ("enterprise", "site", "area", "line", "cell", "asset"))
        box.start()
        box.wait_samples(60)
        late = Retained(broker, base)
        try:
            box.wait(lambda: len(of(box, "windows")) > 1 and len(of(box, "derived")) > 8, "computed samples")
            check_derived(box)
            check_windows(box)
            check_deadband(box, late)
            check_alarm(box, late)
        finally:
            late.stop()


def of(box: ConsoleBox, unit: str) -> list[Delivery]:
    """Good samples of a unit."""
    box.pump()
    return [one for one in box.deliveries if one.group.unit == unit and one.sample.words and not one.duplicate]


def numbers(one: Delivery) -> dict[str, int | float | bool]:
    return {point.name: raw_number(point, word) for point, word in zip(one.group.points, one.sample.words)}


def check_derived(box: ConsoleBox) -> None:
    """Each one is made of what was delivered as read, bit for bit."""
    read = [(one.sample.uptime_ms, numbers(one)) for one in of(box, "meter") if "voltage" in numbers(one)]
    found = of(box, "derived")
    assert {one.group.fc for one in found} == {0} and found[0].group.unit_id == 0
    checked = 0
    for one in found[1:-1]:
        made = numbers(one)["volt_ampere"]
        newest = [row for at, row in read if at <= one.sample.uptime_ms + 20][-2:]
        wanted = [single(float(row["voltage"]) * float(row["current"])) for row in newest]
        if made == made:  # the first may have come before the meter
            assert made in wanted, (made, wanted)
            checked += 1
    assert checked > 3
    print(f"REPORT: derived point on the virtual board: {checked} of {checked} equal to what was read")


def single(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])


def check_windows(box: ConsoleBox) -> None:
    """The second window is a whole one."""
    one = of(box, "windows")[1]
    row = numbers(one)
    assert 4 <= row["power_count"] <= 6 and row["power_min"] <= row["power_mean"] <= row["power_max"]
    assert one.utc_ms is not None and min(one.utc_ms % 5000, 5000 - one.utc_ms % 5000) < 200
    hours = 5 / 3600
    assert row["power_min"] * hours * 900 < row["power_energy"] < row["power_max"] * hours * 1100 + 1


def check_deadband(box: ConsoleBox, late: Retained) -> None:
    """The meta says what silence means, the telemetry how much was left out, and the rest came."""
    box.wait(lambda: late.look().get("telemetry", {}).get("suppressed", 0) > 3, "samples are left out")
    metas = late.below("meta/" + late.found["status"]["schema"])
    assert [meta["deadband"] for meta in metas if meta["unit"] == "climate"] == [
        {"heartbeat_s": 6, "points": [80, 80]}
    ]
    assert {str(meta["deadband"]) for meta in metas if meta["unit"] != "climate"} == {"None"}
    assert late.found["status"]["groups"] == len(metas)
    check_silence([one for one in of(box, "climate") if one.utc_ms is not None], served_climate(box))
    assert any(message["unit"] == "derived" for message in late.below("latest/"))


def served_climate(box: ConsoleBox) -> list[int]:
    """When the plant answered the climate sensor's polls (UTC in ms)."""
    return [one.utc_ms for one in served_record(box.folder / "plant") if one.stream[0] == 2]


def check_silence(recorded: list[Delivery], served_ms: list[int]) -> None:
    """Counted in polls, as a loaded machine is late: a sample that did not move was recorded for the heartbeat only, so
    others before it were left out; never more than fit into a heartbeat of 6 s."""
    places = [min(range(len(served_ms)), key=lambda i: abs(served_ms[i] - one.utc_ms)) for one in recorded]
    assert len(places) > 1
    for (before, one), (last, place) in zip(zip(recorded, recorded[1:]), zip(places, places[1:])):
        values = zip(numbers(before).values(), numbers(one).values())
        moved = any(abs(int(now) - int(then)) >= 80 for then, now in values)
        assert place - last <= 3 and (moved or place - last > 1), (numbers(before), numbers(one), last, place)


def check_alarm(box: ConsoleBox, late: Retained) -> None:
    """Raised, cleared, still latched, acknowledged at the console."""

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = late.look().get("alarms", {}).get("alarms", [])
        return found

    assert not listed() and late.found["alarms"]["configured"] == 1
    box.fault("dead_unit", unit=3)
    box.wait(lambda: any("alarm raised drive_silent" in text for text in box.events()), "alarm_raised")
    box.wait(lambda: [alarm["state"] for alarm in listed()] == ["active"], "the list has it")
    assert listed()[0]["severity"] == "critical" and listed()[0]["since_utc_ms"] > 1.7e12
    assert "critical drive_silent: active for" in box.type("alarms")
    box.clear()
    box.wait(lambda: any("alarm cleared drive_silent" in text for text in box.events()), "alarm_cleared", 60)
    box.wait(lambda: [alarm["state"] for alarm in listed()] == ["latched"], "it is latched")
    assert "no alarm drive: type alarms all" in box.type("alarms ack drive")
    assert "acknowledged: drive_silent" in box.type("alarms ack drive_silent")
    box.wait(lambda: not listed(), "nothing wants attention")
    box.wait(lambda: any("alarm acknowledged drive_silent" in text for text in box.events()), "alarm_acknowledged")
    assert "no alarm wants attention, 1 are configured" in box.type("alarms")
