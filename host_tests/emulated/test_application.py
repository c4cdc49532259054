"""The whole application on the real rp2 firmware of a Pico W: heap, time to start, efficiency of a saturated line.

Everything runs as on a board but Wi-Fi, for which a broker inside the Pico stands in (on_device/app_runs.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bus_model import Line, Unit
from device_files import compiled, in_order_of_import
from pico import Pico

from fieldgate import device_build

TIMEOUT_S = 1200
BOARD = "RPI_PICO_W"
UART = 0
CODE_BYTES = 90 * 1024  # issue "real boards": code resident while running
EFFICIENCY = {19200: 0.985, 115200: 0.95}  # issue "bus engine": with the whole application running

IT = {
    "format": 1,
    "owner": "it",
    "revision": 1,
    "box": "fg-0001",
    "place": {part: part for part in ("enterprise", "site", "area", "line", "cell", "asset")},
    "mqtt": {"brokers": [{"host": "127.0.0.1", "port": 1883}], "user": None, "password": None, "keep_alive_s": 20},
    "publish": {"batch_records": 64, "batch_age_ms": 1000, "flush_ms": 1000, "telemetry_s": 5},
}


def ot(baud: int, units: int, registers: int, period_ms: int) -> dict[str, Any]:
    """The OT half: some units with as many registers each, one point per register."""
    return {
        "format": 1,
        "owner": "controls",
        "revision": 1,
        "buses": [
            {
                "name": "line1",
                "port": UART,
                "baud": baud,
                "serial_format": "8N1",
                "units": [
                    {
                        "name": f"unit{number}",
                        "unit_id": number,
                        "points": [
                            {"name": f"p{i}", "fc": 3, "address": i, "type": "uint16", "period_ms": period_ms}
                            for i in range(registers)
                        ],
                    }
                    for number in range(1, units + 1)
                ],
            }
        ],
    }


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    root = device_build.ROOT
    files = compiled("modbus", "flashlog", "uplink", "gateway", "ports", "umodbus", "umqtt", scripts=("app_runs",))
    files["main.py"] = (root / "firmware" / "main.py").read_bytes().replace(b'"__main__"', b'"not at power-on"')
    files["board.py"] = (root / "boards" / BOARD / "board.py").read_bytes()
    return files


def run(uf2: Path, files: dict[str, bytes], ot_half: dict[str, Any], call: str) -> tuple[Line, dict[str, int]]:
    bus = ot_half["buses"][0]
    halves = {"ot.json": json.dumps(ot_half).encode(), "it.json": json.dumps(IT).encode()}
    with Pico(uf2, BOARD, {**files, **halves}) as pico:
        units = [Unit(unit["unit_id"], 2000, list(range(256))) for unit in bus["units"]]
        line = Line(pico.mcu, pico.uarts[UART], units, bus["baud"], bus["serial_format"])
        said = pico.run(f"import app_runs\napp_runs.{call}").splitlines()
    rows = [words.split() for words in said]
    return line, {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].lstrip("-").isdigit()}


def test_heap_and_start(uf2: Path, files: dict[str, bytes]) -> None:
    line, figures = run(uf2, files, ot(19200, 4, 8, 500), "run(4, False)")
    mpy = sum(len(content) for name, content in files.items() if name.endswith(".mpy"))
    left_out = sum(len(content) for name, content in files.items() if name.startswith(("umodbus", "app_runs")))
    print(
        f"REPORT: emulated Pico W, 32 points: {mpy - left_out} B of .mpy; heap free at boot {figures['boot']},"
        f" started {figures['started']},"
        f" after 4 s {figures['running']} (before collecting {figures['running_low']})"
    )
    steps = ", ".join(f"{name[3:-3]} {ms}" for name, ms in figures.items() if name.startswith("at_"))
    print(f"REPORT: emulated Pico W: first start {figures['start_ms']} ms ({steps}), longest hold {figures['hold_max_ms']} ms")
    assert not line.breaches
    assert figures["replies"] == figures["requests"] > 20
    assert figures["acked"] > 3


# Loaded for a moment at the start, or on demand, and given back.
PASSING = (
    "gateway.config",
    "gateway.rules",
    "gateway.layouts",
    "modbus.pdu",
    "modbus.plain",
    "flashlog.mount",
)


def test_heap_of_each_module(uf2: Path, files: dict[str, bytes]) -> None:
    """What the code costs on a stock image, module by module."""
    order = in_order_of_import("modbus", "flashlog", "uplink", "gateway", "ports")
    modules = [name for name in order if name not in PASSING]
    with Pico(uf2, BOARD, files) as pico:
        pico.run("import app_runs, asyncio, umqtt.simple")
        rows = [row.split() for row in pico.run(f"app_runs.imports({modules!r})").splitlines()]
    cost = {name: (int(heap), int(took)) for name, heap, took in rows}
    assert len(cost) == len(modules)
    for package in ("modbus", "flashlog", "uplink", "gateway", "ports"):
        mine = {name: pair for name, pair in cost.items() if name.split(".")[0] == package}
        mpy = sum(len(files[place_of(name, files)]) for name in mine)
        heap, took = (sum(column) for column in zip(*mine.values()))
        print(f"REPORT: emulated Pico W, {package:8s}: {mpy:6d} B of .mpy take {heap:6d} B of heap, import {took} ms")
        largest = sorted(mine.items(), key=lambda item: -item[1][0])[:6]
        print("REPORT: of it " + ", ".join(f"{name.split('.', 1)[-1]} {pair[0]}" for name, pair in largest))
    resident = sum(heap for heap, _ in cost.values())
    print(f"REPORT: emulated Pico W, all resident code: {resident} B of heap (goal {CODE_BYTES})")


def place_of(name: str, files: dict[str, bytes]) -> str:
    place = name.replace(".", "/")
    return f"{place}.mpy" if f"{place}.mpy" in files else f"{place}/__init__.mpy"


@pytest.mark.parametrize("baud", [19200, 115200])
def test_saturated_line_with_the_whole_application(uf2: Path, files: dict[str, bytes], baud: int) -> None:
    line, figures = run(uf2, files, ot(baud, 1, 10, 1000), "run(4, True)")
    summary = line.summary()
    pauses = ", ".join(f"{name[6:-3]} {ms}" for name, ms in figures.items() if name.startswith("pause_"))
    print(
        f"REPORT: emulated Pico W, {baud} 8N1, whole application: efficiency {summary.efficiency:.4f} (worst cycle"
        f" {summary.worst_efficiency:.4f}) of {summary.ideal_us / 1000:.2f} ms over {summary.count} polls;"
        f" pauses in ms: {pauses}; longest hold {figures['hold_max_ms']} ms; {figures['erases']} erases"
    )
    assert not line.breaches
    assert figures["acked"] > 3
    assert summary.efficiency >= EFFICIENCY[baud]
