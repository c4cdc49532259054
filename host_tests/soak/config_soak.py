"""Random configurations and random bytes for as long as there is time: 100,000 of the first, 1,000,000 of the second at
least within an hour. Status 1 with the seed when one was taken that is not sound, or something broke."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import config_fuzz  # noqa: E402
from console import editor  # type: ignore[import-not-found]  # noqa: E402
from fieldgate.demo.run import find_micropython  # noqa: E402

COUNT = 1000
BYTES = 10000
TIMEOUT_S = 300


def type_bytes(seed: int) -> int:
    """Lines that random bytes gave the console's editor."""
    rng = random.Random(seed)
    keys = editor.Editor()
    lines = 0
    for byte in rng.randbytes(BYTES):
        if keys.key(byte) == editor.LINE:
            lines += 1
            assert len(keys.text()) <= editor.LINE_BYTES
        assert len(keys.echo) <= 3 * editor.LINE_BYTES
    return lines


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.seconds
    seed = 1000 * arguments.seed
    cases = taken = lines = typed = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < deadline:
            try:
                figures = config_fuzz.run(find_micropython(), Path(folder), seed, COUNT, TIMEOUT_S)
                lines += type_bytes(seed)
            except AssertionError as error:
                print(f"config soak: {error}")
                return 1
            cases, taken, typed = cases + figures.cases, taken + figures.taken, typed + BYTES
            seed += 1
    print(f"config soak: {cases} configurations, {taken} taken, none wrongly; {typed} bytes typed, {lines} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
