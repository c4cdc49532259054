"""A virtual box whose standard input and output are a terminal: what a technician has in front of him."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from types import TracebackType

import pexpect
from virtual_box import VirtualBox

END = re.compile(r"(?:^|\n)(OK|ERR \d+ [^\r\n]*)\r\n> $")


class ConsoleBox(VirtualBox):
    """A virtual box whose standard input and output are a terminal of 24 x 80."""

    terminal: pexpect.spawn

    def start_firmware(self) -> None:
        if not (self.box / "ot.json").exists():
            self.write_configuration()
        # A chip that is reset starts again; the virtual board asks for that with status 6.
        again = 'while "$@"; [ $? -eq 6 ]; do :; done'
        self.terminal = pexpect.spawn(
            "sh", ["-c", again, "sh", *self.command()], cwd=str(self.box), env=self.environment(), timeout=30,
            encoding="latin-1", dimensions=(24, 80),
        )  # fmt: skip
        self.log.touch()
        self.terminal.logfile_read = self.log.open("a", buffering=1)
        self.terminal.delaybeforesend = None
        self.wait_started()

    def wait_started(self) -> None:
        """Until it polls and the console answers."""
        self.terminal.expect("records to publish")
        self.knock()

    def knock(self) -> None:
        """Enter, as a technician does first; what the start prints is out by then, so that it meets no answer."""
        self.terminal.expect(r"uplink: [^\r\n]* connected\r\n")
        self.terminal.send("\r")
        self.terminal.expect(r"\r\n> $")

    def type(self, line: str, end: str = "\r", seconds: float = 30) -> str:
        """The answer to a line, without the line itself and the prompt."""
        self.terminal.send(line)
        self.terminal.send(end)
        self.terminal.expect(END, timeout=seconds)
        text = str(self.terminal.before) + str(self.terminal.match.group(0))
        text = text.replace("\r", "").removesuffix("> ")
        _, echo, answer = text.rpartition(line + "\n")  # what the gateway prints may stand before the line
        return answer if echo else text.partition("\n")[2]

    def whole(self, line: str, seconds: float = 30) -> str:
        """The answer with all its screens."""
        text = self.type(line, seconds=seconds)
        while found := re.search(r"-- \d+ of \d+ lines: type more\n.*\n$", text):
            text = text[: found.start()] + self.type("more", seconds=seconds)
        return text

    def pull_the_plug(self) -> None:
        """For the shell that starts it again, too: both are one process group, which outlives a closed terminal."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.terminal.pid, signal.SIGKILL)
        if not self.terminal.closed:
            self.terminal.wait()
            self.terminal.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if hasattr(self, "terminal"):
            self.pull_the_plug()
        super().__exit__(kind, error, trace)
