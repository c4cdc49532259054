"""Images that `make image` built boot in the emulator: one UF2 with MicroPython and file system polls and logs.

Nothing is run over the REPL: main.py starts by itself, as at power-on. The log gets 8 borrowed blocks instead of the
board's own number, as making them takes a fifth of a virtual second each at the first start.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import image_files_fake
import pytest
from bus_model import Line, Unit
from pico import FLASH_BYTES, Pico

from fieldgate import board_data, image, image_files, image_firmware, image_uf2
from fieldgate.flashimage import Image

TIMEOUT_S = 1500
POLLS = 25
LOG_BLOCKS = 8
STILL = 40  # looks at the clock, half a second apart
BAUD = 19200

OT = {
    "format": 1,
    "owner": "controls",
    "revision": 1,
    "buses": [
        {
            "name": "line1",
            "port": 0,
            "baud": BAUD,
            "serial_format": "8N1",
            "units": [
                {
                    "name": "meter",
                    "unit_id": 1,
                    "points": [
                        {"name": f"p{i}", "fc": 3, "address": i, "type": "uint16", "period_ms": 100} for i in range(8)
                    ],
                }
            ],
        }
    ],
}
IT = {
    "format": 1,
    "owner": "it",
    "revision": 1,
    "box": "fg-0001",
    "place": {part: part for part in ("enterprise", "site", "area", "line", "cell", "asset")},
    "mqtt": {"brokers": [{"host": "10.0.0.1", "port": 1883}]},
    "publish": {"flush_ms": 500},
}


def build(name: str, uf2: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The image of a board with a configuration and few blocks for the log."""
    for half, content in (("ot.json", OT), ("it.json", IT)):
        (folder / half).write_text(json.dumps(content))
    # What is tried here need not be the pinned file.
    boards = image_files_fake.copy_boards(board_data.ROOT / "boards", folder / "boards")
    monkeypatch.setenv("FIELDGATE_BOARDS", str(boards))
    collect = image.collect_files

    def with_few_blocks(board: board_data.Board, configuration: Path | None) -> dict[str, bytes]:
        files = collect(board, configuration)
        few = rf'\g<1>{LOG_BLOCKS}, "sectors": {LOG_BLOCKS}'
        text, count = re.subn(r'("pinned_files": )\d+, "sectors": \d+', few, files["board.py"].decode())
        assert count == 1
        return files | {"board.py": text.encode()}

    monkeypatch.setattr(image, "collect_files", with_few_blocks)
    firmware = uf2 / name / "firmware.uf2"
    return image.make(name, firmware, folder / "image", folder, unpinned=True, any_version=True).path


def poll_until(pico: Any, line: Line, count: int, limit_us: float) -> str:
    """Let the board run until it has polled so often; returns what its console said. Ends early where time stands
    still: the program has ended then and the prompt waits for somebody."""
    said = bytearray()
    before = pico._device.cdc.on_serial_data

    def listen(data: Any) -> None:
        said.extend(bytes([data]) if isinstance(data, int) else bytes(data))
        if before:
            before(data)

    async def wait() -> None:
        still, last_us = 0, -1.0
        while len(line.transactions) < count and pico.now_us < limit_us and still < STILL:
            still = still + 1 if pico.now_us == last_us else 0
            last_us = pico.now_us
            await asyncio.sleep(0.5)

    pico._device.cdc.on_serial_data = listen
    pico._loop.run_until_complete(wait())
    return said.decode(errors="replace")


@pytest.mark.parametrize("name", ["RPI_PICO", "RPI_PICO_W"])
def test_the_image_boots_polls_and_logs(name: str, uf2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build(name, uf2, tmp_path, monkeypatch)
    board = board_data.read(name)
    flash = image_uf2.flash_of(board, image_firmware.uf2_blocks(path, path.read_bytes()))
    assert len(flash) == FLASH_BYTES
    pico: Any = Pico(uf2, name, flash=flash)
    unit = Unit(1, 2000, list(range(256)))
    line = Line(pico.mcu, pico.uarts[0], [unit], BAUD, "8N1")
    with pico:
        said = poll_until(pico, line, POLLS, 20_000_000)
        first_poll_ms = line.transactions[0].start_ns / 1e6 if line.transactions else -1
        end_ms = pico.now_us / 1000
        files = image_files.read(board, pico.storage(0, board.flash["files_bytes"] // 4096))
    print(
        f"REPORT: image of {name} in the emulator: first poll {first_poll_ms:.0f} ms after power-on with making the log"
    )
    assert re.search(r"^box [0-9a-f]{16}, started by power", said), said
    assert unit.requests >= POLLS, f"{unit.requests} polls in {end_ms:.0f} ms of virtual time; it said: {said[-800:]}"
    assert not line.breaches
    assert "crash.txt" not in files, files["crash.txt"].decode()
    log = Image.parse(name, b"".join(files[f"log/{number:03d}"] for number in range(LOG_BLOCKS)))
    assert log.frames, "nothing was logged"
