"""Images that `make image` built boot in the emulator: one UF2 with MicroPython and file system polls and logs.

Nothing is run over the REPL: main.py starts by itself, as at power-on.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bus_model import Line, Unit
from figures_table import Table
from image_on_pico import BAUD, LOG_BLOCKS, build, wait_until
from pico import FLASH_BYTES, Pico

from fieldgate import board_data, image_files, image_firmware, image_uf2
from fieldgate.flashimage import Image

TIMEOUT_S = 1500
POLLS = 25


@pytest.mark.parametrize("name", ["RPI_PICO", "RPI_PICO_W"])
def test_the_image_boots_polls_and_logs(
    name: str, uf2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    path = build(name, uf2, tmp_path, monkeypatch)
    board = board_data.read(name)
    flash = image_uf2.flash_of(board, image_firmware.uf2_blocks(path, path.read_bytes()))
    assert len(flash) == FLASH_BYTES
    pico: Any = Pico(uf2, name, flash=flash)
    unit = Unit(1, 2000, list(range(256)))
    line = Line(pico.mcu, pico.uarts[0], [unit], BAUD, "8N1")
    with pico:
        said = wait_until(pico, lambda: len(line.transactions) >= POLLS, 20_000_000)
        first_poll_ms = line.transactions[0].start_ns / 1e6 if line.transactions else -1
        end_ms = pico.now_us / 1000
        files = image_files.read(board, pico.storage(0, board.flash["files_bytes"] // 4096))
    print(
        f"REPORT: image of {name} in the emulator: first poll {first_poll_ms:.0f} ms after power-on with making the log"
    )
    table.row(f"image of {name}, first start", line, operations=pico.flash.operations)
    assert re.search(r"^box [0-9a-f]{16}, started by power", said), said
    assert unit.requests >= POLLS, f"{unit.requests} polls in {end_ms:.0f} ms of virtual time; it said: {said[-800:]}"
    assert not line.breaches
    assert "crash.txt" not in files, files["crash.txt"].decode()
    log = Image.parse(name, b"".join(files[f"log/{number:03d}"] for number in range(LOG_BLOCKS)))
    assert log.frames, "nothing was logged"
