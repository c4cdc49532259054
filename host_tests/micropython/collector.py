"""Collects portable test files for MicroPython: every `test_*` function becomes a pytest item of its own.

Promises: one MicroPython process per file runs its tests in order, in an empty folder of its own; a failing test
shows its traceback and what it printed; a crash or a hang fails the test that ran and those after it, with the
reason; a hang ends after the file's time limit.
Item ids read `<file>::micropython::<function>` and work on the command line.

A test file may set, as plain literals at top level:
    HEAP_KB = 320       heap of the process, default 16384: fakes and records lie in it too
    TIMEOUT_S = 60      real time for one test or for loading the file, default 60
"""

from __future__ import annotations

import ast
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
RUNNER = Path(__file__).with_name("runner.py")
MARK = b"\x01fieldgate-test "
DEFAULTS = {"HEAP_KB": 16384, "TIMEOUT_S": 60}
# ".frozen" holds the runtime's own asyncio.
DEVICE_PATH = (".frozen", "lib", "firmware", "host_tests/fakes", "build/device")


class MicroPythonFailure(Exception):
    """A test failed on MicroPython; the text is what the report shows."""


def read_settings(tree: ast.Module) -> dict[str, int]:
    """The literals of the file that steer the process."""
    settings = dict(DEFAULTS)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in settings:
            settings[node.targets[0].id] = int(ast.literal_eval(node.value))
    return settings


def find_micropython() -> Path:
    """The runtime of this environment. Raises FileNotFoundError."""
    import sys

    path = Path(sys.prefix) / "bin" / "micropython"
    if not path.exists():
        raise FileNotFoundError("MicroPython is missing: run `make setup-test`")
    return path


class Process:
    """One MicroPython process that executes the tests of one file when asked."""

    def __init__(self, path: Path, settings: dict[str, int], echo: Callable[[str], None]) -> None:
        self.path = path
        self.timeout_s = settings["TIMEOUT_S"]
        self.heap_kb = settings["HEAP_KB"]
        self.echo = echo
        self.folder = tempfile.TemporaryDirectory(prefix="fieldgate-test-")
        self.dead: str | None = None
        self.pending = b""
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start and load the file; return what loading printed. Raises MicroPythonFailure."""
        paths = [str(ROOT / each) if each != ".frozen" else each for each in DEVICE_PATH]
        environment = dict(os.environ, MICROPYPATH=":".join(paths))
        command = [str(find_micropython()), "-X", f"heapsize={self.heap_kb}K", str(RUNNER)]
        self.child = subprocess.Popen(
            [*command, str(self.path.parent), self.path.stem],
            cwd=self.folder.name,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        result, output = self.read_result("loading the file")
        if result != "begin":
            self.dead = f"the file cannot be loaded: {result.removeprefix('fail ')}"
            raise MicroPythonFailure(f"{self.dead}\n{output}")
        return output

    def run(self, name: str) -> str:
        """Run one test; return what it printed. Raises MicroPythonFailure, with the output in its second argument."""
        if self.dead:
            raise MicroPythonFailure(f"not run: {self.dead}", "")
        output = self.start() if self.child is None else ""
        assert self.child is not None and self.child.stdin is not None
        try:
            self.child.stdin.write(name.encode() + b"\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; read_result says how
        result, printed = self.read_result(name)
        output += printed
        if result != "pass":
            raise MicroPythonFailure(result.removeprefix("fail "), output)
        return output

    def read_result(self, doing: str) -> tuple[str, str]:
        """Read up to the next result line: (result, what was printed before it). Raises MicroPythonFailure."""
        assert self.child is not None and self.child.stdout is not None
        deadline = time.monotonic() + self.timeout_s
        printed: list[str] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self.child.stdout, selectors.EVENT_READ)
            while True:
                while b"\n" in self.pending:
                    line, self.pending = self.pending.split(b"\n", 1)
                    if line.startswith(MARK):
                        # The newline before the mark is the runner's, not the test's.
                        return line[len(MARK) :].decode(), "\n".join(printed).rstrip("\n") + "\n"
                    printed.append(line.decode(errors="replace"))
                    self.echo(printed[-1])
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.give_up(f"no answer within {self.timeout_s} s in {doing}", printed)
                piece = os.read(self.child.stdout.fileno(), 65536)
                if not piece:
                    self.give_up(f"MicroPython {self.how_it_ended()} in {doing}", printed)
                self.pending += piece

    def how_it_ended(self) -> str:
        assert self.child is not None
        try:
            code = self.child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its output"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit status {code}"

    def give_up(self, reason: str, printed: list[str]) -> None:
        if self.pending:
            printed.append(self.pending.decode(errors="replace"))
        self.dead = reason
        self.stop()
        raise MicroPythonFailure(reason, "\n".join(printed))

    def stop(self) -> None:
        """End the process and everything that it started, and remove its folder."""
        child, self.child = self.child, None
        self.folder.cleanup()
        if child is None:
            return
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.close()
        except BrokenPipeError:
            pass
        try:
            if not self.dead:
                child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        child.stdout.close()


class MicroPythonFile(pytest.File):
    """A portable test file as MicroPython sees it."""

    def collect(self) -> Iterable[pytest.Collector]:
        yield MicroPythonGroup.from_parent(self, name="micropython")


class MicroPythonGroup(pytest.Collector):
    """All tests of one file; owns their process."""

    def collect(self) -> Iterable[pytest.Item]:
        try:
            tree = ast.parse(self.path.read_text(), str(self.path))
            self.settings = read_settings(tree)
        except (SyntaxError, ValueError) as error:
            raise self.CollectError(f"{self.path.name}: {error}") from None
        self.process: Process | None = None
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield MicroPythonItem.from_parent(self, name=node.name, line=node.lineno)

    def echo(self, line: str) -> None:
        """With -s a test's output is shown as it comes."""
        if self.config.getoption("capture") == "no":
            print(f"  [{self.path.stem}] {line}")

    def setup(self) -> None:
        self.process = Process(self.path, self.settings, self.echo)

    def teardown(self) -> None:
        if self.process is not None:
            self.process.stop()


class MicroPythonItem(pytest.Item):
    """One test function on MicroPython."""

    def __init__(self, *, line: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.line = line

    def runtest(self) -> None:
        group = self.parent
        assert isinstance(group, MicroPythonGroup) and group.process is not None
        output = ""
        try:
            output = group.process.run(self.name)
        except MicroPythonFailure as failure:
            output = failure.args[1] if len(failure.args) > 1 else ""
            raise
        finally:
            if output.strip():
                self.add_report_section("call", "stdout", output)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, MicroPythonFailure):
            return f"on MicroPython: {excinfo.value.args[0]}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.line - 1, f"micropython: {self.name}"
