"""Soak of the flash log: random power-cut rounds on real MicroPython until the time is over and the pairs are tried.

`--seconds` for how long at least, `--pairs` for how many distinct (operation, torn state) pairs at least: a million
where `--seconds` is 600 (`make soak`) or more, which takes 35 to 60 minutes of a core, else none. `--seed` for which,
`--first`/`--rounds` to repeat a failed round.
The histogram of all pairs is printed at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
ROUNDS_AT_A_TIME = 50


def run_rounds(seed: int, first: int, rounds: int, seconds: int, seen: Counter[tuple[str, str]]) -> tuple[int, int]:
    """One MicroPython process; returns (exit status, rounds done) and adds to what was `seen` its pairs, counted by
    operation and torn state."""
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
    done = 0
    try:
        for line in child.stdout:
            if match := re.match(r"(\w+ (?:program|erase)): (.*)", line):
                for state, count in re.findall(r"(\w+) (\d+)", match[2]):
                    seen[match[1], state] += int(count)
                continue
            print(line, end="", flush=True)
            if match := re.match(r"(\d+) rounds, (\d+) distinct", line):
                done = int(match[1])
        return child.wait(), done
    finally:
        child.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--pairs", type=int)
    wanted = parser.parse_args()
    if wanted.pairs is None:
        wanted.pairs = 1_000_000 if wanted.seconds >= 600 else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the child is ended too
    print(f"flash log soak: seed {wanted.seed}, {wanted.seconds} s", flush=True)
    deadline = time.monotonic() + wanted.seconds
    seen: Counter[tuple[str, str]] = Counter()
    status, first = run_rounds(wanted.seed, wanted.first, wanted.rounds, wanted.seconds, seen)
    while status == 0 and not wanted.rounds and (seen.total() < wanted.pairs or time.monotonic() < deadline):
        status, done = run_rounds(wanted.seed, wanted.first + first, ROUNDS_AT_A_TIME, 0, seen)
        first += done
        print(f"flash log soak: {first} rounds, {seen.total()} pairs so far", flush=True)
    for operation in sorted({operation for operation, _ in seen}):
        states = [f"{state} {count}" for (each, state), count in sorted(seen.items()) if each == operation]
        print(f"{operation}: {', '.join(states)}")
    print(f"flash log soak: {first} rounds, {seen.total()} pairs, {'passed' if status == 0 else 'FAILED'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
