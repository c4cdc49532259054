"""`python -m fieldgate.bench_bus`: this engine beside micropython-modbus's Serial on the same line, in one run.

On the virtual-time UART always: real MicroPython, modelled wire, the same cost for every look at the clock. It shows
what sleeps, rounding and waits cost, not what a processor costs. With `--uf2 FOLDER` the emulated RP2040 firmware is
measured as well; without it that part is reported as not run. `--picture FILE` draws one cycle of ours.

Efficiency = ideal cycle / actual cycle, ideal = request + reply + max(turnaround 2 ms, t3.5) + t3.5. Above 1 means
that t3.5 was cut short.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fieldgate.places import BUILD, ROOT

PROGRAM = ROOT / "host_tests" / "fakes" / "bus_measure.py"
EMULATED = [str(ROOT / "host_tests" / "emulated" / name) for name in ("test_bus_matrix.py", "test_bus_timing.py")]
COLOURS = {"request": "#1f77b4", "reply": "#2ca02c", "decode": "#ff7f0e"}

Row = dict[str, str]


def measure(cycles: int) -> list[Row]:
    """Run the measurements on MicroPython; one dict per line that it prints. Raises RuntimeError with its output."""
    folders = ("host_tests/fakes", "lib", "firmware", "build/device")
    path = ":".join([".frozen", *(str(ROOT / folder) for folder in folders)])
    run = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-X", "heapsize=8M", str(PROGRAM)],
        env={**os.environ, "MICROPYPATH": path, "CYCLES": str(cycles)},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(run.stdout + run.stderr)
    return [parse(line) for line in run.stdout.splitlines()]


def parse(line: str) -> Row:
    """`name key=value ...` as the program on MicroPython prints it."""
    name, *pairs = line.split()
    return {"name": name, **dict(pair.split("=", 1) for pair in pairs)}


def cell(row: Row) -> str:
    """Efficiency and the extremes of the gap; a gap below t3.5 is marked."""
    mark = " !" if int(row["short_gaps"]) else ""
    return f"{float(row['efficiency']):.4f}  {row['gap_min_us']}-{row['gap_max_us']}{mark}"


CANDIDATES = {
    "ours0": "Fieldgate",
    "theirs0": "micropython-modbus",
    "ours1": "Fieldgate, driver pin",
    "theirs1": "micropython-modbus, driver pin",
}


def cases(rows: list[Row]) -> dict[tuple[str, str, str], dict[str, Row]]:
    """(baud, format, registers) -> the candidates' rows, in the order in which a table shows them."""
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        if row["name"] in ("ours", "theirs"):
            case = found.setdefault((row["baud"], row["format"], row["registers"]), {})
            case[row["name"] + row["driver"]] = row
    return dict(sorted(found.items(), key=lambda item: (int(item[0][0]), item[0][1] != "8N1", int(item[0][2]))))


def table(rows: list[Row], title: str) -> Table:
    """One row per line setting and read, one column per candidate that there is."""
    out = Table(title=f"{title}; ! = below t3.5")
    measured = cases(rows)
    found = [name for name in CANDIDATES if any(name in case for case in measured.values())]
    for head in ("baud", "format", "registers", "t3.5 us", *(CANDIDATES[name] for name in found)):
        out.add_column(head, justify="right")
    for key, case in measured.items():
        shown = [cell(case[name]) if name in case else "not measured" for name in found]
        out.add_row(*key, next(iter(case.values()))["t35_us"], *shown)
    return out


def ratios(rows: list[Row]) -> str:
    """How much more of the line we use, over all cases in which both keep the rules."""
    found = []
    for case in cases(rows).values():
        for driver in "01":
            pair = [case[name + driver] for name in ("ours", "theirs") if name + driver in case]
            if len(pair) == 2 and not any(int(row["short_gaps"]) for row in pair):
                found.append(float(pair[0]["efficiency"]) / float(pair[1]["efficiency"]))
    return (
        f"use of the line, Fieldgate over micropython-modbus: {min(found):.3f} to {max(found):.3f} times, "
        f"{statistics.median(found):.3f} in the middle of {len(found)} cases in which both keep t3.5"
    )


def spread(rows: list[Row]) -> str:
    """The longest difference between two cycles of one case, and how late the driver falls, for each candidate."""
    lines = []
    for name, who in (("ours", "Fieldgate"), ("theirs", "micropython-modbus")):
        mine = [row for row in rows if row["name"] == name]
        line = f"{who}: jitter (longest less shortest cycle) {max(int(row['spread_us']) for row in mine)} us"
        late = {
            baud: max(int(row["driver_late_us"]) for row in mine if row["driver"] == "1" and row["baud"] == baud)
            for baud in sorted({row["baud"] for row in mine if row["driver"] == "1"}, key=int)
        }
        if late:
            line += "; driver falls so long after the last stop bit: "
            line += ", ".join(f"{baud}: {us} us" for baud, us in late.items())
        lines.append(line)
    return "\n".join(lines)


