"""The bus engine beside micropython-modbus on the real rp2 firmware: every setting that `make bench-bus` compares.

The line is saturated, as in test_bus_timing.py, and one Pico that has booted serves all cases of a test in copies.
Each prints one line of `key=value` words, which fieldgate.bench_bus draws as a table.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bus_model import Line, Summary, Unit
from device_files import compiled
from pico import Pico

UART, DRIVER = 1, 6
TURNAROUND_US = 2000
POLLS = 9
CYCLES = 5  # that are measured at the least
REGISTERS = (1, 10, 60, 125)
TIMEOUT_S = 1800


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return compiled("modbus", "ports", "umodbus", scripts=("bus_runs",))


def measured(
    pico: Pico, who: str, baud: int, line_format: str, registers: int, driver: int | None
) -> tuple[Summary, int, int, float]:
    """(figures of the line, breaches of its rules, good replies, longest hold of the driver in us) of one case."""
    # Register i holds i: a shifted reply cannot pass for a right one.
    line = Line(pico.mcu, pico.uarts[UART], [Unit(1, TURNAROUND_US, list(range(256)))], baud, line_format, driver)
    call = f"{who}({baud}, {line_format!r}, {driver}, {POLLS}, {registers})"
    good = int(pico.run(f"import bus_runs\nbus_runs.{call}").split()[0])
    hold_us = 0.0
    for transaction in line.transactions if driver else ():
        off = min((ns for ns, on in line.driver_edges if not on and ns >= transaction.end_ns), default=0.0)
        hold_us = max(hold_us, (off - transaction.end_ns) / 1000)
    return line.summary(least=CYCLES), sum(line.breaches.values()), good, hold_us


@pytest.mark.parametrize("line_format", ["8N1", "8E1"])
@pytest.mark.parametrize("baud", [115200, 19200, 9600])
def test_every_setting_beside_micropython_modbus(
    uf2: Path, files: dict[str, bytes], baud: int, line_format: str
) -> None:
    with Pico(uf2, "RPI_PICO", files) as pico:
        pico.run("import bus_runs")
        for registers in REGISTERS:
            for driver in (None, DRIVER):
                found = {}
                for who in ("ours", "theirs"):
                    case = (pico, who, baud, line_format, registers, driver)
                    found[who] = figures, breaches, good, hold_us = pico.in_a_copy(lambda case=case: measured(*case))
                    print(
                        f"CASE: {who} baud={baud} format={line_format} registers={registers} driver={int(bool(driver))}"
                        f" efficiency={figures.efficiency:.4f} t35_us={figures.t35_us:.0f}"
                        f" gap_min_us={figures.gap_min_us:.0f} gap_max_us={figures.gap_max_us:.0f}"
                        f" spread_us={figures.jitter_us:.0f} driver_late_us={hold_us:.0f}"
                        f" short_gaps={int(figures.gap_min_us < figures.t35_us)}"
                    )
                figures, breaches, good, hold_us = found["ours"]
                assert good >= POLLS and not breaches, found
                assert figures.gap_min_us >= figures.t35_us > hold_us
                theirs = found["theirs"][0]
                assert figures.efficiency > theirs.efficiency or theirs.gap_min_us < theirs.t35_us
