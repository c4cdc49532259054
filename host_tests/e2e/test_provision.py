"""`fieldgate provision` on the real firmware through a cable: from a delivered box to live data, and what goes wrong.

The box comes as from its maker: another bus, another name, a broker that does not exist.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from console_box import ConsoleBox
from console_relay import Relay
from virtual_box import CONFIG

from fieldgate.broker import Broker
from fieldgate.demo import result

DELIVERED_OT = {
    "format": 1, "owner": "maker", "revision": 0, "buses": [
        {"name": "bench", "baud": 9600, "units": [{"name": "probe", "unit_id": 3, "points": [
            {"name": "x", "fc": 3, "address": 8451, "type": "uint16", "period_ms": 500}]}]}],
}  # fmt: skip
DRIVE_FIRST = (3, 1, 2, 4)
DRIVE, DRIVE_MS = 3, 500  # the unit that is polled with this period before and after
BUS_S = 90  # issue "console": scripted within 90 s of virtual bus time
DONE = re.compile(r"label and report: ")


class DeliveredBox(ConsoleBox):
    """It knows nothing of the plant, nor of the broker."""

    def write_configuration(self) -> None:
        it = dict(self.it, box="new", owner="maker", place={part: "none" for part in self.it["place"]})
        it["mqtt"] = {"brokers": [{"host": "127.0.0.1", "port": 9, "tls": None}], "user": "maker", "password": "secret"}
        (self.box / "ot.json").write_text(json.dumps(DELIVERED_OT))
        (self.box / "it.json").write_text(json.dumps(it))

    def knock(self) -> None:
        self.terminal.expect(r"uplink: [^\r\n]*\r\n")
        self.terminal.send("\r")
        self.terminal.expect(r"\r\n> $")

    def orders(self, *more: str, units: int = 1) -> Path:
        """A box.toml for this broker and some of the plant's units; few have one point each."""
        file = self.folder / "box.toml"
        ot = json.loads((CONFIG / "ot.json").read_text())
        if units < 4:
            bus = ot["buses"][0]
            bus["units"] = [unit for unit in bus["units"] if unit["unit_id"] in DRIVE_FIRST[:units]]
            for unit in bus["units"]:
                del unit["points"][1:]
        (self.folder / "ot.json").write_text(json.dumps(ot))
        (self.folder / "it.json").write_text(json.dumps(self.it))
        text = 'ot = "ot.json"\nit = "it.json"\n'
        file.write_text(text + "\n".join(more) + "\n")
        return file

    def served(self, unit_id: int) -> int:
        """How often the plant has answered reads of a unit."""
        return sum(reply.stream[0] == unit_id for reply in result.served_record(self.folder / "plant"))


class BlankBox(DeliveredBox):
    """It has no configuration at all."""

    def write_configuration(self) -> None:
        """None: that is the point."""

    def wait_started(self) -> None:
        self.terminal.expect("no configuration yet")


