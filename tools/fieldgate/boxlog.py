"""Reads the flash log out of a box over its serial line, with mpremote.

Promises: writes nothing (but a board that has never started makes the files of its log then); what arrives is checked
line by line (CRC) before it is taken for the log; a box that cannot be read gives one line that says why. The box's
program is interrupted for the reading: it polls again after a restart.
"""

from __future__ import annotations

import binascii
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

SECTOR_BYTES = 4096
PAGE_BYTES = 256
TIMEOUT_S = 600  # 2 MB at 115200 baud in base64 take 240 s

# Runs on the box. A page that is blank is told as "-"; the others as base64 with their CRC-32.
_CODE = """
import binascii, board, sys
_name = "ports.%s.storage" % board.PORT
__import__(_name)
_flash = sys.modules[_name].open_flash(board.FLASH)
_page = bytearray(256)
print("log", _flash.sectors)
for _sector in range(_flash.sectors):
    for _offset in range(0, 4096, 256):
        _flash.read(_sector, _offset, _page)
        if _page == b"\\xff" * 256:
            print("-")
        else:
            print(str(binascii.b2a_base64(_page), "ascii").strip(), binascii.crc32(_page))
print("end")
"""


class BoxError(Exception):
    """The box cannot be read; the text is one line."""


def is_port(place: str) -> bool:
    """True if `place` names a serial port and not a file."""
    if re.fullmatch(r"(?i)com\d+", place):
        return True
    try:
        return stat.S_ISCHR(os.stat(place).st_mode)
    except OSError:
        return False


def fetch(port: str) -> bytes:
    """All bytes of the log's sectors of the box at `port`. Raises BoxError."""
    program = Path(sys.executable).parent / "mpremote"
    command = [str(program) if program.exists() else "mpremote", "connect", port, "resume", "exec", _CODE]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        raise BoxError("mpremote is missing: install it (pip install mpremote)") from None
    except subprocess.TimeoutExpired:
        raise BoxError(f"{port}: the box did not finish within {TIMEOUT_S} s") from None
    lines = ended.stdout.split("\n")
    if ended.returncode != 0:
        said = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
        raise BoxError(f"{port}: {said[-1].strip() if said else 'mpremote said nothing'}")
    return parse(port, [line.strip() for line in lines if line.strip()])


def parse(port: str, lines: list[str]) -> bytes:
    """The log's bytes out of what the box printed. Raises BoxError for anything that is not whole."""
    starts = [number for number, line in enumerate(lines) if re.fullmatch(r"log \d{1,5}", line)]
    if not starts or lines[-1] != "end":
        raise BoxError(f"{port}: the answer is not a whole log ({len(lines)} lines): check the cable and try again")
    sectors = int(lines[starts[0]].split()[1])
    pages = lines[starts[0] + 1 : -1]
    expected = sectors * SECTOR_BYTES // PAGE_BYTES
    if len(pages) != expected:
        raise BoxError(f"{port}: {len(pages)} of {expected} pages arrived: check the cable and try again")
    return b"".join(_page(port, number, line) for number, line in enumerate(pages))


def _page(port: str, number: int, line: str) -> bytes:
    if line == "-":
        return b"\xff" * PAGE_BYTES
    text, _, crc = line.partition(" ")
    try:
        content = binascii.a2b_base64(text)
        good = len(content) == PAGE_BYTES and binascii.crc32(content) == int(crc)
    except ValueError:
        good = False
    if not good:
        raise BoxError(f"{port}: page {number} arrived damaged: check the cable and try again")
    return content
