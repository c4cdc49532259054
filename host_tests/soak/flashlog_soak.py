"""Soak of the flash log: random power-cut rounds on real MicroPython until the time is over.

`--seconds` for how long (about 500 pairs a second and core), `--seed` for which, `--first`/`--rounds` to repeat a
failed round, `--pairs N` to go on, past the time, until N distinct (operation, torn state) pairs were tried.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROUNDS_AT_A_TIME = 50


def run_rounds(seed: int, first: int, rounds: int, seconds: int) -> tuple[int, int, int]:
    """One MicroPython process; returns (exit status, rounds done, pairs)."""
    folders = ["host_tests/fakes", "lib", "firmware"]
    path = ":".join([".frozen", *(str(ROOT / folder) for folder in folders)])
    settings = {"SEED": seed, "FIRST": first, "ROUNDS": rounds, "SECONDS": seconds}
    child = subprocess.Popen(
        [
            str(Path(sys.prefix) / "bin" / "micropython"),
            *("-X", "heapsize=16M"),
            str(ROOT / "host_tests" / "fakes" / "flashlog_rounds.py"),
        ],
        env={**os.environ, "MICROPYPATH": path, **{key: str(value) for key, value in settings.items()}},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    last = (0, 0)
    try:
        for line in child.stdout:
            print(line, end="", flush=True)
            if match := re.match(r"(\d+) rounds, (\d+) distinct", line):
                last = (int(match[1]), int(match[2]))
        return child.wait(), *last
    finally:
        child.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=0)
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child is ended too
    print(f"flash log soak: seed {wanted.seed}, {wanted.seconds} s", flush=True)
    deadline = time.monotonic() + wanted.seconds
    status, first, pairs = run_rounds(wanted.seed, wanted.first, wanted.rounds, wanted.seconds)
    while status == 0 and not wanted.rounds and (pairs < wanted.pairs or time.monotonic() < deadline):
        status, done, more = run_rounds(wanted.seed, wanted.first + first, ROUNDS_AT_A_TIME, 0)
        first += done
        pairs += more
    print(f"flash log soak: {pairs} pairs, {'passed' if status == 0 else 'FAILED'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
