"""The screen fits its window, says what is bad in words, and draws whatever telemetry it is given."""

import json
import random
from typing import Any

from rich.console import Console

from fieldgate.monitor.batch import Batch, Event, Sample, group_from_meta
from fieldgate.monitor.store import Store
from fieldgate.monitor.values import to_words
from fieldgate.monitor.view import Link, age_text, plain_line, screen

NOW_MS = 1_790_000_000_000
UNITS = {"meter": 8, "climate": 2, "drive": 4, "plc": 6}
TELEMETRY = {
    "bus": [{"name": "line1", "replies": 123456, "retries": 3, "timeouts": 2, "crc_errors": 1, "busy_permille": 432,
             "efficiency_permille": 987, "silent_units": 1, "silent": ["drive"]}],
    "log": {"depth": 17, "dropped": 0}, "mqtt": {"published": 10, "acked": 9, "resent": 1},
}  # fmt: skip


def filled_store(drive_quality: int = 1) -> Store:
    """Four units with 20 points, the drive's read failed, two events."""
    store = Store(lambda payload, groups_of: batch)
    samples = []
    for number, (unit, count) in enumerate(UNITS.items()):
        meta = {
            "format": 1, "schema": "a1b2c3d4", "group": number, "bus": "line1", "unit": unit, "unit_id": number + 1,
            "fc": 3, "address": 0, "count": 2 * count, "period_ms": 1000,
            "points": [{"name": f"some_long_name_{k}", "at": 2 * k, "type": "uint32", "unit": "kWh"}
                       for k in range(count)],
        }  # fmt: skip
        store.feed(f"a/meta/a1b2c3d4/{number}", json.dumps(meta).encode(), 0)
        quality = drive_quality if unit == "drive" else 0
        words = tuple(to_words(point, 4294967295) for point in group_from_meta(meta).points)
        samples.append(Sample(number, quality, 1000, () if quality else words))
    batch = Batch("9f3c12aa", 1, "a1b2c3d4", 0, 6, samples, [Event(1, 0, ()), Event(6, 9, ("x" * 40,))], [(0, NOW_MS)])
    glossary = {"quality": {"0": "good", "1": "timeout"}, "event": {"1": "boot", "6": "broker_down"}}
    store.feed("a/glossary", json.dumps(glossary).encode(), 0)
    store.feed("a/status", b'{"format":1,"state":"online","box":"fg-0001","boot":7,"firmware":"0.1.0"}', 0)
    store.feed("a/telemetry", json.dumps(TELEMETRY).encode(), 0)
    store.feed("a/data", b"", NOW_MS)
    assert store.counts["rubbish"] == 0
    return store


def lines_of(store: Store, width: int, height: int, notes: tuple[str, ...] = ()) -> list[str]:
    console = Console(width=width, height=height, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(screen(store, Link(True, ""), NOW_MS + 3500, width, height, notes))
    return capture.get().splitlines()


def test_it_fits_every_window() -> None:
    for store in (filled_store(), filled_store(0), Store(lambda payload, groups_of: Batch("l", 1, "s", 0, 0))):
        for width, height in ((80, 24), (80, 40), (80, 16), (100, 30), (200, 60)):
            lines = lines_of(store, width, height, ("a note " * 40,))
            assert len(lines) <= height, (width, height)
            assert max(map(len, lines)) <= width, (width, height)


def test_all_values_show_unit_quality_and_age_at_80_by_24() -> None:
    lines = lines_of(filled_store(), 80, 24)
    shown = "\n".join(lines)
    assert shown.count("4294967295 kWh  good 2.5s") == 16
    assert shown.count("timeout kWh  bad     ?") == 4
    assert "more lines" not in shown


def test_what_does_not_fit_is_counted() -> None:
    shown = "\n".join(lines_of(filled_store(), 80, 16))
    assert "more lines: make the window taller" in shown


def test_bus_log_and_events_are_there() -> None:
    shown = "\n".join(lines_of(filled_store(), 100, 40))
    for words in ("efficiency 98.7 %", "retries 3", "timeouts 2", "silent drive", "log waiting 17", "resent 1",
                  "broker down xxx", "fg-0001 online", "broker connected"):  # fmt: skip
        assert words in shown, words


def test_a_failed_read_shows_no_number() -> None:
    drive = [line for line in lines_of(filled_store(), 80, 60) if "timeout" in line and "some long" in line]
    assert len(drive) == 4
    assert all("–" in line and "42949" not in line for line in drive)


def test_any_telemetry_and_status_is_drawn() -> None:
    rand = random.Random(4)
    things: list[Any] = [None, True, 1.5, "x", [], [1], {}, {"a": []}, -1, 10**30]
    for _ in range(100):
        store = filled_store()
        bus = {key: rand.choice(things) for key in ("name", "replies", "retries", "efficiency_permille", "silent")}
        parts = {"bus": rand.choice([*things, [bus]]), "log": rand.choice([*things, {"depth": rand.choice(things)}]),
                 "mqtt": rand.choice(things)}  # fmt: skip
        store.feed("a/telemetry", json.dumps(parts).encode(), 0)
        store.feed("a/status", json.dumps({"state": rand.choice(things), "box": rand.choice(things)}).encode(), 0)
        store.feed("a/glossary", json.dumps({"quality": rand.choice(things), "event": rand.choice(things)}).encode(), 0)
        assert lines_of(store, 80, 24)
        assert plain_line(store, Link(False, "x"), NOW_MS)


def test_the_plain_line_says_the_same() -> None:
    line = plain_line(filled_store(), Link(False, "gone"), NOW_MS)
    for words in ("broker away", "box online", "16/20 values good", "bus 98.7 %", "retries 3", "log 17"):
        assert words in line, words


def test_ages_are_short() -> None:
    ages = {None: "?", 0: "0.0s", -5: "0.0s", 9900: "9.9s", 9960: "9s", 99_000: "99s", 100_000: "1m", 7_200_000: "2h",
            10**12: "999h"}  # fmt: skip
    for age_ms, shown in ages.items():
        assert age_text(age_ms) == shown


def test_silence_within_the_heartbeat_is_not_stale() -> None:
    store = filled_store()
    meta = {
        "format": 1, "schema": "a1b2c3d4", "group": 9, "bus": "line1", "unit": "quiet", "unit_id": 9, "fc": 3,
        "address": 0, "count": 2, "period_ms": 1000, "points": [{"name": "p", "at": 0, "type": "uint32", "unit": ""}],
    }  # fmt: skip
    assert group_from_meta(meta).quiet_ms == 0
    for deadband, quiet_ms in (({"heartbeat_s": 60, "points": [0]}, 60000), (None, 0), ({"heartbeat_s": "x"}, 0)):
        assert group_from_meta({**meta, "deadband": deadband}).quiet_ms == quiet_ms
    assert lines_of(store, 80, 24)
