"""Deploy, backup and restore: real mpremote against MicroPython's Unix port on a pseudo-terminal."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import pty
import subprocess
import sys
import tarfile
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldgate import board_data, bundle, deploy, flash_cli
from fieldgate.deploy import Box, DeployError
from fieldgate.flash_port import PortError

TIMEOUT_S = 240
TREE = {
    "main.py": b"print('main')\n",
    "board.py": b"PORT = 'linux'\n",
    "gateway/__init__.mpy": b"M\x06\x00\x1f",
    "gateway/app.mpy": bytes(range(256)) * 30,
    "ports/linux/net.mpy": b"net" * 400,
}


def pump(source: int, sink: int) -> None:
    while True:
        try:
            os.write(sink, os.read(source, 4096))
        except OSError:
            return


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box whose files lie in a folder: MicroPython's prompt at the other end of a pseudo-terminal."""
    master, end = pty.openpty()
    tty.setraw(end)
    inner, console = pty.openpty()
    tty.setraw(console)
    root = tmp_path / "flash"
    root.mkdir()
    runtime = Path(sys.prefix) / "bin" / "micropython"
    repl = subprocess.Popen(
        [str(runtime), "-X", "heapsize=4M"],
        cwd=root,
        stdin=console,
        stdout=console,
        stderr=console,
        start_new_session=True,
    )
    for source, sink in ((master, inner), (inner, master)):
        threading.Thread(target=pump, args=(source, sink), daemon=True).start()
    yield Box(os.ttyname(end), str(root))
    repl.kill()
    repl.wait()  # the threads hold the terminals until this process ends


def on_box(box: Box) -> dict[str, bytes]:
    root = Path(box.root)
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("**/*") if path.is_file()}


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def fresh(box: Box) -> Box:
    return Box(box.port, box.root)


def test_only_what_changed_is_copied_and_the_boxs_own_files_stay(box: Box) -> None:
    board = board_data.read("virtual")
    own = {"it.json": b'{"box": "fg-1"}', "log/000": b"L" * 4096, "schema/1-aa.jsonl": b"{}\n", "config/now": b"0"}
    for name, content in own.items():
        path = Path(box.root) / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    deploy.stop_program(box.port, False, quiet)
    assert deploy.deploy(board, box, TREE, quiet) == (len(TREE), 0)
    assert on_box(box) == TREE | own
    assert deploy.deploy(board, fresh(box), TREE, quiet) == (0, 0)
    newer = {name: content for name, content in TREE.items() if name != "ports/linux/net.mpy"}
    newer["gateway/app.mpy"] = b"newer" * 100
    newer["ports/linux/clock.mpy"] = b"clock"
    assert deploy.deploy(board, fresh(box), newer, quiet) == (2, 1)
    assert on_box(box) == newer | own


def code(seed: int) -> dict[str, bytes]:
    """The two files that an rp2 box runs from."""
    return {"code.mpys": bundle.pack({"modbus/crc.mpy": bytes([seed]) * 15000}), "code.names": bytes([seed]) * 5000}



class Pico(Box):
    """The same box as an rp2 board; keeps the calls. The Unix port has no soft reset: it would end."""

    free = 1 << 20

    def __init__(self, box: Box) -> None:
        super().__init__(box.port, box.root)
        self.calls: list[str] = []

    def call(self, *arguments: str) -> str:
        self.calls.append(" ".join(arguments))
        return "" if arguments == ("soft-reset",) else super().call(*arguments)

    def look(self) -> None:
        super().look()
        assert self.free_bytes > 1 << 20, "the box says how much room it has"
        self.free_bytes = self.free


def pico_board(box: Box) -> board_data.Board:
    board = board_data.read("RPI_PICO_W")
    box.look()
    return dataclasses.replace(board, facts={**board.facts, "firmware": {**board.firmware, "banner": box.machine}})


