"""Builds what a factory writes in one go: MicroPython and Fieldgate for one board, with papers.

Promises: the same inputs give the same bytes; nothing is compiled from C; the folder build/images/<board>/ appears
whole or not at all. It holds the image (ESP32: merged .bin; RP2: .uf2), files.img (the file system alone),
manifest.json, sbom.cdx.json, and a copy of board.py and board.json, so that `fieldgate flash` needs no checkout. A
mistake is one line and status 1.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from fieldgate import (
    board_data,
    bundle,
    device_build,
    image_esp32,
    image_files,
    image_firmware,
    image_papers,
    image_uf2,
)
from fieldgate.board_data import Board, BoardError
from fieldgate.image_files import ImageError
from fieldgate.image_firmware import Firmware, FirmwareError

# What goes wrong with a line for the user; everything else is a mistake of ours.
MISTAKES = (ImageError, FirmwareError, BoardError, device_build.BuildError)
# Stands in for machine code where there is none; every chip's image has it.
PLAIN_TWINS = ("modbus/plain.mpy", "flashlog/plain.mpy")
HALVES = ("ot.json", "it.json")


@dataclass(frozen=True)
class Image:
    """What `make` wrote."""

    folder: Path
    name: str
    files: int
    files_bytes: int
    free_blocks: int

    @property
    def path(self) -> Path:
        return self.folder / self.name


def images_folder() -> Path:
    return device_build.BUILD / "images"


def collect_files(board: Board, configuration: Path | None) -> dict[str, bytes]:
    """Every file of the box by its place. Raises BuildError, ImageError."""
    built = device_build.build(board.name)
    files = {place: (built.tree / place).read_bytes() for place in built.sizes_bytes if place not in PLAIN_TWINS}
    files = bundle.bundled(board.port, files)
    for name in HALVES if configuration else ():
        assert configuration is not None
        try:
            content = (configuration / name).read_bytes()
            json.loads(content)
        except OSError as error:
            raise ImageError(f"{configuration / name}: {error.strerror}: both halves are needed") from None
        except ValueError as error:
            raise ImageError(f"{configuration / name}: this is no JSON: {error}") from None
        files[name] = content
    return files


def assemble(board: Board, firmware: Firmware, files_image: bytes) -> tuple[str, bytes]:
    """(file name, content) of the image. Raises ImageError."""
    name = f"fieldgate-{image_papers.fieldgate_version()}-{board.name}"
    assert board.chip is not None
    if board.chip.uf2_family:
        blocks = image_firmware.uf2_blocks(firmware.path, firmware.data)
        return name + ".uf2", image_uf2.join(board, firmware.data, blocks, files_image)
    return name + ".bin", image_esp32.merge(board, firmware.data, files_image)


def make(
    name: str,
    firmware_path: Path | None,
    output: Path | None = None,
    configuration: Path | None = None,
    unpinned: bool = False,
    any_version: bool = False,
) -> Image:
    """Build the image of board `name`. Raises one of MISTAKES."""
    board = board_data.read(name)
    if board.chip is None:
        raise ImageError(f"{name} is no chip: it needs no image, `make demo` runs it")
    mistakes = board_data.problems(board)
    if mistakes:
        raise ImageError(f"boards/{name}: {mistakes[0]}")
    firmware = image_firmware.read(board, firmware_path, any_version)
    image_firmware.check_pin(board, firmware, unpinned)
    files = collect_files(board, configuration)
    files_image = image_files.build(board, files)
    image_name, image = assemble(board, firmware, files_image)
    products = {image_name: image, "files.img": files_image}
    copies = {name: (board.folder / name).read_bytes() for name in ("board.py", "board.json")}
    folder = output or images_folder() / name
    fresh = folder.with_name(folder.name + ".new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for product, content in (products | copies).items():
            (fresh / product).write_bytes(content)
        pinned = board.firmware["sha256"] is not None
        image_papers.write(fresh, "manifest.json", image_papers.manifest(board, firmware, pinned, files, products))
        papers = image_papers.bill_of_materials(board, firmware, image_name, image_papers.sha256(image))
        image_papers.write(fresh, "sbom.cdx.json", papers)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise ImageError(
            f"{folder}: {error.strerror}: nothing was replaced; make room or choose another folder"
        ) from None
    used = image_files.mounted(board.port, len(files_image), files_image).used_block_count
    free = len(files_image) // board_data.SECTOR - used
    return Image(folder, image_name, len(files), sum(map(len, files.values())), free)
