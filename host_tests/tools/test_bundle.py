"""The bundle of a board's modules: the packer, and the loader of the box on MicroPython itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fieldgate import bundle, names
from fieldgate.demo.run import find_micropython
from fieldgate.device_build import build

# What the box does at its start, and what a bundle must be able to do; the answers are printed.
PROGRAM = """
import sys
import bundle
bundle.start(FILE)
from modbus.crc import crc16, TABLE
from gateway import words
import flashlog.log
print(crc16(b"123456789", 0, 9, TABLE), flashlog.log.__file__, words.__file__)
bundle.bundle.forget()
import uplink.cbor
print(uplink.cbor.__file__, len(list(words.messages())))
import modbus.not_there
"""


def modules() -> dict[str, bytes]:
    built = build("virtual")
    return {place: (built.tree / place).read_bytes() for place in built.sizes_bytes}


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    command = [find_micropython(), "-X", "heapsize=2M", "-c", program.replace("FILE", repr(f"{folder}/{bundle.NAME}"))]
    return subprocess.run(
        command,
        env={**os.environ, "MICROPYPATH": ".frozen"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def box(tmp_path: Path) -> Path:
    files = bundle.bundled("rp2", modules())
    for place, content in files.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(content)
    return tmp_path


def test_modules_come_out_of_the_bundle(box: Path) -> None:
    program = "import sys\nsys.path.insert(0, '')\n" + PROGRAM
    done = run(box, program)
    lines = done.stdout.splitlines()
    assert lines[0] == f"{0x4B37} /code/flashlog/log.mpy /code/gateway/words.mpy", done.stderr
    assert lines[1].startswith("/code/uplink/cbor.mpy ")
    assert "no module named 'modbus.not_there'" in done.stdout + done.stderr


def test_a_box_without_a_bundle_starts_from_files(box: Path) -> None:
    (box / bundle.NAME).unlink()
    shutil.copytree(build("virtual").tree, box, dirs_exist_ok=True)
    program = "import sys\nsys.path.insert(0, '')\nimport bundle\nbundle.start(FILE)\nimport modbus.crc\n"
    done = run(box, program + "print(modbus.crc.__file__, bundle.bundle)")
    assert done.stdout.strip().endswith("modbus/crc.mpy None"), done.stderr


def test_what_was_packed_comes_back_in_every_size() -> None:
    for size in (0, 1, 90, 900, 9000, 99000, 990000):  # offsets of all lengths
        files = {"a/b.mpy": bytes(size), "console/shell.mpy": b"s" * size, "wiring.mpy": b"w", "c.mpy": b"x" * 41}
        packed = bundle.pack(files)
        assert bundle.unpack(packed) == files, size
        assert packed == bundle.pack(dict(reversed(files.items())))
        assert packed[int(packed[:8], 16) :] == b"s" * size + b"w", "what is brief lies behind what stays"


def test_only_boards_that_need_it_have_one() -> None:
    files = {"main.py": b"m", "a.mpy": b"a" * 50, bundle.LOADER: b"l", "gateway/glossary.jsonl": b"{}"}
    assert bundle.bundled("linux", files) == files
    packed = {"main.py", bundle.LOADER, "gateway/glossary.jsonl", bundle.NAME}
    assert set(bundle.bundled("esp32", files)) == packed
    assert set(bundle.bundled("rp2", files)) == packed | {names.NAME}
