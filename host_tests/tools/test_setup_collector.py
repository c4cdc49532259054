"""The MicroPython collector can fail: failing, crashing, hanging and unloadable portable tests are reported as such.

A copy of conftest.py and the collector runs over files written here, in a pytest of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HOST_TESTS = Path(__file__).resolve().parent.parent

PASSING = """
def test_first():
    print("REPORT: a figure 42")

def test_second():
    assert True
"""
FAILING = """
def test_wrong():
    print("what it printed")
    assert 1 + 1 == 3, "sum"

def test_still_runs():
    pass

def test_that_nobody_awaits():
    yield
"""
# Writing to address 0 is a segmentation fault.
CRASHING = """
import uctypes

def test_before():
    pass

def test_crash():
    uctypes.bytearray_at(0, 4)[0] = 1

def test_after():
    pass
"""
HANGING = """
TIMEOUT_S = 1

def test_hang():
    print("last words")
    while True:
        pass

def test_after():
    pass
"""
UNLOADABLE = """
import no_such_module

def test_never():
    pass
"""
SMALL_HEAP = """
import gc
HEAP_KB = 128

def test_heap():
    total_bytes = gc.mem_free() + gc.mem_alloc()
    assert 64 * 1024 < total_bytes <= 128 * 1024, total_bytes
"""


def run_pytest(
    folder: Path, files: dict[str, str], *arguments: str, ci: bool = False
) -> tuple[int, str, dict[str, str]]:
    """Run a pytest over `files` (path below host_tests: text): (status, output, outcome by test id)."""
    if not (folder / "host_tests").exists():
        shutil.copytree(HOST_TESTS / "micropython", folder / "host_tests" / "micropython")
        shutil.copy(HOST_TESTS / "conftest.py", folder / "host_tests")
    for name, text in files.items():
        path = folder / "host_tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = host_tests\n")
    environment = {key: value for key, value in os.environ.items() if key != "CI" and not key.startswith("PYTEST")}
    environment["PYTHONPATH"] = str(HOST_TESTS.parent / "tools")
    if ci:
        environment["CI"] = "true"
    command = [sys.executable, "-m", "pytest", "-v", "--color=no"]
    for plugin in ("cacheprovider", "hypothesispytest", "xdist"):
        command += ["-p", f"no:{plugin}"]
    command += arguments
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    result_line = re.compile(r"^host_tests/(\S+::\S+) (PASSED|FAILED|ERROR|SKIPPED)", re.MULTILINE)
    outcomes = dict(result_line.findall(done.stdout))
    return done.returncode, done.stdout + done.stderr, outcomes


def test_a_unit_file_runs_on_both_and_a_sim_file_on_micropython_only(tmp_path: Path) -> None:
    status, output, outcomes = run_pytest(tmp_path, {"unit/test_a.py": PASSING, "sim/test_b.py": PASSING})
    assert status == 0, output
    assert sorted(outcomes) == [
        "sim/test_b.py::micropython::test_first",
        "sim/test_b.py::micropython::test_second",
        "unit/test_a.py::micropython::test_first",
        "unit/test_a.py::micropython::test_second",
        "unit/test_a.py::test_first",
        "unit/test_a.py::test_second",
    ]
    assert output.count("a figure 42") == 3


def test_files_that_tests_write_do_not_stay(tmp_path: Path) -> None:
    writing = """
import os

def test_write():
    assert os.listdir() == []
    with open("left-over", "w") as file:
        file.write("x")
