"""`fieldgate size` says what is resident, what the start needs and what changed; measured figures only from a run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fieldgate import build_cli, device_build, size_change, size_report

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


def test_the_report_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_report, "MEASURED", tmp_path / "heap.json")
    sizes = dict.fromkeys(size_report.kinds(BOARD), 100)
    said = list(size_report.lines(sizes, BOARD))
    assert said[0].startswith("resident:") and "goal 92,160" in said[0]
    assert said[3].startswith("measured: no run")
    (tmp_path / "heap.json").write_text(json.dumps({"32 points": {"free_bytes": 70000}}))
    assert list(size_report.lines(sizes, BOARD))[-1] == "measured, 32 points: free_bytes 70,000"


def test_changes_are_told_largest_first() -> None:
    before = {"a.mpy": 100, "b.mpy": 50, "gone.mpy": 7, "same.mpy": 1}
    now = {"a.mpy": 90, "b.mpy": 80, "new.mpy": 3, "same.mpy": 1}
    assert size_change.differences(before, now) == [("b.mpy", 30), ("a.mpy", -10), ("gone.mpy", -7), ("new.mpy", 3)]


def test_the_last_commit_is_compiled_from_its_own_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project of two commits: the sizes of the first come from what it held, and a clean tree is compared with it."""
    project = tmp_path / "project"
    for folder in ("firmware", "lib", "boards", "tools/fieldgate"):
        (project / folder).mkdir(parents=True)
        (project / folder / "note").write_text("x")
    (project / "build" / "device").mkdir(parents=True)
    (project / "tools" / "fieldgate" / "__init__.py").write_text("")
    module = project / "tools" / "fieldgate" / "build_cli.py"
    monkeypatch.setattr(device_build, "ROOT", project)
    monkeypatch.setattr(device_build, "BUILD", project / "build")
    assert next(size_change.lines({})).startswith("change against the last commit: not known (git ")
    git = ["git", "-c", "user.name=t", "-c", "user.email=t", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], cwd=project, check=True)
    for size in (100, 140):
        module.write_text(f"def compiled_sizes():\n    return {{'a.mpy': {size}}}\n")
        subprocess.run([*git, "add", "firmware", "lib", "boards", "tools"], cwd=project, check=True)
        subprocess.run([*git, "commit", "-qm", f"{size}"], cwd=project, check=True)
    first, second = list(size_change.lines({"a.mpy": 150}))
    assert first.endswith(": +50 of 100 B of .mpy, 1 modules") and second == "of it: a.mpy +50"
    (project / "lib" / "note").write_text("changed")
    assert next(size_change.lines({"a.mpy": 150})).endswith(": +10 of 140 B of .mpy, 1 modules")
    module.write_text("broken(")
    subprocess.run([*git, "commit", "-qam", "broken"], cwd=project, check=True)
    (project / "lib" / "note").write_text("changed again")
    assert "does not compile here: SyntaxError" in next(size_change.lines({}))
