"""The whole application on the real rp2 firmware of a Pico W: heap, time to start, efficiency of a saturated line.

Everything runs as on a board but Wi-Fi, for which a broker inside the Pico stands in (on_device/app_runs.py).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bus_model import Line, Unit
from device_files import as_on_a_box, compiled, in_order_of_import
from figures_table import Table
from flash_model import Operation
from pico import Pico

from fieldgate import bundle, device_build, size_report

BOARD = "RPI_PICO_W"
UART = 0
GLOSSARY = "gateway/glossary.jsonl"
# Issue "real boards".
CODE_BYTES = 90 * 1024  # resident while running
FREE_BYTES = 70 * 1024  # with 32 points
START_MS = 2000  # to the first poll, with 32 points
PUBLISH_MS = 10000  # to the first batch at the broker
SATURATED_S = 8
POINT_BYTES = 100  # resident for each point, issue "points"
POLLS = int(os.environ.get("POLLS") or 500)
TIMEOUT_S = 1200 + POLLS
EFFICIENCY = {19200: 0.985, 115200: 0.95}  # issue "bus engine": with the whole application running

PACKAGES = ("modbus", "flashlog", "uplink", "gateway", "console", "ports")

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
    wiring = root / "firmware" / "wiring.py"
    files = compiled(*PACKAGES, "umodbus", "umqtt", scripts=("app_runs",), others=(wiring,))
    files["board.py"] = (root / "boards" / BOARD / "board.py").read_bytes()
    files[GLOSSARY] = (root / "firmware" / GLOSSARY).read_bytes()
    return as_on_a_box(files, ("app_runs",))


class Ran(NamedTuple):
    line: Line
    figures: dict[str, int]
    largest_free_bytes: int
    loaded: list[str]
    flash: bytes
    operations: list[Operation]

    def tell(self, table: Table, what: str, efficiency: float | None = None) -> None:
        figures = self.figures
        table.row(
            f"Pico W, {what}",
            self.line,
            efficiency,
            figures["running"],
            self.largest_free_bytes,
            figures["hold_max_ms"],
            self.operations,
        )


def run(uf2: Path, files: dict[str, bytes], ot_half: dict[str, Any], call: str, flash: bytes = b"") -> Ran:
    bus = ot_half["buses"][0]
    halves = {"ot.json": json.dumps(ot_half).encode(), "it.json": json.dumps(IT).encode()}
    with Pico(uf2, BOARD, {**files, **halves}, flash) as pico:
        units = [Unit(unit["unit_id"], 2000, list(range(256))) for unit in bus["units"]]
        line = Line(pico.mcu, pico.uarts[UART], units, bus["baud"], bus["serial_format"])
        said = pico.run(f"import app_runs\napp_runs.{call}")
        flash, operations = pico.flash_bytes(), pico.flash.operations
    rows = [words.split() for words in said.splitlines()]
    figures = {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].lstrip("-").isdigit()}
    blocks = re.findall(r"max free sz: (\d+)", said)
    loaded = [row[1] for row in rows if row and row[0] == "loaded"]
    return Ran(line, figures, 16 * int(blocks[-1]), loaded, flash, operations)


def show(what: str, ran: Ran) -> None:
    figures = ran.figures
    steps = ", ".join(f"{name[3:-3]} {ms}" for name, ms in figures.items() if name.startswith("at_"))
    print(
        f"REPORT: emulated Pico W, {what}: first poll after {figures['first_poll_ms']} ms, first batch at the broker"
        f" after {figures['first_publish_ms']} ms ({steps}); longest hold {figures['hold_max_ms']} ms"
    )
    print(
        f"REPORT: emulated Pico W, {what}: heap free at boot {figures['boot']}, started {figures['started']}, before"
        f" the connection was cut {figures['before_cut']}, at the end {figures['running']} (before collecting"
        f" {figures['running_low']}), largest free block {ran.largest_free_bytes}; {figures['requests']} polls,"
        f" {figures['connects']} connections"
    )


def keep_for_size_report(what: str, ran: Ran) -> None:
    """`fieldgate size` shows these figures until the next run."""
    place = size_report.MEASURED
    known = measured()
    known[what] = {
        "free_bytes_at_boot": ran.figures["boot"],
        "free_bytes_started": ran.figures["started"],
        "free_bytes_running": ran.figures["running"],
        "largest_free_bytes": ran.largest_free_bytes,
        "first_poll_ms": ran.figures["first_poll_ms"],
        "first_publish_ms": ran.figures["first_publish_ms"],
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(known, indent=1) + "\n")


def measured() -> dict[str, dict[str, int]]:
    known: dict[str, dict[str, int]] = {}
    if size_report.MEASURED.is_file():
        known = json.loads(size_report.MEASURED.read_text())
    return known


@pytest.mark.parametrize(("units", "registers", "period_ms"), [(4, 8, 500), (16, 13, 2000)])
def test_heap_and_start(
    uf2: Path, files: dict[str, bytes], table: Table, units: int, registers: int, period_ms: int
) -> None:
    """32 points, and about 200 over 16 units: the first start makes the log's files, the second is what a box does."""
    half = ot(19200, units, registers, period_ms)
    first = run(uf2, files, half, "run(4, False, 3)")
    show(f"{units * registers} points, first start", first)
    second = run(uf2, files, half, "run(6, False, 3)", first.flash)
    show(f"{units * registers} points", second)
    first.tell(table, f"{units * registers} points, first start")
    second.tell(table, f"{units * registers} points")
    keep_for_size_report(f"{units * registers} points", second)
    print("REPORT: modules in memory: " + " ".join(name for name in second.loaded if name.split(".")[0] in PACKAGES))
    assert not second.line.breaches
    assert second.figures["replies"] == second.figures["requests"] > 20
    assert second.figures["acked"] > 3 and second.figures["connects"] == 2
    assert second.figures["first_publish_ms"] <= PUBLISH_MS
    if units == 4:
        assert second.figures["first_poll_ms"] <= START_MS
        assert second.figures["running"] >= FREE_BYTES
        return
    few = measured().get("32 points")
    assert few, "run it with 32 points before"
    for when, name in (("started", "free_bytes_started"), ("running", "free_bytes_running")):
        bytes_each = (few[name] - second.figures[when]) / (units * registers - 32)
        print(
            f"REPORT: emulated Pico W, {when}: each point beyond 32 takes {bytes_each:.0f} B, with its share of unit"
            f" and read (goal {POINT_BYTES})"
        )
        assert bytes_each <= POINT_BYTES


