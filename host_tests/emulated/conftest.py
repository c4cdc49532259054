"""Option and fixtures of the emulated tests.

`--uf2 FOLDER` (or the environment variable UF2) names the folder with the firmware images;
without it every test here is reported as not run, with the reason. With it, a missing emulator
or image is a failure and not a skip.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from figures_table import Table, lines_of

NOT_RUN = "not run: no UF2 given (make test-rp2040 UF2=folder, see host_tests/emulated/README.md)"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--uf2", metavar="FOLDER", help="folder with RPI_PICO/firmware.uf2 and RPI_PICO_W/firmware.uf2")


@pytest.fixture(scope="session")
def uf2(request: pytest.FixtureRequest) -> Path:
    """The folder of firmware images that the user named."""
    # Not registered when pytest was started for a folder above this one.
    named = request.config.getoption("--uf2", default=None) or os.environ.get("UF2")
    if not named:
        pytest.skip(NOT_RUN)
    folder = Path(named)
    for board in ("RPI_PICO", "RPI_PICO_W"):
        image = folder / board / "firmware.uf2"
        if not image.is_file():
            pytest.fail(f"{image}: there is no such file; --uf2 names a folder with one folder per board", False)
    return folder


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Takes the figures of a test for the table at the end of the run."""
    return Table(request.node)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    lines = lines_of([report for report in reports if report.when == "call"])
    if lines:
        terminalreporter.section("emulated runs")
        for line in lines:
            terminalreporter.line(line)
