"""`python -m fieldgate.bench_log`: the ring log beside a LittleFS control, same workload, same simulated NOR, same run.

Promises: both run on real MicroPython over the NOR simulator of the tests, the same records, each append synced; the
simulator's own time is taken off the CPU figures. CPU is that of this machine and tells ratios only. Life is for
10 records of 32 B a second on 352 sectors at 100,000 erases each, as the measured wear spread allows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fieldgate.places import ROOT

PROGRAM = ROOT / "host_tests" / "fakes" / "flashlog_measure.py"
TITLES = {"ring": "ring log", "littlefs": "LittleFS, 4 KiB files"}


def measure(sectors: int, unit: int) -> list[dict[str, Any]]:
    """Run the measurements; returns one dict per candidate and batch size. Raises RuntimeError with the output."""
    folders = ("host_tests/fakes", "lib", "firmware")
    path = ":".join([".frozen", *(str(ROOT / folder) for folder in folders)])
    run = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-X", "heapsize=16M", str(PROGRAM)],
        env={**os.environ, "MICROPYPATH": path, "SECTORS": str(sectors), "UNIT": str(unit)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(run.stdout + run.stderr)
    return [parse(line) for line in run.stdout.splitlines()]


def parse(line: str) -> dict[str, Any]:
    """`name key=value ...` as the program on MicroPython prints it."""
    name, *pairs = line.split()
    figures: dict[str, Any] = {"name": name}
    for pair in pairs:
        key, _, value = pair.partition("=")
        figures[key] = None if value == "None" else float(value)
    return figures


def life(figures: dict[str, Any], sectors: int = 352, records_per_s: float = 10.0) -> str:
    """Time until the most worn sector has its 100,000 erases."""
    erases_per_s = figures["erases_per_1000"] / 1000 * records_per_s * figures["wear_spread"]
    days = 100_000 * sectors / erases_per_s / 86400
    return f"{days / 365.25:.1f} years" if days > 700 else f"{days:.0f} days"


def table(rows: list[dict[str, Any]], sectors: int, unit: int) -> Table:
    """One column per candidate and batch size."""
    out = Table(title=f"32-byte records, {sectors} sectors, program unit {unit}, CPU and RAM of the 64-bit port")
    out.add_column("")
    for row in rows:
        out.add_column(f"{TITLES[row['name']]}\n{row['records']:.0f} per append", justify="right")
    lines = {
        "write amplification": lambda row: f"{row['write_amplification']:.2f}",
        "erases per 1000 records": lambda row: f"{row['erases_per_1000']:.2f}",
        "worst append: erases": lambda row: f"{row['worst_erases']:.0f}",
        "worst append: pages": lambda row: f"{row['worst_pages']:.0f}",
        "wear max/mean": lambda row: f"{row['wear_spread']:.2f}",
        "mount reads, bytes": lambda row: f"{row['mount_bytes']:.0f}",
        "drain reads per record": lambda row: f"{row['reads_per_record']:.2f}" if row["reads_per_record"] else "-",
        "RAM, bytes": lambda row: f"{row['ram_bytes']:.0f}",
        "CPU per append, us": lambda row: f"{row['mean_us']:.0f}",
        "life, 352 sectors, 10/s": life,
    }
    for name, text in lines.items():
        out.add_row(name, *(text(row) for row in rows))
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description="Ring log beside LittleFS on simulated NOR flash.")
    parser.add_argument("--sectors", type=int, default=24)
    parser.add_argument("--unit", type=int, choices=(16, 256), default=256)
    wanted = parser.parse_args()
    try:
        rows = measure(wanted.sectors, wanted.unit)
    except RuntimeError as error:
        print(f"bench-log: {error}", file=sys.stderr)
        return 1
    Console(width=120).print(table(rows, wanted.sectors, wanted.unit))
    return 0


if __name__ == "__main__":
    sys.exit(main())
