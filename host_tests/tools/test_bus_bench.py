"""The bench of the bus: every case that it promises is measured in virtual time, and what breaks a rule is marked."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from fieldgate.bench_bus import Row, cell, cycles, draw, main, measure, ratios, spread
from fieldgate.device_build import build


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    build("virtual")
    return measure(20)


def test_every_setting_is_measured_for_both(rows: list[Row]) -> None:
    cases = Counter(
        (row["name"], row["baud"], row["format"], row["registers"], row["driver"])
        for row in rows
        if row["name"] in ("ours", "theirs")
    )
    wanted = product(
        ("ours", "theirs"), ("9600", "19200", "115200"), ("8N1", "8E1"), ("1", "10", "60", "125"), ("0", "1")
    )
    assert cases == Counter(wanted)


def test_ours_wastes_nothing_and_keeps_the_rules(rows: list[Row]) -> None:
    for row in rows:
        if row["name"] == "ours":
            assert 0.99 <= float(row["efficiency"]) <= 1 and row["short_gaps"] == "0", row
            assert 0 <= int(row["driver_late_us"]) <= 20, row  # the timer's period is rounded up per character
            assert int(row["gap_min_us"]) >= int(row["t35_us"]), row


def test_what_is_said_of_the_rows(rows: list[Row]) -> None:
    one = next(row for row in rows if row["name"] == "ours")
    assert not cell(one).endswith("!") and cell({**one, "short_gaps": "1"}).endswith("!")
    both = [row for row in rows if row["name"] in ("ours", "theirs")]
    assert re.search(r"\d\.\d{3} to \d\.\d{3} times, .* of 4[0-9] cases", ratios(both))
    assert "Fieldgate: jitter" in spread(both) and "driver falls" in spread(both)


def test_the_cycle_is_drawn(rows: list[Row], tmp_path: Path) -> None:
    draw(rows, tmp_path / "cycle.png")
    assert (tmp_path / "cycle.png").stat().st_size > 10_000


@pytest.mark.parametrize("text", ["0", "19", "401", "-3", "x", ""])
def test_a_number_of_cycles_that_shows_nothing_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="allowed 20 to 400"):
        cycles(text)
    assert cycles("20") == 20


def test_a_folder_without_images_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench_bus", "--uf2", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr()
    assert said.out == "" and f"there is no {tmp_path}/RPI_PICO/firmware.uf2; name a folder" in said.err
