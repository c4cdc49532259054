"""What changed in the .mpy bytes against the last commit, for `fieldgate size` and for CI.

Promises: both sides are compiled, nothing is estimated; the commit is compiled from its own sources by its own tools,
once (kept in build/sizes/). Where git or that commit is missing (a shallow clone), it says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from fieldgate import device_build

FOLDERS = ("firmware", "lib", "boards", "tools")
COMPILE = "import json; from fieldgate import build_cli; print(json.dumps(build_cli.compiled_sizes()))"
SHOWN = 6


class NoCommit(Exception):
    """There is nothing to compare with; the text says why."""


def git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=device_build.ROOT, capture_output=True, check=False)
    except OSError as error:
        raise NoCommit(f"git: {error.strerror}") from None
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").splitlines() or ["?"]
        raise NoCommit(f"git {arguments[0]}: {lines[0]}")
    return done.stdout


def last_commit() -> str:
    """The commit to compare with: HEAD while device files are changed here, else the one before it. Raises NoCommit."""
    changed = git("status", "--porcelain", "--", *FOLDERS).strip()
    return git("rev-parse", "--verify", "--short=10", "HEAD" if changed else "HEAD~1").decode().strip()


def sizes_of(commit: str) -> dict[str, int]:
    """Bytes of every .mpy of that commit. Raises NoCommit."""
    kept = device_build.BUILD / "sizes" / f"{commit}.json"
    if kept.is_file():
        return {str(place): int(size) for place, size in json.loads(kept.read_text()).items()}
    archive = git("archive", commit, *FOLDERS)
    with tempfile.TemporaryDirectory(prefix="fieldgate-size-") as scratch:
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(scratch, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(scratch)
        (Path(scratch) / "build").mkdir()
        (Path(scratch) / "build" / "device").symlink_to(device_build.BUILD / "device")
        environment = {**os.environ, "PYTHONPATH": str(Path(scratch) / "tools")}
        done = subprocess.run(
            [sys.executable, "-c", COMPILE], cwd=scratch, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise NoCommit(f"{commit} does not compile here: {(done.stderr.splitlines() or ['?'])[-1]}")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(done.stdout)
    return {str(place): int(size) for place, size in json.loads(done.stdout).items()}


def differences(before: dict[str, int], now: dict[str, int]) -> list[tuple[str, int]]:
    """(place, change in bytes) of every module that changed, the largest change first."""
    changes = {place: now.get(place, 0) - before.get(place, 0) for place in before.keys() | now.keys()}
    return sorted(((p, change) for p, change in changes.items() if change), key=lambda pair: (-abs(pair[1]), pair[0]))


def lines(now: dict[str, int]) -> Iterator[str]:
    """The report: one line, and one with the modules that changed most."""
    try:
        commit = last_commit()
        before = sizes_of(commit)
    except NoCommit as reason:
        yield f"change against the last commit: not known ({reason})"
        return
    changed = differences(before, now)
    total = sum(before.values())
    change = sum(now.values()) - total
    yield f"change against commit {commit}: {change:+,} of {total:,} B of .mpy, {len(changed)} modules"
    if changed:
        rest = [f"and {len(changed) - SHOWN} more"] if len(changed) > SHOWN else []
        yield "of it: " + ", ".join([f"{place} {size:+,}" for place, size in changed[:SHOWN]] + rest)
