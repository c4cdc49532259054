"""Brings files to a box that runs MicroPython already, and fetches them, with mpremote.

Promises: `deploy` copies only files whose SHA-256 differs and removes code that the tree no longer has; configuration,
log and everything else on the box stay. The box's program is stopped first and started again at the end. A copy that
was interrupted is finished by the next call: what counts is the hash on the box. An rp2 box runs from two of the files
(firmware/DESIGN.md, Memory), so MicroPython starts anew without them first; where the file system has no room for the
new ones beside the old, those go first. `backup` and `restore` move what makes
the box that one box: its configurations, certificates and schemas, not code and not the log.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from fieldgate import bundle, names
from fieldgate.board_data import SECTOR, Board
from fieldgate.flash_port import PortError, open_port, read_lines

FILES_PER_CALL = 16
CALL_S = 300
STOP_S = 20.0
PROMPT = ">>> "
RUN_FROM = (bundle.NAME, names.NAME)
CODE_SUFFIXES = (".mpy", ".py", *RUN_FROM)
PROMPT_FILE = "prompt.txt"  # firmware/boot.py: the gateway does not start, and the watchdog is fed
SPARE_BYTES = 4 * SECTOR  # folders
# Used behind the file system's back: lib/flashlog/BACKENDS.md.
LOG_FOLDER = "log/"
MAX_BACKUP_BYTES = 16 << 20

# Runs on the box: what it is, then every file with its hash.
LISTING = """
import hashlib, os, sys
_root = ""
print("machine", getattr(sys.implementation, "_machine", "?"))
_volume = os.statvfs(_root or "/")
print("free", _volume[1] * _volume[3])
_buf = bytearray(512)
def _walk(folder):
    for entry in sorted(os.listdir(folder or "/")):
        path = folder + "/" + entry
        name = path[len(_root) + 1 :]
        if os.stat(path)[0] & 0x4000:
            print("folder", name)
            _walk(path)
        elif not name.startswith("log/"):
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while count := file.readinto(_buf):
                    digest.update(memoryview(_buf)[:count])
            print("file", digest.digest().hex(), name)
