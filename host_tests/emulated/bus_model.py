"""An RS-485 line with Modbus RTU units on it, in the emulator's virtual time.

The line is the referee: it does not trust the gateway. It sees every character with the time
of its start and end, and records each transaction and each breach of the rules:

    gap        a frame that began before the line was silent for t3.5
    broken     a pause longer than t1.5 inside a frame
    crc        a frame whose CRC is wrong
    format     baud or line format differ from the units'
    collision  a character sent while a unit was sending
    driver off a character sent while the driver-enable pin was off
    driver on  a unit's character that met the gateway's own driver

Times: MODBUS over Serial Line V1.02, 2.5.1.1 (t1.5 = 750 us and t3.5 = 1750 us above 19200 baud).
A unit answers `turnaround_us` after the end of the request, never before t3.5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from uart_model import DATA_FRAMING, DATA_PARITY, UartModel

ILLEGAL_FUNCTION, ILLEGAL_DATA_ADDRESS = 1, 2  # MODBUS Application Protocol V1.1b3, chapter 7
MAX_REGISTERS = 125


def crc16(data: bytes) -> bytes:
    """CRC of MODBUS over Serial Line V1.02, 6.2.2, low byte first; on purpose not the firmware's."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


@dataclass
class Unit:
    """One device that serves holding and input registers. `spoil(number, reply)` may change a
    reply, or return None for silence; `number` counts the requests from 1."""

    unit_id: int = 1
    turnaround_us: float = 2000
    registers: list[int] = field(default_factory=lambda: [0x1000 + i for i in range(256)])
    spoil: Callable[[int, bytes], bytes | None] = lambda number, reply: reply
    requests: int = 0

    def answer(self, request: bytes) -> bytes | None:
        self.requests += 1
        pdu = self._pdu(request[1:-2])
        body = bytes([self.unit_id]) + pdu
        return self.spoil(self.requests, body + crc16(body))

    def _pdu(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function not in (3, 4) or len(pdu) != 5:
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if not 1 <= count <= MAX_REGISTERS or address + count > len(self.registers):
            return bytes([function | 0x80, ILLEGAL_DATA_ADDRESS])
        values = self.registers[address : address + count]
        return bytes([function, 2 * count]) + b"".join(value.to_bytes(2, "big") for value in values)


@dataclass
class Transaction:
    """A request and what came back; all times in ns of virtual time."""

    request: bytes
    start_ns: float
    end_ns: float
    reply: bytes | None = None
    reply_start_ns: float = 0
    reply_end_ns: float = 0


@dataclass
class Summary:
    """Figures of a row of answered transactions that are all alike; times in us."""

    count: int
    ideal_us: float
    mean_us: float
    worst_us: float
    best_us: float
    gap_min_us: float
    gap_max_us: float
    t35_us: float

    @property
    def efficiency(self) -> float:
        return self.ideal_us / self.mean_us

    @property
    def jitter_us(self) -> float:
        """Longest less shortest cycle."""
        return self.worst_us - self.best_us

    @property
    def worst_efficiency(self) -> float:
        return self.ideal_us / self.worst_us


class Line:
    """The half-duplex line between one UART of the Pico and the units.

    `driver_pin`: GPIO number of the driver enable (active high), or None where the transceiver
    turns itself round."""

    def __init__(
        self,
        mcu: Any,
        uart: UartModel,
        units: list[Unit],
        baud: int,
        line_format: str = "8N1",
        driver_pin: int | None = None,
    ) -> None:
        self._mcu, self._uart, self._clock = mcu, uart, mcu.clock
        self.units = {unit.unit_id: unit for unit in units}
        self.baud, self.line_format, self.driver_pin = baud, line_format, driver_pin
        data, parity, stop = tuple(line_format)
        self.character_ns = (1 + int(data) + (parity != "N") + int(stop)) * 1e9 / baud
        self.t15_ns = 1.5 * self.character_ns if baud <= 19200 else 750e3
        self.t35_ns = 3.5 * self.character_ns if baud <= 19200 else 1750e3
        self.transactions: list[Transaction] = []
        self.breaches: Counter[str] = Counter()
        self.driver_edges: list[tuple[float, bool]] = []
        self._frame = bytearray()
        self._frame_start_ns = 0.0
        self._last_end_ns = -1e12
        self._sending_until_ns = -1e12
        self._silence = self._clock.create_alarm(self._frame_complete)
        self._turnaround = self._clock.create_alarm(self._reply_begins)
        self._next_character = self._clock.create_alarm(self._reply_character)
        self._outgoing = bytearray()
        uart.on_sent = self._gateway_sent
        if driver_pin is not None:
            mcu.gpio[driver_pin].add_listener(lambda *_: self._driver_changed())

    # ---- driver enable

    def _driver_on(self) -> bool:
        return self.driver_pin is None or int(self._mcu.gpio[self.driver_pin].value) == 1

    def _driver_changed(self) -> None:
        on = self._driver_on()
        if not self.driver_edges or self.driver_edges[-1][1] != on:
            self.driver_edges.append((self._clock.nanos, on))

    # ---- gateway to units

    def _matches(self) -> bool:
        bit_ns = 1e9 / self.baud
        return abs(self._uart.bit_ns / bit_ns - 1) < 0.02 and self._uart.line_format == self.line_format

    def _gateway_sent(self, value: int, start_ns: float, end_ns: float) -> None:
        if not self._driver_on():
            self.breaches["driver off"] += 1
            return
        if start_ns < self._sending_until_ns - 1:
            self.breaches["collision"] += 1
        if not self._matches():
            self.breaches["format"] += 1
            value ^= 0x55
        if not self._frame:
            self._frame_start_ns = start_ns
            # 1 us: the virtual clock moves by whole instructions.
            if start_ns - self._last_end_ns < self.t35_ns - 1000:
                self.breaches["gap"] += 1
        elif start_ns - self._last_end_ns > self.t15_ns:
            self.breaches["broken"] += 1
        self._frame.append(value)
        self._last_end_ns = end_ns
        self._silence.schedule(self.t35_ns)

    def _frame_complete(self) -> None:
        request, self._frame = bytes(self._frame), bytearray()
        self.transactions.append(Transaction(request, self._frame_start_ns, self._last_end_ns))
        if len(request) < 4 or crc16(request[:-2]) != request[-2:]:
            self.breaches["crc"] += 1
            return
        unit = self.units.get(request[0])
        reply = unit.answer(request) if unit else None
        if unit is None or not reply:
            return
        self.transactions[-1].reply = reply
        self._outgoing = bytearray(reply)
        due_ns = self._last_end_ns + unit.turnaround_us * 1000
        self._turnaround.schedule(max(due_ns - self._clock.nanos, 0))

    # ---- units to gateway

    def _reply_begins(self) -> None:
        self.transactions[-1].reply_start_ns = self._clock.nanos
        self._sending_until_ns = self._clock.nanos + len(self._outgoing) * self.character_ns
        self._next_character.schedule(self.character_ns - self._uart.early_ns)

    def _reply_character(self) -> None:
        value = self._outgoing.pop(0)
        end = self._last_end_ns = self._clock.nanos + self._uart.early_ns
        if self.driver_pin is not None and self._driver_on():
            self.breaches["driver on"] += 1
        elif self._matches():
            self._uart.deliver(value)
        else:
            same_parity = self._uart.line_format[1] == self.line_format[1]
            self._uart.deliver(value ^ 0x33, DATA_FRAMING if same_parity else DATA_PARITY)
        if self._outgoing:
            self._next_character.schedule(self.character_ns)
        else:
            self.transactions[-1].reply_end_ns = end

    # ---- report

    def ideal_us(self, request_bytes: int, reply_bytes: int, turnaround_us: float) -> float:
        """Shortest cycle the standard allows: both frames, the unit's turnaround (at least t3.5), t3.5."""
        wait_ns = max(turnaround_us * 1000, self.t35_ns) + self.t35_ns
        return ((request_bytes + reply_bytes) * self.character_ns + wait_ns) / 1000

    def summary(self, skip: int = 2, least: int = 10) -> Summary:
        """Figures of the answered transactions after the first `skip`, at least so many; they must be all alike."""
        done = [t for t in self.transactions if t.reply_end_ns][skip:]
        assert len(done) >= least, f"only {len(done)} answered transactions"
        assert all(t.reply is not None for t in done)
        shapes = {(t.request, len(t.reply or b"")) for t in done}
        assert len(shapes) == 1, f"{len(shapes)} different transactions"
        cycles = [(b.start_ns - a.start_ns) / 1000 for a, b in zip(done, done[1:])]
        gaps = [(b.start_ns - a.reply_end_ns) / 1000 for a, b in zip(done, done[1:])]
        first = done[0]
        unit = self.units[first.request[0]]
        return Summary(
            count=len(done),
            ideal_us=self.ideal_us(len(first.request), len(first.reply or b""), unit.turnaround_us),
            mean_us=sum(cycles) / len(cycles),
            worst_us=max(cycles),
            best_us=min(cycles),
            gap_min_us=min(gaps),
            gap_max_us=max(gaps),
            t35_us=self.t35_ns / 1000,
        )
