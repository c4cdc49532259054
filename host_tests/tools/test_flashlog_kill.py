"""The flash log in the virtual board's file, on real MicroPython, killed with SIGKILL again and again.

What an append returned for is in the file after the kill, in order; the file port behaves like NOR.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fieldgate.flashimage import Image
from ports.linux.flash import Flash

ROOT = Path(__file__).resolve().parent.parent.parent
SECTORS = 8
ROUNDS = 25
SEED = 7
WRITER = """
import os, struct, sys
from ports.linux.flash import Flash
from flashlog.log import FlashLog
log = FlashLog(Flash(sys.argv[1], 8), entropy=b"kill")
log.mount()
log.begin_boot()
number = log._next_lo
while True:
    log.append(struct.pack("<I", number) * 60, 1)
    number += 1
    sys.stdout.write("%d\\n" % number)  # appended so many: said after append returned
    if number % 5 == 0 and log.depth() > 40:
        log.read()
        log.ack(log.position())
    log.idle()
"""


def run_and_kill(image: Path, lines: int) -> int:
    """Let the writer work until it said `lines` lines, kill it; returns the last number it said."""
    child = subprocess.Popen(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-c", WRITER, str(image)],
        env={**os.environ, "MICROPYPATH": f".frozen:{ROOT / 'lib'}:{ROOT / 'firmware'}"},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    said = 0
    for _ in range(lines):
        said = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    rest = [line for line in child.stdout.read().split(b"\n")[:-1] if line]
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return int(rest[-1]) if rest else said


def test_kill_9_loses_nothing_that_append_returned_for(tmp_path: Path) -> None:
    path = tmp_path / "flash.img"
    rng = random.Random(SEED)
    for number in range(ROUNDS):
        said = run_and_kill(path, rng.randrange(1, 120))
        image = Image.open(path)
        where = f"seed {SEED}, round {number}"
        assert said <= image.end <= said + 1, where
        unread = [frame for frame in image.frames if not frame.acknowledged]
        assert [frame.number for frame in unread] == list(range(image.acknowledged, image.end)), where
        for frame in unread:
            assert frame.payload == frame.number.to_bytes(4, "little") * 60, where
    print(f"REPORT: kill -9 of the writer, {ROUNDS} times: {image.end} appends, 0 lost")


def test_the_file_is_nor_flash(tmp_path: Path) -> None:
    path = str(tmp_path / "flash.img")
    flash = Flash(path, 4)
    buf = bytearray(16)
    flash.read(3, 4080, buf)
    assert buf == b"\xff" * 16
    flash.program(3, 4080, b"\x0f" * 16)
    flash.program(3, 4080, b"\xfc" * 16)
    flash.close()
    flash = Flash(path, 4)
    flash.read(3, 4080, buf)
    assert buf == b"\x0c" * 16
    flash.erase(3)
    flash.read(3, 4080, buf)
    assert buf == b"\xff" * 16
    with pytest.raises(AssertionError):
        flash.program(0, 8, bytes(16))
    flash.close()


def test_a_file_of_another_size_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "flash.img"
    path.write_bytes(b"precious")
    with pytest.raises(ValueError, match="8 bytes, not 4 sectors"):
        Flash(str(path), 4)
    assert path.read_bytes() == b"precious"
