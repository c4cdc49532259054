"""An independent judge of OEE, MTTR and unknown time: it shares nothing with the firmware.

`make_truth` draws the life of a machine and of the box that looks at it, second by second: shifts of a plant in
Central Europe, cycles, short stops, failures with a time until somebody comes, a device that goes silent, power cuts of
the box, boots without the time. `judge` then works on that true record only: one byte per second, local time from the
system's zone data, sums by counting bytes. The firmware works with intervals and rules; where both agree to the second,
both read the definitions (lib/production/DESIGN.md) in the same way.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
SETTINGS = {
    "states": [
        {"state": "fault", "when": "press.fault"},
        {"state": "running", "when": "press.running == 1"},
        {"state": "idle", "when": "press.running == 2"},
    ],
    "otherwise": "stopped",
    "noticed": "press.attended",
    "cycles": "press.cycles",
    "good": "press.good",
    "reject": "press.reject",
    "code": None,
    "ideal_cycle_ms": 25000,
    "checkpoint_s": 120,
    "zone": "CET-1CEST,M3.5.0,M10.5.0/3",
    "day_start": "06:00",
    "shifts": [
        {
            "name": "early",
            "days": [1, 2, 3, 4, 5],
            "start": "06:00",
            "end": "14:00",
            "breaks": [{"start": "09:00", "end": "09:15"}, {"start": "12:00", "end": "12:30"}],
        },
        {
            "name": "late",
            "days": [1, 2, 3, 4, 5],
            "start": "14:00",
            "end": "22:00",
            "breaks": [{"start": "18:00", "end": "18:30"}],
        },
        {
            "name": "night",
            "days": [5, 6, 7],
            "start": "22:00",
            "end": "06:00",
            "breaks": [{"start": "02:30", "end": "03:00"}],
        },
    ],
    "planned": [{"from": "2026-03-17 10:00", "to": "2026-03-17 16:20"}],
}
EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)
UNKNOWN, RUNNING, IDLE, STOPPED_PLANNED, STOPPED, FAULT = range(6)
NAMES = ("hour", "shift", "day")


@dataclass
class Truth:
    """What really happened, a value per second from `start` (seconds since 2020)."""

    start: int
    state: bytearray  # RUNNING, IDLE, STOPPED, FAULT
    attended: bytearray
    seen: bytearray  # 1: the box is on, its poll at the begin of this second answers
    pieces: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # made just before: cycles, good, rejects
    resets: set[int] = field(default_factory=set)  # the PLC's counters begin anew at this second
    power: list[tuple[int, int]] = field(default_factory=list)  # the box was off
    silent: list[tuple[int, int]] = field(default_factory=list)  # the device was silent, the box on
    clock: dict[int, int] = field(default_factory=dict)  # begin of a boot: when it learned the time


def seconds(moment: datetime) -> int:
    return int((moment - EPOCH).total_seconds())


def local(year: int, month: int, day: int, second: int = 0) -> int:
    """Seconds since 2020 of a local time of that day; the first of two, as the zone data have it."""
    naive = datetime(year, month, day) + timedelta(seconds=second)
    return int(naive.replace(tzinfo=ZONE).timestamp()) - int(EPOCH.timestamp())


def make_truth(seed: int, first: datetime, days: float) -> Truth:
    rng = random.Random(seed)
    start = seconds(first)
    n = int(days * 86400)
    truth = Truth(start, bytearray(n), bytearray(n), bytearray(b"\1" * n))
    busy = busy_seconds(start, n)
    t = 0
    while t < n:  # what the machine does
        works = busy[t] or rng.random() < 0.02
        if works:
            length, state = rng.randrange(120, 4000), RUNNING
        else:
            length, state = rng.randrange(60, 1500), STOPPED if rng.random() < 0.9 else IDLE
        _fill(truth.state, t, length, state)
        t += length
        if t >= n or not works:
            continue
        kind = rng.random()
        if kind < 0.45:
            length = rng.randrange(3, 240)
            _fill(truth.state, t, length, STOPPED)
        elif kind < 0.65:
            length = rng.randrange(20, 900)
            _fill(truth.state, t, length, IDLE)
        else:
            still = rng.choice((0, 0, rng.randrange(1, 60)))  # stands before it says why
            comes = still + rng.randrange(0, 600)
            length = comes + rng.randrange(30, 2400)
            _fill(truth.state, t, still, STOPPED)
            _fill(truth.state, t + still, length - still, FAULT)
            if rng.random() < 0.95:
                _fill(truth.attended, t + comes, length - comes, 1)
            if rng.random() < 0.1:
                truth.resets.add(min(t + length // 2, n - 1))
        t += length
    rest = 0.0
    for t in range(1, n):  # pieces are made while it runs
        if truth.state[t - 1] == RUNNING:
            rest += 1
            if rest >= 30 and t not in truth.resets:
                rest = rng.uniform(-6, 2)
                good = rng.random() < 0.97
                truth.pieces[t] = (1, int(good), int(not good))
    _blind(truth, rng, n)
    return truth


def _fill(values: bytearray, start: int, length: int, value: int) -> None:
    end = min(start + length, len(values))
    if start < end:
        values[start:end] = bytes([value]) * (end - start)


def _blind(truth: Truth, rng: random.Random, n: int) -> None:
    """Times that the box cannot see: it has no power, or the device is silent."""
    truth.clock[0] = rng.randrange(1, 300)
    t = rng.randrange(600, 40000)
    while t < n - 3600:
        if rng.random() < 0.5:
            length = rng.choice((rng.randrange(5, 90), rng.randrange(90, 4000), rng.randrange(4000, 30000)))
            if rng.random() < 0.04:
                length = rng.randrange(100000, 300000)
            end = min(t + length, n - 3600)
            if end > t:
                truth.power.append((t, end))
                truth.clock[end] = end + rng.choice((1, 2, rng.randrange(3, 600)))
        else:
            end = min(t + rng.randrange(5, 5000), n - 3600)
            if end > t:
                truth.silent.append((t, end))
        _fill(truth.seen, t, end - t, 0)
        t = end + rng.choice((rng.randrange(700, 4000), rng.randrange(4000, 60000)))


def counters(truth: Truth) -> dict[int, tuple[int, int, int]]:
    """What the PLC's 16-bit counters show, from each second on at which they change."""
    shown = [65000, 200, 7]
    table = {0: tuple(shown)}
    for t in sorted(set(truth.pieces) | truth.resets):
        if t in truth.resets:
            shown = [0, 0, 0]
        for k, made in enumerate(truth.pieces.get(t, (0, 0, 0))):
            shown[k] = (shown[k] + made) % 65536
        table[t] = tuple(shown)
    return table  # type: ignore[return-value]


