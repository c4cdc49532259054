"""`pip install .`: the commands that flash, update and look work without a checkout, and without POSIX modules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fieldgate import device_build, device_packages, places

BOARD = "RPI_PICO_W"
# What Windows has not.
POSIX = ("fcntl", "termios", "tty", "pty", "pwd", "grp", "resource")
# Commands for people who only have the package; the others need Linux and make.
PACKAGED = ("monitor", "collect", "decode", "glossary", "log", "profile", "modbus-map", "certs", "build", "image")
PACKAGED += ("firmware", "flash", "deploy", "repl", "backup", "restore", "provision", "audit", "size")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip unpacks it, made from the files that git knows or would know."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "site"))
    listed = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    for name in subprocess.run(listed, cwd=places.ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (places.ROOT / name).is_file() and name.split("/")[0] != "host_tests":
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(places.ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "."]
    subprocess.run([*command, "-w", str(wheels)], cwd=source, capture_output=True, text=True, check=True)
    (wheel,) = wheels.glob("fieldgate-*.whl")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def fieldgate(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "fieldgate", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_package_builds_the_same_bytes_as_a_checkout(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(device_packages.TARGET, tmp_path / "build" / "device")
    said = fieldgate(installed, tmp_path, "build", BOARD)
    assert said.returncode == 0, said.stderr
    theirs = tmp_path / "build" / "boards" / BOARD
    ours = device_build.build(BOARD)
    assert sorted(path.relative_to(theirs).as_posix() for path in theirs.glob("**/*") if path.is_file()) == sorted(
        ours.sizes_bytes
    )
    assert all((theirs / place).read_bytes() == (ours.tree / place).read_bytes() for place in ours.sizes_bytes)
    assert not list(installed.glob("**/build"))


def test_the_package_has_boards_profiles_and_glossary(installed: Path, tmp_path: Path) -> None:
    for words in (["profile", "list"], ["glossary", "good"]):
        theirs = fieldgate(installed, tmp_path, *words)
        ours = subprocess.run([sys.executable, "-m", "fieldgate", *words], capture_output=True, text=True, check=True)
        assert theirs.returncode == 0 and theirs.stdout == ours.stdout and theirs.stdout.count("\n") >= 1
    boards = fieldgate(installed, tmp_path, "flash", "NONE").stderr
    assert all(name in boards for name in device_build.board_names()), boards


def test_a_command_that_needs_a_checkout_says_so(installed: Path, tmp_path: Path) -> None:
    program = "import sys; sys.modules['pymodbus'] = None; sys.argv = ['fieldgate', 'plant']; "
    program += "from fieldgate import cli; cli.main()"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 1 and said.stdout == ""
    assert said.stderr.endswith("needs a checkout of Fieldgate with make on Linux (`make demo`)\n"), said.stderr


WINDOWS = """
import builtins, importlib, sys
from fieldgate import cli
usual = builtins.__import__
def as_on_windows(name, globals=None, *rest, **named):
    if name in BLOCKED and (globals or {}).get("__name__", "").startswith("fieldgate"):
        raise ModuleNotFoundError(name + " for " + globals["__name__"])
    return usual(name, globals, *rest, **named)
builtins.__import__ = as_on_windows
sys.modules["msvcrt"] = sys
sys.platform = "win32"
import fieldgate.file_lock
sys.platform = "linux"
for name in PACKAGED:
    (command,) = [each for each in cli.COMMANDS if each.name == name]
    assert callable(getattr(importlib.import_module(command.module), command.attribute))
"""


@pytest.mark.parametrize("blocked", [POSIX, ("json",)])
def test_commands_load_without_what_windows_lacks(blocked: tuple[str, ...]) -> None:
    """Without json, too, the same check must fail: it can."""
    program = WINDOWS.replace("BLOCKED", repr(blocked)).replace("PACKAGED", repr(PACKAGED))
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (said.returncode == 0) == (blocked == POSIX), said.stderr
