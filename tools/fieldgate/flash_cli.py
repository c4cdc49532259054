"""The commands `fieldgate flash|deploy|repl|backup|restore`: from an image to a running box, and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from fieldgate import board_data, deploy, flash, flash_port

START_S = 30.0
BoardName = Annotated[str, typer.Argument(help="a folder of boards/")]
Port = Annotated[str | None, typer.Option(help="serial port: /dev/ttyUSB0, /dev/cu.usbserial-1, COM3")]


def say(text: str) -> None:
    typer.echo(text)


def give_up(command: str, error: Exception) -> NoReturn:
    typer.echo(f"fieldgate {command}: {error}", err=True)
    raise typer.Exit(1)


def flash_board(
    board: BoardName,
    port: Port = None,
    image: Annotated[Path | None, typer.Option(help="folder of the image; default build/images/<board>")] = None,
    drive: Annotated[Path | None, typer.Option(help="boot drive of an RP2 board, where it is mounted")] = None,
    erase: Annotated[bool, typer.Option(help="erase the whole flash first, log included (ESP32)")] = False,
    baud: Annotated[int, typer.Option(help="speed of writing (ESP32)")] = flash.BAUD,
    wait_s: Annotated[float, typer.Option(help="how long to wait for the box's first line; 0: not at all")] = START_S,
) -> None:
    """Write an image onto a board, compare it, and wait for the box's first line."""
    try:
        ready = flash.load(flash.find_board(board, image), image)
        if ready.board.chip and ready.board.chip.uf2_family:
            if port and not drive and not any(map(flash.drive_model, flash.drive_places())):
                flash.enter_bootloader(flash_port.check(port), say)
            flash.write_uf2(ready, flash.find_drive(drive, 20 if port else 2), say)
        else:
            port = flash_port.check(port)
            flash.write_esp(ready, port, erase, baud, say)
        if not port or wait_s <= 0:
            say("not waited for its first line: look with fieldgate repl --port NAME")
            return
        box, cause = flash_port.wait_for_box(port, wait_s)
    except flash.MISTAKES as error:
        give_up("flash", error)
    say(f"box {box} runs fieldgate {ready.manifest['fieldgate']} (started by {cause})")


def code_of(board: board_data.Board, image: Path | None) -> dict[str, bytes]:
    """The files to deploy: those of an image, or of a fresh build of the checkout."""
    if image:
        from fieldgate import image_files

        flash.load(board, image)
        files = image_files.read(board, ((image if image.is_dir() else image.parent) / "files.img").read_bytes())
        return {name: content for name, content in files.items() if not name.endswith(".json")}
    from fieldgate import bundle, device_build

    built = device_build.build(board.name)
    return bundle.bundled(board.port, {place: (built.tree / place).read_bytes() for place in built.sizes_bytes})


def connect(board: board_data.Board | None, port: str | None, root: str) -> deploy.Box:
    """The box with its program stopped."""
    port = flash_port.check(port)
    deploy.stop_program(port, bool(board and board.port == "esp32"), say)
    return deploy.Box(port, root)


def start_again(box: deploy.Box, wait_s: float) -> None:
    if wait_s <= 0:
        return
    try:
        box.call("reset")
    except deploy.DeployError:
        pass  # a USB port goes away while mpremote says goodbye
    name, _ = flash_port.wait_for_box(box.port, wait_s)
    say(f"box {name} has started")


Root = Annotated[str, typer.Option(hidden=True)]
WaitS = Annotated[float, typer.Option(help="how long to wait for the box's first line; 0: do not restart it")]


def deploy_code(
    board: BoardName,
    port: Port = None,
    image: Annotated[Path | None, typer.Option(help="folder of an image; default: a build of this checkout")] = None,
    wait_s: WaitS = START_S,
    root: Root = "",
) -> None:
    """Update the code on a box: only files that changed are copied; configuration and log stay."""
    try:
        data = flash.find_board(board, image)
        files = code_of(data, image)
        box = connect(data, port, root)
        copied, removed = deploy.deploy(data, box, files, say)
        say(f"{copied} files copied, {removed} removed, {len(files) - copied} were up to date")
        start_again(box, wait_s)
    except (*deploy.MISTAKES, *flash.MISTAKES) as error:
        give_up("deploy", error)
    except Exception as error:
        if type(error).__name__ not in ("BuildError", "ImageError"):
            raise
        give_up("deploy", error)


def repl(port: Port = None) -> None:
    """Talk to the box: its console, or MicroPython's prompt where no program runs. Ctrl-] or Ctrl-x ends it."""
    try:
        port = flash_port.check(port)
    except flash_port.PortError as error:
        give_up("repl", error)
    raise typer.Exit(subprocess.call([sys.executable, "-m", "mpremote", "connect", port, "resume", "repl"]))


def backup(
    file: Annotated[Path, typer.Argument(help="the tar to write")],
    port: Port = None,
    wait_s: WaitS = START_S,
    root: Root = "",
) -> None:
    """Save what makes this box itself: configurations, certificates, schemas. The log: fieldgate log."""
    try:
        box = connect(None, port, root)
        content = deploy.backup(box)
        keep(file, content)
        say(f"{file}: {len(deploy.read_backup(content))} files, passwords included: keep it as you would keep those")
        start_again(box, wait_s)
    except deploy.MISTAKES as error:
        give_up("backup", error)
    except OSError as error:
        give_up("backup", OSError(f"{file}: {error.strerror}: nothing was replaced; name another place or make room"))


def keep(file: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OSError."""
    fresh = file.with_name(file.name + ".new")
    try:
        fresh.write_bytes(content)
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def restore(
    file: Annotated[Path, typer.Argument(help="a tar that backup wrote")],
    port: Port = None,
    wait_s: WaitS = START_S,
    root: Root = "",
) -> None:
    """Write a backup onto a box, for example a replacement that was just flashed."""
    try:
        content = file.read_bytes()
        deploy.read_backup(content)
        box = connect(None, port, root)
        say(f"{deploy.restore(box, content, say)} files restored")
        start_again(box, wait_s)
    except deploy.MISTAKES as error:
        give_up("restore", error)
    except OSError as error:
        give_up("restore", OSError(f"{file}: {error.strerror}: name a file that `fieldgate backup` wrote"))
