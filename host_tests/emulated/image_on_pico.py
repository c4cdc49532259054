"""Images that `make image` built, for the emulator: built with a configuration, run until something is so.

The log gets 8 borrowed blocks instead of the board's own number, as making them takes a fifth of a virtual second each
at the first start.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import image_files_fake
import pytest

from fieldgate import board_data, image

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


def build(
    name: str, uf2: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, it: dict[str, Any] | None = None
) -> Path:
    """The image of a board with a configuration and few blocks for the log."""
    for half, content in (("ot.json", OT), ("it.json", it or IT)):
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


def wait_until(pico: Any, done: Callable[[], bool], limit_us: float) -> str:
    """Let the board run until `done()`; returns what its console said. Ends early where time stands still: the program
    has ended then and the prompt waits for somebody."""
    said = bytearray()
    before = pico._device.cdc.on_serial_data

    def listen(data: Any) -> None:
        said.extend(bytes([data]) if isinstance(data, int) else bytes(data))
        if before:
            before(data)

    async def wait() -> None:
        still, last_us = 0, -1.0
        while not done() and pico.now_us < limit_us and still < STILL:
            still = still + 1 if pico.now_us == last_us else 0
            last_us = pico.now_us
            await asyncio.sleep(0.5)

    pico._device.cdc.on_serial_data = listen
    pico._loop.run_until_complete(wait())
    return said.decode(errors="replace")
