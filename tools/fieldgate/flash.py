"""Writes an image onto a board over the cable: chips of Espressif with esptool, RP2 boards by their boot drive.

Promises: nothing is written before the image was compared with its manifest and the chip (or drive) was found to be the
board's; what was written is compared with the image (esptool: MD5 of the flash; boot drive: the drive goes away only
when the chip has taken every block); an interrupted write says how to go on. No part of a build is needed: it works
where Fieldgate was installed with pip and somebody handed over the folder of an image.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import string
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldgate import board_data
from fieldgate.board_data import Board
from fieldgate.flash_port import PortError
from fieldgate.places import BUILD

BAUD = 460800
DRIVE_INFO = "INFO_UF2.TXT"
DRIVE_MODELS = {"rp2040": "RPI-RP2", "rp2350": "RP2350"}
DRIVE_WAIT_S = 30.0
COPY_BYTES = 64 * 1024
Say = Callable[[str], None]


class FlashError(Exception):
    """Its text is the one line that the user sees."""


MISTAKES = (FlashError, PortError, board_data.BoardError)


@dataclass(frozen=True)
class Ready:
    """An image that was compared with its manifest."""

    board: Board
    path: Path
    manifest: dict[str, Any]


def find_board(name: str, place: Path | None) -> Board:
    """The board of the checkout, or the copy that lies in the folder of an image. Raises BoardError."""
    if place and (place / "board.json").is_file():
        return board_data.read_folder(place, name)
    return board_data.read(name)


def load(board: Board, place: Path | None) -> Ready:
    """The image in a folder that `fieldgate image` wrote, or that file in it. Raises FlashError."""
    place = place or BUILD / "images" / board.name
    folder = place.parent if place.is_file() else place
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        raise FlashError(f"{folder}: no image is there: make image BOARD={board.name} FIRMWARE=file") from None
    if manifest["board"] != board.name:
        raise FlashError(f"{folder}: the image is for {manifest['board']}, not for {board.name}")
    name = next(each for each in manifest["products"] if each.endswith((".bin", ".uf2")))
    path = folder / name
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FlashError(f"{path}: {error.strerror}") from None
    if found != manifest["products"][name]["sha256"]:
        raise FlashError(f"{path}: it is not the file that its manifest.json names: build or copy the image again")
    return Ready(board, path, manifest)


# Chips of Espressif.


def esptool(port: str, *arguments: str, chip: str = "auto", baud: int = 115200) -> list[str]:
    command = [sys.executable, "-m", "esptool", "--chip", chip, "--port", port, "--baud", str(baud)]
    return [*command, *arguments]


def run_esptool(command: list[str], seen: Callable[[str], None]) -> tuple[int, list[str]]:
    """Run esptool; `seen` gets what it prints piece by piece (its progress has no line ends). (status, lines)."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1", NO_COLOR="1", COLUMNS="200", ESPTOOL_CFGFILE="")
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        pending = b""
        while piece := os.read(process.stdout.fileno(), 4096):
            pending += piece
            *whole, pending = re.split(rb"[\r\n]+", pending)
            for part in whole:
                text = part.decode(errors="replace").strip()
                if text:
                    lines.append(text)
                    seen(text)
        status = process.wait()
    if pending.strip():
        lines.append(pending.decode(errors="replace").strip())
    return status, lines


def plain_name(text: str) -> str:
    """esptool's name of a chip as board.json has it: "ESP32-S3 (QFN56) (revision v0.2)" -> esp32s3."""
    found = re.match(r"ESP32(?:-((?:[SCP]\d+|[HE]\d+)))?(?![\w])", text)
    if found:
        return "esp32" + (found.group(1) or "").lower()
    return "esp32" if text.startswith("ESP32-") else text.split()[0].lower()  # ESP32-D0WDQ6, ESP32-PICO-D4


def connected_chip(port: str) -> tuple[str, int]:
    """(name, flash size in bytes or 0 when not told) of the chip at `port`. Raises FlashError."""
    command = esptool(port, "--after", "no-reset", "--connect-attempts", "3", "flash-id")
    _, lines = run_esptool(command, lambda _: None)
    text = "\n".join(lines)
    # esptool says "Detecting chip type... ESP32-S3" and then "Chip type: ESP32-S3 (QFN56) (revision v0.2)".
    named = re.search(r"Detecting chip type\.+ *(ESP\S+)", text) or re.search(r"Connected to (ESP\S+) on", text)
    named = named or re.search(r"Chip type: +(ESP\S+)", text)
    if not named:
        raise FlashError(
            f"{port}: no Espressif chip answered: hold BOOT, press and release RESET, release BOOT, and try again "
            f"({last_words(lines)})"
        )
    size = re.search(r"Detected flash size: (\d+)(MB|KB)", text)
    size_bytes = int(size.group(1)) * (1 << 20 if size.group(2) == "MB" else 1 << 10) if size else 0
    return plain_name(named.group(1)), size_bytes


def last_words(lines: list[str]) -> str:
    """What esptool complained of, as part of a line."""
    fatal = [line for line in lines if "error" in line.lower()] or lines[-1:] or ["esptool said nothing"]
    return fatal[-1][:160]


