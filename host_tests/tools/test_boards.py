"""Every board folder: what board.py and board.json say is possible on that chip; each rule is shown to fail."""

from __future__ import annotations

import copy
import json
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fieldgate import board_data, device_build
from fieldgate.board_data import Board

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = board_data.names()
ON_CHIPS = [name for name in NAMES if name != "virtual"]


def test_the_boards_that_were_promised_are_there() -> None:
    assert set(NAMES) >= {
        "ESP32_GENERIC", "WT32_ETH01", "T_CAN485", "ESP32_GENERIC_S3", "RPI_PICO_W", "W5500_EVB_PICO", "RPI_PICO2_W",
        "virtual",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_folder_is_right(name: str) -> None:
    board = board_data.read(name)
    assert board_data.problems(board) == []
    page = (board.folder / "README.md").read_text()
    assert name == "virtual" or re.search(r"ot verified on\sa\sbench", page) or board.facts["bench"] != "not verified"


@pytest.mark.parametrize("name", ON_CHIPS)
def test_the_wiring_page_names_the_pins_or_the_page_that_does(name: str) -> None:
    page = (ROOT / "boards" / name / "README.md").read_text()
    linked = re.search(r"[Ww]ired as \[(\w+)\]", page)
    if linked:
        page += (ROOT / "boards" / linked.group(1) / "README.md").read_text()
    for wiring in board_data.read(name).settings["RS485"]:
        for pin in (wiring["tx"], wiring["rx"], wiring.get("de")):
            assert pin is None or re.search(rf"\b(?:GPIO|GP|IO|)0*{pin}\b", page), pin


@pytest.mark.parametrize("name", ON_CHIPS)
def test_the_manifest_freezes_what_the_build_compiles(name: str) -> None:
    frozen = run_manifest(ROOT / "boards" / name / "manifest.py")
    built = device_build.list_sources(device_build.read_board(name))
    wanted = {source.path.resolve() for source in built if source.path.suffix == ".py" and source.place != "boot.py"}
    assert {path for path in frozen if path.is_relative_to(ROOT)} == wanted


def run_manifest(path: Path) -> set[Path]:
    """The files that a manifest names, by stand-ins for the few words of MicroPython's manifests that ours use."""
    found: set[Path] = set()

    def include(name: str, **options: Any) -> None:
        if not name.startswith("$"):
            execute((path.parent / name).resolve(), options)

    def execute(file: Path, options: dict[str, Any]) -> None:
        def package(name: str, files: tuple[str, ...] = (), base_path: str = ".", opt: int = 0) -> None:
            folder = (file.parent / base_path / name).resolve()
            found.update([folder / each for each in files] if files else folder.glob("**/*.py"))

        def module(name: str, base_path: str = ".", opt: int = 0) -> None:
            found.add((file.parent / base_path / name).resolve())

        words = {"include": include, "package": package, "module": module}
        values = types.SimpleNamespace(defaults=lambda **_: None, **options)
        exec(compile(file.read_text(), str(file), "exec"), {**words, "options": values})

    execute(path, {})
    assert all(each.is_file() for each in found), [each for each in found if not each.is_file()]
    return found


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def put(where: str, key: Any, value: Any) -> Change:
    """A change of one value; `where` is "RS485", "FLASH", "json", "flash"..."""

    def change(settings: dict[str, Any], facts: dict[str, Any]) -> None:
        if where == "RS485":
            settings["RS485"][0][key] = value
        elif where in settings:
            settings[where][key] = value
        elif where == "py":
            settings[key] = value
        else:
            (facts if where == "json" else facts[where])[key] = value

    return change


SPI_NOR = {
    "spi_nor": {"spi": 0, "sck": 1, "mosi": 19, "miso": 16, "cs": 17, "baud": 20_000_000},
    "sectors": 4096,
    "program_bytes": 16,
}
MUTANTS: list[tuple[str, Change, str]] = [
    ("ESP32_GENERIC", put("RS485", "tx", 24), "RS485[0].tx is GPIO 24, which the esp32 has not"),
    ("ESP32_GENERIC", put("RS485", "tx", 35), "RS485[0].tx is GPIO 35, which is an input only"),
    ("ESP32_GENERIC", put("RS485", "de", 9), "RS485[0].de is GPIO 9, taken by the flash chip"),
    ("ESP32_GENERIC", put("RS485", "de", 16), "RS485[0].de is GPIO 16, taken by RS485[0].rx"),
    ("ESP32_GENERIC", put("RS485", "de", 12), "RS485[0].de is GPIO 12: selects the flash voltage"),
    ("ESP32_GENERIC", put("RS485", "uart", 0), "RS485[0] is UART 0, which the console uses"),
    ("ESP32_GENERIC", put("RS485", "uart", 3), "RS485[0] is UART 3, the esp32 has 0, 1, 2"),
    ("ESP32_GENERIC", put("FLASH", "sectors", 353), "FLASH.sectors is 353, board.json has 352"),
    ("ESP32_GENERIC", put("flash", "log_at", 0x2B0000), "the log's region does not lie between"),
    ("ESP32_GENERIC", put("json", "uf2_family", "0xe48bff56"), "uf2_family is 0xe48bff56, the esp32 has None"),
    ("ESP32_GENERIC", put("firmware", "sha256", "unknown"), "firmware.sha256 is not 64 hex digits"),
    ("WT32_ETH01", put("RS485", "tx", 21), "RS485[0].tx is GPIO 21, taken by Ethernet (RMII)"),
    ("ESP32_GENERIC_S3", put("RS485", "rx", 22), "RS485[0].rx is GPIO 22, which the esp32s3 has not"),
    ("ESP32_GENERIC_S3", put("RS485", "rx", 20), "RS485[0].rx is GPIO 20, taken by USB D+"),
    ("RPI_PICO_W", put("RS485", "tx", 2), "RS485[0].tx: GPIO 2 cannot be TX of UART 0"),
    ("RPI_PICO_W", put("RS485", "uart", 1), "RS485[1] is UART 1, used already"),
    ("RPI_PICO_W", put("RS485", "de", 23), "RS485[0].de is GPIO 23, taken by the Wi-Fi chip (power)"),
    ("RPI_PICO_W", put("flash", "files_bytes", 852 * 1024), "the file system ends at 0x201000, the chip at 0x200000"),
    ("RPI_PICO_W", put("FLASH", "program_bytes", 16), "FLASH.program_bytes is 16, the rp2040 has 256"),
    ("RPI_PICO_W", put("FLASH", "sectors", 7), "FLASH.sectors is 7, at least 8 are needed"),
    ("RPI_PICO_W", put("FLASH", "pinned_files", 65), "32 sectors but 65 pinned files"),
    ("RPI_PICO_W", put("py", "FLASH", SPI_NOR | {"program_bytes": 256}), "program_bytes is 256, the SPI flash has 16"),
    ("RPI_PICO_W", put("py", "FLASH", SPI_NOR), "FLASH.spi_nor.sck is GPIO 1, taken by RS485[0].rx"),
    ("RPI_PICO_W", put("py", "WATCHDOG_MS", 9000), "WATCHDOG_MS is 9000, the rp2040 allows 1000..8388"),
    ("RPI_PICO_W", put("py", "PORT", "esp32"), "PORT is 'esp32', the rp2040 runs 'rp2'"),
    ("RPI_PICO_W", put("NET", "kind", "lan"), "NET kind is 'lan', allowed are wifi, wiznet5k, none"),
    ("RPI_PICO_W", put("json", "uf2_family", "0xe48bff59"), "uf2_family is 0xe48bff59, the rp2040 has 0xe48bff56"),
    ("RPI_PICO2_W", put("RS485", "tx", 8), "RS485[0].tx: GPIO 8 cannot be TX of UART 0"),
    ("W5500_EVB_PICO", put("RS485", "de", 17), "RS485[0].de is GPIO 17, taken by the W5500 (Ethernet)"),
    ("W5500_EVB_PICO", put("json", "chip", "rp2041"), "chip is 'rp2041', allowed are esp32, esp32s3, rp2040, rp2350"),
]


@pytest.mark.parametrize(("name", "change", "line"), MUTANTS, ids=[f"{m[0]}-{i}" for i, m in enumerate(MUTANTS)])
def test_each_mistake_is_found(name: str, change: Change, line: str) -> None:
    board = board_data.read(name)
    settings, facts = copy.deepcopy(board.settings), copy.deepcopy(board.facts)
    change(settings, facts)
    found = board_data.problems(Board(name, board.folder, settings, facts))
    assert any(line in problem for problem in found), found


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGATE_BOARDS", str(tmp_path))
    folder = tmp_path / "X"
    folder.mkdir()
    good = (ROOT / "boards" / "RPI_PICO" / "board.py").read_text()
    for python, facts, line in (
        ("PORT = print()", "{}", r"boards/X/board\.py: .*\(it may hold literals only\)"),
        ('PORT = "rp2"', "{}", r"boards/X/board\.py: RS485 is missing"),
        (good, "{", r"boards/X/board\.json: "),
        (good, json.dumps({}), r"boards/X/board\.json: chip is missing"),
    ):
        (folder / "board.py").write_text(python)
        (folder / "board.json").write_text(facts)
        with pytest.raises(board_data.BoardError, match=line) as caught:
            board_data.read("X")
        assert "\n" not in str(caught.value)
    with pytest.raises(board_data.BoardError, match="'Y' is not a board; boards are X"):
        board_data.read("Y")
