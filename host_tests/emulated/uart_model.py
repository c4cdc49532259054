"""A PL011 UART for the emulator that takes as long as the real one.

The emulator's own UART sends in zero time, ignores its FIFO levels and knows no parity, so
nothing about a bus can be learned with it. This one keeps, in virtual time:

* two FIFOs of 32 entries and the shift register behind the transmit FIFO;
* the length of a bit from the divisor and the peripheral clock, the length of a character
  from the line format (start, data, parity, stop);
* the flags a driver waits for (BUSY, TXFE, TXFF, RXFE, RXFF), interrupts at the FIFO levels,
  the receive time-out after 32 bit times, overrun, parity and framing errors.

Left out: break, modem lines, infra-red, DMA.

Sources: ARM DDI 0183 (PL011 technical reference manual) chapter 3; RP2040 datasheet 4.2.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from rp2040py.peripherals.peripheral import BasePeripheral

# Register offsets, PL011 table 3-1.
DR, RSR, FR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR, DMACR = (
    0x00,
    0x04,
    0x18,
    0x24,
    0x28,
    0x2C,
    0x30,
    0x34,
    0x38,
    0x3C,
    0x40,
    0x44,
    0x48,
)
IDENTITY = {0xFE0: 0x11, 0xFE4: 0x10, 0xFE8: 0x34, 0xFEC: 0x00, 0xFF0: 0x0D, 0xFF4: 0xF0, 0xFF8: 0x05, 0xFFC: 0xB1}

FR_BUSY, FR_RXFE, FR_TXFF, FR_RXFF, FR_TXFE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
INT_RX, INT_TX, INT_TIMEOUT, INT_FRAMING, INT_PARITY, INT_OVERRUN = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 10
DATA_FRAMING, DATA_PARITY, DATA_OVERRUN = 1 << 8, 1 << 9, 1 << 11
CR_ENABLE, CR_TX, CR_RX = 1 << 0, 1 << 8, 1 << 9

FIFO_DEPTH = 32
FIFO_LEVELS = (4, 8, 16, 24, 28)  # 1/8, 1/4, 1/2, 3/4, 7/8 of the depth
TIMEOUT_BITS = 32
# CLK_PERI_CTRL.AUXSRC (RP2040 datasheet 2.15.7): system clock twice, USB PLL, ring oscillator, crystal.
PERIPHERAL_CLOCK_HZ = (125e6, 125e6, 48e6, 6.5e6, 12e6)
# (address of the register block >> 14) << 2, and interrupt number: RP2040 datasheet 2.2, 2.3.2.
BLOCK = (0x40034, 0x40038)
IRQ = (20, 21)


class UartModel(BasePeripheral):
    """One UART. `on_sent(value, start_ns, end_ns)` is called when a character has left; the far
    end calls `deliver()` `early_ns` before a character's last stop bit ends."""

    def __init__(self, mcu: Any, index: int) -> None:
        super().__init__(mcu, f"UART{index}")
        self._irq = IRQ[index]
        self._clock = mcu.clock
        self._shifted = self._clock.create_alarm(self._character_left)
        self._idle = self._clock.create_alarm(self._receive_timeout)
        self.on_sent: Callable[[int, float, float], None] = lambda value, start_ns, end_ns: None
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Registers as after power-on; what is wired to the UART stays wired."""
        self._tx: deque[int] = deque()
        self._rx: deque[int] = deque()
        self._shifting: tuple[int, float, float] | None = None
        self._registers = {IBRD: 0, FBRD: 0, LCR_H: 0, CR: CR_TX | CR_RX, IFLS: 0x12, IMSC: 0, DMACR: 0}
        self._pending = 0
        self._receive_status = 0
        self._shifted.cancel()
        self._idle.cancel()
        self._signal()

    # ---- the line's view

    @property
    def bit_ns(self) -> float:
        """Nanoseconds per bit: 16 x divisor x peripheral clock period (DDI 0183, 3.3.6)."""
        divisor = self._registers[IBRD] + self._registers[FBRD] / 64
        source = (self.rp2040.clocks.peri_ctrl >> 5) & 7
        return 16e9 * divisor / PERIPHERAL_CLOCK_HZ[min(source, 4)]

    @property
    def line_format(self) -> str:
        """Data bits, parity and stop bits as "8N1"."""
        lcr = self._registers[LCR_H]
        parity = "N" if not lcr & 2 else "E" if lcr & 4 else "O"
        return f"{5 + (lcr >> 5 & 3)}{parity}{2 if lcr & 8 else 1}"

    @property
    def character_ns(self) -> float:
        data, parity, stop = tuple(self.line_format)
        return (1 + int(data) + (parity != "N") + int(stop)) * self.bit_ns

    @property
    def early_ns(self) -> float:
        """So long before its end a character is in the receive FIFO: in the middle of its first stop bit."""
        return (int(self.line_format[2]) - 0.5) * self.bit_ns

    def deliver(self, value: int, errors: int = 0) -> None:
        """A character's first stop bit was just sampled on the receive pin; `errors` are DATA_* bits."""
        if not (self._enabled(CR_RX)):
            return
        self.counts["received"] += 1
        if errors & DATA_FRAMING:
            self._pending |= INT_FRAMING
        if errors & DATA_PARITY:
            self._pending |= INT_PARITY
        if len(self._rx) >= self._depth:
            self.counts["overrun"] += 1
            self._pending |= INT_OVERRUN
            self._rx[-1] |= DATA_OVERRUN
        else:
            self._rx.append(value & 0xFF | errors)
        if len(self._rx) >= self._level(3):
            self._pending |= INT_RX
        self._idle.schedule(TIMEOUT_BITS * self.bit_ns)
        self._signal()

    # ---- inside

    @property
    def _depth(self) -> int:
        return FIFO_DEPTH if self._registers[LCR_H] & 0x10 else 1

    def _level(self, shift: int) -> int:
        """FIFO level that interrupts: IFLS bits 2..0 transmit, 5..3 receive."""
        if self._depth == 1:
            return 1 if shift else 0
        return FIFO_LEVELS[min(self._registers[IFLS] >> shift & 7, 4)]

    def _enabled(self, direction: int) -> bool:
        return self._registers[CR] & (CR_ENABLE | direction) == CR_ENABLE | direction

    def _shift_out(self, value: int) -> None:
        start = self._clock.nanos
        self._shifting = (value, start, start + self.character_ns)
        self._shifted.schedule(self.character_ns)

    def _character_left(self) -> None:
        assert self._shifting is not None
        value, start, end = self._shifting
        self._shifting = None
        if self._tx:
            self._shift_out(self._tx.popleft())
            # The interrupt comes when the FIFO falls through the level, not while it is below it.
            if len(self._tx) == self._level(0) or self._level(0) > len(self._tx) == 0:
                self._pending |= INT_TX
        self.counts["sent"] += 1
        self._signal()
        self.on_sent(value, start, end)

    def _receive_timeout(self) -> None:
        if self._rx:
            self._pending |= INT_TIMEOUT
            self._signal()

    def _signal(self) -> None:
        self.rp2040.set_interrupt(self._irq, bool(self._pending & self._registers[IMSC]))

    def _read_data(self) -> int:
        if not self._rx:
            return 0
        entry = self._rx.popleft()
        self._receive_status = entry >> 8 & 0xF
        if len(self._rx) < self._level(3):
            self._pending &= ~INT_RX
        if not self._rx:
            self._pending &= ~INT_TIMEOUT
            self._idle.cancel()
        self._signal()
        return entry

    def _write_data(self, value: int) -> None:
        if not self._enabled(CR_TX):
            return
        if self._shifting is None:
            self._shift_out(value)
        elif len(self._tx) < self._depth:
            self._tx.append(value)
        else:
            self.counts["lost on write"] += 1
        if len(self._tx) > self._level(0):
            self._pending &= ~INT_TX
            self._signal()

    def _flags(self) -> int:
        return (
            (FR_BUSY if self._tx or self._shifting else 0)
            | (0 if self._rx else FR_RXFE)
            | (FR_TXFF if len(self._tx) >= self._depth else 0)
            | (FR_RXFF if len(self._rx) >= self._depth else 0)
            | (0 if self._tx else FR_TXFE)
        )

    # ---- the processor's view

    def read_uint32(self, offset: int) -> int:
        if offset == DR:
            return self._read_data()
        if offset == FR:
            return self._flags()
        if offset == RSR:
            return self._receive_status
        if offset == RIS:
            return self._pending
        if offset == MIS:
            return self._pending & self._registers[IMSC]
        if offset == ICR:
            return 0
        if offset in self._registers:
            return self._registers[offset]
        return IDENTITY.get(offset, 0)

    def write_uint32(self, offset: int, value: int) -> None:
        if offset == DR:
            self._write_data(value & 0xFF)
        elif offset == RSR:
            self._receive_status = 0
        elif offset == ICR:
            self._pending &= ~self.raw_write_value
            self._signal()
        elif offset in self._registers:
            self._registers[offset] = value
            self._signal()


def install(mcu: Any, index: int) -> UartModel:
    """Put a UartModel in the place of `mcu.uart[index]`; call before the first instruction runs."""
    model = UartModel(mcu, index)
    mcu.uart[index] = model
    mcu.peripherals[BLOCK[index]] = model
    return model
