"""The box's console at the other end of a serial port, for programs: a line goes in, its answer comes out.

Promises: every wait is bounded; whatever goes wrong is a PortError with one line that says what to do. Keys that could
stop a box which is just starting (Ctrl-C) are sent only where nothing answers. What the gateway prints by itself
between the lines of an answer does no harm.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple

import serial

from fieldgate.flash_port import PortError, open_port

LINE_BYTES = 200  # of the console's editor
ANSWER_S = 60.0
_MEMORY, _TRIES = 7, 5  # the console's code for it
_PROMPT = re.compile(r"(?:^|[\r\n])> $")
_PYTHON = re.compile(r"(?:^|[\r\n])>>> $")
_END = re.compile(r"(?:^|\n)(?:OK|ERR (\d+) ([^\r\n]*))\r*\n> ")
_MORE = re.compile(r"-- \d+ of \d+ lines: type more$")
_QUESTION = re.compile(r"(?:password|again|yes): $")
_ABOUT = re.compile(r"Fieldgate (\S+), box (\S+), boot (\d+)")
_CLEAN = b"\x02\x15\r"  # leave the raw REPL, drop what somebody has begun to type, a fresh prompt
_STOP = b"\x03" + _CLEAN


class Answer(NamedTuple):
    """Of one line: what was said, on all its screens, and the code and text of its ERR; code 0 for OK."""

    lines: list[str]
    code: int
    text: str


class About(NamedTuple):
    """What the verb `about` says."""

    firmware: str
    box: str
    boot: int
    lines: list[str]

    @property
    def on_trial(self) -> bool:
        return any("on trial" in line for line in self.lines)


class Console:
    """An open port. `entries`: lines typed; `sent_bytes`: what went over the cable to the box."""

    def __init__(self, port: str) -> None:
        self.port = port
        self.entries = 0
        self.sent_bytes = 0
        self.memory_retries = 0
        self._heard = ""
        self._line: serial.Serial | None = open_port(port)

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Any number of times."""
        if self._line is not None:
            self._line.close()
        self._line = None

    # Bytes

    def _send(self, data: bytes) -> None:
        assert self._line is not None
        try:
            self._line.write(data)
            self.sent_bytes += len(data)
        except (OSError, serial.SerialException):
            raise self._broken() from None

    def _hear(self) -> None:
        assert self._line is not None
        try:
            self._heard += self._line.read(max(1, min(4096, self._line.in_waiting))).decode("latin-1")
        except (OSError, serial.SerialException):
            raise self._broken() from None

    def _broken(self) -> PortError:
        return PortError(f"{self.port}: the connection broke off: is the cable in, is the box on?")

    def _wait(self, *patterns: re.Pattern[str], seconds: float) -> re.Match[str] | None:
        """The first of the patterns that what was heard shows; None when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            for pattern in patterns:
                found = pattern.search(self._heard)
                if found:
                    return found
            if time.monotonic() > deadline:
                return None
            self._hear()

    # Lines

    def knock(self, seconds: float = 6.0) -> About:
        """Until the console answers; then it is at the start of a line. Raises PortError."""
        about = None
        for keys in (_CLEAN, _CLEAN, _STOP, _STOP):
            self._heard = ""
            self._send(keys)
            found = self._wait(_PROMPT, _PYTHON, seconds=seconds / 4)
            if found and found.re is _PYTHON:
                raise PortError(
                    f"{self.port}: shows Python's prompt, so no gateway runs: restart the box, or write it first "
                    "(fieldgate flash, fieldgate deploy)"
                )
            about = self.about() if found else None
            if about:
                return about
        if self._heard.strip():
            said = " ".join(self._heard.split())[-40:]
            raise PortError(
                f'{self.port}: what answers is no Fieldgate console (it said "{said}"): choose the port of the box'
            )
        raise PortError(
            f"{self.port}: nothing answers: is this the box's console, is the box on, has it had 10 s to start?"
        )

    def ask(self, line: str, replies: Iterable[str] = (), seconds: float = ANSWER_S) -> Answer:
        """The answer to `line`; `replies` are given to what it asks for. A box that has no memory for it right now is
        asked again, as it says. Raises PortError."""
        answer = self._ask(line, replies, seconds)
        for _ in range(_TRIES):
            if answer.code != _MEMORY:
                break
            time.sleep(1)
            self.memory_retries += 1
            answer = self._ask(line, replies, seconds)
        lines, code, text = answer
        while answer.lines and _MORE.search(answer.lines[-1]):
            answer = self._ask("more", (), seconds)
            lines = lines[:-1] + answer.lines
        return Answer(lines, code, text)

    def _ask(self, line: str, replies: Iterable[str], seconds: float) -> Answer:
        self._heard = ""
        self.entries += 1
        self._send(line.encode("ascii") + b"\r")
        for reply in replies:
            found = self._wait(_QUESTION, _END, seconds=seconds)
            if found is None or found.re is _END:
                break
            self._heard = self._heard[: found.start()]
            self._send(reply.encode("ascii") + b"\r")
        end = self._wait(_END, seconds=seconds)
        if end is None:
            raise PortError(f'{self.port}: no answer to "{line.split(" ")[0]}" within {seconds:.0f} s')
        before = self._heard[: end.start()].replace("\r", "") + "\n"
        _, echo, said = before.partition(line + "\n")
        lines = [text for text in (said if echo else before).splitlines() if text]
        return Answer(lines, int(end.group(1) or 0), end.group(2) or "")

    def about(self) -> About | None:
        """None when what answers is no Fieldgate box."""
        self._heard = ""
        self._send(b"about\r")
        if self._wait(_END, seconds=5) is None:
            return None
        if "no configuration yet" in self._heard:
            return About("", "without a configuration", -1, [])
        found = _ABOUT.search(self._heard)
        if found is None:
            return None
        lines = [line for line in self._heard.replace("\r", "").splitlines() if line]
        return About(found.group(1), found.group(2), int(found.group(3)), lines)

    def wait_restart(self, boot: int, seconds: float = 45.0) -> About:
        """Until the box answers with a boot later than `boot`; its port may go away meanwhile. Raises PortError.

        Only Enter is pressed: a Ctrl-C would stop a stock MicroPython image that is just starting.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self._line is None:
                    self._line = open_port(self.port)
                self._heard = ""
                self._send(b"\r")
                if self._wait(_PROMPT, seconds=1) is None:
                    continue
                about = self.about()
                if about and about.boot > boot:
                    return about
                time.sleep(0.2)
            except PortError:
                self.close()
                time.sleep(0.3)
        raise PortError(f"{self.port}: the box did not come back within {seconds:.0f} s of its restart")
