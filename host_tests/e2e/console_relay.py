"""A second pseudo-terminal whose bytes go to the terminal of a running box and back, for programs that open a port."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from types import TracebackType

import pexpect


class Relay:
    """`path` can be opened as a serial port while the relay runs."""

    def __init__(self, terminal: pexpect.spawn) -> None:
        self._box = terminal.child_fd
        self._near, self._far = pty.openpty()
        tty.setraw(self._far)
        self.path = os.ttyname(self._far)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        other = {self._box: self._near, self._near: self._box}
        while not self._end.is_set():
            ready, _, _ = select.select(list(other), [], [], 0.1)
            for source in ready:
                try:
                    os.write(other[source], os.read(source, 4096))
                except OSError:
                    return

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(5)
        os.close(self._near)
        os.close(self._far)