_walk(_root)
print("end")
"""
Say = Callable[[str], None]


class DeployError(Exception):
    """Its text is the one line that the user sees."""


MISTAKES = (DeployError, PortError)


class Box:
    """A box with its program stopped, at the other end of mpremote. `root`: where its files lie."""

    def __init__(self, port: str, root: str = "") -> None:
        self.port = port
        self.root = root
        self.machine = ""
        self.free_bytes = 0
        self.hashes: dict[str, str] = {}
        self.folders: set[str] = set()

    def call(self, *arguments: str) -> str:
        """Output of one mpremote call that does not reset the box. Raises DeployError."""
        command = [sys.executable, "-m", "mpremote", "connect", self.port, "resume", *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=CALL_S, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise DeployError(f"{self.port}: the box did not answer within {CALL_S} s: check the cable") from None
        if done.returncode != 0:
            raise DeployError(f"{self.port}: {explain(done.stdout + done.stderr)}")
        return done.stdout

    def look(self) -> None:
        """Read what is on the box. Raises DeployError."""
        lines = self.call("exec", LISTING.replace('_root = ""', f"_root = {self.root!r}")).splitlines()
        if not lines or lines[-1].strip() != "end":
            raise DeployError(f"{self.port}: the list of files did not arrive whole: try again")
        for line in lines:
            kind, _, rest = line.strip().partition(" ")
            if kind == "machine":
                self.machine = rest
            elif kind == "free":
                self.free_bytes = int(rest)
            elif kind == "folder":
                self.folders.add(rest)
            elif kind == "file":
                digest, _, name = rest.partition(" ")
                self.hashes[name] = digest

    def place(self, name: str) -> str:
        return f":{self.root}/{name}"

    def let_go(self) -> None:
        """Start MicroPython anew, so that nothing of it runs from the files of code."""
        self.call("exec", f"open({self.root + '/' + PROMPT_FILE!r}, 'w').close()")
        self.call("soft-reset")

    def remove(self, names: list[str]) -> None:
        for first in range(0, len(names), FILES_PER_CALL):
            arguments: list[str] = []
            for name in names[first : first + FILES_PER_CALL]:
                arguments += (["+"] if arguments else []) + ["fs", "rm", self.place(name)]
            self.call(*arguments)

    def make_folders(self, names: Iterable[str]) -> None:
        wanted = {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."} - self.folders
        for folder in sorted(wanted):
            self.call("fs", "mkdir", self.place(folder))
        self.folders |= wanted

    def put(self, files: dict[str, bytes], say: Say) -> None:
        """Copy files; main.py last, so that an interrupted copy does not start."""
        self.make_folders(files)
        names = sorted(files, key=lambda name: (name == "main.py", name))
        with tempfile.TemporaryDirectory(prefix="fieldgate-deploy-") as scratch:
            for first in range(0, len(names), FILES_PER_CALL):
                arguments: list[str] = []
                for number, name in enumerate(names[first : first + FILES_PER_CALL]):
                    source = Path(scratch) / str(number)
                    source.write_bytes(files[name])
                    arguments += (["+"] if arguments else []) + ["fs", "cp", "-f", str(source), self.place(name)]
                self.call(*arguments)
                say(f"  {min(first + FILES_PER_CALL, len(names))} of {len(names)} files")

    def get(self, name: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="fieldgate-backup-") as scratch:
            target = Path(scratch) / "file"
            self.call("fs", "cp", self.place(name), str(target))
            return target.read_bytes()


def explain(said: str) -> str:
    """One line for what mpremote or the box complained of."""
    if "ENOSPC" in said or "Errno 28" in said:
        return "the box's file system is full: remove what is not needed with `fieldgate repl`, or write a new image"
    if "no device found" in said or "failed to access" in said:
        return "there is no such port, or another program has it open"
    if "could not enter raw repl" in said or "Only console.run" in said:
        return "the box's program does not let go: press its reset button and try again at once"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "mpremote said nothing"


def stop_program(port: str, chip_resets_by_cable: bool, say: Say, seconds: float = STOP_S) -> None:
    """Bring the box to the Python prompt. Raises PortError.

    Ctrl-C does it where no gateway runs. A running one treats that as a key; it is asked to restart, and interrupted
    while it starts, before its console has the keyboard and its watchdog runs.
    """
    if at_prompt(read_lines(port, 2, lambda text: text.endswith(PROMPT), poke=b"\r\x03\x03")):
        return
    say(f"{port}: restarting the box to stop its program")
    line = open_port(port)
    try:
        line.write(b"\rreboot\r")
        if chip_resets_by_cable:
            line.rts = True
            time.sleep(0.1)
            line.rts = False
    except OSError:
        pass  # a line without RTS, or a USB port that is on its way out
    finally:
        line.close()
    lines = read_lines(port, seconds, lambda text: text.endswith(PROMPT), poke=b"\x03\x03")
    if not at_prompt(lines):
        raise PortError(f"{port}: no Python prompt: press the box's reset button within {seconds:.0f} s of the start")


def at_prompt(lines: list[str]) -> bool:
    return bool(lines) and lines[-1].endswith(PROMPT)


def check_machine(board: Board, box: Box) -> None:
    wanted = board.firmware["banner"] if board.chip else ""
    if wanted and box.machine != wanted:
        raise DeployError(
            f"{box.port}: MicroPython there is for {box.machine!r}, {board.name} needs {wanted!r}: nothing was changed"
        )


def deploy(board: Board, box: Box, files: dict[str, bytes], say: Say) -> tuple[int, int]:
    """Make the box's code equal to `files`. Returns how many files were copied and removed. Raises DeployError."""
    box.look()
    check_machine(board, box)
    changed = {
        name: content for name, content in files.items() if box.hashes.get(name) != hashlib.sha256(content).hexdigest()
    }
    modules = bundle.unpack(files[bundle.NAME]) if bundle.NAME in files else {}
    folders = {name.split("/")[0] for name in {**files, **modules} if "/" in name}
    stale = [
        name
        for name in sorted(box.hashes)
        if name not in files and name.split("/")[0] in folders and "/" in name and name.endswith(CODE_SUFFIXES)
    ]
    if board.port == "rp2" and any(name in changed for name in RUN_FROM):
        box.let_go()
    box.remove(stale)
    if changed:
        if sum(len(content) + SECTOR for content in changed.values()) + SPARE_BYTES > box.free_bytes:
            box.remove([name for name in RUN_FROM if name in changed and name in box.hashes])
        box.put(changed, say)
        box.hashes.clear()
        box.look()
        wrong = [name for name in changed if box.hashes.get(name) != hashlib.sha256(files[name]).hexdigest()]
        if wrong:
            raise DeployError(f"{box.port}: {wrong[0]} did not arrive whole: give the same command again")
    return len(changed), len(stale)


def is_own(name: str) -> bool:
    """True for what belongs to this one box: no code, no log."""
    return not name.startswith(LOG_FOLDER) and not name.endswith(CODE_SUFFIXES)


def backup(box: Box) -> bytes:
    """A tar of the box's own files. Raises DeployError."""
    box.look()
    names = sorted(filter(is_own, box.hashes))
    if not names:
        raise DeployError(f"{box.port}: the box has no files of its own yet")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            content = box.get(name)
            if hashlib.sha256(content).hexdigest() != box.hashes[name]:
                raise DeployError(f"{box.port}: {name} did not arrive whole: try again")
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def read_backup(content: bytes) -> dict[str, bytes]:
    """The files of a backup. Raises DeployError for anything that `backup` does not write."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if not member.isfile() or path.is_absolute() or ".." in path.parts or not is_own(member.name):
                    raise DeployError(f"the backup holds {member.name!r}, which no backup has: refused")
                data = archive.extractfile(member)
                assert data is not None
                files[member.name] = data.read(MAX_BACKUP_BYTES)
    except tarfile.TarError as error:
        raise DeployError(f"this is no backup of a box: {error}") from None
    if not files:
        raise DeployError("the backup is empty")
    return files


def restore(box: Box, content: bytes, say: Say) -> int:
    """Write a backup's files onto the box. Returns how many changed. Raises DeployError."""
    files = read_backup(content)
    box.look()
    changed = {name: data for name, data in files.items() if box.hashes.get(name) != hashlib.sha256(data).hexdigest()}
    if changed:
        box.put(changed, say)
    return len(changed)
