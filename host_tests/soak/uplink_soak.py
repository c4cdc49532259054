"""Long runs of the uplink session on MicroPython: a broker that sends mutated packets, cuts at random bytes.

Promises: every run has a seed that is printed with what went wrong; status 1 when something did.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKETS, MESSAGES = 50_000, 3_000
PROGRAM = """
import broker_fuzz, sys
seed = int(sys.argv[1])
print(*broker_fuzz.fuzz(seed, {packets}), *broker_fuzz.cuts(seed, {messages}))
"""


def play(seed: int) -> tuple[list[int], str]:
    """One process: (mutated packets, connects, heap growth, cuts, duplicates), or nothing and what it said."""
    paths = [".frozen", *(str(ROOT / each) for each in ("lib", "firmware", "host_tests/fakes", "build/device"))]
    program = PROGRAM.format(packets=PACKETS, messages=MESSAGES)
    run = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-c", program, str(seed)],
        env={**os.environ, "MICROPYPATH": ":".join(paths)},
        capture_output=True,
        text=True,
    )
    return ([], run.stdout + run.stderr) if run.returncode else ([int(word) for word in run.stdout.split()], "")


def main() -> int:
    """Play until the time is over; returns the exit status."""
    arguments = argparse.ArgumentParser(description="The uplink session against a broker gone mad.")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    end_s = time.monotonic() + given.seconds
    packets = cuts = runs = broken = 0
    while time.monotonic() < end_s:
        seed = given.seed * 1_000_000 + runs
        runs += 1
        figures, text = play(seed)
        if text:
            broken += 1
            print(f"seed {seed}: {text.strip()}")
        else:
            packets += figures[0]
            cuts += figures[3]
    messages = (runs - broken) * MESSAGES
    print(f"uplink: {packets} mutated packets, {messages} messages over {cuts} cuts, {broken} of {runs} runs failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
