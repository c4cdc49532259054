"""`fieldgate log` reads a box over its serial line: real mpremote, real MicroPython on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldgate import boxlog
from fieldgate.demo.run import find_micropython
from fieldgate.device_build import build
from fieldgate.flashimage import Image

TREE = """
import os, sys
from flashlog.log import FlashLog
from flashlog.records import BlockBuilder
from ports.linux.flash import Flash
log = FlashLog(Flash("flash.img", 64), b"test")
log.mount()
boot = log.begin_boot()
block = BlockBuilder(480)
for i in range(300):
    block.reset(boot, b"abcd", 0, 1000 * i)
    block.sample(1, 0, 1000 * i, bytearray(b"%04d" % i), 4)
    log.append(block.payload(), block.records)
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A box's folder with 300 records in its log, and the serial port at which its REPL answers."""
    folder = tmp_path / "box"
    folder.mkdir()
    environment = {**os.environ, "MICROPYPATH": f".frozen:{build('virtual').tree}"}
    environment.pop("FIELDGATE_FLASH", None)
    program = [find_micropython(), "-X", "heapsize=1M"]
    subprocess.run([*program, "-c", TREE], cwd=folder, env=environment, check=True, timeout=60)
    master, end = pty.openpty()
    tty.setraw(end)
    # The console of a box: the program's end of a second pseudo-terminal, joined to the first by two threads,
    # so that mpremote can open and close its end as it likes.
    inner, console = pty.openpty()
    tty.setraw(console)
    repl = subprocess.Popen(
        program, cwd=folder, env=environment, stdin=console, stdout=console, stderr=console, start_new_session=True
    )
    for source, sink in ((master, inner), (inner, master)):
        threading.Thread(target=pump, args=(source, sink), daemon=True).start()
    yield folder, os.ttyname(end)
    repl.kill()
    repl.wait()


def pump(source: int, sink: int) -> None:
    while True:
        try:
            os.write(sink, os.read(source, 4096))
        except OSError:
            return


def test_the_log_of_a_box_equals_its_flash(box: tuple[Path, str]) -> None:
    folder, port = box
    assert boxlog.is_port(port) and not boxlog.is_port(str(folder / "flash.img"))
    content = boxlog.fetch(port)
    assert content == (folder / "flash.img").read_bytes()
    assert sum(frame.records for frame in Image.parse(port, content).frames) == 300


def test_the_command_takes_a_port(box: tuple[Path, str]) -> None:
    _, port = box
    done = subprocess.run(
        [sys.executable, "-m", "fieldgate", "log", "verify", port], capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(boxlog.__file__).parents[1])}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("300 frames, 300 records readable, 0 problems")


def test_a_port_where_nothing_answers_is_one_line() -> None:
    with pytest.raises(boxlog.BoxError) as error:
        boxlog.fetch("/dev/null")
    assert "\n" not in str(error.value) and str(error.value).startswith("/dev/null: ")


def test_what_arrives_damaged_is_refused() -> None:
    pages = ["-"] * 64
    whole = ["noise", "log 4", *pages, "end"]
    assert boxlog.parse("port", whole) == b"\xff" * 4 * 4096
    for lines in (whole[:-1], whole[:-3] + ["end"], ["end"], [], ["log 4", *pages[:-1], "AAAA 5", "end"]):
        with pytest.raises(boxlog.BoxError) as error:
            boxlog.parse("port", lines)
        assert "check the cable" in str(error.value)
