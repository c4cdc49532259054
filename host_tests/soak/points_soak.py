"""Soak of the points' decoding: types x orders on MicroPython against pymodbus and struct, a million values at least.

`--seed` is the first seed; every round uses the next one and names it when something differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "host_tests" / "fakes"), str(ROOT / "tools")]
import points_matrix  # noqa: E402  (its folder is on the path only now)

ROUND = 50_000


def main() -> int:
    """Compare until time and least number are reached; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=int, default=1_000_000, help="values to compare at least")
    wanted = parser.parse_args()
    end_s = time.monotonic() + wanted.seconds
    compared = wrong = rounds = 0
    while compared < wanted.least or time.monotonic() < end_s:
        seed = wanted.seed * 1_000_000 + rounds
        rounds += 1
        more, differences = points_matrix.run(seed, ROUND)
        compared += more
        wrong += len(differences)
        for line in differences[:3]:
            print(f"seed {seed}: {line}", flush=True)
    print(f"points: {compared:,} values of all types in all orders, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
