"""A port of the real rp2 firmware is tuned to another setting, as a search does it: the line judges the result."""

from __future__ import annotations

from pathlib import Path

import pytest
from bus_model import Line, Unit
from device_files import compiled
from pico import Pico

UART, DRIVER = 1, 6
POLLS = 5
PROGRAM = """
import asyncio
import bus_runs as runs
port = runs.Rs485(runs.wiring({driver}), 4800, '8N1')
port.tune(115200, '8N2')
port.tune({baud}, '{line_format}')
poller = runs.Poller(port, runs.Clock(), {baud}, '{line_format}', {polls})
asyncio.run(poller.bus.run(asyncio.sleep_ms))
print(poller.good, poller.events)
"""


@pytest.mark.parametrize(("baud", "line_format", "driver"), [(19200, "8E1", None), (38400, "8N1", DRIVER)])
def test_a_tuned_port_speaks_the_new_setting(uf2: Path, baud: int, line_format: str, driver: int | None) -> None:
    files = compiled("modbus", "ports", "umodbus", scripts=("bus_runs",))
    with Pico(uf2, "RPI_PICO", files) as pico:
        line = Line(pico.mcu, pico.uarts[UART], [Unit(1, 2000, list(range(256)))], baud, line_format, driver)
        program = PROGRAM.format(baud=baud, line_format=line_format, driver=driver, polls=POLLS)
        words = pico.run(program).split()
    assert words == [str(POLLS), "0"]
    assert not line.breaches
