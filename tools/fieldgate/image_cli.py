"""The commands `fieldgate image` and `fieldgate firmware`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from fieldgate import board_data, image, image_firmware
from fieldgate.places import shown

app = typer.Typer(no_args_is_help=True, help="Check and pin downloaded MicroPython images.")


def give_up(command: str, error: Exception | str) -> NoReturn:
    typer.echo(f"fieldgate {command}: {error}", err=True)
    raise typer.Exit(1)


def build_image(
    board: Annotated[str, typer.Argument(help="a folder of boards/")],
    firmware: Annotated[Path | None, typer.Option(help="MicroPython's image as downloaded (.bin or .uf2)")] = None,
    config: Annotated[Path | None, typer.Option(help="folder with ot.json and it.json to put into the image")] = None,
    output: Annotated[Path | None, typer.Option(help="folder to write; default build/images/<board>")] = None,
    unpinned: Annotated[
        bool, typer.Option(help="take an image that board.json pins no hash of (to try things)")
    ] = False,
    any_version: Annotated[bool, typer.Option(help="take another version than board.json names")] = False,
) -> None:
    """Build the image of a board: MicroPython, Fieldgate, partition table or UF2, manifest, bill of materials."""
    try:
        made = image.make(board, firmware, output, config, unpinned, any_version)
    except image.MISTAKES as error:
        give_up("image", error)
    place = shown(made.path)
    typer.echo(f"{place}: {made.path.stat().st_size:,} bytes, {made.files} files with {made.files_bytes:,} bytes")
    typer.echo(f"file system: {made.free_blocks} blocks of {board_data.SECTOR} bytes free before the first start")
    if config:
        typer.echo("the image holds the configuration with its passwords: keep it as you would keep those")


@app.command()
def show(
    board: Annotated[str, typer.Argument(help="a folder of boards/")],
    file: Annotated[Path, typer.Argument(help="MicroPython's image as downloaded")],
) -> None:
    """Say what a downloaded image is, and whether it is the pinned one."""
    try:
        read = image_firmware.read(board_data.read(board), file, any_version=True)
        pinned = board_data.read(board).firmware["sha256"]
    except image.MISTAKES as error:
        give_up("firmware", error)
    typer.echo(f"{file}: MicroPython {read.version} for {read.name}")
    typer.echo(f"SHA-256 {read.sha256}: {'pinned' if pinned == read.sha256 else 'not the pinned one'}")


@app.command()
def pin(
    board: Annotated[str, typer.Argument(help="a folder of boards/")],
    file: Annotated[Path, typer.Argument(help="MicroPython's image, whose hash you have compared with its source")],
    any_version: Annotated[bool, typer.Option(help="take another version than board.json names")] = False,
) -> None:
    """Write the SHA-256 of an image into board.json: from then on this file only is taken."""
    try:
        data = board_data.read(board)
        read = image_firmware.read(data, file, any_version)
    except image.MISTAKES as error:
        give_up("firmware", error)
    path = data.folder / "board.json"
    text, count = re.subn(r'("sha256": )(?:null|"[0-9a-f]*")', rf'\g<1>"{read.sha256}"', path.read_text())
    if count != 1:
        give_up("firmware", f"{path}: firmware.sha256 was not found")
    if any_version:
        text = re.sub(r'("version": )"[^"]*"', rf'\g<1>"{read.version.removeprefix("v")}"', text)
    json.loads(text)
    path.write_text(text)
    typer.echo(f"boards/{board}/board.json pins {read.sha256} (MicroPython {read.version} for {read.name})")
