"""Soak of the pinned blocks: random lives of LittleFS with times of change, on MicroPython until the time is over.

`--seconds` for how long, `--seed` for which (see fakes/storage_rounds.py).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    path = ":".join([".frozen", *(str(ROOT / folder) for folder in ("host_tests/fakes", "lib", "firmware"))])
    print(f"pinned blocks soak: seed {wanted.seed}, {wanted.seconds} s", flush=True)
    program = str(Path(sys.prefix) / "bin" / "micropython")
    return subprocess.run(
        [program, "-X", "heapsize=32M", str(ROOT / "host_tests" / "fakes" / "storage_rounds.py")],
        env={**os.environ, "MICROPYPATH": path, "SEED": str(wanted.seed), "SECONDS": str(wanted.seconds)},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
