"""Months of machines and boxes, each with its own seed, on the device's code against the independent judge.

Called as: production_soak.py --seconds 600 --seed 1. Status 1 at the first difference; it prints the seed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "host_tests" / "tools"))
sys.path.insert(0, str(ROOT / "tools"))

import production_judge as judge  # noqa: E402
from test_production_month import differences, run_box, wrong_events  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    seed = options.seed * 1000
    months = figures = 0
    while time.monotonic() < end:
        first = datetime(2026, 1, 3, 3, 17, tzinfo=timezone.utc) + timedelta(days=seed * 11 % 300)
        truth = judge.make_truth(seed, first, 31)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            judge.write_record(truth, folder / "record.txt")
            _, out = run_box(folder, folder / "record.txt")
        true = judge.judge(truth)
        found = differences(true, out) + wrong_events(truth, out)[1]
        if found:
            print(f"seed {seed}: {len(found)} differences: " + "; ".join(found[:5]))
            return 1
        months += 1
        figures += sum(map(len, true.values()))
        seed += 1
    print(f"{months} months, {figures} figures, 0 differences (seeds {options.seed * 1000} to {seed - 1})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