def test_heap_after_many_polls(uf2: Path, files: dict[str, bytes], table: Table) -> None:
    """POLLS=10000 is the issue's measure, and takes half an hour."""
    ran = run(uf2, files, ot(115200, 4, 8, 500), f"run({20 + POLLS // 50}, True, polls={POLLS})")
    show(f"32 points, {POLLS} polls on a saturated line at 115200", ran)
    ran.tell(table, "32 points, many polls")
    assert not ran.line.breaches
    assert ran.figures["requests"] >= POLLS and ran.figures["connects"] == 2
    assert ran.figures["running"] >= FREE_BYTES


# What a box with every default feature has in memory; what the start needs besides is dropped (gateway.unload).
ROOTS = ("gateway.app", "gateway.start", "modbus.bus", "console.door", "ports.rp2.uart_rs485", "ports.rp2.flash")
ROOTS += tuple(f"ports.rp2.{name}" for name in ("clock", "led", "net", "watchdog", "console"))


def resident() -> list[str]:
    dropped = re.findall(r"[a-z]+\.[a-z_]+", (device_build.ROOT / "firmware" / "gateway" / "unload.py").read_text())
    return [name for name in in_order_of_import(*PACKAGES, roots=ROOTS) if name not in dropped]


def test_heap_of_each_module(uf2: Path, files: dict[str, bytes]) -> None:
    """What the code costs on a stock image, module by module."""
    modules = resident()
    places = bundle.unpack(files[bundle.NAME])
    with Pico(uf2, BOARD, files) as pico:
        pico.run("import app_runs, asyncio, umqtt.simple")
        rows = [row.split() for row in pico.run(f"app_runs.imports({modules!r})").splitlines()]
    cost = {name: (int(heap), int(took)) for name, heap, took in rows}
    moved_bytes, moved_ms = cost.pop("moved")
    assert len(cost) == len(modules)
    for package in PACKAGES:
        mine = {name: pair for name, pair in cost.items() if name.split(".")[0] == package}
        mpy = sum(len(places.get(place_of(name, places), b"")) for name in mine)
        heap, took = (sum(column) for column in zip(*mine.values()))
        print(f"REPORT: emulated Pico W, {package:8s}: {mpy:6d} B of .mpy take {heap:6d} B of heap, import {took} ms")
        largest = sorted(mine.items(), key=lambda item: -item[1][0])[:6]
        print("REPORT: of it " + ", ".join(f"{name.split('.', 1)[-1]} {pair[0]}" for name, pair in largest))
    code_bytes = sum(heap for heap, _ in cost.values())
    left_bytes = code_bytes + moved_bytes
    print(
        f"REPORT: emulated Pico W, all resident code: {code_bytes} B of heap, {left_bytes} B when what can runs from"
        f" flash ({moved_ms} ms; goal {CODE_BYTES})"
    )
    assert left_bytes <= CODE_BYTES


