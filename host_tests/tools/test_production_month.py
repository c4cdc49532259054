"""OEE, MTTR and unknown time of a seeded month on the device's code, against a judge that knows only what was true."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

import production_judge as judge

from gateway import words
from production import layout

Books = dict[tuple[str, int], dict[str, "int | None"]]
ROOT = Path(__file__).resolve().parent.parent.parent
PATH = ":".join([".frozen", *(str(ROOT / part) for part in ("lib", "firmware", "host_tests/fakes", "build/device"))])
TIMEOUT_S = 240
POINTS = {
    name: points
    for name, points in layout.groups(lambda name, address, kind, unit, scale: {"name": name, "type": kind})
}
MARCH = datetime(2026, 3, 2, 3, 17, tzinfo=timezone.utc)  # summer time begins on the 29th


def run_box(folder: Path, record: Path, mutant: str = "", *options: str) -> tuple[str, list[str]]:
    """The firmware's books on MicroPython; returns what it printed and what reached its flash."""
    out = folder / f"out{mutant}{''.join(options)}.txt"
    program = str(Path(sys.prefix) / "bin" / "micropython")
    script = str(ROOT / "host_tests" / "fakes" / "production_box.py")
    done = subprocess.run(
        [program, "-X", "heapsize=64M", script, str(record), str(out), mutant, *options],
        cwd=folder,
        env={"MICROPYPATH": PATH},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, out.read_text().splitlines()


def books_of(lines: list[str]) -> dict[tuple[str, int], dict[str, int | None]]:
    """The last that was published of each window, by name."""
    books = {}
    for line in lines:
        kind, text = line.split(" ", 1)
        if kind in ("0", "1", "2"):
            points = POINTS[layout.NAMES[int(kind)]]
            data = bytes.fromhex(text)
            values = struct.unpack(">" + "".join("I" if p["type"] == "uint32" else "H" for p in points), data)
            row: dict[str, int | None] = dict(zip([p["name"] for p in points], values))
            for name in ("availability", "performance", "quality_rate", "oee"):
                row[name] = None if row[name] == 0xFFFF else row[name]
            for name in ("mttr", "mtbf"):
                row[name] = None if row[name] == 0xFFFFFFFF else row[name]
            start = values[0] - int(judge.EPOCH.timestamp())
            books[judge.NAMES[int(kind)], start] = row
    return books


def differences(true: Books, lines: list[str]) -> list[str]:
    """Where the published books differ from the true ones; a window that nobody saw must not be published."""
    told = books_of(lines)
    found = [f"{key}: published, but there is no such window" for key in told if key not in true]
    for key, sums in true.items():
        seen = any(sums[name] for name in sums if name not in ("unknown", "off_unknown"))
        if key not in told:
            if seen:
                found.append(f"{key}: missing")
            continue
        for name, value in sums.items():
            got = told[key][name]
            if name == "oee" and got is not None and value is not None:  # of factors rounded before
                value = got if abs(got - value) <= 1 else value
            if got != value:
                found.append(f"{key} {name}: {got}, true {value}")
    return found


def wrong_events(truth: judge.Truth, lines: list[str]) -> tuple[int, list[str]]:
    """State changes of the machine that were seen while the time was known, and those told late or wrong."""
    told = {}
    for line in lines:
        if line.startswith(f"event {words.MACHINE_STATE} "):
            _, _, t, state, cause = line.split()
            told[int(t) - truth.start] = (int(state), int(cause))
    planned, _ = judge.shown_states(truth)
    ups = sorted(truth.clock)
    found = []
    changes = 0
    now = (0, 6)
    begun = learned = 0
    for t in range(1, len(planned)):
        if t in truth.clock:
            begun, learned = t, truth.clock[t]
        now = told.get(t, now)
        changed = truth.seen[t] and (truth.state[t] != truth.state[t - 1] or not truth.seen[t - 1])
        if changed and t > learned:
            changes += 1
            if now[0] != planned[t]:
                found.append(f"at {t}: told {now[0]}, true {planned[t]}")
        if now[0] == 0 and now[1] not in (2, 6):
            found.append(f"at {t}: unknown by cause {now[1]}")
    assert ups and begun >= 0
    return changes, found


def total(true: Books, name: str) -> int:
    """Sum over the days."""
    return sum(sums[name] or 0 for (kind, _), sums in true.items() if kind == "day")


def test_a_month_equals_the_judge_to_the_second(tmp_path: Path) -> None:
    truth = judge.make_truth(1, MARCH, 31)
    lines = judge.write_record(truth, tmp_path / "record.txt")
    began = time.monotonic()
    said, out = run_box(tmp_path, tmp_path / "record.txt")
    took = time.monotonic() - began
    true = judge.judge(truth)
    found = differences(true, out)
    unseen_s = len(truth.seen) - sum(truth.seen)
    unknown_s = (total(true, "unknown") + total(true, "off_unknown")) // 1000
    assert unknown_s == unseen_s
    assert not found, "\n".join(found[:20])
    changes, late = wrong_events(truth, out)
    assert not late, "\n".join(late[:20])
    repairs, down_s = total(true, "repairs"), (total(true, "detect") + total(true, "restore")) / 1000
    assert len(truth.power) > 20 and len(truth.silent) > 20 and repairs > 50 and changes > 300
    print(
        f"REPORT: machine, a month (virtual, seed 1): {len(true)} hours, shifts and days, {len(found)} of "
        f"{len(true) * 30} figures differ from the judge; {len(truth.power)} power cuts, {len(truth.silent)} outages; "
        f"unknown {unknown_s} s = {unseen_s} s unseen; {changes} state changes told at their second; "
        f"{total(true, 'stops')} stops, {total(true, 'failures')} failures, MTTR {down_s / repairs:.1f} s "
        f"(detect {total(true, 'detect') / 1000 / repairs:.1f}) of {repairs}; {lines} lines in {took:.0f} s; "
        f"{said.strip()}"
    )


def test_polls_left_out_change_nothing(tmp_path: Path) -> None:
    """The same with every poll of some hours and the plain hold time."""
    truth = judge.make_truth(5, datetime(2026, 3, 27, 12, 40, tzinfo=timezone.utc), 0.25)
    truth.seen[9000:9100] = bytes(100)
    truth.silent.append((9000, 9100))
    judge.write_record(truth, tmp_path / "record.txt", every=1)
    for options in (("all",), ("all", "rebuild")):  # a split of a read costs nothing
        _, out = run_box(tmp_path, tmp_path / "record.txt", "", *options)
        assert not differences(judge.judge(truth), out), options


def test_another_configuration_costs_nothing_when_the_run_ends_in_good_order(tmp_path: Path) -> None:
    truth = judge.make_truth(7, MARCH, 3)
    assert len(truth.power) > 1
    judge.write_record(truth, tmp_path / "record.txt")
    _, out = run_box(tmp_path, tmp_path / "record.txt", "", "changing")
    assert not differences(judge.judge(truth), out)


def test_the_judge_finds_mistakes(tmp_path: Path) -> None:
    truth = judge.make_truth(3, datetime(2026, 3, 27, 3, 17, tzinfo=timezone.utc), 3)
    assert truth.power
    judge.write_record(truth, tmp_path / "record.txt")
    true = judge.judge(truth)
    counts = {}
    for mutant in ("", "unknown_is_stopped", "restart_forgets", "no_replay", "summer_time"):
        counts[mutant] = len(differences(true, run_box(tmp_path, tmp_path / "record.txt", mutant)[1]))
    assert counts.pop("") == 0
    assert all(counts.values()), counts
    print("REPORT: machine, what the judge finds of mutants: " + ", ".join(f"{n} {m}" for m, n in counts.items()))