def test_micropython_starts_anew_before_files_that_it_runs_from_are_replaced(box: Box) -> None:
    deploy.stop_program(box.port, False, quiet)
    board = pico_board(box)
    for files in (code(1), code(2), code(2) | {"code.names": b"other names" * 500}):
        pico = Pico(box)
        deploy.deploy(board, pico, TREE | files, quiet)
        reset = pico.calls.index("soft-reset")
        writes = [place for place, call in enumerate(pico.calls) if "fs cp" in call or "fs rm" in call]
        assert "prompt.txt" in pico.calls[reset - 1] and min(writes) > reset
    assert (Path(box.root) / "prompt.txt").exists(), "the box waits at the prompt until it is reset"
    pico = Pico(box)
    deploy.deploy(board, pico, TREE | files | {"gateway/app.mpy": b"newer"}, quiet)
    assert "soft-reset" not in pico.calls, "nothing runs from that file"


def test_where_both_do_not_fit_the_old_code_goes_first(box: Box) -> None:
    deploy.stop_program(box.port, False, quiet)
    board = pico_board(box)
    deploy.deploy(board, Pico(box), TREE | code(0), quiet)
    for seed, free, removed in ((1, 100_000, []), (2, 30_000, ["code.mpys", "code.names"])):
        newer = code(seed)
        pico = Pico(box)
        pico.free = free
        deploy.deploy(board, pico, TREE | newer, quiet)
        assert [name for name in newer if any("fs rm" in call and name in call for call in pico.calls)] == removed
        assert {name: on_box(box)[name] for name in newer} == newer


def test_an_interrupted_copy_is_finished_by_the_next_call(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    board = board_data.read("virtual")
    deploy.stop_program(box.port, False, quiet)
    monkeypatch.setattr(deploy, "FILES_PER_CALL", 2)

    def pull(_: str) -> None:
        raise DeployError("the cable was pulled")

    with pytest.raises(DeployError, match="the cable was pulled"):
        deploy.deploy(board, fresh(box), TREE, pull)
    there = on_box(box)
    assert 0 < len(there) < len(TREE) and "main.py" not in there, "a half copied box must not start"
    (Path(box.root) / next(iter(there))).write_bytes(b"torn")
    copied, _ = deploy.deploy(board, fresh(box), TREE, quiet)
    assert on_box(box) == TREE and copied == len(TREE) - len(there) + 1


def test_a_backup_holds_what_is_the_boxs_own_and_comes_back(box: Box) -> None:
    own = {"it.json": b'{"box": "fg-1"}', "ot.json": b"{}", "config/1/it.json": b"{}", "certs/ca.der": bytes(700)}
    for name, content in (own | TREE | {"log/000": b"L" * 4096}).items():
        path = Path(box.root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    deploy.stop_program(box.port, False, quiet)
    saved = deploy.backup(fresh(box))
    assert deploy.read_backup(saved) == own
    assert deploy.backup(fresh(box)) == saved, "the same box gives the same bytes"
    for name in own:
        (Path(box.root) / name).unlink()
    (Path(box.root) / "it.json").write_bytes(b"{}")
    assert deploy.restore(fresh(box), saved, quiet) == len(own)
    assert {name: on_box(box)[name] for name in own} == own
    assert deploy.restore(fresh(box), saved, quiet) == 0


def test_a_box_of_another_kind_is_refused(box: Box) -> None:
    deploy.stop_program(box.port, False, quiet)
    with pytest.raises(DeployError, match="MicroPython there is for 'linux .*RPI_PICO_W needs 'Raspberry Pi Pico W"):
        deploy.deploy(board_data.read("RPI_PICO_W"), box, TREE, quiet)
    assert on_box(box) == {}


def test_what_the_box_refuses_is_one_line(box: Box) -> None:
    deploy.stop_program(box.port, False, quiet)
    (Path(box.root) / "gateway").write_bytes(b"a file where a folder is wanted")
    with pytest.raises(DeployError) as caught:
        deploy.deploy(board_data.read("virtual"), box, TREE, quiet)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(box.port)


def tar_of(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info, io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"rubbish", b"", tar_of("../it.json"), tar_of("/it.json"), tar_of("main.py"), tar_of("log/000"),
     tar_of("it.json", tarfile.SYMTYPE), io.BytesIO().getvalue()],
    ids=["rubbish", "empty", "leads-out", "absolute", "code", "log", "link", "nothing"],
)  # fmt: skip
def test_a_file_that_is_no_backup_is_refused(content: bytes) -> None:
    with pytest.raises(DeployError) as caught:
        deploy.read_backup(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Traceback\nOSError: [Errno 28] ENOSPC\n", "the box's file system is full"),
        ("mpremote: no device found\n", "there is no such port, or another program has it open"),
        ("mpremote: could not enter raw repl\n", "the box's program does not let go: press its reset button"),
        ("", "mpremote said nothing"),
        ("Traceback\n  File\nOSError: 19\n", "OSError: 19"),
    ],
)
def test_what_mpremote_says_becomes_one_line(said: str, line: str) -> None:
    assert deploy.explain(said).startswith(line)


