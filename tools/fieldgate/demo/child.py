"""A child process of the demo that leaves nothing behind.

Each child is the head of a process group of its own: a Ctrl-C at the terminal reaches the demo only, which
then ends its children in order. What a child prints goes to a file, whose last lines explain its death.
"""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

STOP_TIMEOUT_S = 3.0


class Child:
    """A started program. Raises OSError when it cannot be started."""

    def __init__(self, name: str, command: Sequence[str], cwd: Path, env: dict[str, str], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """kill -9 the whole group and wait for its end."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, then kill -9 for what does not obey. Harmless when it has ended."""
        if self.status is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            pass

    def last_lines(self, count: int = 12) -> list[str]:
        """The end of what it printed."""
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-count:]

    def obituary(self) -> list[str]:
        """How it ended and its last words."""
        status = self.status
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        words = ["  | " + line for line in self.last_lines()]
        return [f"the {self.name} {how}; {'its last lines:' if words else 'it said nothing'}", *words]
