"""Random bytes at the console of the whole application: rubbish, words that it knows, keys, lines that change, commit
and take back. Seeded; see console_fuzz_box.py and host_tests/tools/test_console_fuzz.py."""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from fieldgate.demo.run import HEAP, find_micropython
from fieldgate.device_build import build

ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "host_tests" / "fakes"
BOARD = ROOT / "boards" / "virtual"
MOST_STARTS = 400
SLACK_BYTES = 8192  # of the whole application's heap: what a round of telemetry or a batch holds comes and goes
HEAP_KB = int(HEAP[:-1]) + 48  # the virtual box's, and what the rig takes of it
PERIOD_MS = 10000  # what is typed is to take the time
_WORDS = """set show unset diff check discard commit confirm rollback status bus log about help alarms watch read scan
identify net wifi mqtt test led time incident audit verify dump load ot it who login logout frames bad known common all
line1 line1.baud line1.meter line1.meter.voltage line1.meter.voltage.period_ms line1.+x.unit_id place.site mqtt.user
publish.payload ot.owner 9600 19200 0 1 7 247 300 -1 1e99 none true 8N1 y n ? + . --json 2026-11-23""".split()

_LINES = """set line1.baud 9600,set line1.baud fast,set line1.meter.unit_id 300,set line1.+x.unit_id 7,unset line1.x,
set mqtt.brokers.0.host 10.0.0.9,set place.site lyon,check,diff,discard,commit,commit 1,confirm,rollback,rollback 1,
show line1.meter,dump it,watch meter 2,read meter 3 100,bus frames 2,status --json,incident 5,audit""".replace(
    "\n", ""
).split(",")


class Figures(NamedTuple):
    """bytes_typed; answers: lines OK and ERR; starts: of the box; heap: bytes more at the end than before; polls."""

    bytes_typed: int
    answers: int
    starts: int
    heap: int
    polls: int


def typed(seed: int, count: int) -> bytes:
    rng = random.Random(seed)
    out = bytearray()
    while len(out) < count:
        what = rng.random()
        if what < 0.3:
            out += bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40)))
        elif what < 0.5:
            out += rng.choice(_LINES).encode() + b"\r"
        elif what < 0.9:
            out += " ".join(rng.choice(_WORDS) for _ in range(rng.randrange(1, 5))).encode()
            out += rng.choice((b"\r", b"\r", b"\n", b"\r\n", b"\t", b"\x03"))
        else:
            out += rng.choice((b"\x1b[A\r", b"\x7f" * 20, b"\x15", b"\t\t", b"y\r", b"\x03\r", b"discard\r", b"\x02"))
    return bytes(out[:count])


def run(folder: Path, seed: int, count: int, timeout_s: float) -> Figures:
    """Raises AssertionError when something broke, with the seed."""
    ot = json.loads((BOARD / "ot.json").read_text())
    for point in (point for bus in ot["buses"] for unit in bus["units"] for point in unit["points"]):
        point["period_ms"] = PERIOD_MS
    (folder / "ot.json").write_text(json.dumps(ot))
    (folder / "it.json").write_bytes((BOARD / "it.json").read_bytes())
    (folder / "typed").write_bytes(typed(seed, count))
    (folder / "at").write_text("0")
    tree = build("virtual").tree
    path = f".frozen:{tree}:{FAKES}:{ROOT / 'host_tests' / 'emulated' / 'on_device'}"
    said = ""
    for start in range(1, MOST_STARTS):
        done = subprocess.run(
            [find_micropython(), "-X", f"heapsize={HEAP_KB}K", str(FAKES / "console_fuzz_box.py")], cwd=folder,
            env={"MICROPYPATH": path}, capture_output=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        said += (done.stdout + done.stderr).decode("latin-1")
        if done.returncode != 6:
            break
    assert done.returncode == 0, f"seed {seed}: status {done.returncode}, {(folder / 'at').read_text()}: {said[-2000:]}"
    assert not (folder / "crash.txt").exists(), (folder / "crash.txt").read_text()
    for half in ("ot", "it"):
        json.loads((folder / f"{half}.json").read_text())  # what was delivered is never touched
    return judge(said, seed, count, start)


def judge(said: str, seed: int, count: int, starts: int) -> Figures:
    """What the box has shown."""
    for word in ("Traceback", "internal error", "ERR 10"):
        assert word not in said, f"seed {seed}: {said[max(0, said.index(word) - 1500) :][:3000]}"
    found = re.search(r"\nheap (\d+) (\d+) polls (\d+)", said)
    assert found, f"seed {seed}: no end: {said[-2000:]}"
    before, after, polls = (int(word) for word in found.groups())
    assert after - before <= SLACK_BYTES, f"seed {seed}: {after - before} bytes of heap did not come back"
    answers = len(re.findall(r"(?:^|\n)(?:OK|ERR \d+ [^\r\n]+)\r?\n", said))
    return Figures(count, answers, starts, after - before, polls)
