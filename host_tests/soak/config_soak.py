"""Random configurations, and random bytes at the console, for as long as there is time (100,000 of the first and
1,000,000 of the second: SOAK_SECONDS=3600). Status 1 with the seed when one was taken that is not sound, or something
broke."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import config_fuzz  # noqa: E402
import console_fuzz  # noqa: E402
from fieldgate.demo.run import find_micropython  # noqa: E402

COUNT = 1000
BYTES = 50000
ROUNDS = 5  # of configurations to one of bytes
TIMEOUT_S = 300


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    seed = 1000 * arguments.seed
    cases = taken = answers = typed = 0
    while time.monotonic() < deadline:
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures = config_fuzz.run(find_micropython(), Path(folder), seed, COUNT, TIMEOUT_S)
                cases, taken = cases + figures.cases, taken + figures.taken
                if seed % ROUNDS == 0:
                    shown = console_fuzz.run(Path(folder), seed, BYTES, TIMEOUT_S)
                    typed, answers = typed + shown.bytes_typed, answers + shown.answers
            except AssertionError as error:
                print(f"config soak: {error}")
                return 1
        seed += 1
    print(f"config soak: {cases} configurations, {taken} taken, none wrongly; {typed} bytes typed, {answers} answers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
