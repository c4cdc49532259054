"""A plant in a process of its own, so that nothing else the host does disturbs the pace of the line.

    async with PlantProcess(PlantSettings(folder=run_folder)) as plant:
        start_firmware(plant.device_path)
        await plant.fault("lost_reply", unit=2, count=1)
    replies = plant.served()

Promises: the process is started and ended here and leads its own process group, so a Ctrl-C at the terminal
reaches the caller only; `served()` and `faulted()` read what the plant itself wrote. Raises PlantFailed with
the plant's own line when it does not start.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from fieldgate.plant.control import ask
from fieldgate.plant.plant import PlantSettings
from fieldgate.plant.record import Reply, read_replies

START_S = 20.0
STOP_S = 5.0


class PlantFailed(Exception):
    """The plant's process did not start or ended by itself; the text is one line."""


class PlantProcess:
    """Runs `fieldgate plant` for the length of the block. `settings.folder` must be given."""

    def __init__(self, settings: PlantSettings) -> None:
        assert settings.folder is not None, "a plant in a process of its own needs a folder for its records"
        self.settings = settings
        self.folder: Path = settings.folder
        self.device_path = ""
        self.control = self.folder / "plant.sock"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> PlantProcess:
        settings = self.settings
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable, "-m", "fieldgate", "plant", "--json",
            "--baud", str(settings.baud), "--format", settings.serial_format,
            "--seed", str(settings.seed), "--speed", str(settings.speed),
            "--folder", str(self.folder), "--control", str(self.control),
        ]  # fmt: skip
        if settings.link is not None:
            command += ["--link", str(settings.link)]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=(self.folder / "plant.log").open("wb"),
            env={**os.environ, "PYTHONPATH": _with_our_package(os.environ.get("PYTHONPATH"))},
            start_new_session=True,
        )
        try:
            self.device_path = await asyncio.wait_for(self._first_line(), START_S)
        except BaseException as error:
            await self.stop()
            if isinstance(error, asyncio.TimeoutError):
                raise PlantFailed(f"the plant did not start within {START_S:.0f} s") from None
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """Process id of the plant."""
        assert self._process is not None
        return self._process.pid

    async def fault(self, name: str, unit: int | None = None, **parameters: int) -> None:
        """Switch a fault on; see faults.py. Raises ControlError."""
        await ask(self.control, "fault", name=name, unit=unit, **parameters)

    async def clear(self, name: str | None = None, unit: int | None = None) -> None:
        """Switch faults off. Raises ControlError."""
        await ask(self.control, "clear", name=name, unit=unit)

    async def status(self) -> dict[str, Any]:
        """The plant's counts; see Plant.status. Raises ControlError."""
        return await ask(self.control, "status")

    def served(self) -> list[Reply]:
        """Replies that reached the client whole, unfaulted and in time, so far."""
        return read_replies(self.folder / "served.jsonl")

    def faulted(self) -> list[Reply]:
        """Replies that something happened to, so far."""
        return read_replies(self.folder / "faulted.jsonl")

    async def stop(self) -> None:
        """End the process; by force after STOP_S."""
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except asyncio.TimeoutError:
                process.kill()
                await process.wait()

    async def _first_line(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            lines = (self.folder / "plant.log").read_text(errors="replace").strip().splitlines()
            raise PlantFailed(lines[-1] if lines else "the plant ended without a word")
        return str(json.loads(line)["device"])


def _with_our_package(pythonpath: str | None) -> str:
    """PYTHONPATH with the folder that holds this package in front."""
    ours = str(Path(__file__).resolve().parents[2])
    return ours if not pythonpath else ours + os.pathsep + pythonpath
