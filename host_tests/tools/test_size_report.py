"""`fieldgate size` says what is resident, what the start needs and what changed; measured figures only from a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fieldgate import build_cli, size_report

BOARD = build_cli.BUDGET_BOARD


def test_modules_are_told_apart() -> None:
    kinds = size_report.kinds(BOARD)
    assert kinds["modbus/bus.mpy"] == kinds["uplink/session.mpy"] == kinds["ports/rp2/flash.mpy"] == "resident"
    assert kinds["gateway/rules.mpy"] == kinds["modbus/planner.mpy"] == kinds["wiring.mpy"] == "start"
    assert kinds["modbus/scan.mpy"] == kinds["uplink/resolver.mpy"] == "on demand"


def test_what_is_dropped_exists() -> None:
    known = {size_report.module_of(place) for place in size_report.kinds(BOARD)}
    assert size_report.dropped_modules() <= known


def test_imports_are_followed(tmp_path: Path) -> None:
    for name, text in (("a", "import b\n"), ("b", "from c import d\n"), ("c", "def f():\n    import e\n"), ("e", "")):
        (tmp_path / f"{name}.py").write_text(text)
    paths = {name: tmp_path / f"{name}.py" for name in "abce"}
    assert size_report.loaded_by(("a",), paths) == {"a", "b", "c"}


def test_the_report_counts_and_compares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_report, "MEASURED", tmp_path / "heap.json")
    sizes = dict.fromkeys(size_report.kinds(BOARD), 100)
    before = dict.fromkeys(sizes, 220)
    said = list(size_report.lines(sizes, before, 1.1, BOARD))
    assert said[0].startswith("resident:") and "goal 92,160" in said[0]
    assert said[3].endswith("(-50.0 %)") and said[4].startswith("measured: no run")
    (tmp_path / "heap.json").write_text(json.dumps({"32 points": {"free_bytes": 70000}}))
    assert list(size_report.lines(sizes, {}, 1.1, BOARD))[-1] == "measured, 32 points: free_bytes 70,000"
