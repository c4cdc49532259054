"""Every device file compiles for RP2040 and ESP32, machine code included; the trees hold what the sources say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fieldgate import build_cli, device_build
from fieldgate.device_build import ROOT, Board, Source, compile_file

CHIPS = (Board("RPI_PICO_W", "rp2", "armv6m"), Board("ESP32_GENERIC", "esp32", "xtensawin"))
VIPER = """
import micropython

@micropython.viper
def add(a: int, b: int) -> int:
    return a + b

@micropython.native
def twice(x):
    return x + x
"""


def device_files(port: str) -> list[Path]:
    folders = ("lib", "firmware/gateway", f"firmware/ports/{port}")
    found = [path for folder in folders for path in sorted((ROOT / folder).glob("**/*.py"))]
    return found + sorted((ROOT / "firmware").glob("*.py")) + [ROOT / "firmware" / "ports" / "__init__.py"]


@pytest.mark.parametrize("board", CHIPS, ids=lambda board: board.architecture)
def test_every_device_file_compiles(board: Board, tmp_path: Path) -> None:
    paths = device_files(board.port)
    machine_code = 0
    for number, path in enumerate(paths):
        target = tmp_path / f"{number}.mpy"
        compile_file(Source(path.name, path, True), board, target)
        machine_code += device_build.has_machine_code(path.read_text())
    print(f"REPORT: {len(paths)} device files compile for {board.architecture}, {machine_code} with machine code")
    assert machine_code > 0, "no file with machine code was compiled"


@pytest.mark.parametrize("board", CHIPS, ids=lambda board: board.architecture)
def test_machine_code_really_needs_the_architecture(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_build, "ROOT", tmp_path)
    source = tmp_path / "code.py"
    source.write_text(VIPER)
    target = tmp_path / "code.mpy"
    compile_file(Source("code.py", source, True), board, target)
    # Byte 2 of a .mpy file holds the architecture in its bits 2 and up, 0 for none (MicroPython docs, mpyfiles).
    assert target.read_bytes()[2] >> 2 != 0
    with pytest.raises(device_build.BuildError, match="for this host"):
        compile_file(Source("code.py", source, True), Board("none", board.port, None), target)


def test_a_file_with_a_mistake_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_build, "ROOT", tmp_path)
    source = tmp_path / "wrong.py"
    source.write_text("def f(:\n    pass\n")
    with pytest.raises(device_build.BuildError, match="wrong.py for armv6m: .*SyntaxError"):
        compile_file(Source("wrong.py", source, True), CHIPS[0], tmp_path / "wrong.mpy")


def make_project(root: Path) -> None:
    """A small project with one board of each port."""
    for name, port in (("virtual", "linux"), ("pico", "rp2")):
        (root / "boards" / name).mkdir(parents=True)
        (root / "boards" / name / "board.py").write_text(f'"""Board."""\nPORT = "{port}"\n')
        (root / "firmware" / "ports" / port).mkdir(parents=True)
        (root / "firmware" / "ports" / port / "flash.py").write_text("sectors = 1\n")
    for place in ("lib/modbus/__init__.py", "lib/modbus/crc.py", "firmware/gateway/__init__.py"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text("x = 1\n")
    for place in (
        "firmware/ports/__init__.py",
        "firmware/ports/stdio.py",
        "firmware/ports/prompt.py",
        "firmware/boot.py",
        "firmware/main.py",
        "firmware/wiring.py",
        "firmware/bundle.py",
    ):
        (root / place).write_text("x = 1\n")
    for package, files in device_build.DEVICE_PACKAGES.items():
        (root / "build" / "device" / package).mkdir(parents=True)
        for file in files:
            (root / "build" / "device" / package / file).write_text("x = 1\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_project(tmp_path)
    monkeypatch.setattr(device_build, "ROOT", tmp_path)
    monkeypatch.setattr(device_build, "BUILD", tmp_path / "build")
    return tmp_path


def test_a_tree_holds_its_own_port_only_and_nothing_stale(project: Path) -> None:
    built = device_build.build("pico")
    assert set(built.sizes_bytes) == {
        "board.py", "boot.py", "main.py", "gateway/__init__.mpy", "modbus/__init__.mpy", "modbus/crc.mpy",
        "ports/__init__.mpy", "ports/prompt.mpy", "ports/stdio.mpy", "ports/rp2/flash.mpy", "wiring.mpy", "bundle.mpy",
        "umqtt/simple.mpy",
        "umodbus/__init__.mpy", "umodbus/version.mpy", "umodbus/const.mpy", "umodbus/typing.mpy",
        "umodbus/functions.mpy",
    }  # fmt: skip
    assert built.compiled == len(built.sizes_bytes)
    (project / "lib" / "modbus" / "crc.py").unlink()
    (project / "lib" / "modbus" / "adu.py").write_text("x = 2\n")
    again = device_build.build("pico")
    assert again.compiled == 1
    assert (again.tree / "modbus" / "adu.mpy").is_file() and not (again.tree / "modbus" / "crc.mpy").exists()


def test_an_unchanged_project_is_not_compiled_again(project: Path) -> None:
    assert device_build.build("virtual").compiled > 0
    assert device_build.build("virtual").compiled == 0
    (project / "build" / "boards" / "virtual" / "modbus" / "crc.mpy").unlink()
    assert device_build.build("virtual").compiled == 1


def test_profiles_come_without_spaces_and_nothing_else_of_their_folder(project: Path) -> None:
    folder = project / "firmware" / "profiles"
    folder.mkdir()
    (folder / "meter.json").write_text('{"format": 1,\n "unit": "°C"}\n')
    (folder / "frames.jsonl").write_text("{}\n")
    (folder / "FORMAT.md").write_text("# x\n")
    built = device_build.build("pico")
    assert [place for place in built.sizes_bytes if place.startswith("profiles")] == ["profiles/meter.json"]
    assert (built.tree / "profiles" / "meter.json").read_text() == '{"format":1,"unit":"°C"}'
    (folder / "meter.json").write_text("{")
    with pytest.raises(device_build.BuildError, match="firmware/profiles/meter.json: this is no JSON"):
        device_build.build("pico")


def test_what_is_missing_is_named(project: Path) -> None:
    with pytest.raises(device_build.BuildError, match="'none' is not a board; boards are pico, virtual"):
        device_build.build("none")
    (project / "firmware" / "main.py").unlink()
    with pytest.raises(device_build.BuildError, match="board pico: firmware/main.py is missing"):
        device_build.build("pico")
    (project / "boards" / "pico" / "board.py").write_text('PORT = "z80"\n')
    with pytest.raises(device_build.BuildError, match="PORT is 'z80', allowed are esp32, linux, rp2"):
        device_build.build("pico")


def test_a_full_disk_is_one_line_and_the_next_build_mends_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        path.write_bytes(text[:9].encode())  # as much as there was room for
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(device_build.BuildError, match="build: No space left on device: the build stopped"):
            device_build.build("pico")
    assert (project / "build" / "boards" / "pico.texts.json").stat().st_size == 9
    assert device_build.build("pico").compiled > 0


def test_budgets_catch_growth_and_strangers() -> None:
    assert build_cli.over_budget({"a.mpy": 10}, {"a.mpy": 10}) == []
    assert build_cli.over_budget({"a.mpy": 11, "b.mpy": 1}, {"a.mpy": 10, "c.mpy": 1}) == [
        "a.mpy: 11 bytes, budget 10",
        "b.mpy: no budget",
        "c.mpy: has a budget but does not exist",
    ]
