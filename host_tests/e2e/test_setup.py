"""A blank box becomes one that publishes: the guided first start over a pseudo-terminal, as a technician does it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from console_box import ConsoleBox
from console_relay import Relay

from fieldgate.broker import Broker

MOST_ENTRIES = 8


class BlankBox(ConsoleBox):
    """Erased flash: no configuration. `entries` counts what was typed and ended with Enter."""

    entries = 0

    def write_configuration(self) -> None:
        """None: that is the point."""

    def start_firmware(self) -> None:
        again = 'while "$@"; [ $? -eq 6 ]; do :; done'
        self.terminal = pexpect.spawn(
            "sh", ["-c", again, "sh", *self.command()], cwd=str(self.box), env=self.environment(), timeout=60,
            encoding="latin-1", dimensions=(24, 80),
        )  # fmt: skip
        self.log.touch()
        self.terminal.logfile_read = self.log.open("a", buffering=1)
        self.terminal.delaybeforesend = None

    def enter(self, expected: str, line: str) -> str:
        """What was printed until the question `expected`; then `line` is typed."""
        self.terminal.expect(expected)
        self.terminal.send(line + "\r")
        self.entries += 1
        return str(self.terminal.before)


@pytest.fixture
def blank(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[BlankBox]:
    with BlankBox(tmp_path / "run", start_broker()) as box:
        box.start()
        box.terminal.expect("no configuration yet: press Enter, then type setup")
        box.terminal.send("\r")
        box.terminal.expect("> $")
        yield box


def test_setup_leads_from_a_blank_box_to_values_at_the_broker(blank: BlankBox) -> None:
    """The script of the README, with one typing mistake on the way."""
    port = blank.broker.port
    blank.terminal.send("setup\r")
    blank.entries += 1
    offered = blank.enter("devices: $", "y")
    assert "eastron-sdm120" in offered and "voltage 2" in offered, offered
    assert "xy-md02" in offered and "temperature" in offered, offered
    assert "delta-ms300" in offered and "unit 4: no profile fits: its register 0 as a start" in offered, offered
    blank.enter("place: $", "acme/lyon/press-shop/line-1/cell-3/press-7")
    blank.enter("broker: $", "127.0.0.1 9")  # the mistake
    said = blank.enter("broker: $", f"127.0.0.1 {port}")
    assert "connection refused" in said and "no broker listens at this port" in said, said
    assert "connected" in blank.enter(r"half \(Enter: none\): $", "")
    summary = blank.enter("candidate: $", "y")
    assert "of the bus" in summary, summary
    blank.terminal.expect("records to publish")
    blank.wait_samples(20, "live values at the broker")
    assert blank.entries <= MOST_ENTRIES
    print(f"REPORT: setup from a blank box: {blank.entries} entries, one of them wrong")
    blank.knock()
    status = blank.type("status")
    assert "4 of 4 units answer" in status and "trial" not in status, status
    asked = blank.said().replace("\r", "").partition("> box virtual")[0]
    assert all(len(line) <= 78 and line.isascii() for line in asked.splitlines())
    ot = json.loads((blank.box / "config" / "1" / "ot.json").read_text())
    units = {unit["unit_id"]: unit for unit in ot["buses"][0]["units"]}
    assert set(units) == {1, 2, 3, 4} and units[1]["points"][0]["name"] == "voltage"
    assert "setup, revision 1" in blank.type("audit")
    blank.pull_the_plug()
    blank.start_firmware()
    blank.terminal.expect("records to publish")
    assert "Traceback" not in blank.said() and "internal error" not in blank.said()


def test_a_blank_box_says_what_to_do(blank: BlankBox) -> None:
    for line, said in (
        ("status", "ERR 6 this box has no configuration yet: type setup"),
        ("show", "ot:"),
        ("commit", "ERR 4 no candidate"),
        ("read 1 4 0 2", "float"),
        ("read 1 4 9000", "refuses: exception 2"),
        ("read 77 3 0", "ERR 6 unit 77 is silent at 19200 8E1"),
        ("identify 1", "unit 1 does not say"),
        ("led", "quick: no configuration"),
        ("set +line1.baud 9600", "OK"),
        ("check", "ERR 4"),
        ("discard", "OK"),
        ("setu ?", "example: setup"),
    ):
        answer = blank.type(line)
        assert said in answer, answer
    blank.terminal.send("setup\r")
    blank.terminal.expect("2 bus")
    blank.terminal.send("\x03")
    blank.terminal.expect("ERR 9 stopped by Ctrl-C\r\n> $")
    assert "Traceback" not in blank.said() and "internal error" not in blank.said()


def test_a_blank_box_takes_a_configuration_from_files(blank: BlankBox) -> None:
    """As mpremote brings them, or a pasted dump."""
    (blank.box / "new-ot.json").write_text(json.dumps(blank.ot))
    (blank.box / "new-it.json").write_text(json.dumps(blank.it))
    assert "loaded" in blank.type("load ot new-ot.json") and "loaded" in blank.type("load it new-it.json")
    assert "is the first" in blank.type("commit")
    blank.terminal.expect("records to publish")
    blank.wait_samples(10)


def test_a_first_configuration_with_which_the_box_cannot_start_leaves_it_blank(blank: BlankBox) -> None:
    blank.ot["buses"][0]["baud"] = 12345  # allowed by the rules, unknown to this serial port
    (blank.box / "new-ot.json").write_text(json.dumps(blank.ot))
    (blank.box / "new-it.json").write_text(json.dumps(blank.it))
    blank.type("load ot new-ot.json")
    blank.type("load it new-it.json")
    blank.type("commit")
    blank.terminal.expect("baud: found 12345")
    blank.terminal.expect("no configuration yet: press Enter, then type setup")


def test_repl_gives_the_python_prompt_to_people_and_to_mpremote_and_exit_comes_back(
    tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    with ConsoleBox(tmp_path / "run", start_broker()) as box:
        box.start()
        box.wait_samples(10)
        terminal = box.terminal
        for role in ("ot", "it"):
            terminal.send(f"password {role}\r")
            for question in ("new password: $", "again: $"):
                terminal.expect(question)
                terminal.send(f"secret of {role}\r")
            terminal.expect(r"OK\r\n> $")
        terminal.send("repl\r")
        terminal.expect("password of ot: $")
        terminal.send("secret of ot\r")
        terminal.expect("password of it: $")
        terminal.send("wrong of it\r")
        terminal.expect("ERR 3 wrong password")
        terminal.expect("> $")
        box.wait_samples(10, "the gateway goes on")
        terminal.send("login ot\r")
        terminal.expect("password: $")
        terminal.send("secret of ot\r")
        terminal.expect(r"OK\r\n> $", timeout=60)
        terminal.send("update\r")
        terminal.expect("password of it: $")
        terminal.send("secret of it\r")
        terminal.expect("fieldgate deploy")
        terminal.expect(">>> $")
        terminal.send("6*7\r")
        terminal.expect("42\r?\n>>> $")
        with Relay(terminal) as relay:
            (tmp_path / "hello.txt").write_text("hello")
            for arguments, said in (
                (["exec", "print(7*6)"], "42"),
                (["fs", "cp", str(tmp_path / "hello.txt"), ":hello.txt"], ""),
                (["fs", "ls"], "hello.txt"),
            ):
                done = subprocess.run(
                    [sys.executable, "-m", "mpremote", "connect", relay.path, "resume", *arguments],
                    capture_output=True, text=True, timeout=60, check=False,
                )  # fmt: skip
                assert done.returncode == 0 and said in done.stdout, done
        assert (box.box / "hello.txt").read_text() == "hello"
        terminal.send("\r")
        terminal.expect(">>> $")
        terminal.send("exit\r")
        terminal.expect("records to publish")
        box.knock()
        audit = box.type("audit all")
        assert "left to an update" in audit and "refused" in audit, audit
        box.wait_samples(10)
        assert box.balance().ok, "what was read before the prompt was lost"