def draw(rows: list[Row], path: Path) -> None:
    """One cycle as a timing diagram: the wire above, decoding below, t3.5 marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    parts = [
        (row["kind"], int(row["from_us"]) / 1000, int(row["to_us"]) / 1000) for row in rows if row["name"] == "part"
    ]
    requests = [part for part in parts if part[0] == "request"]
    replies = [part for part in parts if part[0] == "reply"]
    figure, axes = pyplot.subplots(figsize=(11, 3.2))
    for kind, begin, end in parts:
        level = 0 if kind == "decode" else 1
        axes.broken_barh([(begin, end - begin)], (level - 0.3, 0.6), color=COLOURS[kind])
        if kind == "decode":
            axes.text(end + 0.2, level, "decoding of the reply before", va="center", fontsize=9, clip_on=True)
        else:
            axes.text((begin + end) / 2, level, kind, ha="center", va="center", color="white", fontsize=9, clip_on=True)
    _span(axes, requests[0][2], replies[0][1], "turnaround")
    _span(axes, replies[0][2], requests[1][1], "t3.5")
    axes.set_yticks([0, 1], ["processor", "wire"])
    axes.set_ylim(-0.6, 2.0)
    axes.set_xlim(-0.5, requests[1][2] + 6)
    axes.set_xlabel("ms")
    axes.set_title("19200 8E1, 10 registers: the reply before is decoded while the next request leaves")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _span(axes, begin: float, end: float, text: str) -> None:  # type: ignore[no-untyped-def]
    """A double arrow above the wire."""
    axes.annotate(
        "", (begin, 1.45), (end, 1.45), arrowprops={"arrowstyle": "<->", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    )
    axes.text((begin + end) / 2, 1.55, f"{text}\n{end - begin:.2f} ms", ha="center", va="bottom", fontsize=8)


def emulated(folder: str, console: Console) -> int:
    """The same on emulated RP2040 firmware: its table and its report lines."""
    command = [sys.executable, "-m", "pytest", *EMULATED, "--uf2", folder, "-q", "-rA", "-p", "no:cacheprovider"]
    console.print("emulated RP2040 firmware: 48 cases beside each other, about 15 minutes on two cores")
    run = subprocess.run([*command, "--dist", "load"], cwd=ROOT, capture_output=True, text=True, check=False)
    lines = run.stdout.splitlines()
    rows = [parse(line.removeprefix("CASE: ")) for line in dict.fromkeys(lines) if line.startswith("CASE: ")]
    if rows:
        console.print(table(rows, "emulated RP2040: efficiency, gap before requests in us (engine alone)"))
    if not run.returncode:  # else cases are missing
        console.print(ratios(rows))
        console.print(spread(rows))
    for line in dict.fromkeys(line.removeprefix("REPORT: ") for line in lines if "emulated RP2040" in line):
        console.print(line, soft_wrap=True)
    console.print(lines[-1] if lines else run.stderr)
    return run.returncode


def cycles(text: str) -> int:
    """Transactions per case: the picture shows the 12th, a median needs some more; the line's record keeps 500."""
    if not text.isdecimal() or not 20 <= int(text) <= 400:
        raise argparse.ArgumentTypeError(f'found "{text}", allowed 20 to 400 transactions')
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="fieldgate.bench_bus", description=__doc__)
    parser.add_argument("--cycles", type=cycles, default=40, help="transactions per case, 20 to 400")
    parser.add_argument("--picture", type=Path, default=BUILD / "bench-bus.png")
    parser.add_argument("--uf2", default=os.environ.get("UF2", ""), help="folder with rp2 firmware images")
    wanted = parser.parse_args()
    for board in ("RPI_PICO", "RPI_PICO_W") if wanted.uf2 else ():  # as the tests want them
        image = Path(wanted.uf2) / board / "firmware.uf2"
        if not image.is_file():
            parser.error(f"--uf2: there is no {image}; name a folder that has it (host_tests/emulated/README.md)")
    rows = measure(wanted.cycles)
    console = Console(width=None if sys.stdout.isatty() else 132)
    title = "virtual-time UART: efficiency, gap before requests in us (1.9 ms of decoding per reply)"
    console.print(table(rows, title))
    console.print(ratios(rows))
    console.print(spread(rows))
    (cpu,) = [row for row in rows if row["name"] == "cpu"]
    console.print(
        f"CPU per transaction of 10 registers on this host, besides waiting: Fieldgate with schedule, health and "
        f"counters, as plain Python (on the boards it is machine code: see the emulated part) "
        f"{cpu['ours_us']} us, micropython-modbus {cpu['theirs_us']} us (ratio "
        f"{float(cpu['theirs_us']) / float(cpu['ours_us']):.1f})"
    )
    draw(rows, wanted.picture)
    console.print(f"one cycle of ours: {wanted.picture}")
    if not wanted.uf2:
        console.print("emulated RP2040 firmware: not run (make bench-bus UF2=folder)")
        return 0
    return emulated(wanted.uf2, console)


if __name__ == "__main__":
    sys.exit(main())
