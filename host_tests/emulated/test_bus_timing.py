"""The bus engine on the real rp2 firmware, against a timed line: efficiency, gaps, driver pin, processor time.

The line is saturated: 10 holding registers are read again as soon as the rules allow, from a unit that answers 2 ms
after a request. Efficiency = ideal cycle / actual cycle, as the line sees it and not the gateway.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bus_model import Line, Summary, Unit
from device_files import compiled
from figures_table import Table
from pico import Pico

UART, DRIVER = 1, 6
TURNAROUND_US = 2000
TIMEOUT_S = 600  # of one test; an emulated second takes 20 to 30
POLLS = 13
TARGET = 0.99  # issue "bus engine": engine alone, at 9600, 19200 and 115200
PROCESSOR_GOAL_US = 100  # the same: CPU per transaction beside waiting


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return compiled("modbus", "ports", "umodbus", scripts=("bus_runs",))


def run(
    uf2: Path, files: dict[str, bytes], call: str, baud: int, line_format: str = "8N1", driver: int | None = None
) -> tuple[Line, list[int]]:
    """One call of bus_runs against a fresh line; returns the line and the numbers that were printed."""
    with Pico(uf2, "RPI_PICO", files) as pico:
        # Register i holds i: a shifted reply cannot pass for a right one.
        units = [Unit(1, TURNAROUND_US, list(range(256)))]
        line = Line(pico.mcu, pico.uarts[UART], units, baud, line_format, driver)
        numbers = [int(word) for word in pico.run(f"import bus_runs\nbus_runs.{call}").split()]
    return line, numbers


def tell(who: str, line: Line) -> Summary:
    figures = line.summary()
    print(
        f"REPORT: emulated RP2040, {line.baud:6d} {line.line_format}, {who}: efficiency {figures.efficiency:.4f}"
        f" (worst cycle {figures.worst_efficiency:.4f}) of {figures.ideal_us / 1000:.2f} ms,"
        f" jitter {figures.jitter_us:.0f} us,"
        f" gap {figures.gap_min_us:.0f}..{figures.gap_max_us:.0f} us (t3.5 {figures.t35_us:.0f} us)"
    )
    return figures


@pytest.mark.parametrize("baud", [9600, 19200, 115200])
def test_saturated_line_is_used_to_99_percent(uf2: Path, files: dict[str, bytes], table: Table, baud: int) -> None:
    other, numbers = run(uf2, files, f"theirs({baud}, '8N1', None, {POLLS})", baud)
    assert numbers == [POLLS]
    theirs = tell("micropython-modbus", other)
    line, numbers = run(uf2, files, f"ours({baud}, '8N1', None, {POLLS})", baud)
    assert numbers[:2] == [POLLS, 0]
    figures = tell("Fieldgate", line)
    table.row(f"Pico, {baud} 8N1 saturated, engine alone", line, figures.efficiency)
    table.row(f"Pico, {baud} 8N1 saturated, micropython-modbus", other, theirs.efficiency)
    assert not line.breaches
    assert figures.gap_min_us >= figures.t35_us
    assert figures.efficiency > theirs.efficiency
    assert figures.efficiency >= TARGET


def check_driver(line: Line) -> float:
    """The driver is on for every bit of a request and off before the fastest legal reply; longest hold in us."""
    offs = [ns for ns, on in line.driver_edges if not on]
    ons = [ns for ns, on in line.driver_edges if on]
    hold_us = 0.0
    for transaction in line.transactions:
        on = max(ns for ns in ons if ns <= transaction.start_ns)
        off = min(ns for ns in offs if ns > on)
        assert off >= transaction.end_ns
        assert off <= transaction.end_ns + line.t35_ns
        hold_us = max(hold_us, (off - transaction.end_ns) / 1000)
    return hold_us


@pytest.mark.parametrize(("baud", "line_format"), [(9600, "8E1"), (115200, "8N1")])
def test_driver_pin_frames_every_request(uf2: Path, files: dict[str, bytes], baud: int, line_format: str) -> None:
    line, numbers = run(uf2, files, f"ours({baud}, {line_format!r}, {DRIVER}, {POLLS})", baud, line_format, DRIVER)
    assert numbers[:2] == [POLLS, 0]
    assert not line.breaches
    tell("Fieldgate, driver pin", line)
    hold_us = check_driver(line)
    print(
        f"REPORT: emulated RP2040, {baud:6d} {line_format}: driver off at most {hold_us:.0f} us after the last stop bit"
    )


@pytest.mark.parametrize("naive", [False, True])
def test_driver_falls_in_time_beside_a_task_that_holds_the_loop(
    uf2: Path, files: dict[str, bytes], naive: bool
) -> None:
    """The mutant (naive) takes the driver down when the engine looks at the port: it must be caught."""
    call = f"beside(19200, '8N1', {DRIVER}, 15, 3, 12, {naive})"
    line, (good, events) = run(uf2, files, call, 19200, "8N1", DRIVER)
    if naive:
        assert line.breaches["driver on"]
    else:
        assert good >= 5 and not events
        assert not line.breaches
        check_driver(line)


def test_wrong_parity_is_seen_by_the_line_and_by_the_engine(uf2: Path, files: dict[str, bytes]) -> None:
    """The referee itself: a gateway at 8N1 on a line at 8E1 must not look well."""
    with Pico(uf2, "RPI_PICO", files) as pico:
        line = Line(pico.mcu, pico.uarts[UART], [Unit()], 19200, "8E1")
        pico.run("import bus_runs\np = bus_runs.Rs485(bus_runs.wiring(None), 19200, '8N1')\np.send(bytearray(8))")
        pico.run("import time\ntime.sleep_ms(10)")
    assert line.breaches["format"] == 8
    assert line.breaches["crc"] == 1


def test_processor_time_of_one_transaction(uf2: Path, files: dict[str, bytes]) -> None:
    _, (good, cost_us) = run(uf2, files, "processor(40)", 115200)
    assert good == 40
    _, (good, their_us) = run(uf2, files, "their_processor(10)", 115200)
    assert good == 10
    print(
        f"REPORT: emulated RP2040: CPU of one transaction of 10 registers beside waiting {cost_us} us (goal"
        f" {PROCESSOR_GOAL_US} us), with schedule, health and counters; micropython-modbus {their_us} us,"
        f" {their_us / cost_us:.0f} times as much"
    )
    assert cost_us <= PROCESSOR_GOAL_US