def write_record(truth: Truth, path: Path, every: int = 50) -> int:
    """The record that the box runs, without polls that show nothing new but one in `every` seconds. Returns lines."""
    n = len(truth.state)
    table = counters(truth)
    ups = {0} | {end for _, end in truth.power}
    downs = {start for start, _ in truth.power}
    learned = set(truth.clock.values())
    shown = table[0]
    lines = [json.dumps(SETTINGS)]
    last: tuple[object, ...] = ()
    fed = -every
    failing = 0
    on = False
    base = truth.start
    for t in range(n):
        shown = table.get(t, shown)
        if t in downs:
            lines.append(f"X {base + t}")
            on = False
        if t in ups:
            lines.append(f"U {base + t}")
            on, last, failing = True, (), 0
        if not on:
            continue
        if t in learned:
            lines.append(f"C {base + t}")
        if truth.seen[t]:
            state = truth.state[t]
            run = 1 if state == RUNNING else 2 if state == IDLE else 0
            now = (run, int(state == FAULT), *shown, truth.attended[t])
            edge = t + 1 >= n or not truth.seen[t + 1]
            if now != last or t - fed >= every or edge or failing:
                lines.append(f"P {base + t} " + " ".join(map(str, now)))
                last, fed, failing = now, t, 0
        else:
            failing += 1
            if failing <= 3 or failing % every == 0:
                lines.append(f"F {base + t} {1 if failing < 3 else 5}")
    lines.append(f"E {base + n}")
    path.write_text("\n".join(lines) + "\n")
    return len(lines)


