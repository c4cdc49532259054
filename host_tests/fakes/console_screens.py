"""A large configuration on a line where much is wrong, and what the real console shows of it, screen by screen."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from console_fuzz import BOARD, FAKES, ROOT
from fieldgate.demo.run import find_micropython
from fieldgate.device_build import build

HEAP = "1M"
NAMES = """press_hydraulics main_meter compressor_room climate_hall_2 drive_infeed drive_outfeed plc_press plc_robot
chiller boiler_house water_meter gas_meter lighting_north lighting_south vacuum_pump dust_extraction""".split()
POINTS = ("active_power", "energy_total", "supply_temperature", "state_word")
# What is wrong, unit ids by kind: one of each, so that every hint has its cause.
HEALTHY: dict[str, Any] = {kind: [] for kind in ("silent", "sometimes", "refuses", "damaged", "odd")}
HEALTHY.update(there=list(range(1, 17)), down=False)
TROUBLED = HEALTHY | {"silent": [3, 7, 11, 12], "sometimes": [5], "refuses": [6], "damaged": [8], "odd": [9]}
DEAD = HEALTHY | {"there": [], "down": True}


def ot() -> dict[str, Any]:
    """16 units of 4 points, rules and a machine."""
    units = []
    for number, name in enumerate(NAMES, 1):
        points = [
            {"name": point, "fc": 3, "address": 10 * at, "type": kind, "period_ms": 2000}
            for at, (point, kind) in enumerate(zip(POINTS, ("float32", "uint32", "int16", "uint16")))
        ]
        units.append({"name": name, "unit_id": number, "points": points})
    units[4]["comm_loss_ms"] = 5000
    alarms = [
        {"name": f"{name}_too_hot", "point": f"{name}.supply_temperature", "kind": "high", "limit": 0,
         "severity": "critical", "text": "stop the line, call maintenance, wait for the electrician"}
        for name in NAMES[:8]
    ]  # fmt: skip
    rules = {
        "derived": [{"name": "power_sum", "expression": "main_meter.active_power + chiller.active_power"}],
        "aggregates": [{"name": "energy", "point": "main_meter.energy_total", "of": ["increase"]}],
        "alarms": alarms,
        "machine": {"states": [{"state": "running", "when": "plc_press.state_word > 0"}]},
        "attribution": True,
    }
    bus = {"name": "line1", "baud": 115200, "serial_format": "8E1", "units": units}
    return {"format": 1, "owner": "controls", "revision": 1, "buses": [bus], **rules}


def show(
    folder: Path, faults: dict[str, Any], lines: Iterable[str], heap: str = HEAP, timeout_s: float = 300
) -> list[tuple[str, str]]:
    """(line, what was shown behind it) of each line and each `more`."""
    (folder / "ot.json").write_text(json.dumps(ot()))
    if not (folder / "it.json").exists():
        (folder / "it.json").write_bytes((BOARD / "it.json").read_bytes())
    (folder / "faults").write_text(json.dumps(faults))
    (folder / "lines").write_text("\n".join(lines) + "\n")
    path = f".frozen:{build('virtual').tree}:{FAKES}:{ROOT / 'host_tests' / 'emulated' / 'on_device'}"
    done = subprocess.run(
        [find_micropython(), "-X", f"heapsize={heap}", str(FAKES / "console_screens_box.py")], cwd=folder,
        env={"MICROPYPATH": path}, capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip
    # Behind it the gateway, which starts again, may still say something.
    assert "\nEND\n" in done.stdout, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    shown = [json.loads(text[7:]) for text in done.stdout.splitlines() if text.startswith("SCREEN ")]
    return [(line, text.partition("\r\n")[2]) for line, text in shown]
