"""The main job, end to end: plant, firmware, broker, consumer; outages, kills and what a technician gets wrong.

The truth is the plant's own record of the replies it delivered; nothing that the firmware claims is believed.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from virtual_box import VirtualBox

from fieldgate.broker import Broker
from fieldgate.demo.child import Child
from fieldgate.device_build import build
from fieldgate.monitor.client import utc_ms
from fieldgate.summary import report

# 7 reads at 1, 1, 0.5, 2, 2, 4 and 1 polls a second: a block of 1 s holds at most 12; one is under way, one just read.
BLOCK_READS = 14


@pytest.fixture
def box(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[VirtualBox]:
    """A box that is not started yet."""
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        yield box


def test_values_equal_what_the_units_served_bit_for_bit(box: VirtualBox) -> None:
    box.start()
    box.wait_samples(150)
    balance = box.balance()
    print(
        "REPORT: end to end, no fault: " + "; ".join(line.split("   ")[0] + line[18:26] for line in report(balance)[:6])
    )
    assert balance.ok and balance.duplicates == 0, report(balance)
    floats = [point for latest in box.store.latest.values() for point in [latest.point] if point.type == "float32"]
    assert len(floats) == 8
    streams = {stream[:2] for stream in balance.streams}
    assert streams == {(1, 4), (2, 4), (3, 3), (4, 3), (4, 2), (4, 1)}


def test_the_control_a_changed_bit_is_seen(box: VirtualBox) -> None:
    """The comparison of the test before must be able to fail."""
    box.start()
    box.wait_samples(40)
    assert box.balance().ok
    index = next(i for i, d in enumerate(box.deliveries) if d.sample.words and len(d.sample.words[0]) == 4)
    old = box.deliveries[index]
    first = struct.unpack(">I", old.sample.words[0])[0] ^ 1
    words = (struct.pack(">I", first), *old.sample.words[1:])
    box.deliveries[index] = old._replace(sample=old.sample._replace(words=words))
    balance = box.balance(settle_s=0)
    assert not balance.ok
    assert len(balance.wrong) == 1


def test_an_outage_of_the_broker_loses_nothing(box: VirtualBox) -> None:
    box.start()
    box.wait_samples(30)
    box.broker.stop()
    before = box.samples
    box.wait(lambda: "refused" in box.said() or "lost" in box.said() or "reset" in box.said(), "the firmware notices")
    box.wait(
        lambda: len((box.folder / "plant" / "served.jsonl").read_text().splitlines()) > before + 90, "the log fills"
    )
    box.broker.start()
    box.wait_samples(90)
    balance = box.balance()
    assert balance.ok, report(balance)
    assert any(event.startswith("broker down") for event in box.events())


def test_kill_9_loses_at_most_the_unflushed_block(box: VirtualBox) -> None:
    box.start()
    box.wait_samples(40)
    box.kill_firmware()
    box.start_firmware()
    box.wait_samples(40)
    box.broker.stop()
    box.wait(lambda: box.said().count("uplink: broker") >= 3, "the firmware notices that the broker is gone")
    box.kill_firmware()
    box.start_firmware()
    box.wait(lambda: box.said().count("fieldgate ") == 3, "the firmware starts for the third time")
    box.broker.start()
    box.wait_samples(60)
    balance = box.balance()
    print(
        f"REPORT: two kill -9: {balance.served} served, {len(balance.lost)} lost outside, {len(balance.lost_at_kill)} "
        f"in unflushed blocks of {box.it['publish']['flush_ms']} ms, {balance.duplicates} duplicates"
    )
    assert balance.ok, report(balance)
    assert len(balance.lost_at_kill) <= 2 * BLOCK_READS
    boots = sorted({delivery.boot for delivery in box.deliveries})
    assert boots == [1, 2, 3]


def test_a_torn_last_write_is_survived(box: VirtualBox) -> None:
    box.start()
    box.wait_samples(40)
    box.kill_firmware()
    image = bytearray(box.flash.read_bytes())
    end = len(image) - next(i for i, byte in enumerate(reversed(image)) if byte != 0xFF)
    tail = image[:end].rfind(b"\xff" * 16)
    assert 0 <= tail < end
    # As after a power cut within the next program: the first bytes of a frame, then nothing.
    start = -(-end // 16) * 16
    image[start : start + 7] = bytes(random.Random(4).randbytes(7))
    box.flash.write_bytes(image)
    box.start_firmware()
    box.wait_samples(40)
    balance = box.balance()
    assert balance.ok, report(balance)
    assert len(balance.lost_at_kill) <= BLOCK_READS


def test_a_dead_unit_is_named_and_the_others_go_on(box: VirtualBox) -> None:
    box.start()
    box.wait_samples(20)
    box.fault("dead_unit", unit=2)
    box.wait(lambda: any(event.startswith("unit silent 2") for event in box.events()), "the event unit_silent")
    before = box.samples
    box.wait_samples(60)
    assert box.samples > before
    quality = {name: box.store.quality_text(latest.quality) for name, latest in box.store.latest.items()}
    assert quality["climate.temperature"] in ("timeout", "not_asked")
    assert quality["meter.voltage"] == quality["plc.cycles"] == "good"
    box.clear()
    box.wait(lambda: any(event.startswith("unit back 2") for event in box.events()), "the event unit_back")
    balance = box.balance()
    assert balance.ok, report(balance)


def test_a_refused_merged_read_is_split_and_its_meaning_follows(box: VirtualBox) -> None:
    """A point that the sensor does not have must not take those with it that it has."""
    climate = box.ot["buses"][0]["units"][1]
    climate["max_gap"], climate["max_registers"] = 8, 20
    climate["points"].append(
        {"name": "no_such", "fc": 4, "address": 4, "type": "uint16", "unit": "", "period_ms": 2000}
    )
    box.start()

    def splits() -> int:
        return sum(event.startswith("read split") for event in box.events())

    box.wait(lambda: splits() == 2, "the events read_split")
    box.wait(lambda: (latest := box.store.latest.get("climate.humidity")) and latest.words, "a value before the hole")
    assert box.store.quality_text(box.store.latest["climate.no_such"].quality) == "illegal data address"
    box.kill_firmware()
    box.start_firmware()
    box.wait_samples(40)
    assert splits() == 2  # remembered, not learned again
    assert (box.box / "splits.txt").read_text() == "0 2 4 2\n0 2 4 4\n"
    balance = box.balance()
    assert balance.ok, report(balance)


# What a technician gets wrong: one clear line, nothing lost, no traceback.


def refused(box: VirtualBox, status: int) -> str:
    """Start the firmware, which must give up with this status; returns what it printed."""
    box.start_firmware()
    assert box.wait_exit() == status, box.said()
    assert "Traceback" not in box.said()
    return without_greeting(box.said())


def without_greeting(said: str) -> str:
    """What the firmware printed after its first line, which names the box."""
    assert said.startswith("box virtual, started by "), said
    return said.partition("\n")[2]


def test_configuration_mistakes_are_listed_and_nothing_starts(box: VirtualBox) -> None:
    unit = box.ot["buses"][0]["units"][1]
    unit["unit_id"] = 1
    unit["points"][0]["perod_ms"] = 5
    box.it["place"]["cell"] = "a/b"
    lines = refused(box, 2).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("ot.json: buses[0].units[1].points[0].perod_ms: unknown key, allowed ")
    assert lines[1].startswith("ot.json: buses[0].units[1].unit_id: found 1, allowed a value not used before")
    assert lines[2].startswith('it.json: place.cell: found "a/b", allowed ')
    assert not box.flash.exists()


def test_a_plan_that_does_not_fit_the_bus_is_refused_with_the_numbers(box: VirtualBox) -> None:
    for point in box.ot["buses"][0]["units"][0]["points"]:
        point["period_ms"] = 20
    said = refused(box, 2)
    assert said.startswith("ot.json: line1: polling needs at least ")
    assert "allowed 100.0 %" in said


def test_serial_port_that_does_not_exist(box: VirtualBox) -> None:
    assert refused(box, 3).strip() == f"RS-485 port {box.serial} does not exist"


def test_serial_port_that_is_no_serial_port(box: VirtualBox) -> None:
    box.serial.write_text("x")
    assert refused(box, 3).strip() == f"RS-485 port {box.serial} is no serial device"


def give_up_right_to_override() -> None:
    """In the child: without CAP_SYS_ADMIN even root's programs respect TIOCEXCL (ioctl_tty(2), prctl(2))."""
    pr_capbset_drop, cap_sys_admin = 24, 21
    ctypes.CDLL(None).prctl(pr_capbset_drop, cap_sys_admin, 0, 0, 0)


