"""The command `fieldgate provision`: one box or a batch, a line of progress for each step, a table at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fieldgate import provision
from fieldgate.provision_file import FileMistake, Order, finished, read_batch, read_order


def say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def orders_of(file: Path, batch: Path | None, serial: str) -> list[Order]:
    order = read_order(file)
    if batch is None:
        from dataclasses import replace

        return [finished(replace(order, serial=serial), str(file))]
    orders = read_batch(batch, order)
    if serial:
        orders = [order for order in orders if order.serial == serial]
        if not orders:
            raise FileMistake(f"{batch}: no row has the serial {serial}")
    return orders


def provision_boxes(
    port: Annotated[str, typer.Argument(help="serial port of the box: /dev/ttyUSB0, /dev/cu.usbserial-1, COM3")],
    file: Annotated[Path, typer.Argument(help="what every box gets: tools/examples/box.toml explains it")],
    batch: Annotated[Path | None, typer.Option(help="CSV: serial, keys that differ, perhaps port")] = None,
    serial: Annotated[str, typer.Option(help="serial number; with --batch: only that row")] = "",
    out: Annotated[Path, typer.Option(help="folder for a report and a label per box")] = Path("boxes"),
    minutes: Annotated[int, typer.Option(min=1, max=60, help="of trial: then an unconfirmed box goes back")] = 5,
    wait_s: Annotated[float, typer.Option(help="how long values may take until they are alive")] = 120.0,
    ask: Annotated[bool, typer.Option(help="wait for Enter before each box of a batch")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="polling may stop also where a unit acts then")] = False,
) -> None:
    """Give a box its configuration and its passwords, see its values alive, print its label and report."""
    try:
        orders = orders_of(file, batch, serial)
    except FileMistake as error:
        typer.echo(f"fieldgate provision: {error}", err=True)
        raise typer.Exit(2) from None
    failed = 0
    for number, order in enumerate(orders, 1):
        if batch:
            say(f"[{number}/{len(orders)}] serial {order.serial}, box {order.box}")
        try:
            work = provision.Provisioning(order.port or port, order, out, say, minutes, wait_s, yes)
            if batch and work.report.done:
                say(f"done on {work.report.facts.get('ended_utc')}: left alone ({work.report.folder})")
                continue
            if batch and ask and not order.port:
                typer.prompt(f"plug box {order.box} into {port}, then Enter", default="", show_default=False)
            say((work.run().folder / "label.txt").read_text(encoding="utf-8").rstrip())
        except provision.MISTAKES as error:
            typer.echo(f"fieldgate provision: {error}", err=True)
            failed += 1
    if batch:
        say(f"{len(orders) - failed} of {len(orders)} boxes are done")
    raise typer.Exit(1 if failed else 0)
