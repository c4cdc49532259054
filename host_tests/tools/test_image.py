"""Images: each is built twice to the same bytes, is accepted by esptool, and its file system can be mounted."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import image_files_fake as fake
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from fieldgate import (
    board_data,
    bundle,
    device_build,
    flash,
    image,
    image_cli,
    image_esp32,
    image_files,
    image_firmware,
    image_uf2,
)
from fieldgate.board_data import SECTOR, Board

ROOT = Path(__file__).resolve().parent.parent.parent
ON_CHIPS = [name for name in board_data.names() if name != "virtual"]
UF2_BOARDS = [name for name in ON_CHIPS if name.startswith(("RPI", "W55"))]
ESP_BOARDS = [name for name in ON_CHIPS if name not in UF2_BOARDS]
TIMEOUT_S = 300
collect_files = image.collect_files


@pytest.fixture(scope="module", autouse=True)
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the checkout as far as images are made of it, so that nothing changes between two builds."""
    root = tmp_path_factory.mktemp("checkout")
    fake.copy_boards(ROOT / "boards", root / "boards")
    for part in ("lib", "firmware", "build/device", "build/boards"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_build, "ROOT", root)
        patch.setattr(device_build, "BUILD", root / "build")
        patch.setenv("FIELDGATE_BOARDS", str(root / "boards"))
        # A tree is compiled once for all tests of this file; one test does it again from nothing.
        cached: dict[str, dict[str, bytes]] = {}

        def collect(board: Board, configuration: Path | None) -> dict[str, bytes]:
            if configuration:
                return collect_files(board, configuration)
            if board.name not in cached:
                cached[board.name] = collect_files(board, None)
            return cached[board.name]

        patch.setattr(image, "collect_files", collect)
        yield root


@pytest.fixture(scope="module")
def made(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, image.Image]:
    """An image of every board."""
    folder = tmp_path_factory.mktemp("images")
    return {name: build(folder, name) for name in ON_CHIPS}


def build(folder: Path, name: str, **options: Any) -> image.Image:
    board = board_data.read(name)
    path = folder / f"{name}-firmware"
    path.write_bytes(fake.firmware(board))
    return image.make(name, path, folder / name, unpinned=True, **options)


@pytest.mark.parametrize("name", ON_CHIPS)
def test_the_same_inputs_give_the_same_bytes(made: dict[str, image.Image], name: str, tmp_path: Path) -> None:
    again = build(tmp_path, name)
    names = sorted(path.name for path in made[name].folder.iterdir())
    assert names == sorted(["board.json", "board.py", "files.img", made[name].name, "manifest.json", "sbom.cdx.json"])
    for each in names:
        assert (again.folder / each).read_bytes() == (made[name].folder / each).read_bytes(), each


@pytest.mark.parametrize("name", ON_CHIPS)
def test_the_file_system_holds_the_boards_tree(made: dict[str, image.Image], name: str) -> None:
    board = board_data.read(name)
    files = image_files.read(board, (made[name].folder / "files.img").read_bytes())
    assert files == image.collect_files(board, None) and {"main.py", "board.py"} < set(files)
    if board.port in bundle.PORTS:
        assert not [place for place in files if place.endswith(".mpy") and place != bundle.LOADER]
        files = {**files, **bundle.unpack(files[bundle.NAME])}
    assert "gateway/app.mpy" in files
    assert not set(files) & set(image.PLAIN_TWINS)
    kinds = {"wifi": {"wifi"}, "lan": {"wifi", "wired"}, "wiznet5k": {"wired"}, "none": set()}
    shared = {place for place in ("wifi", "wired") if f"ports/{place}.mpy" in files}
    assert shared == kinds[board.settings["NET"]["kind"]], "only what the board's network needs"
    marks = {content[2] >> 2 for place, content in files.items() if place.endswith("native.mpy")}
    assert marks == {{"armv6m": 4, "armv7m": 5, "xtensawin": 10}[board.chip.architecture if board.chip else ""]}


