"""The virtual plant: a line, four units served by pymodbus and the machine behind them.

    async with Plant(PlantSettings(folder=run_folder)) as plant:
        start_firmware(plant.device_path)
        plant.faults.set("lost_reply", unit=2, count=1)
        ...
        for reply in plant.served: ...

Promises: what `served` holds reached the client whole and in time (`record.py`); leaving the block closes the
server, the ptys and the files. Raises OSError (no pseudo-terminal, folder not writable) or ValueError (settings).
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer

from fieldgate.plant.faults import Faults
from fieldgate.plant.line import Line
from fieldgate.plant.machine import OPENING_S, Machine
from fieldgate.plant.record import Book, Reply, Ring
from fieldgate.plant.timing import SerialTiming
from fieldgate.plant.units import TURNAROUND_MS, sim_devices


@dataclass(frozen=True)
class PlantSettings:
    """What a plant is made of.

    baud, serial_format: of the line. seed: of the machine and the faults. speed: machine seconds per second.
    folder: where line.jsonl, served.jsonl and faulted.jsonl are written, None for memory only. link: a symbolic
    link to the device path, replaced when it exists, so that the path survives a restart of the plant.
    """

    baud: int = 19200
    serial_format: str = "8E1"
    seed: int = 1
    speed: float = 1.0
    folder: Path | None = None
    link: Path | None = None


def speed_for(seconds: float) -> float:
    """Speed at which a demonstration of this length sees the machine start, run, idle and fault; at least 1."""
    return max(1.0, 1.2 * OPENING_S / seconds)


class Plant:
    """A running plant, as an asynchronous context manager."""

    def __init__(self, settings: PlantSettings | None = None) -> None:
        self.settings = settings or PlantSettings()
        self.timing = SerialTiming(self.settings.baud, self.settings.serial_format)
        if not 0.01 <= self.settings.speed <= 1000:
            raise ValueError(f"speed: found {self.settings.speed}, allowed 0.01..1000")
        self.machine = Machine(self.settings.seed)
        self._started_s = 0.0

    async def __aenter__(self) -> Plant:
        self._loop = asyncio.get_running_loop()
        self._started_s = self._loop.time()
        self.book = Book(self.settings.folder)
        try:
            self.line = Line(self.timing, TURNAROUND_MS, self.book, self.settings.seed)
        except OSError:
            self.book.close()
            raise
        try:
            await self._serve()
            self._make_link()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def device_path(self) -> str:
        """Path of the serial port for the firmware."""
        return self.line.device_path

    @property
    def served(self) -> Ring[Reply]:
        """Replies that reached the client whole, unfaulted and in time."""
        return self.book.served

    @property
    def faulted(self) -> Ring[Reply]:
        """Replies that something happened to."""
        return self.book.faulted

    @property
    def faults(self) -> Faults:
        """The switches of the line's faults."""
        return self.line.faults

    def status(self) -> dict[str, Any]:
        """Everything that counts, as plain data."""
        self.current_machine()
        return {
            "device": self.device_path,
            "baud": self.timing.baud,
            "serial_format": self.timing.serial_format,
            "machine": self.machine.state.value,
            "machine_ms": self.machine.time_ms,
            "listening": self.line.wire.listening,
            "device_opens": self.line.device_opens,
            "line": dict(self.line.counts),
            "faults": {name: count for name, count in self.faults.counts.items() if count},
            "active": self.faults.as_list(),
            "lines_not_written": self.book.lines_not_written,
        }

    def current_machine(self) -> Machine:
        """The machine, brought up to now."""
        self.machine.advance_to_ms(int((self._loop.time() - self._started_s) * self.settings.speed * 1000))
        return self.machine

    async def _serve(self) -> None:
        self._server: ModbusSerialServer | None = ModbusSerialServer(
            sim_devices(self.current_machine),
            framer=FramerType.RTU,
            port=self.line.server_path,
            baudrate=self.timing.baud,
            parity="N",  # a pty refuses parity; format and pace are the wire's business
            trace_packet=self._newest_request,
        )
        await self._server.serve_forever(background=True)
        for _ in range(3):  # pymodbus finishes opening the port in callbacks of its own
            await asyncio.sleep(0)

    def _newest_request(self, sending: bool, data: bytes) -> bytes:
        """Without requests before it: pymodbus keeps those with a function code unknown to it and stumbles over them.

        Such a request is not answered (a device would answer with exception 1).
        """
        return data if sending else data[-len(self.line.wire.asked) :]

    def _make_link(self) -> None:
        link = self.settings.link
        if link is None:
            return
        if link.is_symlink():
            link.unlink()
        os.symlink(self.device_path, link)

    async def _close(self) -> None:
        link = self.settings.link
        if link is not None and link.is_symlink() and os.readlink(link) == self.device_path:
            link.unlink()
        server = getattr(self, "_server", None)
        if server is not None:
            await server.shutdown()
        self.line.close()
        self.book.close()