def test_serial_port_that_another_program_holds(box: VirtualBox) -> None:
    master, held = os.openpty()
    fcntl.ioctl(held, termios.TIOCEXCL)
    box.serial.symlink_to(os.ttyname(held))
    box.write_configuration()
    ended = subprocess.run(
        box.command(), cwd=box.box, env=box.environment(), preexec_fn=give_up_right_to_override, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(master)
    os.close(held)
    said = without_greeting(ended.stdout + ended.stderr)
    assert said.strip() == f"RS-485 port {box.serial} is in use by another program"
    assert ended.returncode == 3


def no_write_reaches_a_file() -> None:
    """In the child: every write to a file fails with EFBIG, as on a disk that is gone."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_flash_that_cannot_be_written_is_one_clear_line(box: VirtualBox) -> None:
    box.flash.write_bytes(b"\xff" * 64 * 4096)
    box.serial.symlink_to(os.ttyname(os.openpty()[1]))
    box.write_configuration()
    ended = subprocess.run(
        box.command(), cwd=box.box, env=box.environment(), preexec_fn=no_write_reaches_a_file, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    said = without_greeting(ended.stdout + ended.stderr)
    assert ended.returncode == 3 and said.startswith("flash or file system failed (errno "), said
    assert len(said.splitlines()) == 1


def test_a_mistake_of_ours_is_one_line_and_its_details_are_kept(box: VirtualBox) -> None:
    box.start_plant()
    extra = box.folder / "extra"
    shutil.copytree(build("virtual").tree, extra)
    (extra / "gateway" / "vitals.mpy").unlink()
    (extra / "gateway" / "vitals.py").write_text("1 // 0\n")
    box.write_configuration()
    environment = {**box.environment(), "MICROPYPATH": f".frozen:{extra}"}
    ended = subprocess.run(
        [*box.command()[:-1], str(extra / "main.py")], cwd=box.box, env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert ended.returncode == 5, said
    assert said.splitlines()[-1] == "internal error: ZeroDivisionError: divide by zero (details in crash.txt)"
    assert "Traceback" not in said
    assert "Traceback" in (box.box / "crash.txt").read_text()


def test_ctrl_c_ends_with_a_line(box: VirtualBox) -> None:
    box.start()
    box.wait_samples(10)
    assert box.firmware is not None
    os.kill(box.firmware.pid, signal.SIGINT)
    assert box.wait_exit() == 0
    assert "stopped by the keyboard" in box.said() and "Traceback" not in box.said()


def test_an_end_that_is_no_power_cut_loses_no_block(box: VirtualBox) -> None:
    """Ctrl-C, then a mistake of ours, while a block of 10 s waits in RAM: at most the read under way may be missing."""
    box.it["publish"]["flush_ms"] = 10000
    box.broker.stop()
    box.start_plant()
    box.start_firmware()
    served = box.folder / "plant" / "served.jsonl"

    def wait_served(count: int) -> None:
        wanted = len(served.read_text().splitlines()) + count
        box.wait(lambda: len(served.read_text().splitlines()) >= wanted, f"{count} reads")

    wait_served(30)
    assert box.firmware is not None
    os.kill(box.firmware.pid, signal.SIGINT)
    assert box.wait_exit() == 0
    box.kills_ms.append(utc_ms())
    assert box.said().splitlines()[-1] == "stopped by the keyboard; what was measured is in flash"

    extra = box.folder / "extra"
    shutil.copytree(build("virtual").tree, extra)
    (extra / "gateway" / "vitals.mpy").unlink()
    (extra / "gateway" / "vitals.py").write_text("1 // 0\n")  # the first telemetry after a connect
    sound = box.environment()
    broken = {**sound, "MICROPYPATH": f".frozen:{extra}"}
    box.firmware = Child("firmware", [*box.command()[:-1], str(extra / "main.py")], box.box, broken, box.log)
    wait_served(30)
    box.broker.start()
    box.start_consumer()
    assert box.wait_exit() == 5
    box.kills_ms.append(utc_ms())
    assert "what was measured is in flash" in box.said().splitlines()[-2], box.said()

    box.it["publish"]["flush_ms"] = 1000
    box.write_configuration()
    box.start_firmware()
    box.wait_samples(40)
    box.it["publish"]["flush_ms"] = 10000  # so much may be missing for all that the balance knows
    balance = box.balance()
    assert balance.ok, report(balance)
    print(f"REPORT: Ctrl-C and an internal error with blocks of 10 s in RAM: {balance.served} served, "
          f"{len(balance.lost_at_kill)} missing (reads under way)")  # fmt: skip
    assert len(balance.lost_at_kill) <= 2


def test_corrupt_flash_is_kept_and_never_formatted(box: VirtualBox) -> None:
    rubbish = random.Random(7).randbytes(64 * 4096)
    box.flash.write_bytes(rubbish)
    box.serial.symlink_to(os.ttyname(os.openpty()[1]))
    said = refused(box, 4)
    assert said.startswith("flash log: ") and "nothing was changed" in said
    assert len(said.splitlines()) == 1
    assert box.flash.read_bytes() == rubbish


def test_flash_file_of_another_size_is_kept(box: VirtualBox) -> None:
    box.flash.write_bytes(b"\xff" * 100)
    said = refused(box, 3)
    assert "100 bytes" in said
    assert box.flash.read_bytes() == b"\xff" * 100


def test_a_broker_that_refuses_the_login_is_named_and_the_box_goes_on(
    tmp_path: Path, mosquitto_program: str, start_broker: Callable[..., Broker]
) -> None:
    from fieldgate.broker import free_port

    port = free_port()
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n")
    # "user root": mosquitto started by root would otherwise become a user who may not read the test's folder.
    picky = subprocess.Popen(
        [mosquitto_program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        broker = start_broker()
        with VirtualBox(tmp_path / "run", broker) as box:
            box.it["mqtt"]["brokers"].insert(0, {"host": "127.0.0.1", "port": port})
            box.it["mqtt"]["user"], box.it["mqtt"]["password"] = "box", "wrong"
            box.start()
            box.wait(lambda: f"broker 127.0.0.1:{port}: refused the login: not authorised" in box.said(), "the refusal")
            box.wait_samples(20, "the second broker of the list is used")
            assert any("refused the log" in event for event in box.events())
    finally:
        picky.terminate()
        picky.wait()
