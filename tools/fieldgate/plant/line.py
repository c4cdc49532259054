"""The line simulator on real ptys: `Wire` driven by the event loop's clock.

Promises: `device_path` is the serial port for the firmware, `server_path` the one for the units' server; the
program at `device_path` may come, go and be killed at any time. Uses no processor time while the line is quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from fieldgate.plant.faults import Faults
from fieldgate.plant.ptys import PtyPort
from fieldgate.plant.record import Book
from fieldgate.plant.timing import NS_PER_S, SerialTiming
from fieldgate.plant.wire import Wire


class Line:
    """Two ptys with the wire between them. Create it inside a running event loop; OSError without ptys."""

    def __init__(self, timing: SerialTiming, turnaround_ms: Mapping[int, float], book: Book, seed: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ns = 0
        self.faults = Faults(seed)
        self.book = book
        self._device = PtyPort(self._loop, self._from_device, self._device_opened, self._device_closed)
        try:
            self._server = PtyPort(self._loop, self._from_server)
        except OSError:
            self._device.close()
            raise
        self.wire = Wire(
            timing, turnaround_ms, self.faults, book,
            now_ns=self._now_ns, utc_ms=self._utc_ms,
            to_client=self._device.write, to_server=self._server.write, wake=self._plan,
        )  # fmt: skip
        self.wire.listening = False
        self.device_opens = 0

    @property
    def device_path(self) -> str:
        """Path of the port that the firmware opens."""
        return self._device.path

    @property
    def server_path(self) -> str:
        """Path of the port that the units' server opens."""
        return self._server.path

    @property
    def counts(self) -> dict[str, int]:
        """What happened on the line, by name."""
        return self.wire.counts

    def close(self) -> None:
        """Close both ptys. May be called twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._device.close()
        self._server.close()

    def _now_ns(self) -> int:
        return round(self._loop.time() * NS_PER_S)

    def _utc_ms(self, at_ns: int) -> int:
        return (time.time_ns() + at_ns - self._now_ns()) // 1_000_000

    def _from_device(self, data: bytes) -> None:
        self.wire.client_bytes(data)
        self._plan()

    def _from_server(self, data: bytes) -> None:
        self.wire.server_bytes(data)
        self._plan()

    def _device_opened(self) -> None:
        self.device_opens += 1
        self.wire.client_back()

    def _device_closed(self) -> None:
        self.wire.client_gone()

    def _plan(self) -> None:
        """Have the wire run when its next event is due."""
        due_ns = self.wire.next_due_ns()
        if self._timer is not None:
            if due_ns == self._timer_due_ns:
                return
            self._timer.cancel()
            self._timer = None
        if due_ns is not None:
            self._timer_due_ns = due_ns
            self._timer = self._loop.call_at(due_ns / NS_PER_S, self._run)

    def _run(self) -> None:
        self._timer = None
        self.wire.run()
        self._plan()