def shift_spans(first: datetime, last: datetime) -> list[tuple[int, int, int, list[tuple[int, int]]]]:
    """(start, end, index, breaks) of every shift in these local days."""
    spans = []
    day = first.date() - timedelta(days=2)
    while day <= last.date() + timedelta(days=1):
        for index, shift in enumerate(SETTINGS["shifts"]):  # type: ignore[arg-type]
            if day.isoweekday() in shift["days"]:

                def at(text: str, after: int = -1, day: object = day) -> tuple[int, int]:
                    second = int(text[:2]) * 3600 + int(text[3:]) * 60
                    if second <= after:
                        second += 86400
                    return local(day.year, day.month, day.day, second), second  # type: ignore[attr-defined]

                start, began = at(shift["start"])
                end, _ = at(shift["end"], began)
                breaks = []
                for pause in shift["breaks"]:
                    begin, second = at(pause["start"], began - 1)
                    breaks.append((begin, at(pause["end"], second)[0]))
                spans.append((start, end, index, breaks))
        day += timedelta(days=1)
    return sorted(spans)


def days_around(start: int, n: int) -> tuple[datetime, datetime]:
    return (EPOCH + timedelta(seconds=start)).astimezone(ZONE), (EPOCH + timedelta(seconds=start + n)).astimezone(ZONE)


def busy_seconds(start: int, n: int) -> bytearray:
    """1 for each second in which production was planned."""
    busy = bytearray(n)
    for begin, end, _, breaks in shift_spans(*days_around(start, n)):
        _set(busy, start, begin, end, 1)
        for pause in breaks:
            _set(busy, start, *pause, 0)
    for span in SETTINGS["planned"]:  # type: ignore[attr-defined]
        times = [datetime.fromisoformat(span[key]) for key in ("from", "to")]
        _set(busy, start, *[local(t.year, t.month, t.day, t.hour * 3600 + t.minute * 60) for t in times], 0)
    return busy


def _set(values: bytearray, start: int, begin: int, end: int, value: int) -> None:
    begin, end = max(0, begin - start), min(len(values), end - start)
    if begin < end:
        values[begin:end] = bytes([value]) * (end - begin)


def windows(start: int, n: int) -> list[tuple[str, int, int]]:
    """Every hour, shift and day that the record touches, by local time."""
    spans = [("shift", begin, end) for begin, end, _, _ in shift_spans(*days_around(start, n))]
    hour = start - start % 3600  # offsets of whole hours
    spans += [("hour", t, t + 3600) for t in range(hour, start + n, 3600)]
    day = days_around(start, n)[0].date() - timedelta(days=1)
    while True:
        begin = local(day.year, day.month, day.day, 6 * 3600)
        day += timedelta(days=1)
        end = local(day.year, day.month, day.day, 6 * 3600)
        spans.append(("day", begin, end))
        if end >= start + n:
            break
    return [span for span in spans if span[1] < start + n and span[2] > start]


def shown_states(truth: Truth) -> tuple[bytearray, bytearray]:
    """(state as it must be told, whether production was planned) of every second."""
    busy = busy_seconds(truth.start, len(truth.state))
    shown = bytearray(a if b else UNKNOWN for a, b in zip(truth.state, truth.seen))
    return bytearray(STOPPED_PLANNED if a == STOPPED and not b else a for a, b in zip(shown, busy)), busy


def judge(truth: Truth) -> dict[tuple[str, int], dict[str, int | None]]:
    """The books as they must be: {(kind, start): sums and factors}, windows that were not seen at all included."""
    n = len(truth.state)
    planned, busy = shown_states(truth)
    mixed = bytes(a + 16 * b for a, b in zip(planned, busy))
    points = _happenings(truth, planned, busy)
    books = {}
    for kind, begin, end in windows(truth.start, n):
        part = mixed[max(0, begin - truth.start) : max(0, end - truth.start)]
        sums: dict[str, int | None] = {}
        for code, name in enumerate(("unknown", "running", "idle", "stopped_planned", "stopped_unplanned", "fault")):
            sums[name] = 1000 * part.count(16 + code)
        sums["off_running"] = 1000 * part.count(RUNNING)
        sums["off_unknown"] = 1000 * part.count(UNKNOWN)
        sums["off_other"] = 1000 * sum(part.count(code) for code in (IDLE, STOPPED_PLANNED, STOPPED, FAULT))
        sums["counted"] = sums["running"]
        for name in POINTS:
            sums[name] = 0
        for second, name, value in points:
            if begin <= second + truth.start < end:
                sums[name] += value  # type: ignore[operator]
        _factors(sums)
        books[kind, begin] = sums
    return books


