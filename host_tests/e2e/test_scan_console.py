"""The search on the running firmware, as a technician starts it: the console finds units while samples flow.

A pseudo-terminal has no baud rate, so the units answer at every one: here it is about the way through the firmware;
what settings do is shown on bit-level lines (host_tests/sim/test_scan_*.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pexpect
from virtual_box import VirtualBox

from fieldgate.broker import Broker

END = r"\r\n(OK|ERR [^\r]*)\r\n> $"


def test_identify_and_scan_from_the_console(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.start_plant()
        box.start_consumer()
        box.write_configuration()
        command = box.command()
        terminal = pexpect.spawn(
            command[0], command[1:], cwd=str(box.box), env=box.environment(), timeout=60, encoding="latin-1"
        )
        try:
            terminal.logfile_read = box.log.open("w", buffering=1)
            terminal.expect("records to publish")
            box.wait_samples(20)
            terminal.send("\r")
            terminal.expect("> $")

            terminal.send("identify 1\r")
            terminal.expect(END)
            assert "server_id" in terminal.before and terminal.match.group(1) == "OK"

            terminal.send("scan common\r")
            terminal.expect("Go on")
            terminal.send("y\r")
            terminal.expect(END)
            assert terminal.match.group(1) == "OK", terminal.before
            lines = [line.partition(":")[0].split() for line in terminal.before.splitlines() if line[:4] == "unit"]
            assert {number for words in lines for number in words[1:]} == {"1", "2", "3", "4"}, terminal.before
            assert "done: 96 of 96 asked" in terminal.before
            box.wait_samples(20, "samples after the search")

            terminal.send("scan\r")
            terminal.expect(r"units? [0-9 ]*\b2\b[0-9 ]*: 19200 8E1")
            box.wait_samples(20, "samples during a search between polls")
            terminal.send("\x03")
            terminal.expect(END)
            assert terminal.match.group(1) == "ERR 9 stopped by Ctrl-C"
            box.wait_samples(20, "samples after Ctrl-C")
            assert "Traceback" not in box.said() and "internal error" not in box.said()
        finally:
            terminal.close(force=True)