@pytest.fixture
def box(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[DeliveredBox]:
    with DeliveredBox(tmp_path / "run", start_broker()) as box:
        box.start()
        yield box


@pytest.fixture
def relay(box: DeliveredBox) -> Iterator[Relay]:
    with Relay(box.terminal, 115200, box.log) as relay:
        yield relay


def command(port: str, file: Path, *options: str) -> list[str]:
    out = file.parent / "boxes"
    return [sys.executable, "-m", "fieldgate", "provision", port, str(file), "--out", str(out), *options]


def run(port: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    call = command(port, file, *options)
    return subprocess.run(call, capture_output=True, text=True, timeout=170, check=False, stdin=subprocess.DEVNULL)


def one_line(done: subprocess.CompletedProcess[str], text: str) -> None:
    """It failed with exactly one line that holds `text`."""
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and text in done.stderr, done


def report_of(file: Path, serial: str = "fg-0001") -> dict[str, object]:
    return dict(json.loads((file.parent / "boxes" / serial / "report.json").read_text()))


def test_from_delivered_to_live(box: DeliveredBox, relay: Relay) -> None:
    listen = f'listen = "127.0.0.1:{box.broker.consumer_port}"'
    file = box.orders("[check]", listen, units=4)
    before = box.served(DRIVE)
    done = run(relay.path, file)
    assert done.returncode == 0, done.stdout + done.stderr + box.said()[-1500:]
    bus_s = (box.served(DRIVE) - before) * DRIVE_MS / 1000
    box.wait_samples(30)
    report = report_of(file)
    assert report["state"] == "done" and report["at_broker"] is True
    passwords = dict(report["passwords"])  # type: ignore[call-overload]
    assert sorted(passwords) == ["it", "ot", "viewer"] and len(set(passwords.values())) == 3
    label = (file.parent / "boxes" / "fg-0001" / "label.txt").read_text()
    for word in ("fg-0001", "acme/lyon/press-shop/line-1/cell-3/press-7", *passwords.values()):
        assert word in label and word in done.stdout
    said = box.said()
    assert not any(word in said for word in passwords.values()), "a password was shown on the terminal"
    assert (file.parent / "boxes" / "fg-0001" / "report.json").stat().st_mode & 0o77 == 0
    assert 0 < bus_s <= BUS_S
    print(
        f"REPORT: fieldgate provision, box as delivered, 115200 baud: {report['entries']} lines typed in"
        f" {report['sent_bytes']} B, alive and with passwords within {bus_s:.0f} s"
        f" of polling (goal {BUS_S} s of bus time)"
    )


def test_a_blank_box(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    """Erased flash: it has no configuration to go back to."""
    with BlankBox(tmp_path / "run", start_broker()) as box:
        box.start()
        with Relay(box.terminal, 0, box.log) as relay:
            done = run(relay.path, box.orders("[check]", 'units = "some"'))
        assert done.returncode == 0, done.stdout + done.stderr
        box.wait_samples(10)


def test_a_box_that_is_done_keeps_its_passwords(box: DeliveredBox, relay: Relay) -> None:
    file = box.orders("[check]", 'units = "some"')
    assert run(relay.path, file).returncode == 0
    passwords = report_of(file)["passwords"]
    again = run(relay.path, file)
    assert again.returncode == 0, again.stderr
    assert report_of(file)["passwords"] == passwords, "a second call gave other passwords"
    other = box.orders("[set]", '"line1.drive.unit_id" = 4')
    one_line(run(relay.path, other), "has passwords and another configuration than ordered")
    (file.parent / "boxes" / "fg-0001" / "report.json").unlink()
    one_line(run(relay.path, file), "has passwords already (ot it viewer)")


def test_what_is_refused_changes_nothing(box: DeliveredBox, relay: Relay) -> None:
    for line, said in (
        ('"line1.serial_format" = "8e1"', "line1.serial_format"),
        ('"mqtt.keep_alive" = 7', "did you mean keep_alive_s?"),
        ('"line1.drive.unit_id" = 1', "found 1, allowed a value not used before"),
    ):
        one_line(run(relay.path, box.orders("[set]", line, units=2)), said)
    before = json.dumps(DELIVERED_OT)
    assert (box.box / "ot.json").read_text() == before
    assert not (box.box / "config" / "edit" / "changes").exists()
    assert not (box.box / "config" / "now").exists()


def test_what_does_not_come_alive_goes_back(box: DeliveredBox, relay: Relay) -> None:
    file = box.orders("[set]", '"mqtt.brokers.0.port" = 9')
    one_line(run(relay.path, file, "--wait-s", "6"), "the old configuration is back")
    box.wait(lambda: (box.box / "config" / "now").read_text().split()[0] == "0", "revision 0 counts")
    assert report_of(file)["state"] == "failed" and "passwords" not in report_of(file)
    assert not (box.box / "config" / "people").exists()


def test_interrupted_at_any_time_the_old_configuration_comes_back(box: DeliveredBox, relay: Relay) -> None:
    file = box.orders()
    for until in ("lines to type", "is on trial"):
        process = pexpect.spawn(command(relay.path, file)[0], command(relay.path, file)[1:], timeout=60)
        process.expect(until)
        process.kill(9)
        process.wait()
    assert (box.box / "config" / "now").read_text().split()[:2] == ["1", "0"]
    process = pexpect.spawn(command(relay.path, file)[0], command(relay.path, file)[1:], timeout=60)
    process.expect("is on trial: type confirm or rollback")
    process.wait()


def test_a_pulled_cable_and_a_power_cut(box: DeliveredBox) -> None:
    with Relay(box.terminal, 115200, box.log) as relay:
        file = box.orders()
        call = command(relay.path, file)
        process = pexpect.spawn(call[0], call[1:], timeout=60)
        process.expect("started again")
        relay.pull()
        process.expect("the old configuration comes back by itself within 5 minutes")
        process.wait()
    box.pull_the_plug()
    box.start_firmware()
    assert "config: not confirmed, revision 0 is back" in box.said()
    assert "as delivered" in box.type("about")


def test_a_batch_goes_on_behind_a_box_that_fails(box: DeliveredBox, relay: Relay) -> None:
    file = box.orders("[passwords]", 'roles = ["ot"]', "[check]", 'units = "some"')
    batch = box.folder / "boxes.csv"
    batch.write_text(
        f"serial,port,box,place.asset\nA-1,{box.folder}/ttyNONE,fg-1,press-1\nA-2,{relay.path},fg-2,press-2\n"
    )
    done = run("-", file, "--batch", str(batch))
    assert done.returncode == 1 and "there is no such port" in done.stderr, done
    assert "1 of 2 boxes are done" in done.stdout
    assert report_of(file, "A-2")["box"] == "fg-2" and report_of(file, "A-1")["state"] == "failed"
    box.wait(lambda: any(delivery.group for delivery in box.deliveries) or box.samples, "values of the box")
    done = run("-", file, "--batch", str(batch))
    assert "left alone" in done.stdout and "1 of 2 boxes are done" in done.stdout


@pytest.fixture
def silent_port() -> Iterator[tuple[int, str]]:
    near, far = pty.openpty()
    tty.setraw(far)
    yield near, os.ttyname(far)
    os.close(near)
    os.close(far)


def orders(folder: Path) -> Path:
    file = folder / "box.toml"
    file.write_text(f'ot = "{CONFIG / "ot.json"}"\nit = "{CONFIG / "it.json"}"\n')
    return file


def test_a_port_that_is_not_the_boxs(tmp_path: Path, silent_port: tuple[int, str]) -> None:
    near, port = silent_port
    file = orders(tmp_path)
    one_line(run(str(tmp_path / "ttyUSB7"), file), "there is no such port")
    one_line(run(port, file), "nothing answers")

    def modem() -> None:
        while True:
            try:
                os.write(near, os.read(near, 64).upper() + b"\r\nERROR\r\n")
            except OSError:
                return

    threading.Thread(target=modem, daemon=True).start()
    one_line(run(port, file), "is no Fieldgate console")


def test_a_port_that_somebody_has_open(tmp_path: Path, silent_port: tuple[int, str]) -> None:
    import serial

    _, port = silent_port
    with serial.Serial(port, exclusive=True):
        one_line(run(port, orders(tmp_path)), "another program has it open")


def test_python_s_prompt_is_told_from_a_console(tmp_path: Path, silent_port: tuple[int, str]) -> None:
    near, port = silent_port

    def prompt() -> None:
        while True:
            try:
                os.read(near, 64)
                os.write(near, b"\r\n>>> ")
            except OSError:
                return

    threading.Thread(target=prompt, daemon=True).start()
    one_line(run(port, orders(tmp_path)), "shows Python's prompt")