def test_a_tree_compiled_from_nothing_is_the_same(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = board_data.read("RPI_PICO2_W")
    first = image.collect_files(board, None)
    monkeypatch.setattr(device_build, "BUILD", checkout / "again")
    (checkout / "again").mkdir()
    (checkout / "again" / "device").symlink_to(checkout / "build" / "device")
    assert collect_files(board, None) == first


@pytest.mark.parametrize("name", ["RPI_PICO_W", "ESP32_GENERIC"])
def test_micropython_mounts_the_file_system(made: dict[str, image.Image], name: str, tmp_path: Path) -> None:
    program = image_files.PROGRAM_BYTES[board_data.read(name).port]
    script = tmp_path / "mount.py"
    script.write_text(
        "import vfs, sys\n"
        "class Device:\n"
        "    def __init__(self, path):\n"
        "        self.file = open(path, 'rb')\n"
        "        self.count = self.file.seek(0, 2) // 4096\n"
        "    def readblocks(self, block, buf, offset=0):\n"
        "        self.file.seek(block * 4096 + offset)\n"
        "        self.file.readinto(buf)\n"
        "    def writeblocks(self, block, buf, offset=0):\n"
        "        raise OSError(30)\n"
        "    def ioctl(self, operation, value):\n"
        "        return {4: self.count, 5: 4096}.get(operation, 0)\n"
        f"vfs.mount(vfs.VfsLfs2(Device(sys.argv[1]), progsize={program}), '/chip')\n"
        "import os\n"
        "print(len(os.listdir('/chip')), open('/chip/main.py').read(3), os.statvfs('/chip')[2])\n"
    )
    files = made[name].folder / "files.img"
    runtime = Path(sys.prefix) / "bin" / "micropython"
    done = subprocess.run([runtime, script, files], capture_output=True, text=True, timeout=60, check=False)
    names = {place.split("/")[0] for place in image_files.read(board_data.read(name), files.read_bytes())}
    assert done.stdout == f'{len(names)} """ {files.stat().st_size // SECTOR}\n', done.stdout + done.stderr


@pytest.mark.parametrize("name", ESP_BOARDS)
def test_esptool_accepts_the_merged_image_and_the_table_has_a_place_for_the_log(
    made: dict[str, image.Image], name: str, tmp_path: Path
) -> None:
    board = board_data.read(name)
    chip = board.chip
    assert chip is not None
    whole = made[name].path.read_bytes()
    firmware = fake.esp_firmware(board)
    assert whole[chip.bootloader_at : 0x8000] == firmware[: 0x8000 - chip.bootloader_at]
    assert (
        whole[0x9000 : 0x9000 + len(firmware) - 0x8000 + chip.bootloader_at - 0x1000]
        == (firmware[0x9000 - chip.bootloader_at :])
    )
    layout = board.flash
    files_end = layout["files_at"] + layout["files_bytes"]
    assert whole[layout["files_at"] : files_end] == (made[name].folder / "files.img").read_bytes()
    assert len(whole) == files_end <= layout["log_at"], "the log's region is not in the file"
    rows = image_esp32.read_table(whole[0x8000:0x9000])
    assert [(row[4], row[2], row[3]) for row in rows] == [
        ("nvs", 0x9000, 0x6000),
        ("phy_init", 0xF000, 0x1000),
        ("factory", 0x10000, 0x1F0000),
        ("vfs", layout["files_at"], layout["files_bytes"]),
        ("fglog", layout["log_at"], layout["log_bytes"]),
    ]
    for at in (chip.bootloader_at, fake.APP_AT):
        part = tmp_path / f"{at:x}.bin"
        part.write_bytes(whole[at : at + 0x7000])
        command = [sys.executable, "-m", "esptool", "--chip", chip.name, "image-info", str(part)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "(valid)" in done.stdout and "invalid" not in done.stdout, done.stdout


@pytest.mark.parametrize("name", UF2_BOARDS)
def test_the_uf2_puts_both_parts_where_they_belong(made: dict[str, image.Image], name: str) -> None:
    board = board_data.read(name)
    path = made[name].path
    blocks = image_firmware.uf2_blocks(path, path.read_bytes())
    own = [each for each in blocks if each[0] != image_firmware.ABSOLUTE_FAMILY]
    assert board.chip is not None and {each[0] for each in own} == {board.chip.uf2_family}
    chip = image_uf2.flash_of(board, blocks)
    files = (made[name].folder / "files.img").read_bytes()
    at = board.flash["files_at"]
    assert chip[at : at + len(files)] == files
    first = image_firmware.uf2_blocks(path, fake.uf2_firmware(board))
    assert chip[:at] == image_uf2.flash_of(board, first)[:at]
    content = path.read_bytes()
    skipped = len(blocks) - len(own)
    assert skipped == (1 if board.chip.name == "rp2350" else 0)
    heads = [struct.unpack_from("<5xxxxxxx2I", content, 512 * i + 8) for i in range(skipped, len(blocks))]
    numbers = [struct.unpack_from("<2I", content, 512 * i + 20) for i in range(skipped, len(blocks))]
    assert numbers == [(i, len(own)) for i in range(len(own))] and len(heads) == len(own)
    sectors = {each[1] // SECTOR for each in own if each[1] >= 0x10000000 + at}
    pages = sum(1 for each in own if each[1] >= 0x10000000 + at)
    assert pages == 16 * len(sectors), "the boot drive erases whole sectors"


def test_the_papers_name_what_is_inside(made: dict[str, image.Image]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    for name, each in made.items():
        papers = json.loads((each.folder / "manifest.json").read_text())
        image_hash = papers["products"][each.name]["sha256"]
        assert image_hash == image.image_papers.sha256(each.path.read_bytes())
        assert papers["board"] == name and papers["micropython"]["pinned"] is False
        assert len(papers["files"]) == each.files
        text = (each.folder / "sbom.cdx.json").read_text()
        assert validator.validate_str(text) is None
        parts = {part["name"]: part for part in json.loads(text)["components"]}
        assert set(parts) == {"micropython", "micropython-umqtt.simple", "micropython-modbus"}
        assert str(ROOT) not in text + json.dumps(papers)


def test_an_image_can_be_flashed_where_no_checkout_is(made: dict[str, image.Image]) -> None:
    for name, each in made.items():
        board = flash.find_board(name, each.folder)
        assert board.folder == each.folder and board.name == name
        assert flash.load(board, each.folder).path == each.path


def test_a_configuration_goes_in_whole_or_not_at_all(tmp_path: Path) -> None:
    halves = tmp_path / "halves"
    halves.mkdir()
    shutil.copy(ROOT / "boards" / "virtual" / "ot.json", halves)
    with pytest.raises(image_files.ImageError, match=r"it\.json: No such file or directory: both halves are needed"):
        build(tmp_path, "RPI_PICO", configuration=halves)
    (halves / "it.json").write_text("{")
    with pytest.raises(image_files.ImageError, match=r"it\.json: this is no JSON"):
        build(tmp_path, "RPI_PICO", configuration=halves)
    shutil.copy(ROOT / "boards" / "virtual" / "it.json", halves)
    made = build(tmp_path, "RPI_PICO", configuration=halves)
    files = image_files.read(board_data.read("RPI_PICO"), (made.folder / "files.img").read_bytes())
    assert files["ot.json"] == (halves / "ot.json").read_bytes()


# Mistakes: one line each, and nothing is replaced.


def failure(tmp_path: Path, name: str, content: bytes | None, **options: Any) -> str:
    path = tmp_path / "downloaded"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(image.MISTAKES) as caught:
        image.make(name, path, tmp_path / "out", **({"unpinned": True} | options))
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.new"))
    return str(caught.value)


def test_a_wrong_firmware_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    pico, wifi = board_data.read("RPI_PICO"), board_data.read("RPI_PICO_W")
    esp32, s3 = board_data.read("ESP32_GENERIC"), board_data.read("ESP32_GENERIC_S3")
    good = fake.uf2_firmware(wifi)
    for name, content, line in (
        ("RPI_PICO_W", None, r"No such file or directory: download RPI_PICO_W-\*-v1\.28\.0\.uf2 from https://"),
        ("RPI_PICO_W", b"", "this is no UF2 file: its size is no multiple of 512"),
        ("RPI_PICO_W", good[:700], "this is no UF2 file: its size is no multiple of 512"),
        ("RPI_PICO_W", good[:512] + bytes(512), "it is damaged at byte 512: download it again"),
        ("RPI_PICO_W", fake.esp_firmware(esp32)[: 512 * 160], "this is no UF2 file"),
        ("RPI_PICO_W", fake.uf2_firmware(wifi, family=0xE48BFF59), "it is for the chip family 0xe48bff59"),
        ("RPI_PICO_W", fake.uf2_firmware(pico), "MicroPython for 'Raspberry Pi Pico with RP2040', the board needs"),
        ("RPI_PICO_W", fake.uf2_firmware(wifi, version="1.27.0"), r"MicroPython v1\.27\.0, board\.json has 1\.28\.0"),
        ("RPI_PICO_W", fake.uf2_firmware(wifi, pages=4801), "it ends at 0x12c100, in the file system at 0x12c000"),
        ("ESP32_GENERIC", fake.uf2_firmware(wifi, pages=200), "this is a UF2 file: ESP32_GENERIC-"),
        ("ESP32_GENERIC", fake.esp_firmware(s3), "it is for the chip with id 9, the esp32 has id 0"),
        ("ESP32_GENERIC", fake.esp_firmware(esp32) + bytes(0x200000), "reach into the file system at 0x200000"),
        ("ESP32_GENERIC", fake.esp_firmware(esp32, rows=b"\xff" * 64), "no partition table with an application"),
        (
            "ESP32_GENERIC",
            fake.esp_firmware(esp32, rows=image_esp32.entry(0, 0, 0x10000, 0x200000, "factory")),
            "MicroPython's partitions end at 0x210000, the file system of ESP32_GENERIC begins at 0x200000",
        ),
    ):
        assert re.search(line, failure(tmp_path, name, content)), line
        (tmp_path / "downloaded").unlink(missing_ok=True)
    with pytest.raises(image.MISTAKES, match=r"no MicroPython image was named: download .* give it as FIRMWARE=file"):
        image.make("RPI_PICO_W", None)
    assert "virtual is no chip" in failure(tmp_path, "virtual", good)


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    content = bytearray(fake.esp_firmware(board_data.read("ESP32_GENERIC")))
    content[0x7000 + 8] ^= 1
    assert "does not match its MD5" in failure(tmp_path, "ESP32_GENERIC", bytes(content))


@pytest.fixture
def own_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of boards/ that tests may change."""
    monkeypatch.setenv("FIELDGATE_BOARDS", str(fake.copy_boards(ROOT / "boards", tmp_path / "boards")))
    return tmp_path / "boards"


def test_a_pinned_hash_lets_that_file_through_and_no_other(own_boards: Path, tmp_path: Path) -> None:
    board = board_data.read("RPI_PICO_W")
    good = fake.uf2_firmware(board)
    line = failure(tmp_path, "RPI_PICO_W", good, unpinned=False)
    assert "pins no SHA-256: compare" in line and "fieldgate firmware pin RPI_PICO_W" in line
    image_cli.pin("RPI_PICO_W", tmp_path / "downloaded")
    assert image.make("RPI_PICO_W", tmp_path / "downloaded", tmp_path / "fine").path.is_file()
    other = fake.uf2_firmware(board, pages=41)
    line = failure(tmp_path, "RPI_PICO_W", other, unpinned=False)
    assert re.search(r"SHA-256 is \w+, board\.json pins \w+: refused; download it again, or pin it on purpose", line)
    assert "refused" in failure(tmp_path, "RPI_PICO_W", other, unpinned=True), "a pin counts whatever is asked"


def test_a_full_file_system_and_one_without_room_for_the_log_are_told_apart() -> None:
    board = board_data.read("RPI_PICO_W")
    small = Board(
        board.name, board.folder, board.settings, board.facts | {"flash": board.flash | {"files_bytes": 65536}}
    )
    with pytest.raises(image_files.ImageError, match=r"is full at b: 80,000 bytes in 2 files do not fit into 65,536"):
        image_files.build(small, {"a": bytes(40000), "b": bytes(40000)})
    with pytest.raises(image_files.ImageError, match=r"\d+ blocks of 4096 bytes are left, .* need \d+: lower pinned"):
        image_files.build(small, {"a": bytes(4000)})


def test_what_is_no_file_system_is_refused_and_not_formatted() -> None:
    with pytest.raises(image_files.ImageError, match="the file system cannot be read"):
        image_files.read(board_data.read("RPI_PICO_W"), b"\xff" * 65536)


def test_a_full_disk_leaves_the_image_before(
    tmp_path: Path, made: dict[str, image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(made["RPI_PICO"].folder, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "firmware").write_bytes(fake.firmware(board_data.read("RPI_PICO")))

    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(image.image_papers, "write", full)
    with pytest.raises(image_files.ImageError, match="No space left on device: nothing was replaced"):
        image.make("RPI_PICO", tmp_path / "firmware", folder, unpinned=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not folder.with_name("out.new").exists()
