"""Soak of the Modbus engine on MicroPython: generated frames into the reply parser and into the listener, generated
requests at the gate.

Goes on until `--seconds` are over and a million of each were tried. `--seed` is the first seed; every round of
ROUND frames uses the next one and names it, so a failed round is repeated with `--seed N --seconds 0 --least 1`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROUND = 50000
CHILD = """
import os
import test_listener_frames as listener
from test_modbus_fuzz import fuzz
from test_modbus_gate import drive
from modbus.gate import Gate
seed, frames = int(os.getenv("SEED")), int(os.getenv("FRAMES"))
right, wrong = fuzz(seed, frames)
passed, refused = drive(Gate, seed, frames)
heard, sent, false, checks = listener.fuzz(seed, frames)
assert heard >= sent * 99 // 100, (heard, sent)
print("round", right, wrong, passed, refused, heard, false, checks)
"""


def run_round(seed: int) -> tuple[int, ...] | None:
    """(answers accepted rightly, wrongly, requests passed, refused, foreign reads heard rightly, wrongly, CRC checks of
    the listener) of one round; None if it failed."""
    folders = ["host_tests/fakes", "host_tests/unit", "host_tests/sim", "lib", "firmware", "build/device"]
    path = ":".join([".frozen", *(str(ROOT / folder) for folder in folders)])
    done = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-X", "heapsize=16M", "-c", CHILD],
        env={**os.environ, "MICROPYPATH": path, "SEED": str(seed), "FRAMES": str(ROUND)},
        capture_output=True,
        text=True,
        check=False,
    )
    match = re.search(r"round" + r" (\d+)" * 7, done.stdout)
    if done.returncode or not match:
        print(done.stdout + done.stderr)
        return None
    return tuple(int(word) for word in match.groups())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=int, default=1000000, help="frames and requests to try at least")
    wanted = parser.parse_args()
    deadline = time.monotonic() + wanted.seconds
    seed = wanted.seed
    totals = [0] * 7
    tried = 0
    while tried < wanted.least or time.monotonic() < deadline:
        figures = run_round(seed)
        if figures is None:
            print(f"modbus soak: FAILED with seed {seed}")
            return 1
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        tried += ROUND
        seed += 1
        print(
            f"modbus soak: {tried:,} frames, {totals[0]:,} answers accepted, {totals[1]} wrong; "
            f"{tried:,} requests, {totals[2]:,} reads passed, {totals[3]:,} refused, 0 others on the line; "
            f"{tried:,} frames overheard, {totals[4]:,} reads, {totals[5]} false of {totals[6]:,} CRC checks",
            flush=True,
        )
    # A wrong answer needs a matching head and a CRC that fits by chance (2^-16 for each place that is tried).
    return int(totals[1] > 2 + tried // 100000 or totals[5] > 4 + 3 * totals[6] // 65536)


if __name__ == "__main__":
    sys.exit(main())
