"""Long random runs of the line simulator in virtual time, with the oracle of test_plant_fuzz.py.

Promises: prints the seed of every broken promise and a line of totals; status 1 when there was one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "host_tests" / "tools")]

from test_plant_fuzz import broken_promises, play  # noqa: E402


def main() -> int:
    """Play until the time is over; returns the exit status."""
    arguments = argparse.ArgumentParser(description="Random life on the simulated RS-485 line.")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    end_s = time.monotonic() + given.seconds
    lives = served = faulted = broken = 0
    while time.monotonic() < end_s:
        seed = given.seed * 1_000_000 + lives
        bench = play(seed)
        lives += 1
        served += bench.book.served.total
        faulted += bench.book.faulted.total
        for promise in broken_promises(bench):
            broken += 1
            print(f"seed {seed}: {promise}")
    print(f"plant: {lives} lives, {served} replies served, {faulted} faulted, {broken} promises broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
