"""A two-wire line with a client and a box on it: joins the plant's pseudo-terminal with one for each of them.

    with LineHub(plant_path) as hub:      # hub.client_path, hub.box_path are what the two programs open

Promises: what the client sends reaches the plant and the box, what the plant answers reaches both; what the box
sends reaches nobody and is kept in `driven`: on a line that it only hears, that must stay empty.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from types import TracebackType

READ_BYTES = 4096


class LineHub:
    """See above. The plant's device must exist."""

    def __init__(self, plant_path: str) -> None:
        self.driven = bytearray()
        self.client_bytes = 0
        self._plant = os.open(plant_path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._plant)
        self._client, self._client_end = pty.openpty()
        self._box, self._box_end = pty.openpty()
        for end in (self._client_end, self._box_end):
            tty.setraw(end)
        self.client_path, self.box_path = os.ttyname(self._client_end), os.ttyname(self._box_end)
        self._stop_reading, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> LineHub:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.write(self._stop, b"x")
        self._thread.join(10)
        for fd in (self._plant, self._client, self._client_end, self._box, self._box_end):
            os.close(fd)
        os.close(self._stop_reading)
        os.close(self._stop)

    def _run(self) -> None:
        ends = [self._plant, self._client, self._box, self._stop_reading]
        while True:
            for fd in select.select(ends, [], [])[0]:
                if fd == self._stop_reading:
                    return
                data = os.read(fd, READ_BYTES)
                if fd == self._box:
                    self.driven += data
                elif fd == self._client:
                    self.client_bytes += len(data)
                    os.write(self._plant, data)
                    os.write(self._box, data)
                else:
                    os.write(self._client, data)
                    os.write(self._box, data)