def write_esp(ready: Ready, port: str, erase: bool, baud: int, say: Say) -> None:
    """Write and compare. Raises FlashError."""
    chip = ready.board.chip
    assert chip is not None
    found, size_bytes = connected_chip(port)
    if found != chip.name:
        raise FlashError(
            f"{port}: the chip there is an {found}, {ready.board.name} has an {chip.name}: nothing was written; "
            "plug the right board in or name this one's folder of boards/"
        )
    if 0 < size_bytes < ready.board.flash["bytes"]:
        raise FlashError(
            f"{port}: its flash has {size_bytes:,} bytes, {ready.board.name} needs {ready.board.flash['bytes']:,}: "
            "nothing was written; take a board with more"
        )
    say(f"{port}: {found}, writing {ready.path.name}")
    if erase:
        say("erasing the whole flash, with log and configuration")
        status, lines = run_esptool(esptool(port, "--after", "no-reset", "erase-flash", chip=chip.name), lambda _: None)
        if status != 0:
            raise FlashError(f"{port}: the flash could not be erased: {last_words(lines)}")
    progress = Progress(say)
    command = esptool(port, "--after", "hard-reset", "write-flash", "0x0", str(ready.path), chip=chip.name, baud=baud)
    status, lines = run_esptool(command, progress.esptool_line)
    verified = any("Hash of data verified" in line for line in lines)
    if status != 0 or not verified:
        raise FlashError(
            f"{port}: writing stopped at {progress.percent} %: {last_words(lines)}; the chip's own loader is never "
            "harmed: check cable and supply and give the same command again"
        )
    say("written and compared with the image")


class Progress:
    """Turns what esptool or a copy tells into one line per 10 %."""

    def __init__(self, say: Say) -> None:
        self.percent = 0
        self._say = say
        self._told = -1

    def reach(self, percent: float) -> None:
        self.percent = int(percent)
        if self.percent // 10 > self._told:
            self._told = self.percent // 10
            self._say(f"  {self._told * 10:3} %")

    def esptool_line(self, text: str) -> None:
        found = re.search(r"(\d+(?:\.\d+)?) ?%", text)
        if found and "Writing at" in text:
            self.reach(float(found.group(1)))


# RP2 boards.


def drive_places() -> list[Path]:
    """Where systems mount USB drives."""
    if sys.platform == "win32":
        return [Path(f"{letter}:/") for letter in string.ascii_uppercase[3:]]
    roots = [Path("/Volumes")] if sys.platform == "darwin" else [Path("/media"), Path("/run/media"), Path("/mnt")]
    return [place for root in roots for pattern in ("*", "*/*") for place in root.glob(pattern)]


def drive_model(place: Path) -> str:
    """What a boot drive calls its board ("RPI-RP2"), or "" when it is none."""
    try:
        text = (place / DRIVE_INFO).read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(r"^Board-ID: *(\S+)", text, flags=re.MULTILINE)
    return found.group(1) if found else "?"


def find_drive(named: Path | None, seconds: float) -> Path:
    """The boot drive, waited for. Raises FlashError."""
    deadline = time.monotonic() + seconds
    while True:
        drives = [place for place in ([named] if named else drive_places()) if drive_model(place)]
        if len(drives) == 1:
            return drives[0]
        if len(drives) > 1:
            raise FlashError(
                f"several boot drives are there ({', '.join(map(str, drives))}): name one with DRIVE= or --drive"
            )
        if time.monotonic() >= deadline:
            where = f"{named} is no boot drive (it has no {DRIVE_INFO})" if named else "no boot drive was found"
            raise FlashError(
                f"{where}: unplug the board, hold BOOTSEL, plug it in, release BOOTSEL; where drives are not mounted "
                "by themselves, mount it and name it with DRIVE= or --drive"
            )
        time.sleep(0.25)


def enter_bootloader(port: str, say: Say) -> None:
    """Ask a running MicroPython to become a boot drive; failing that the user does it by hand."""
    say(f"{port}: asking MicroPython for its boot drive")
    command = [sys.executable, "-m", "mpremote", "connect", port, "resume", "bootloader"]
    try:
        subprocess.run(command, capture_output=True, timeout=15, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        say("no answer: hold BOOTSEL while you plug the board in")


def write_uf2(ready: Ready, drive: Path, say: Say, wait_s: float = DRIVE_WAIT_S) -> None:
    """Copy the image onto the boot drive and wait until the chip has taken it. Raises FlashError."""
    chip = ready.board.chip
    assert chip is not None
    model, wanted = drive_model(drive), DRIVE_MODELS[chip.name]
    if model != wanted:
        raise FlashError(
            f"{drive}: the board there is {model}, {ready.board.name} shows itself as {wanted}: nothing was written; "
            "plug the right board in or name this one's folder of boards/"
        )
    content = ready.path.read_bytes()
    say(f"{drive}: {model}, copying {ready.path.name}")
    progress = Progress(say)
    done = 0
    try:
        with (drive / ready.path.name).open("wb") as file:
            while done < len(content):
                done += file.write(content[done : done + COPY_BYTES])
                file.flush()
                os.fsync(file.fileno())
                progress.reach(100 * done / len(content))
    except OSError as error:
        # The board restarts as soon as it has the last block, often before the system has closed the file.
        if drive_model(drive) or done < len(content) - 2 * COPY_BYTES:
            raise FlashError(
                f"{drive}: copying stopped at {progress.percent} %: {error.strerror}; the boot drive is in ROM and "
                "always comes back: hold BOOTSEL while you plug the board in and give the same command again"
            ) from None
    deadline = time.monotonic() + wait_s
    while drive_model(drive):
        if time.monotonic() >= deadline:
            raise FlashError(
                f"{drive}: everything was copied but the board did not restart: it has not taken every block; give the "
                "same command again"
            )
        time.sleep(0.1)
    say("written: the board took every block and has restarted")