class RunningGateway:
    """A stand-in of a board whose gateway has the keyboard: only `reboot` and Ctrl-C while it starts get through."""

    def __init__(self, lets_go: bool = True) -> None:
        self.master, self.end = pty.openpty()
        tty.setraw(self.end)
        self.port = os.ttyname(self.end)
        self.lets_go = lets_go
        self.heard = b""
        self.over = False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self) -> None:
        starting = False
        os.set_blocking(self.master, False)
        while not self.over:
            try:
                got = os.read(self.master, 256)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            self.heard += got
            if starting and b"\x03" in got:
                os.write(self.master, b"Traceback\r\nKeyboardInterrupt:\r\n>>> ")
                starting = False
            elif b"reboot\r" in self.heard and self.lets_go:
                self.heard = b""
                os.write(self.master, b"the gateway starts again now\r\nOK\r\nMPY: soft reboot\r\n")
                starting = True
            elif b"\x03" in got:
                os.write(self.master, b"\r\n> ")

    def close(self) -> None:
        self.over = True
        self.thread.join()
        os.close(self.master)
        os.close(self.end)


def test_a_running_gateway_is_restarted_and_stopped_while_it_starts() -> None:
    gateway = RunningGateway()
    said: list[str] = []
    deploy.stop_program(gateway.port, True, said.append)
    gateway.close()
    assert said == [f"{gateway.port}: restarting the box to stop its program"]


def test_a_box_that_does_not_let_go_is_told() -> None:
    gateway = RunningGateway(lets_go=False)
    with pytest.raises(PortError, match="no Python prompt: press the box's reset button within 2 s of the start"):
        deploy.stop_program(gateway.port, False, quiet, seconds=2)
    gateway.close()


def test_the_listing_is_what_sha256_says(box: Box) -> None:
    (Path(box.root) / "a.mpy").write_bytes(b"a" * 1000)
    deploy.stop_program(box.port, False, quiet)
    box.look()
    assert box.hashes == {"a.mpy": hashlib.sha256(b"a" * 1000).hexdigest()}


def test_a_backup_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "box.tar").write_bytes(b"the one before")
    (tmp_path / "box.tar.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        flash_cli.keep(tmp_path / "box.tar", b"x")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the one before"]
    flash_cli.keep(tmp_path / "box.tar", b"x")
    assert (tmp_path / "box.tar").read_bytes() == b"x"


def test_the_commands_say_one_line_when_there_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "rubbish.tar").write_bytes(b"rubbish")
    absent = str(tmp_path / "tty")
    for arguments, line in (
        (["deploy", "virtual", "--port", absent], "fieldgate deploy: "),
        (["deploy", "nowhere", "--port", absent], "fieldgate deploy: 'nowhere' is not a board"),
        (["backup", "--port", absent, str(tmp_path / "box.tar")], "fieldgate backup: "),
        (["restore", "--port", absent, str(tmp_path / "rubbish.tar")], "fieldgate restore: this is no backup of a box"),
        (["restore", "--port", absent, str(tmp_path / "none.tar")], "name a file that `fieldgate backup` wrote"),
        (["repl", "--port", absent], "fieldgate repl: "),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "fieldgate", *arguments],
            env=dict(os.environ, PYTHONPATH=str(board_data.ROOT / "tools"), NO_COLOR="1"),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 1 and done.stderr.startswith("fieldgate ") and line in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
