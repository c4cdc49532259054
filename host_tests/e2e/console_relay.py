"""A second pseudo-terminal whose bytes go to the terminal of a running box and back, for programs that open a port.

It is the cable: it can be as slow as a baud rate, and it can be pulled and plugged in again under the same name.
"""

from __future__ import annotations

import os
import pty
import select
import tempfile
import threading
import time
import tty
from pathlib import Path
from types import TracebackType

import pexpect

CHUNK_S = 0.004  # how finely a paced cable divides time


class Relay:
    """`path` can be opened as a serial port while the relay runs. baud: of a paced cable with 10 bits a character,
    0 for none. carried: bytes to the box and from it."""

    def __init__(self, terminal: pexpect.spawn, baud: int = 0, log: Path | None = None) -> None:
        self._terminal = terminal
        self._box = terminal.child_fd
        self._baud = baud
        self._log = log.open("ab", buffering=0) if log else None
        self._folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._folder.name, "ttyBOX")
        self.carried = [0, 0]
        self._near = self._far = -1
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._carry, args=(way,), daemon=True) for way in (0, 1)]
        self.plug()

    def plug(self) -> None:
        """Put the cable in."""
        with self._lock:
            self._near, self._far = pty.openpty()
            tty.setraw(self._far)
            fresh = self.path + ".new"
            os.symlink(os.ttyname(self._far), fresh)
            os.replace(fresh, self.path)

    def pull(self) -> None:
        """Pull the cable: the port is gone for whoever has it open, and what the box says is lost."""
        with self._lock:
            os.unlink(self.path)
            os.close(self._near)
            os.close(self._far)
            self._near = self._far = -1

    def _carry(self, way: int) -> None:
        # way 0: to the box, 1: from it
        limit = max(1, int(self._baud / 10 * CHUNK_S)) if self._baud else 4096
        while not self._end.is_set():
            data = self._read(way, limit)
            if not data:
                time.sleep(0.002)
                continue
            self._write(way, data)
            self.carried[way] += len(data)
            if self._baud:
                time.sleep(len(data) * 10 / self._baud)

    def _read(self, way: int, limit: int) -> bytes:
        with self._lock:  # so that nobody closes it meanwhile
            source = self._near if way == 0 else self._box
            try:
                if source >= 0 and select.select([source], [], [], 0)[0]:
                    return os.read(source, limit)
            except (OSError, ValueError):
                pass  # nobody has the other end open
        return b""

    def _write(self, way: int, data: bytes) -> None:
        if way == 1 and self._log:
            self._log.write(data)
        while data and not self._end.is_set():
            with self._lock:
                target = self._box if way == 0 else self._near
                if target < 0:
                    return
                # Nobody may read for a while: the far end's buffer is full then, and this must not hang.
                try:
                    if select.select([], [target], [], 0)[1]:
                        data = data[os.write(target, data[:256]) :]
                        continue
                except (OSError, ValueError):
                    return  # the box is off
            time.sleep(0.005)

    def __enter__(self) -> Relay:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(5)
        if self._near >= 0:
            os.close(self._near)
            os.close(self._far)
        if self._log:
            self._log.close()
        self._folder.cleanup()
