"""A Raspberry Pi Pico (W) in an emulator, running MicroPython's own firmware image.

`Pico` boots a UF2 with a file system made on the host, runs code over the raw REPL, and gives
its UARTs and its flash the times of real ones (uart_model, flash_model). Time is virtual: it
moves by executed instructions and does not depend on the machine the test runs on.

    with Pico(uf2_folder, "RPI_PICO", files={"hello.py": b"print(1)"}) as pico:
        print(pico.run("import hello"))

A folder of UF2 images has one folder per board: RPI_PICO/firmware.uf2, RPI_PICO_W/firmware.uf2.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uart_model
from flash_model import FlashModel
from littlefs import LittleFS, UserContext
from rp2040py.boards import BOARDS, FlashLayout
from rp2040py.device.mp_device import MicroPythonDevice

FLASH_BYTES = 2 * 1024 * 1024
BLOCK_BYTES = 4096
# File system region of the stock images: MICROPY_HW_FLASH_STORAGE_BYTES at the chip's end.
STORAGE_BYTES = {"RPI_PICO": 1408 * 1024, "RPI_PICO_W": 848 * 1024}
EMULATOR_NAME = {"RPI_PICO": "pico", "RPI_PICO_W": "pico_w"}
USB_RESPONSE_NS = 20_000
DRAIN_S = 2.0
WALL_LIMIT_S = 14400.0  # a test's own TIMEOUT_S comes first
# Instructions between two updates of the clock; the emulator reads it while it runs.
os.environ.setdefault("RP2040PY_CLOCK_TICK_BATCH", "16")


class PowerCut(Exception):
    """The power went away, as the test had asked for."""


class DeviceError(Exception):
    """Code on the Pico ended with a traceback; the text is what it printed and the traceback."""


def file_system(files: dict[str, bytes], storage_bytes: int) -> bytes:
    """A LittleFS 2.0 image as the rp2 port mounts it (block 4096, program 256, read 32)."""
    blocks = storage_bytes // BLOCK_BYTES
    fs = LittleFS(
        context=UserContext(storage_bytes),
        block_size=BLOCK_BYTES,
        block_count=blocks,
        prog_size=256,
        read_size=32,
        lookahead_size=32,
        disk_version=0x00020000,
    )
    for name, content in files.items():
        folder = name.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(name, "wb") as file:
            file.write(content)
    return bytes(fs.context.buffer)


class _PatientHost:
    """A USB host that sends nothing while it has nothing to say.

    The emulator's host answers every offer of the firmware to receive with an empty packet; the
    firmware then spends more than half of its time in the USB interrupt, which no board does.
    """

    def __init__(self, device: MicroPythonDevice) -> None:
        self._console = device.cdc
        self._serve = device.cdc.usb.on_endpoint_read
        self._push = device.cdc.send_serial_byte
        self._offer: tuple[int, int] | None = None
        self._alarm = device.mcu.clock.create_alarm(self._take_offer)
        device.cdc.usb.on_endpoint_read = self._offered  # type: ignore[method-assign]
        device.cdc.send_serial_byte = self._send  # type: ignore[method-assign]

    def _offered(self, endpoint: int, size: int) -> None:
        if endpoint == 0 or not self._console.tx_fifo.empty:
            assert self._serve is not None
            self._serve(endpoint, size)
        else:
            self._offer = (endpoint, size)

    def _take_offer(self) -> None:
        if self._offer and not self._console.tx_fifo.empty:
            offer, self._offer = self._offer, None
            assert self._serve is not None
            self._serve(*offer)

    def _send(self, data: int) -> None:
        self._push(data)
        if self._offer:
            self._alarm.schedule(USB_RESPONSE_NS)


class Pico:
    """One board. `flash` continues with the chip's content of an earlier Pico (after a power cut);
    otherwise the UF2 and a file system with `files` are written to a blank chip."""

    def __init__(
        self, uf2_folder: Path, board: str = "RPI_PICO", files: dict[str, bytes] | None = None, flash: bytes = b""
    ) -> None:
        self.board = board
        self.storage_start = FLASH_BYTES - STORAGE_BYTES[board]
        layout = FlashLayout(self.storage_start, STORAGE_BYTES[board] // BLOCK_BYTES, BLOCK_BYTES)
        image = uf2_folder / board / "firmware.uf2"
        spec = dataclasses.replace(BOARDS[EMULATOR_NAME[board]], image=image, layout=layout)
        self._device = MicroPythonDevice(board=spec)
        self.mcu: Any = self._device.mcu
        if flash:
            assert len(flash) == FLASH_BYTES
            self.mcu.flash[:FLASH_BYTES] = flash
        else:
            self.mcu.flash[self.storage_start : FLASH_BYTES] = file_system(files or {}, STORAGE_BYTES[board])
        _PatientHost(self._device)
        self.uarts = [uart_model.install(self.mcu, index) for index in (0, 1)]
        self.flash = FlashModel(self.mcu, self._device.simulator.stop)
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Pico:
        self._loop.run_until_complete(self._device.astart(WALL_LIMIT_S))
        return self

    def __exit__(self, *exc: object) -> None:
        self._device.stop()
        self._loop.run_until_complete(self._drain())
        self._loop.close()

    async def _drain(self) -> None:
        """Let the emulator's own tasks end, so that nothing of them outlives the test. Those of its network wait for
        peers of this host, which may never end by themselves."""
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        waiting = (await asyncio.wait(others, timeout=DRAIN_S))[1] if others else set()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @property
    def now_us(self) -> float:
        """Virtual time since power-on."""
        return float(self.mcu.clock.nanos) / 1000

    @property
    def ticks_from_us(self) -> float:
        """The virtual time at which the board's timer began to count: ticks_us and ticks_ms are what passed since."""
        return float(self.mcu.timer._epoch_nanos) / 1000

    def flash_bytes(self) -> bytes:
        """Content of the flash chip, for another Pico's `flash`."""
        return bytes(self.mcu.flash[:FLASH_BYTES])

    def load_storage(self, first_block: int, content: bytes) -> None:
        """Put `content` where blocks of the file system region begin at `first_block`."""
        start = self.storage_start + first_block * BLOCK_BYTES
        self.mcu.flash[start : start + len(content)] = content

    def storage(self, first_block: int, blocks: int) -> bytes:
        """Content of blocks of the file system region."""
        start = self.storage_start + first_block * BLOCK_BYTES
        return bytes(self.mcu.flash[start : start + blocks * BLOCK_BYTES])

    def in_a_copy(self, work: Callable[[], Any]) -> Any:
        """Result of `work` done in a copy of this process with its Pico; this Pico stays as it is.

        A Pico that has booted and loaded its modules, which takes long, can so be used many times.
        """
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reader)
                with os.fdopen(writer, "wb") as pipe:
                    try:
                        pipe.write(pickle.dumps((True, work())))
                    except BaseException:
                        pipe.write(pickle.dumps((False, traceback.format_exc())))
                status = 0
            finally:
                os._exit(status)  # nothing of the parent's clean-up is ours
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        assert answer, "the copy ended without an answer"
        good, result = pickle.loads(answer)
        if not good:
            raise AssertionError(result)
        return result

    def run(self, code: str) -> str:
        """Run code to its end and return what it printed. PowerCut, DeviceError."""
        try:
            out, err = self._loop.run_until_complete(self._device.aexec(code, WALL_LIMIT_S))
        except RuntimeError:
            if self.flash.is_cut:
                raise PowerCut() from None
            raise
        if err:
            raise DeviceError((out + err).decode().replace("\r\n", "\n"))
        return out.decode().replace("\r\n", "\n")
