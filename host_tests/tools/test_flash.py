"""Flashing: real esptool against a mock ESP32 on a pseudo-terminal, boot drives as folders, and each way to fail."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import image_files_fake as fake
import pytest
import serial

from fieldgate import (
    board_data,
    flash,
    flash_cli,
    flash_port,
    image_esp32,
    image_files,
    image_firmware,
    image_papers,
    image_uf2,
)
from fieldgate.flash import FlashError
from fieldgate.flash_port import PortError

TIMEOUT_S = 240
FILES = {"main.py": b"print('here')\n", "gateway/app.mpy": bytes(range(256)) * 20}


class MockChip:
    """A chip in its loader at a pseudo-terminal, in a process of its own."""

    def __init__(self, folder: Path, chip: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).parent / "esp32-mock-bootloader"
        self.said = folder / "mock.log"
        with self.said.open("w") as log:
            self.process = subprocess.Popen(
                [str(program), "run", "--chip", chip, "--pty"],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(os.environ, ESP32_MOCK_BOOTLOADER_STATE_DIR=str(folder), PYTHONUNBUFFERED="1"),
            )
        deadline = time.monotonic() + 30
        while not self.said.read_text().startswith("/dev/"):
            assert time.monotonic() < deadline and self.process.poll() is None, self.said.read_text()
            time.sleep(0.05)
        self.port = self.said.read_text().split()[0]

    def read(self, at: int, size_bytes: int, folder: Path) -> bytes:
        target = folder / "read.bin"
        command = flash.esptool(self.port, "--after", "no-reset", "read-flash", hex(at), hex(size_bytes), str(target))
        status, lines = flash.run_esptool(command, lambda _: None)
        assert status == 0, lines
        return target.read_bytes()

    def pull_the_cable(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def plug_in(tmp_path: Path) -> Iterator[Callable[[str], MockChip]]:
    """`plug_in(chip)` gives a MockChip; all are ended after the test."""
    chips: list[MockChip] = []

    def start(chip: str) -> MockChip:
        chips.append(MockChip(tmp_path / f"mock{len(chips)}", chip))
        return chips[-1]

    yield start
    for each in chips:
        if each.process.poll() is None:
            each.pull_the_cable()


def write_image(folder: Path, name: str) -> Path:
    """The folder of an image with FILES only."""
    board = board_data.read(name)
    files = image_files.build(board, FILES)
    if board.chip and board.chip.uf2_family:
        firmware = fake.uf2_firmware(board)
        blocks = image_firmware.uf2_blocks(folder, firmware)
        product, content = "box.uf2", image_uf2.join(board, firmware, blocks, files)
    else:
        product, content = "box.bin", image_esp32.merge(board, fake.esp_firmware(board), files)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / product).write_bytes(content)
    entry = {"sha256": image_papers.sha256(content), "bytes": len(content)}
    papers = {"board": name, "fieldgate": "0.1.0", "products": {product: entry}}
    (folder / "manifest.json").write_text(json.dumps(papers))
    return folder


@pytest.fixture(scope="module")
def esp_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("esp"), "ESP32_GENERIC")


@pytest.fixture(scope="module")
def uf2_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("uf2"), "RPI_PICO_W")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fieldgate", "flash", *arguments]
    environment = dict(os.environ, PYTHONPATH=str(board_data.ROOT / "tools"), NO_COLOR="1")
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_an_image_is_written_compared_and_can_be_read_back(
    plug_in: Callable[[str], MockChip], esp_image: Path, tmp_path: Path
) -> None:
    chip = plug_in("esp32")
    done = run("ESP32_GENERIC", "--port", chip.port, "--image", str(esp_image), "--wait-s", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"esp32, writing box\.bin\n(?:   *\d+ %\n)+written and compared with the image\n", done.stdout)
    whole = (esp_image / "box.bin").read_bytes()
    board = board_data.read("ESP32_GENERIC")
    files = chip.read(board.flash["files_at"], board.flash["files_bytes"], tmp_path)
    assert image_files.read(board, files) == FILES
    assert chip.read(0x8000, 0x1000, tmp_path) == whole[0x8000:0x9000]


def test_a_wrong_chip_is_refused_and_stays_blank(
    plug_in: Callable[[str], MockChip], esp_image: Path, tmp_path: Path
) -> None:
    chip = plug_in("esp32s3")
    done = run("ESP32_GENERIC", "--port", chip.port, "--image", str(esp_image), "--wait-s", "0")
    assert done.returncode == 1
    line = rf"fieldgate flash: {chip.port}: the chip there is an esp32s3, ESP32_GENERIC has an esp32: nothing was .*\n"
    assert re.fullmatch(line, done.stderr), done.stderr
    assert chip.read(0, 0x1000, tmp_path) == b"\xff" * 0x1000


def test_an_s3_is_written_too(plug_in: Callable[[str], MockChip], tmp_path: Path) -> None:
    chip = plug_in("esp32s3")
    folder = write_image(tmp_path / "s3", "ESP32_GENERIC_S3")
    done = run("ESP32_GENERIC_S3", "--port", chip.port, "--image", str(folder), "--wait-s", "0", "--erase")
    assert done.returncode == 0, done.stdout + done.stderr
    assert chip.read(0, 0x1000, tmp_path) == (folder / "box.bin").read_bytes()[:0x1000]


def test_a_pulled_cable_says_how_far_it_came_and_the_same_command_mends_it(
    plug_in: Callable[[str], MockChip], esp_image: Path, tmp_path: Path
) -> None:
    chip = plug_in("esp32")
    ready = flash.load(board_data.read("ESP32_GENERIC"), esp_image)

    def pull_at_first_progress(text: str) -> None:
        if text.endswith("%"):
            chip.pull_the_cable()

    with pytest.raises(FlashError, match=r"writing stopped at \d+ %: .*give the same command again") as caught:
        flash.write_esp(ready, chip.port, False, 115200, pull_at_first_progress)
    assert "\n" not in str(caught.value)
    other = plug_in("esp32")
    said: list[str] = []
    flash.write_esp(ready, other.port, False, 460800, said.append)
    assert said[-1] == "written and compared with the image"


def test_ports_that_cannot_be_used(esp_image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash_port, "found_ports", lambda: "")
    with pytest.raises(PortError, match="^no port was named: no board is plugged in: give PORT= or --port$"):
        flash_port.check(None)
    with pytest.raises(PortError, match="^/dev/ttyUSB77: there is no such port: plug the box in$"):
        flash_port.check("/dev/ttyUSB77")
    monkeypatch.setattr(flash_port, "found_ports", lambda: "COM3 (CP2102)")
    with pytest.raises(PortError, match=r"^no port was named: found COM3 \(CP2102\): give PORT= or --port$"):
        flash_port.check(None)
    with pytest.raises(PortError, match="cannot be used as a serial port"):
        flash_port.check(str(esp_image / "manifest.json"))
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    with serial.Serial(name, exclusive=True), pytest.raises(PortError, match="another program has it open: close"):
        flash_port.check(name)
    os.close(master)
    os.close(slave)
    for text, line in (
        ("could not open port 'COM3': FileNotFoundError(2, 'x', None, 2)", "there is no such port"),
        ("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)", "another program has it"),
        ("[Errno 13] could not open port /dev/ttyUSB0: [Errno 13] Permission denied: '/dev/ttyUSB0'", "not permitted"),
    ):
        assert line in flash_port.explain("COM3", serial.SerialException(text))


def test_a_port_where_no_chip_answers(esp_image: Path) -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        with pytest.raises(FlashError, match="no Espressif chip answered: hold BOOT, press and release RESET"):
            flash.connected_chip(os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)


def test_images_that_are_not_what_they_should_be(esp_image: Path, tmp_path: Path) -> None:
    board = board_data.read("ESP32_GENERIC")
    with pytest.raises(FlashError, match="no image is there: make image BOARD=ESP32_GENERIC FIRMWARE=file"):
        flash.load(board, tmp_path)
    with pytest.raises(FlashError, match="the image is for ESP32_GENERIC, not for T_CAN485"):
        flash.load(board_data.read("T_CAN485"), esp_image)
    for name in ("manifest.json", "box.bin"):
        (tmp_path / name).write_bytes((esp_image / name).read_bytes())
    with (tmp_path / "box.bin").open("r+b") as file:
        file.write(b"x")
    with pytest.raises(FlashError, match=r"it is not the file that its manifest\.json names"):
        flash.load(board, tmp_path)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("ESP32-D0WDQ6 (revision v1.0)", "esp32"),
        ("ESP32", "esp32"),
        ("ESP32-S3", "esp32s3"),
        ("ESP32-S3 (QFN56) (revision v0.2)", "esp32s3"),
        ("ESP32-PICO-D4", "esp32"),
        ("ESP32-C6", "esp32c6"),
        ("ESP8266EX", "esp8266ex"),
    ],
)
def test_names_of_chips(said: str, name: str) -> None:
    assert flash.plain_name(said) == name


# Boot drives.


def make_drive(folder: Path, model: str = "RPI-RP2") -> Path:
    folder.mkdir(parents=True)
    (folder / flash.DRIVE_INFO).write_text(f"UF2 Bootloader v3.0\nModel: Raspberry Pi\nBoard-ID: {model}\n")
    return folder


def test_a_uf2_is_copied_and_the_drive_going_away_is_the_end(uf2_image: Path, tmp_path: Path) -> None:
    drive = make_drive(tmp_path / "drive")
    size = (uf2_image / "box.uf2").stat().st_size

    def board() -> None:
        copy = drive / "box.uf2"
        while not copy.exists() or copy.stat().st_size < size:
            time.sleep(0.01)
        (drive / flash.DRIVE_INFO).unlink()

    thread = threading.Thread(target=board)
    thread.start()
    done = run("RPI_PICO_W", "--image", str(uf2_image), "--drive", str(drive))
    thread.join()
    assert done.returncode == 0, done.stderr
    assert "RPI-RP2, copying box.uf2" in done.stdout and "  100 %" in done.stdout
    assert "written: the board took every block and has restarted" in done.stdout
    assert (drive / "box.uf2").read_bytes() == (uf2_image / "box.uf2").read_bytes()


def test_drives_that_cannot_be_used(uf2_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = flash.load(board_data.read("RPI_PICO_W"), uf2_image)
    other = make_drive(tmp_path / "rp2350", "RP2350")
    with pytest.raises(FlashError, match="the board there is RP2350, RPI_PICO_W shows itself as RPI-RP2: nothing was"):
        flash.write_uf2(ready, other, print)
    assert [path.name for path in other.iterdir()] == [flash.DRIVE_INFO]
    with pytest.raises(
        FlashError, match=r"is no boot drive \(it has no INFO_UF2\.TXT\): unplug the board, hold BOOTSEL"
    ):
        flash.find_drive(tmp_path, 0)
    monkeypatch.setattr(flash, "drive_places", lambda: [])
    with pytest.raises(FlashError, match="^no boot drive was found: unplug the board, hold BOOTSEL, plug it in"):
        flash.find_drive(None, 0)
    first = make_drive(tmp_path / "rp2040")
    monkeypatch.setattr(flash, "drive_places", lambda: [other, first])
    with pytest.raises(FlashError, match="several boot drives are there .*: name one with DRIVE= or --drive"):
        flash.find_drive(None, 0)
    (first / "box.uf2").symlink_to("/dev/full")
    with pytest.raises(
        FlashError, match=r"copying stopped at \d+ %: No space left on device; the boot drive is in ROM"
    ):
        flash.write_uf2(ready, first, lambda _: None)
    (first / "box.uf2").unlink()
    with pytest.raises(FlashError, match="the board did not restart: it has not taken every block"):
        flash.write_uf2(ready, first, lambda _: None, wait_s=0.2)


# The first line.


def console(text: bytes) -> tuple[str, Callable[[], None]]:
    """A pseudo-terminal that prints `text` again and again, as opening a port drops what came before; its end."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    over = threading.Event()

    def speak() -> None:
        for _ in range(3000 // max(1, len(text)) if text else 0):  # what a pseudo-terminal holds that nobody reads
            for at in range(0, len(text), 7):
                os.write(master, text[at : at + 7])
                over.wait(0.01)
            if over.wait(0.02):
                break

    thread = threading.Thread(target=speak)
    thread.start()

    def close() -> None:
        over.set()
        thread.join()
        os.close(master)
        os.close(slave)

    return name, close


def test_the_first_line_gives_the_boxs_id() -> None:
    boot = b"rst:0x1 (POWERON_RESET)\r\nentry 0x400805e4\r\nbox 24d7eb0f1234, started by power\r\nfieldgate 0.1.0\r\n"
    name, close = console(boot)
    assert flash_port.wait_for_box(name, 20) == ("24d7eb0f1234", "power")
    close()


@pytest.mark.parametrize(("text", "said"), [(b"", "it said nothing"), (b"panic!\r\n", 'its last line was "panic!"')])
def test_a_box_that_does_not_start_is_told(text: bytes, said: str) -> None:
    name, close = console(text)
    with pytest.raises(PortError, match=f"did not start within 1 s: {re.escape(said)}; press its reset button"):
        flash_port.wait_for_box(name, 1)
    close()


def test_the_firmware_prints_the_line_that_is_waited_for() -> None:
    source = (board_data.ROOT / "firmware" / "wiring.py").read_text()
    form = re.search(r'print\("(box [^"]+)" %', source)
    assert form and flash_port.FIRST_LINE.match(form.group(1) % ("24d7eb0f1234", "power"))


def test_flashing_loads_nothing_that_only_linux_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows there is no fcntl, pty or termios: the modules for the cable must not need them."""
    code = (
        "import sys, serial.tools.list_ports, typer\n"
        "for name in ('fcntl', 'pty', 'tty', 'resource'): sys.modules[name] = None\n"
        "import fieldgate.flash_cli, fieldgate.image_files\n"
    )
    environment: dict[str, Any] = dict(os.environ, PYTHONPATH=str(board_data.ROOT / "tools"))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert flash_cli.START_S > 0
