"""`test` with a loopback: a jumper from driver to receiver brings the box its own requests back, whole, damaged, or
not at all. A pseudo-terminal stands for the line; the firmware is the real one."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from console_box import ConsoleBox

from fieldgate.broker import Broker


class Jumper:
    """What the box sends goes through `way` and back to it."""

    def __init__(self) -> None:
        self.way: Callable[[bytes], bytes] = bytes
        self.heard = bytearray()
        self._near, self._far = pty.openpty()
        for end in (self._near, self._far):
            tty.setraw(end)
        self.path = os.ttyname(self._far)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            if select.select([self._near], [], [], 0.05)[0]:
                data = os.read(self._near, 4096)
                self.heard += data
                back = self.way(data)
                if back:
                    os.write(self._near, back)

    def close(self) -> None:
        self._over.set()
        self._thread.join(10)
        os.close(self._near)
        os.close(self._far)


class LoopbackBox(ConsoleBox):
    """It polls units that are not there."""

    def start_plant(self) -> None:
        self.jumper = Jumper()
        self.beside.callback(self.jumper.close)
        self.serial.symlink_to(self.jumper.path)


@pytest.fixture
def box(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[LoopbackBox]:
    with LoopbackBox(tmp_path / "run", start_broker()) as box:
        box.start()
        yield box


def test_a_loopback_is_told_from_none_and_from_a_broken_one(box: LoopbackBox) -> None:
    assert box.jumper.heard, "nothing was sent"
    for way, rank, said in (
        (bytes, "   ", "loopback: own request comes back whole"),
        (lambda data: b"", "   ", "no loopback wired, as usual"),
        (lambda data: bytes(byte ^ 8 for byte in data), "!! ", "own request comes back damaged"),
        (lambda data: data[:-2], "!! ", "own request comes back damaged"),
        (bytes, "   ", "own request comes back whole"),
    ):
        box.jumper.way = way  # type: ignore[assignment]
        answer = box.type("test", seconds=60)
        (line,) = [line for line in answer.splitlines() if line[3:].startswith("line1:")]
        assert line.startswith(rank + "line1: ") and said in answer.replace("\n  ", " "), answer
        assert ("ERR 4 1 of these failed" in answer) == (rank == "!! "), answer
    box.jumper.way = lambda data: b""
    answer = box.type("test loopback").replace("\n  ", " ")
    assert answer.startswith("!! line1: loopback: nothing comes back: jumper,") and "ERR 4" in answer, answer
    box.jumper.way = bytes
    assert box.type("test loopback").endswith("comes back whole\nOK\n")
    assert "ERR 2 test takes loopback or nothing" in box.type("test everything")
    assert "no unit answers" in box.type("status")