def place_of(name: str, files: dict[str, bytes]) -> str:
    place = name.replace(".", "/")
    return f"{place}.mpy" if f"{place}.mpy" in files else f"{place}/__init__.mpy"


def by_second(line: Line, ideal_us: float) -> list[float]:
    """Efficiency in each second from the first poll on."""
    starts = [transaction.start_ns for transaction in line.transactions]
    seconds: dict[int, list[int]] = {}
    for start, following in zip(starts, starts[1:]):
        seconds.setdefault((start - starts[0]) // 1_000_000_000, []).append(following - start)
    return [ideal_us * 1000 * len(cycles) / sum(cycles) for _, cycles in sorted(seconds.items())]


@pytest.mark.parametrize("baud", [19200, 115200])
def test_saturated_line_with_the_whole_application(uf2: Path, files: dict[str, bytes], table: Table, baud: int) -> None:
    """The first start of a blank box, saturated from its first poll on: what happens once counts, and is told apart."""
    ran = run(uf2, files, ot(baud, 1, 10, 1000), f"run({SATURATED_S}, True)")
    line, figures = ran.line, ran.figures
    batch_ns = line.transactions[0].end_ns + (figures["first_publish_ms"] - figures["first_poll_ms"]) * 1e6
    later = len([t for t in line.transactions if t.reply_end_ns and t.start_ns < batch_ns])
    summary, running = line.summary(), line.summary(later)
    pauses = ", ".join(f"{name[6:-3]} {ms}" for name, ms in figures.items() if name.startswith("pause_"))
    print(
        f"REPORT: emulated Pico W, {baud} 8N1, whole application, {SATURATED_S} s: efficiency {summary.efficiency:.4f}"
        f" from the first poll, {running.efficiency:.4f} after the first batch (worst cycle"
        f" {summary.worst_efficiency:.4f}) of {summary.ideal_us / 1000:.2f} ms over {summary.count} polls;"
        f" pauses in ms: {pauses}; longest hold {figures['hold_max_ms']} ms; {figures['erases']} erases"
    )
    ran.tell(table, f"{baud} 8N1 saturated, whole application", summary.efficiency)
    seconds = " ".join(f"{efficiency:.3f}" for efficiency in by_second(line, summary.ideal_us))
    print(f"REPORT: emulated Pico W, {baud} 8N1, whole application, efficiency second by second: {seconds}")
    assert not line.breaches
    assert figures["acked"] > 3
    assert min(summary.efficiency, running.efficiency) >= EFFICIENCY[baud]
