"""The emulated Pico's flash chip with the times of a real one, and a power switch.

The emulator erases and programs in zero time. Here the status register says "busy" for as long
as a W25Q16JV takes, so the firmware stands still with interrupts off as it does on a board, and
characters that arrive meanwhile fill the UART's FIFO and overrun it.

`cut_at(n, state)` takes the power away in the n-th erase or program from now and leaves the
cells in the named state ("half" where that state does not exist for the operation). Operations
are logged as (start_ns, kind, address, length).

Source of the times: Winbond W25Q16JV data sheet, AC characteristics: page program 0.4 ms typical
(3 ms worst), sector erase 45 ms typical (400 ms worst), 64 KiB block erase 150 ms.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

READ_STATUS, PROGRAM, ERASE_SECTOR, ERASE_BLOCK = 0x05, 0x02, 0x20, 0xD8
STATUS_BUSY = 0x01
KIND = {PROGRAM: "program", ERASE_SECTOR: "erase", ERASE_BLOCK: "erase block"}
BUSY_US = {PROGRAM: 400, ERASE_SECTOR: 45_000, ERASE_BLOCK: 150_000}
ERASE_BYTES = {ERASE_SECTOR: 4096, ERASE_BLOCK: 65536}

PROGRAM_STATES = ("before", "one byte", "half", "all but one byte", "random bits", "done")
ERASE_STATES = ("before", "half", "garbage", "raised bits", "done")


@dataclass(frozen=True)
class Operation:
    start_ns: float
    kind: str
    address: int
    length: int


def torn(state: str, before: bytes, after: bytes, rand: random.Random) -> bytes:
    """The cells after a power cut in an operation that leads from `before` to `after`."""
    length = len(before)
    if state == "before":
        return before
    if state == "done":
        return after
    if state in ("one byte", "half", "all but one byte"):
        reached = {"one byte": 1, "half": length // 2, "all but one byte": length - 1}[state]
        return after[:reached] + before[reached:]
    noise = rand.randbytes(length)
    if state == "random bits":  # some of the bits that were to be cleared are
        return bytes(b & (a | n) for b, a, n in zip(before, after, noise))
    if state == "raised bits":  # some of the bits that were to be set are
        return bytes(b | (a & n) for b, a, n in zip(before, after, noise))
    assert state == "garbage", state
    return noise


class FlashModel:
    """Wraps the flash chip behind the emulator's serial interface `mcu.ssi`."""

    def __init__(self, mcu: Any, power_off: Callable[[], None], busy_us: dict[int, float] | None = None) -> None:
        self._flash, self._clock, self._power_off = mcu.flash, mcu.clock, power_off
        self._busy_us = {**BUSY_US, **(busy_us or {})}
        self._busy_until_ns = 0.0
        self._cut_in = 0
        self.cut_state = ""
        self._rand = random.Random(0)
        self.operations: list[Operation] = []
        self.busy_us_total = 0.0
        self.is_cut = False
        self._chip = mcu.ssi
        self._shift, self._apply = self._chip._shift_byte, self._chip._apply_command
        self._chip._shift_byte, self._chip._apply_command = self._shift_byte, self._apply_command

    def cut_at(self, operation: int, state: str, seed: int = 0) -> None:
        """Cut the power in the given operation from now (1 = the next one)."""
        assert operation >= 1 and state in PROGRAM_STATES + ERASE_STATES
        self._cut_in, self.cut_state, self._rand = operation, state, random.Random(seed)

    def _shift_byte(self, value: int) -> int:
        answer: int = self._shift(value)
        command = self._chip._tx_buffer
        if len(command) > 1 and command[0] == READ_STATUS and self._clock.nanos < self._busy_until_ns:
            # The firmware polls in a loop with interrupts off: pass the time in one step. Alarms
            # (characters, timers) still come at their own moment.
            self._clock.tick(self._busy_until_ns - self._clock.nanos)
            return answer | STATUS_BUSY
        return answer

    def _apply_command(self) -> None:
        command = bytes(self._chip._tx_buffer)
        if self.is_cut or not command or command[0] not in KIND or len(command) < 4 or not self._chip._write_enabled:
            if not self.is_cut:
                self._apply()
            return
        kind = KIND[command[0]]
        length = ERASE_BYTES.get(command[0]) or len(command) - 4
        address = int.from_bytes(command[1:4], "big")
        if kind != "program":
            address -= address % length
        before = bytes(self._flash[address : address + length])
        self._apply()
        self.operations.append(Operation(self._clock.nanos, kind, address, length))
        self._busy_until_ns = self._clock.nanos + self._busy_us[command[0]] * 1000
        self.busy_us_total += self._busy_us[command[0]]
        if self._cut_in:
            self._cut_in -= 1
            if not self._cut_in:
                self._cut(kind, address, before)

    def _cut(self, kind: str, address: int, before: bytes) -> None:
        if self.cut_state not in (PROGRAM_STATES if kind == "program" else ERASE_STATES):
            self.cut_state = "half"
        after = bytes(self._flash[address : address + len(before)])
        self._flash[address : address + len(before)] = torn(self.cut_state, before, after, self._rand)
        self.is_cut = True
        self._power_off()
