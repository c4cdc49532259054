"""Pseudo-terminals for the line: one end is opened by a program as its serial port, the other is ours.

Promises: the port is raw; bytes that nobody took are thrown away when the program closes it, as a UART keeps
nothing for the next one; opening and closing by the program is noticed. Raises OSError when the system has no
pseudo-terminal left.
"""

from __future__ import annotations

import asyncio
import os
import pty
import select
import termios
import tty
from collections.abc import Callable

READ_BYTES = 4096
REOPEN_POLL_S = 0.02


class PtyPort:
    """One pseudo-terminal. `path` is what the other program opens.

    on_bytes: called with what the program wrote. on_open, on_close: called when the program (the last one)
    opened or closed its end. Everything happens in `loop`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_bytes: Callable[[bytes], None],
        on_open: Callable[[], None] = lambda: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop = loop
        self._on_bytes, self._on_open, self._on_close = on_bytes, on_open, on_close
        self._fd, other_end = pty.openpty()
        tty.setraw(other_end)
        self.path = os.ttyname(other_end)
        os.close(other_end)
        os.set_blocking(self._fd, False)
        self._poll = select.poll()
        self._poll.register(self._fd, 0)
        self._timer: asyncio.TimerHandle | None = loop.call_later(0, self._await_open)

    def write(self, data: bytes) -> int:
        """Hand bytes to the program; returns how many fitted (fewer: it does not read)."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Give the pseudo-terminal back. May be called twice."""
        if self._fd < 0:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _await_open(self) -> None:
        """The system tells of an opened end only when asked, so ask now and then."""
        if any(event & select.POLLHUP for _, event in self._poll.poll(0)):
            self._timer = self._loop.call_later(REOPEN_POLL_S, self._await_open)
            return
        self._timer = None
        self._loop.add_reader(self._fd, self._readable)
        self._on_open()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last program closed its end
            data = b""
        if data:
            self._on_bytes(data)
            return
        self._loop.remove_reader(self._fd)
        self._on_close()
        self._forget_unread()
        self._await_open()

    def _forget_unread(self) -> None:
        """Throw away what the program has not read; only its own end can (flushing ours leaves its read buffer)."""
        other_end = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        termios.tcflush(other_end, termios.TCIOFLUSH)
        os.close(other_end)
