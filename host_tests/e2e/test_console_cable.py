"""The console at the end of a real cable: slow, pulled in the middle of a line, with every kind of Enter, pasted full,
driven by mpremote. A terminal program is pexpect on a second pseudo-terminal; a relay between is the cable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pexpect.fdpexpect
import pytest
from console_box import ConsoleBox
from console_relay import Relay

from fieldgate.broker import Broker

PASTE_BYTES = 20_000
SCREEN_BYTES = 400  # issue "console": a screen at 9600 baud


@pytest.fixture
def box(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[ConsoleBox]:
    with ConsoleBox(tmp_path / "run", start_broker()) as box:
        box.start()
        yield box


def sit_down(relay: Relay) -> pexpect.fdpexpect.fdspawn:
    """A terminal program on the port, with the prompt in front of it."""
    seat = pexpect.fdpexpect.fdspawn(os.open(relay.path, os.O_RDWR | os.O_NOCTTY), encoding="latin-1", timeout=60)
    seat.delaybeforesend = None
    seat.send("\r")
    seat.expect(r"> $")
    return seat


def test_sessions_at_the_speed_of_a_cable_with_every_kind_of_enter(box: ConsoleBox) -> None:
    for baud in (9600, 115200):
        session(box, baud)
    every_kind_of_enter(box)
    box.wait_samples(20)
    assert box.balance().ok


def session(box: ConsoleBox, baud: int) -> None:
    with Relay(box.terminal, baud, box.log) as relay:
        seat = sit_down(relay)
        before = relay.carried[1]
        seat.send("status\r")
        seat.expect(r"\r\nOK\r\n> $")
        screen = relay.carried[1] - before
        assert screen < SCREEN_BYTES + len("status\r\n> ")
        seat.send("sho\tline1.bax\x7fu\t\r")
        seat.expect(r"line1\.baud 19200\r\nOK\r\n> $")
        seat.send("\x1b[A\x1b[D\x08d\x1b[C\r")  # history, an arrow, a wrong key mended in the middle
        seat.expect(r"\r\n(OK|ERR [^\r]*)\r\n> $")
        seat.send("watch meter.voltage\r")
        seat.expect(r"meter\.voltage +2\d\d")
        seat.send("\x03")
        seat.expect("ERR 9 stopped by Ctrl-C\r\n> $")
        seat.send("show line1.baud\r")
        seat.expect(r"line1\.baud 19200\r\nOK\r\n> $")
        seat.close()
        print(f"REPORT: console at {baud} baud: status is {screen} B, {screen * 10000 // baud} ms on the cable")


def every_kind_of_enter(box: ConsoleBox) -> None:
    with Relay(box.terminal, 0, box.log) as relay:
        seat = sit_down(relay)
        for end in ("\r", "\n", "\r\n"):
            for _ in range(3):
                seat.send("who" + end)
                seat.expect(r"logged in: nobody[^>]*OK\r\n> $")
            # One Enter is one line: nothing comes behind the prompt.
            assert seat.expect([pexpect.TIMEOUT, "."], timeout=0.3) == 0, end
        seat.send("who\r\nwho\nwho\rwho\r\n")
        for _ in range(4):
            seat.expect("logged in: nobody[^>]*OK\r\n> ")
        seat.close()


def test_20_kb_pasted_at_once(box: ConsoleBox) -> None:
    """Every line is answered, none is torn, and polling never waits for it."""
    box.wait_samples(5)
    lines = [f"set line1.meter.voltage.scale {number}" for number in range(2, 30)]
    lines += [f"# a comment of a pasted file, line {number}" for number in range(PASTE_BYTES // 40)]
    lines += ["who"] * 20
    text = "\r".join(lines) + "\r"
    assert len(text) >= PASTE_BYTES
    with Relay(box.terminal, 0, box.log) as relay:
        seat = sit_down(relay)
        sent = 0
        heard = ""
        while sent < len(text):  # a terminal program writes what the port takes, and shows what comes
            sent += os.write(seat.child_fd, text[sent : sent + 512].encode())
            while seat.expect([r"[^\x00]+", pexpect.TIMEOUT], timeout=0) == 0:
                heard += seat.match.group(0)
        seat.send("about\r")
        while not re.search(r"box fg-0001[^>]*OK\r\n> ", heard):
            seat.expect(r"[^\x00]+")
            heard += seat.match.group(0)
        seat.close()
    answers = re.findall(r"\n(OK|ERR \d+ [^\r]*)\r\n> ", heard)
    good = [answer for answer in answers if answer == "OK"]
    assert len(answers) == len(good) == 28 + 20 + 1, (len(answers), heard[-500:])
    assert heard.count("\n> ") >= len(lines)
    assert "line1.meter.voltage.scale: 28 -> 29" in heard
    assert "internal error" not in heard and "Traceback" not in heard
    box.wait_samples(20)
    assert box.balance().ok


def test_the_cable_is_pulled_in_the_middle_of_a_line(box: ConsoleBox) -> None:
    """What was half typed does nothing; whoever plugs in next gets a prompt, and polling went on."""
    with Relay(box.terminal, 115200, box.log) as relay:
        seat = sit_down(relay)
        seat.send("set line1.baud 96")
        seat.expect_exact("set line1.baud 96")
        relay.pull()
        with pytest.raises((OSError, pexpect.EOF)):
            seat.send("00\r")
            seat.expect("OK")
        seat.close()
        box.wait_samples(20, "samples with the cable out")
        assert not (box.box / "config" / "edit").exists()
        relay.plug()
        port = os.open(relay.path, os.O_RDWR | os.O_NOCTTY)
        seat = pexpect.fdpexpect.fdspawn(port, encoding="latin-1", timeout=60)
        seat.send("\x15\r")  # what `fieldgate provision` does first: drop what somebody has begun to type
        seat.expect("> $")
        seat.send("diff\r")
        seat.expect("no candidate")
        seat.expect("OK\r\n> $")
        seat.send("watch\r")
        seat.expect("meter.voltage")
        relay.pull()  # while the box talks
        seat.close()
        box.wait_samples(20, "samples while nobody hears the box")
        relay.plug()
        seat = sit_down_again(relay)
        seat.send("who\r")
        seat.expect("logged in: nobody[^>]*OK\r\n> $")
        seat.close()
    assert box.balance().ok


def sit_down_again(relay: Relay) -> pexpect.fdpexpect.fdspawn:
    """At a box that may still be in the middle of an answer."""
    seat = pexpect.fdpexpect.fdspawn(os.open(relay.path, os.O_RDWR | os.O_NOCTTY), encoding="latin-1", timeout=60)
    seat.send("\x03\x15\r")
    seat.expect(r"> $")
    return seat


def mpremote(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *arguments],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_mpremote_as_it_is(box: ConsoleBox) -> None:
    """With `resume` or without: it is answered, and its wish for a soft reset stops nothing."""
    with Relay(box.terminal, 0, box.log) as relay:
        done = mpremote(relay.path, "resume", "exec", "import console; console.run('status')")
        assert done.returncode == 0 and "broker: connected" in done.stdout, done
        done = mpremote(relay.path, "resume", "exec", "import console; console.run('set line1.baud x')")
        assert done.returncode == 1 and "ERR 2 line1.baud" in done.stdout + done.stderr, done
        done = mpremote(relay.path, "exec", "import console; console.run('status')")
        assert done.returncode == 0 and "broker: connected" in done.stdout, done
        done = mpremote(relay.path, "exec", "print(1)")
        assert done.returncode == 1 and "refused while the gateway runs" in done.stdout + done.stderr, done
        box.wait_samples(10, "samples after a program asked for a soft reset")
        done = mpremote(relay.path, "resume", "exec", "import console; console.run('who')")
        assert done.returncode == 0 and "logged in: nobody" in done.stdout, done
    assert box.said().count("records to publish") == 1, "the gateway was restarted"
    assert box.balance().ok