"""
    status, output, _ = run_pytest(tmp_path, {"unit/test_a.py": writing, "sim/test_b.py": writing})
    assert status == 0, output
    assert not list(tmp_path.glob("**/left-over"))


def test_a_failing_test_fails_alone_with_its_traceback_and_output(tmp_path: Path) -> None:
    status, output, outcomes = run_pytest(tmp_path, {"sim/test_a.py": FAILING})
    assert status == 1
    assert outcomes == {
        "sim/test_a.py::micropython::test_wrong": "FAILED",
        "sim/test_a.py::micropython::test_still_runs": "PASSED",
        "sim/test_a.py::micropython::test_that_nobody_awaits": "FAILED",
    }
    assert "on MicroPython: AssertionError: sum" in output
    assert "what it printed" in output and "line 4, in test_wrong" in output


def test_a_crash_fails_the_test_and_those_after_it(tmp_path: Path) -> None:
    status, output, outcomes = run_pytest(tmp_path, {"sim/test_a.py": CRASHING})
    assert status == 1
    assert outcomes == {
        "sim/test_a.py::micropython::test_before": "PASSED",
        "sim/test_a.py::micropython::test_crash": "FAILED",
        "sim/test_a.py::micropython::test_after": "FAILED",
    }
    assert "was ended by SIGSEGV in test_crash" in output
    assert "not run: MicroPython was ended by SIGSEGV in test_crash" in output


def test_a_hang_ends_after_the_time_limit(tmp_path: Path) -> None:
    status, output, outcomes = run_pytest(tmp_path, {"sim/test_a.py": HANGING})
    assert status == 1
    assert set(outcomes.values()) == {"FAILED"} and len(outcomes) == 2
    assert "no answer within 1 s in test_hang" in output and "last words" in output


def test_a_hang_on_cpython_ends_after_its_time_limit(tmp_path: Path) -> None:
    status, output, outcomes = run_pytest(tmp_path, {"tools/test_a.py": HANGING})
    assert status == 1 and outcomes == {"tools/test_a.py::test_hang": "FAILED", "tools/test_a.py::test_after": "PASSED"}
    assert "no end within 1 s" in output


def test_a_file_that_cannot_be_loaded_fails_with_the_reason(tmp_path: Path) -> None:
    status, output, outcomes = run_pytest(tmp_path, {"sim/test_a.py": UNLOADABLE})
    assert status == 1 and outcomes == {"sim/test_a.py::micropython::test_never": "FAILED"}
    assert "no module named 'no_such_module'" in output


def test_the_heap_size_of_a_file_is_obeyed(tmp_path: Path) -> None:
    status, output, _ = run_pytest(tmp_path, {"sim/test_a.py": SMALL_HEAP})
    assert status == 0, output
    status, output, _ = run_pytest(tmp_path, {"sim/test_a.py": SMALL_HEAP.replace("HEAP_KB", "OTHER")})
    assert status == 1, output


def test_single_tests_can_be_chosen(tmp_path: Path) -> None:
    files = {"unit/test_a.py": PASSING, "sim/test_b.py": FAILING}
    _, _, by_id = run_pytest(tmp_path, files, "host_tests/unit/test_a.py::micropython::test_second")
    assert by_id == {"unit/test_a.py::micropython::test_second": "PASSED"}
    _, _, by_word = run_pytest(tmp_path, files, "-k", "still_runs or (test_first and not micropython)")
    assert by_word == {
        "unit/test_a.py::test_first": "PASSED",
        "sim/test_b.py::micropython::test_still_runs": "PASSED",
    }


def test_a_missing_component_is_skipped_here_and_fails_in_ci(tmp_path: Path) -> None:
    needing = """
import pytest
from fieldgate import broker

@pytest.mark.parametrize("name", ["mosquitto_program", "broker_program"])
def test_it(name, request, monkeypatch):
    monkeypatch.setattr(broker, "find_mosquitto", lambda: None)
    assert request.getfixturevalue(name) == "amqtt"
"""
    of_mosquitto, of_any = "tools/test_a.py::test_it[mosquitto_program]", "tools/test_a.py::test_it[broker_program]"
    _, _, outcomes = run_pytest(tmp_path, {"tools/test_a.py": needing})
    assert outcomes == {of_mosquitto: "SKIPPED", of_any: "PASSED"}
    status, output, outcomes = run_pytest(tmp_path, {"tools/test_a.py": needing}, ci=True)
    assert status == 1 and outcomes == {of_mosquitto: "FAILED", of_any: "FAILED"}
    assert "mosquitto is missing: install it" in output
