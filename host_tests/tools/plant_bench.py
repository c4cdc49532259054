"""A wire on a clock of its own, for tests: time moves only when the test says so.

Promises: `heard` holds what the client received with the time in ns; the units are answered by `units`, a
function from request to reply ADU (None: silent). Nothing here sleeps.
"""

from __future__ import annotations

from collections.abc import Callable

from pymodbus.framer import FramerRTU

from fieldgate.plant.faults import Faults
from fieldgate.plant.record import Book
from fieldgate.plant.timing import SerialTiming
from fieldgate.plant.wire import Wire

START_NS = 5_000_000_000
UTC_OFFSET_MS = 1_800_000_000_000


def adu(*body: int) -> bytes:
    """A frame with its CRC."""
    data = bytes(body)
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def read_request(unit: int, fc: int, address: int, count: int) -> bytes:
    """A read request."""
    return adu(unit, fc, *address.to_bytes(2, "big"), *count.to_bytes(2, "big"))


def echoing_units(request: bytes) -> bytes:
    """A reply whose registers count up from the address asked for."""
    address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    words = b"".join(((address + k) & 0xFFFF).to_bytes(2, "big") for k in range(count))
    return adu(request[0], request[1], len(words), *words)


class Bench:
    """One wire with a client, units 1 to 4 (turnaround 5 ms) and a clock."""

    def __init__(
        self,
        baud: int = 19200,
        serial_format: str = "8E1",
        units: Callable[[bytes], bytes | None] = echoing_units,
        wire_class: type[Wire] = Wire,
        seed: int = 1,
    ) -> None:
        self.now_ns = START_NS
        self.timing = SerialTiming(baud, serial_format)
        self.faults = Faults(seed)
        self.book = Book()
        self.heard: list[tuple[int, bytes]] = []
        self.asked: list[tuple[int, bytes]] = []
        self.asked_in_all = 0
        self.units = units
        self.receive_limit: int | None = None
        self.wire = wire_class(
            self.timing,
            dict.fromkeys((1, 2, 3, 4), 5.0),
            self.faults,
            self.book,
            now_ns=lambda: self.now_ns,
            utc_ms=lambda at_ns: UTC_OFFSET_MS + at_ns // 1_000_000,
            to_client=self._receive,
            to_server=self._ask,
        )

    def _receive(self, data: bytes) -> int:
        taken = data if self.receive_limit is None else data[: self.receive_limit]
        self.heard.append((self.now_ns, taken))
        return len(taken)

    def _ask(self, data: bytes) -> int:
        self.asked.append((self.now_ns, data))
        self.asked_in_all += 1
        return len(data)

    def run_until(self, time_ns: int, late_ns: Callable[[], int] = lambda: 0) -> None:
        """Move the clock on, event by event; `late_ns` says how late the host wakes up each time."""
        while (due_ns := self._next_ns()) is not None and due_ns + (extra := late_ns()) <= time_ns:
            self.now_ns = max(self.now_ns, due_ns + extra)
            self.wire.run()
            self._units_answer()
        self.now_ns = max(self.now_ns, time_ns)

    def run_ms(self, ms: float) -> None:
        """Move the clock on by milliseconds."""
        self.run_until(self.now_ns + round(ms * 1_000_000))

    def send(self, data: bytes) -> None:
        """The client writes to its UART."""
        self.wire.client_bytes(data)

    def read(self, unit: int = 1, fc: int = 3, address: int = 0, count: int = 4, wait_ms: float = 200) -> bytes:
        """Send a read, let time pass, return what the client heard meanwhile."""
        before = len(self.heard)
        self.send(read_request(unit, fc, address, count))
        self.run_ms(wait_ms)
        return b"".join(data for _, data in self.heard[before:])

    def _next_ns(self) -> int | None:
        return self.wire.next_due_ns()

    def _units_answer(self) -> None:
        while self.asked:
            _, request = self.asked.pop(0)
            reply = self.units(request)
            if reply is not None:
                self.wire.server_bytes(reply)
