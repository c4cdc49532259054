"""Reads and checks a board folder: board.py (what the firmware reads) and board.json (what images and flashing need).

Promises: `read(name)` gives a Board or raises BoardError with one line; `problems(board)` gives one line per mistake:
pins that the chip lacks, a pin used twice, a UART that is not possible there, a flash region outside of the chip, a
wrong UF2 family. No MicroPython and no checkout beyond the folder `boards/` is needed. board.py is data: it is read as
literals, never run.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldgate.chips import CHIPS, RMII_PINS, Chip
from fieldgate.places import ROOT

SECTOR = 4096
SPI_PINS = ("sck", "mosi", "miso", "cs")
SPI_NOR_PROGRAM = 16  # ports.spi_nor
NAMES = ("PORT", "RS485", "FLASH", "NET", "LED", "WATCHDOG_MS")
NET_KINDS = {"rp2": ("wifi", "wiznet5k", "none"), "esp32": ("wifi", "lan"), "linux": ("host",)}
LAN_PINS = ("mdc", "mdio", "power", "reset", "ref_clk")
LOG_SECTORS_LEAST = 8


class BoardError(Exception):
    """A board folder cannot be read; the text is one line."""


@dataclass(frozen=True)
class Board:
    """One board. `settings` are the names of board.py, `facts` is board.json."""

    name: str
    folder: Path
    settings: dict[str, Any]
    facts: dict[str, Any]

    @property
    def port(self) -> str:
        return str(self.settings["PORT"])

    @property
    def chip(self) -> Chip | None:
        """None for the virtual board."""
        return CHIPS.get(str(self.facts.get("chip")))

    @property
    def flash(self) -> dict[str, int]:
        """Places and sizes in bytes: bytes, files_at, files_bytes, and where the log has a region log_at, log_bytes."""
        return dict(self.facts["flash"])

    @property
    def firmware(self) -> dict[str, Any]:
        return dict(self.facts["firmware"])


def boards_folder() -> Path:
    """The folder with all boards: FIELDGATE_BOARDS, else `boards/` of the checkout or of the current folder."""
    named = os.environ.get("FIELDGATE_BOARDS")
    for place in (Path(named),) if named else (ROOT / "boards", Path("boards")):
        if place.is_dir():
            return place
    raise BoardError("no folder boards/ here: run this in a checkout of Fieldgate, or set FIELDGATE_BOARDS")


def names() -> list[str]:
    return sorted(path.parent.name for path in boards_folder().glob("*/board.py"))


def read(name: str) -> Board:
    """The board of that name. Raises BoardError."""
    known = names()
    if name not in known:
        raise BoardError(f"{name!r} is not a board; boards are {', '.join(known)}")
    return read_folder(boards_folder() / name)


def read_folder(folder: Path, name: str = "") -> Board:
    """The board whose board.py and board.json lie in `folder`; it is called as the folder, or `name`."""
    settings: dict[str, Any] = {}
    where = f"boards/{folder.name}"
    try:
        tree = ast.parse((folder / "board.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                settings[node.targets[0].id] = ast.literal_eval(node.value)
    except (OSError, SyntaxError, ValueError) as error:
        raise BoardError(f"{where}/board.py: {error} (it may hold literals only)") from None
    missing = [each for each in NAMES if each not in settings]
    if missing:
        raise BoardError(f"{where}/board.py: {missing[0]} is missing")
    try:
        facts = json.loads((folder / "board.json").read_text())
    except (OSError, ValueError) as error:
        raise BoardError(f"{where}/board.json: {error}") from None
    if not isinstance(facts, dict) or "chip" not in facts:
        raise BoardError(f"{where}/board.json: chip is missing")
    return Board(name or folder.name, folder, settings, facts)


def problems(board: Board) -> list[str]:
    """One line per mistake in the folder."""
    if board.port == "linux":
        return []
    if board.chip is None:
        return [f"board.json: chip is {board.facts['chip']!r}, allowed are {', '.join(sorted(CHIPS))}"]
    found = list(port_problems(board, board.chip))
    found += pin_problems(board, board.chip)
    found += flash_problems(board, board.chip)
    found += firmware_problems(board, board.chip)
    return found


def port_problems(board: Board, chip: Chip) -> Iterator[str]:
    if board.port != chip.port:
        yield f"board.py: PORT is {board.port!r}, the {chip.name} runs {chip.port!r}"
    kind = board.settings["NET"].get("kind")
    if kind not in NET_KINDS.get(board.port, ()):
        yield f"board.py: NET kind is {kind!r}, allowed are {', '.join(NET_KINDS.get(board.port, ()))}"
    wait_ms = board.settings["WATCHDOG_MS"]
    if not 1000 <= wait_ms <= chip.watchdog_ms:
        yield f"board.py: WATCHDOG_MS is {wait_ms}, the {chip.name} allows 1000..{chip.watchdog_ms}"
    if not 1 <= len(board.settings["RS485"]) <= 2:
        yield f"board.py: RS485 has {len(board.settings['RS485'])} entries, allowed are 1 or 2"


def used_pins(board: Board) -> Iterator[tuple[str, int, bool]]:
    """(what for, pin, whether it is driven) of every pin that board.py names."""
    for number, wiring in enumerate(board.settings["RS485"]):
        yield f"RS485[{number}].tx", wiring["tx"], True
        yield f"RS485[{number}].rx", wiring["rx"], False
        if wiring.get("de") is not None:
            yield f"RS485[{number}].de", wiring["de"], True
        for pin in wiring.get("high", ()):
            yield f"RS485[{number}].high", pin, True
    if isinstance(board.settings["LED"]["pin"], int):
        yield "LED", board.settings["LED"]["pin"], True
    if "spi_nor" in board.settings["FLASH"]:
        for name in SPI_PINS:
            yield f"FLASH.spi_nor.{name}", board.settings["FLASH"]["spi_nor"][name], name != "miso"
    for name in LAN_PINS:
        if isinstance(board.settings["NET"].get(name), int):
            driven = name != "ref_clk" or board.settings["NET"].get("ref_clk_mode") == "out"
            yield f"NET.{name}", board.settings["NET"][name], driven


def pin_problems(board: Board, chip: Chip) -> Iterator[str]:
    taken = {int(pin): why for pin, why in board.facts.get("taken", {}).items()} | chip.reserved
    if chip.name == "esp32" and board.settings["NET"]["kind"] == "lan":
        taken |= RMII_PINS
    seen: dict[int, str] = {}
    for what, pin, driven in used_pins(board):
        if pin not in chip.pins:
            yield f"board.py: {what} is GPIO {pin}, which the {chip.name} has not"
            continue
        if pin in taken:
            yield f"board.py: {what} is GPIO {pin}, taken by {taken[pin]}"
        if pin in seen:
            yield f"board.py: {what} is GPIO {pin}, taken by {seen[pin]}"
        if driven and pin in chip.input_only:
            yield f"board.py: {what} is GPIO {pin}, which is an input only"
        if driven and pin in chip.strapping and str(pin) not in board.facts.get("strapping_is_fine", {}):
            yield (
                f"board.py: {what} is GPIO {pin}: {chip.strapping[pin]}; say in board.json, strapping_is_fine, "
                "why it does no harm here"
            )
        seen[pin] = what
    yield from uart_problems(board, chip)


def uart_problems(board: Board, chip: Chip) -> Iterator[str]:
    seen: set[int] = set()
    for number, wiring in enumerate(board.settings["RS485"]):
        uart = wiring["uart"]
        if uart not in chip.uarts:
            yield f"board.py: RS485[{number}] is UART {uart}, the {chip.name} has {', '.join(map(str, chip.uarts))}"
            continue
        if uart == chip.console_uart:
            yield f"board.py: RS485[{number}] is UART {uart}, which the console uses"
        if uart in seen:
            yield f"board.py: RS485[{number}] is UART {uart}, used already"
        seen.add(uart)
        for name in ("tx", "rx"):
            if not chip.uart_pin(uart, wiring[name], name == "tx"):
                yield f"board.py: RS485[{number}].{name}: GPIO {wiring[name]} cannot be {name.upper()} of UART {uart}"


def flash_problems(board: Board, chip: Chip) -> Iterator[str]:
    flash, log = board.flash, board.settings["FLASH"]
    end = flash["files_at"] + flash["files_bytes"]
    for name in ("files_at", "files_bytes", "log_at", "log_bytes"):
        if flash.get(name, 0) % SECTOR:
            yield f"board.json: flash.{name} is no multiple of {SECTOR}"
    if not 0 < flash["files_at"] < end <= flash["bytes"]:
        yield f"board.json: the file system ends at {end:#x}, the chip at {flash['bytes']:#x}"
    name, unit = ("SPI flash", SPI_NOR_PROGRAM) if "spi_nor" in log else (chip.name, chip.program)
    if log["program_bytes"] != unit:
        yield f"board.py: FLASH.program_bytes is {log['program_bytes']}, the {name} has {unit}"
    if log["sectors"] < LOG_SECTORS_LEAST:
        yield f"board.py: FLASH.sectors is {log['sectors']}, at least {LOG_SECTORS_LEAST} are needed"
    if "spi_nor" in log:
        return  # a chip of its own; the driver asks for its size
    if "partition" in log:
        if flash.get("log_bytes") != log["sectors"] * SECTOR:
            yield f"board.py: FLASH.sectors is {log['sectors']}, board.json has {flash.get('log_bytes', 0) // SECTOR}"
        if not end <= flash.get("log_at", 0) <= flash["bytes"] - log["sectors"] * SECTOR:
            yield "board.json: the log's region does not lie between the file system and the end of the chip"
    elif "pinned_files" in log:
        if log["sectors"] != log["pinned_files"]:
            yield f"board.py: FLASH has {log['sectors']} sectors but {log['pinned_files']} pinned files"
        if 2 * log["pinned_files"] * SECTOR > flash["files_bytes"]:
            yield "board.py: the log's pinned files would take more than half of the file system"
    else:
        yield "board.py: FLASH names neither partition, pinned_files nor spi_nor"


def firmware_problems(board: Board, chip: Chip) -> Iterator[str]:
    firmware = board.firmware
    for name in ("board", "version", "file", "source", "banner", "sha256"):
        if name not in firmware:
            yield f"board.json: firmware.{name} is missing"
    sha256 = firmware.get("sha256")
    if sha256 is not None and (len(sha256) != 64 or set(sha256) - set("0123456789abcdef")):
        yield "board.json: firmware.sha256 is not 64 hex digits (null until somebody has pinned a file)"
    family = board.facts.get("uf2_family")
    if (int(family, 16) if family else None) != chip.uf2_family:
        yield f"board.json: uf2_family is {family}, the {chip.name} has {chip.uf2_family and hex(chip.uf2_family)}"
    if "bench" not in board.facts:
        yield 'board.json: bench is missing ("not verified", or who verified it when)'
