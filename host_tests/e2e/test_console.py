"""The technician's console on the real firmware over a pseudo-terminal, while it polls the plant and publishes.

Waits are for what is printed, with generous limits; the balance of plant and broker says that polling never suffered.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from console_box import END, ConsoleBox

from fieldgate.broker import Broker


@pytest.fixture
def box(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[ConsoleBox]:
    with ConsoleBox(tmp_path / "run", start_broker()) as box:
        box.start()
        yield box


def test_looking(box: ConsoleBox) -> None:
    box.wait_samples(30)
    status = box.type("status")
    assert "broker: connected" in status and "4 of 4 units answer" in status and status.endswith("OK\n")
    assert all(len(line) <= 78 for line in status.splitlines()) and len(status) < 400
    assert re.search(r"meter +1 ok", box.type("bus"))
    assert box.type("stat", end="\n") == box.type("status", end="\r\n") or "broker" in box.type("stat")
    assert re.search(r"meter\.voltage +2\d\d", box.type("watch meter.voltage 2"))
    assert "box fg-0001" in box.type("about")
    assert "ERR 1 unknown verb frob: type help" in box.type("frob")
    assert "ERR 1 s may be scan set setup show status" in box.type("s")
    assert "example: commit 2" in box.type("commit ?")
    box.fault("dead_unit", unit=1)
    box.wait(lambda: "!! unit meter (1): silent" in box.type("status"), "the silent unit is shown")
    box.clear()
    assert box.balance().ok


def test_parts_are_tried_and_explained(box: ConsoleBox) -> None:
    box.wait_samples(20)
    assert "network: up, the host's" in box.type("net")
    assert "ERR 6 this box uses no Wi-Fi" in box.type("wifi scan")
    state = box.type("mqtt")
    assert "connected" in state and "topics below acme/lyon" in state and "1 connects, 0 failures" in state
    milliseconds = re.search(r"the broker answers within (\d+) ms", box.type("mqtt test"))
    assert milliseconds, "no round trip"
    print(f"REPORT: console `mqtt test`: the broker answers within {milliseconds.group(1)} ms")
    tried = box.type("test")
    for part in ("flash: written and read back", "network: up", "broker: answers within", "clock: set", "no loopback"):
        assert part in tried, tried
    assert "5 blinks: records were lost" in box.type("led")
    frames = box.type("bus line1 frames 4")
    assert frames.count("  > ") == 4 and frames.count("  < ") == 4 and "good" in frames, frames
    box.fault("dead_unit", unit=1)
    bad = box.type("bus frames 1 bad")
    assert re.search(r"meter \(1\): \d+ input registers from \d+: timeout", bad) and "  < nothing" in bad, bad
    box.wait(lambda: "silent" in box.type("status"), "the silent unit is shown")
    hint = box.whole("bus").replace("\n  ", " ")
    assert re.search(r"meter: no answer since \d\d:\d\d:\d\d, \d+ tries; others fine: check its power", hint), hint
    assert len(box.type("status")) < 400
    box.clear()
    assert box.balance().ok


def test_an_incident_is_one_timeline(box: ConsoleBox) -> None:
    box.wait_samples(10)
    box.fault("dead_unit", unit=1)
    box.wait(lambda: "unit meter (1): silent" in box.type("status"), "the silent unit is shown")
    box.type("logout")  # goes to the record
    box.broker.stop()
    box.wait(lambda: "!! broker" in box.type("status"), "the broker is gone")
    box.clear()
    box.wait(lambda: "unit meter (1): silent" not in box.type("status"), "the unit is back", 90)
    said = box.whole("incident 10", seconds=60)
    lines = [line for line in said.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    order = [line[:8] for line in lines]
    assert order == sorted(order) and len(lines) >= 5, said
    told = ["box     boot", "network broker_up", "unit_silent: meter (1)", "broker_down", "unit_back: meter (1)"]
    at = [next((i for i, line in enumerate(lines) if word in line), -1) for word in told]
    assert -1 not in at and at == sorted(at), said
    assert any("bus     meter: timeout" in line for line in lines), said
    assert any("audit   console logout" in line for line in lines), said
    written = (box.box / "incident.txt").read_text().splitlines()
    assert "acme/lyon" in written[0] and len(written) == 1 + len(lines)
    assert "ERR 2 minutes: found 0, allowed 1..1440" in box.type("incident 0")


def test_configured_units_are_found_at_the_setting_of_the_bus(box: ConsoleBox) -> None:
    box.wait_samples(5)
    box.terminal.send("scan units\r")
    box.terminal.expect(r"polling of line1 stops meanwhile. Go on\? y: $")
    said = box.type("y", seconds=60)
    assert "done: 4 of 68 asked, 4 units found" in said, said
    assert "all units answer at the setting of line1, 19200 8E1\nOK" in said, said
    box.wait_samples(10, "it polls again")


def test_programs_read_json(box: ConsoleBox) -> None:
    box.wait_samples(20)

    def read(line: str) -> Any:
        answer = box.type(line)
        assert answer.endswith("OK\n"), answer
        return json.loads(answer.removesuffix("OK\n"))

    assert read("status --json")["ok"] is True
    units = {unit["name"]: unit for unit in read("bus --json")[0]["units"]}
    assert units["meter"]["state"] == "ok" and units["plc"]["requests"] > 3 and units["plc"]["timeouts"] == 0
    assert read("about --json")["box"] == "fg-0001" and read("log --json")["dropped"] == 0
    assert read("show line1.meter.voltage --json") == box.ot["buses"][0]["units"][0]["points"][0]
    assert "ERR 2 watch has no --json, but about audit bus check diff log show status" in box.type("watch --json")
    assert "ERR 4 no candidate" in box.type("check --json")
    box.type("set mqtt.user somebody")
    box.type("set mqtt.password not-for-everybody")
    assert read("show mqtt --json")["password"] == "********"
    checked = read("check --json")
    assert checked["errors"] == [] and any("MB a day to the broker" in line for line in checked["costs"])
    assert "not-for-everybody" not in box.type("diff") + box.type("diff --json")
    assert "OK" in box.type("discard")


def test_a_change_shows_what_it_costs(box: ConsoleBox) -> None:
    box.type("set line1.meter.voltage.period_ms 100")
    effect = box.whole("diff")
    assert re.search(r"then: line1: .* use [\d.]+ % of the bus", effect), effect
    assert "MB a day to the broker" in effect and "years of wear" in effect, effect
    checked = box.whole("check")
    assert re.search(r"memory: columns \d+ KB; \d+ KB are free now", checked.replace("\n  ", " ")), checked
    box.type("discard")


def test_editing_keys_on_a_terminal(box: ConsoleBox) -> None:
    assert "OK" in box.type("statux\x7fs")
    assert "line1.baud 19200" in box.type("sho\t line1.bax\x08ud")
    assert "ERR 1 unknown verb" in box.type("xyz")
    assert "line1.baud 19200" in box.type("\x1b[A\x1b[A")
    box.terminal.send("set line1.serial_f\t\t\t")
    box.terminal.expect("8E1 8N1 8N2 8O1")
    box.terminal.send("\x03")
    box.terminal.expect(r"\r\n> $")
    box.terminal.send("watch\r")
    box.terminal.expect("meter.voltage")
    box.terminal.send("\x03")
    box.terminal.expect("ERR 9 stopped by Ctrl-C")
    box.terminal.expect("> $")
    assert "OK" in box.type("status")


def test_a_wrong_value_gets_one_line(box: ConsoleBox) -> None:
    for line, said in (
        ("set line1.baud fast", 'ERR 2 line1.baud: found "fast", allowed a whole number 1200..1000000'),
        ("set line1.bauds 9600", "ERR 1 line1.bauds: unknown key, did you mean baud?"),
        ("set line1.serial_format 8e1", "meant 8E1?"),
        ("set line1.pump.unit_id 7", "ERR 1 there is no pump: check with show, or type +pump to add it"),
        ("set place.sitee x", "did you mean site?"),
        ("commit", "ERR 4 no candidate"),
        ("confirm", "ERR 4 nothing is on trial"),
        ("load ot nothing.json", "ERR 8 no file nothing.json"),
        ("commit x", "ERR 2 minutes: found x, allowed 1..60"),
    ):
        answer = box.type(line)
        assert said in answer and answer.count("\n") == 1, answer
    assert "no candidate" in box.type("diff")


def test_a_change_is_tried_and_kept(box: ConsoleBox) -> None:
    box.wait_samples(10)
    assert "1000 -> 250" in box.type("set line1.meter.voltage.period_ms 250")
    assert "line1.meter.voltage.period_ms: 1000 -> 250" in box.type("diff")
    assert json.loads((box.box / "ot.json").read_text()) == box.ot, "what is in use was changed"
    answer = box.type("commit")
    assert "revision 1 is on trial" in answer, answer
    box.terminal.expect("records to publish")
    box.knock()
    assert "revision 1 is on trial: type confirm" in box.type("status")
    box.wait_samples(30)
    assert "revision 1 is kept" in box.type("confirm")
    assert "trial" not in box.type("status")
    assert "line1.meter.voltage.period_ms 250" in box.type("show line1.meter.voltage")
    box.type("set line1.meter.voltage.period_ms 500")
    effect = box.whole("diff")
    shares = [float(share) for share in re.findall(r"(?:now|then):  ?line1: .* use ([\d.]+) % of the bus", effect)]
    assert len(shares) == 2 and shares[0] > shares[1], effect
    box.type("discard")
    box.pull_the_plug()
    box.start_firmware()
    assert "configuration 1\n" in box.type("about")
    box.wait_samples(30)
    audit = box.whole("audit")
    assert re.search(r"^\d+ 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d console ", audit), audit
    assert "commit of revision 1" in audit and "confirm" in audit
    assert "the chain is whole" in box.type("audit verify")


def test_a_change_that_was_not_confirmed_is_gone_after_a_power_cut(box: ConsoleBox) -> None:
    box.type("set line1.meter.unit_id 77")  # nobody has this address
    box.type("commit 1")
    assert (box.box / "config" / "now").read_text() == "1 0 60 trial\n"  # after a minute: test_console_trial.py
    box.terminal.expect("records to publish")
    box.knock()
    box.wait(lambda: "unit meter (77): silent" in box.type("status"), "the wrong address shows")
    box.pull_the_plug()
    box.start_firmware()
    assert "config: not confirmed, revision 0 is back" in box.said()
    box.wait_samples(30)
    assert "4 of 4 units answer" in box.type("status")


def test_a_change_the_box_cannot_start_with_goes_back_at_once(box: ConsoleBox) -> None:
    box.type("set line1.baud 12345")  # allowed by the rules, unknown to this serial port
    box.type("commit")
    box.terminal.expect("baud: found 12345")
    box.terminal.expect("cannot start with it, the configuration before is back")
    box.terminal.expect("records to publish")
    box.wait_samples(20)


def test_roles(box: ConsoleBox) -> None:
    def say(line: str, *answers: str) -> str:
        box.terminal.send(line + "\r")
        for answer in answers:
            box.terminal.expect(r"(password|again)( of \w+)?: $")
            box.terminal.send(answer + "\r")
        box.terminal.expect(END)
        return str(box.terminal.match.group(1))

    assert "at least 8" in say("password ot", "short")
    assert "differ" in say("password ot", "long enough", "long enouhg")
    assert say("password ot", "long enough", "long enough") == "OK"
    assert "ERR 3 this belongs to the OT half" in say("set line1.baud 9600")
    assert "ERR 3 wrong password" in say("login ot", "long enouhg")
    assert say("login ot", "long enough") == "OK"
    assert say("set line1.baud 9600") == "OK"
    assert "ERR 3 this belongs to the IT half" in say("set place.site lyon")
    assert say("logout") == "OK"
    assert "ERR 3" in say("set line1.baud 9600")
    text = (box.box / "config" / "people").read_text()
    assert "long" not in text and len(text.split()) == 4
    assert "long enough" not in box.said()
    assert "the chain is whole" in box.type("audit verify")
    # What concerns both halves asks for both passwords.
    assert say("password it", "also long enough", "also long enough") == "OK"
    assert say("login it", "also long enough") == "OK" and say("set place.site lyons") == "OK"
    assert say("login ot", "long enough") == "OK"
    assert "ERR 3 wrong password" in say("commit", "long enough")
    assert say("discard") == "OK"
    # A locked console shows nothing to who has not logged in.
    assert say("lock") == "OK"
    assert "ERR 3 the console is locked" in say("status")
    assert say("login ot", "long enough") == "OK" and say("status") == "OK"
    assert say("lock off") == "OK" and say("logout") == "OK" and say("status") == "OK"
    lines = (box.box / "config" / "audit").read_text().replace("refused login", "login", 1)
    (box.box / "config" / "audit").write_text(lines)
    assert "ERR 4 line" in box.type("audit verify")


def test_a_program_asks(box: ConsoleBox) -> None:
    """Real mpremote; a relay pty stands between, as mpremote wants to open a port by name."""
    box.wait_samples(5)
    terminal = box.terminal
    terminal.send("\r\x03\r\x01")
    terminal.expect_exact("raw REPL; CTRL-B to exit\r\n>")
    for code, out, error in (
        ("import console; console.run('about')", "box fg-0001", ""),
        ('import console\nconsole.run("frob")', "", "ERR 1 unknown verb frob"),
        ("print(1)", "", "refused while the gateway runs"),
        ("import os; os.remove('ot.json')", "", "refused"),
    ):
        terminal.send(code + "\x04")
        terminal.expect(r"OK([^\x04]*)\x04([^\x04]*)\x04>")
        assert out in terminal.match.group(1) and error in terminal.match.group(2)
        assert bool(error) == bool(terminal.match.group(2))
    terminal.send("\x02")
    terminal.expect(r"\r\n> $")
    assert "OK" in box.type("status")
    assert (box.box / "ot.json").exists()


def test_whatever_is_typed_the_gateway_goes_on(box: ConsoleBox) -> None:
    """15,000 random bytes through a terminal; without one the application gets 100,000 (tools/test_console_fuzz.py)."""
    box.wait_samples(5)
    rng = random.Random(20261123)
    words = [b"set", b"show", b"line1", b"line1.baud", b"meter", b" ", b"\t", b"\r", b"9600", b"+x", b".", b"unset",
             b"help", b"dump", b"\x1b[A", b"\x7f", b"check", b"diff", b"discard", b"status", b"bus", b"?"]  # fmt: skip
    sent = 0
    while sent < 15_000:
        if rng.random() < 0.5:
            piece = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 40))).replace(b"\x1c", b"")
            piece = piece.replace(b"\x01", b"")  # the raw REPL has a test of its own
        else:
            piece = b" ".join(rng.choice(words) for _ in range(rng.randrange(1, 6))) + b"\r"
        sent += len(piece)
        box.terminal.send(piece.decode("latin-1"))
        while True:
            try:
                box.terminal.read_nonblocking(65536, timeout=0)
            except pexpect.TIMEOUT:
                break
    # Nobody reads the terminal meanwhile: a stuck terminal must not hold the gateway either.
    box.wait_samples(20, "samples while the console works off what was pasted")
    box.terminal.send("\x03\x03\x15\rwho\r")
    box.terminal.expect(r"logged in: nobody[^>]*OK\r\n> $", timeout=120)
    said = box.said()
    assert "Traceback" not in said and "internal error" not in said, said[-2000:]
    box.wait_samples(20)
    assert box.balance().ok
    assert box.terminal.isalive()


def test_a_pasted_configuration(box: ConsoleBox) -> None:
    """dump on one box, pasted into another, gives the same configuration."""
    lines = [line for line in box.type("dump").splitlines() if line.startswith("set ")]
    assert len(lines) > 100
    box.terminal.send("\r".join(lines[:60]) + "\r")
    box.terminal.expect_exact(lines[59], timeout=60)
    box.terminal.expect(r"OK\r\n> $")
    assert "ERR" not in box.said()
    assert "no candidate" in box.type("diff"), "the same values are no change"


def test_mpremote_gets_answers(box: ConsoleBox, tmp_path: Path) -> None:
    """`mpremote resume exec` itself, through a pseudo-terminal that relays to the box's."""
    from console_relay import Relay

    with Relay(box.terminal) as relay:
        for code, status, text in (
            ("import console; console.run('about')", 0, "box fg-0001"),
            ("import console; console.run('frob')", 1, "ERR 1 unknown verb"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "mpremote", "connect", relay.path, "resume", "exec", code],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert text in done.stdout + done.stderr, done
            assert done.returncode == status, done
    box.wait_samples(10)