POINTS = "cycles good reject cycles_unseen off_cycles stops failures repairs repairs_unseen detect restore".split()


def _happenings(truth: Truth, planned: bytearray, busy: bytearray) -> list[tuple[int, str, int]]:
    """(second, what, how many): pieces, stops, failures, repairs."""
    found: list[tuple[int, str, int]] = []
    table = counters(truth)
    shown = table[0]
    before: tuple[int, tuple[int, int, int]] | None = None
    for t in range(len(planned)):
        shown = table.get(t, shown)
        if not truth.seen[t]:
            continue
        if before is not None and before[1] != shown:
            for k, name in enumerate(("cycles", "good", "reject")):
                made = shown[k] - before[1][k]
                made %= 65536
                if made > 4096:  # more than a sixteenth of the range is no step: set anew, to a small number or not
                    made = shown[k] if shown[k] <= 4096 else 0
                if made and before[0] == t - 1 and busy[t - 1]:
                    found.append((t - 1, name, made))
                elif made and k == 0:
                    found.append((t - 1, "off_cycles" if before[0] == t - 1 else "cycles_unseen", made))
        before = (t, shown)
    stop: dict[str, object] | None = None
    known = None
    gap = False
    t = 0
    for state, group in groupby(planned):
        length = len(list(group))
        if state == UNKNOWN:
            gap = True
            if stop:
                stop["blind"] = True
        else:
            if state in (STOPPED, FAULT):
                if not stop:
                    stop = {"at": t, "blind": gap, "failed": False, "counted": known is not None, "noticed": None}
                    if known is not None:
                        found.append((t, "stops", 1))
                if state == FAULT and not stop["failed"]:
                    stop["failed"] = True
                    if stop["counted"]:
                        found.append((t, "failures", 1))
            elif stop and (state == RUNNING or not stop["failed"]):
                if state == RUNNING and stop["failed"] and stop["counted"]:
                    if stop["blind"] or stop["noticed"] is None:
                        found.append((t, "repairs_unseen", 1))
                    else:
                        found.append((t, "repairs", 1))
                        found.append((t, "detect", 1000 * (stop["noticed"] - stop["at"])))  # type: ignore[operator]
                        found.append((t, "restore", 1000 * (t - stop["noticed"])))  # type: ignore[operator]
                stop = None
            if stop and stop["noticed"] is None:
                there = truth.attended.find(1, t, t + length)
                if there >= 0:
                    stop["noticed"] = there
            known, gap = state, False
        t += length
    return found


def _rounded(part: int, whole: int) -> int | None:
    return min((2 * part + whole) // (2 * whole), 65534) if whole else None  # 65535 means that there is none


def _factors(s: dict[str, int | None]) -> None:
    """Factors in hundredths of a percent; None where an input is missing."""
    busy = s["running"] + s["idle"] + s["stopped_unplanned"] + s["fault"]  # type: ignore[operator]
    ideal = SETTINGS["ideal_cycle_ms"] * s["cycles"]  # type: ignore[operator]
    s["availability"] = _rounded(10000 * s["running"], busy)  # type: ignore[operator]
    s["performance"] = _rounded(10000 * ideal, s["counted"])  # type: ignore[arg-type]
    s["quality_rate"] = _rounded(10000 * s["good"], s["good"] + s["reject"])  # type: ignore[operator]
    parts = [s["availability"], s["performance"], s["quality_rate"]]
    s["oee"] = None
    if None not in parts:
        s["oee"] = _rounded(parts[0] * parts[1] * parts[2], 10**8)  # type: ignore[operator]
    repairs, failures = s["repairs"], s["failures"]
    s["mttr"] = (s["detect"] + s["restore"]) // repairs if repairs else None  # type: ignore[operator]
    s["mtbf"] = (s["running"] + s["off_running"]) // failures if failures else None  # type: ignore[operator]
