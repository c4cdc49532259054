"""The commands `fieldgate build` and `fieldgate size`.

`size` compares the .mpy bytes of every module with tools/budgets.json: code of stock images lives in RAM, so bytes
are heap. The figures are those of BUDGET_BOARD.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fieldgate import device_build, places, size_boards, size_change, size_report

BUDGETS = device_build.ROOT / "tools" / "budgets.json"
BUDGET_BOARD = "RPI_PICO_W"
# --update leaves this much room above what was measured, so that a mended line does not need a new budget.
HEADROOM = 1.10


def build(
    boards: Annotated[list[str] | None, typer.Argument(help="boards to build; all when none is named")] = None,
) -> None:
    """Compile the device files of the boards into build/boards/<board>/."""
    for name in boards or device_build.board_names():
        if not boards and (port := device_build.missing_port(name)):
            typer.echo(f"{name:<16} not built: {port} does not exist yet")
            continue
        try:
            built = device_build.build(name)
        except device_build.BuildError as error:
            typer.echo(f"fieldgate build: {error}", err=True)
            raise typer.Exit(1) from None
        place = places.shown(built.tree)
        total_bytes = sum(built.sizes_bytes.values())
        typer.echo(
            f"{name:<16} {built.board.architecture or 'no machine code':<10} {len(built.sizes_bytes):3} files "
            f"{total_bytes:8,} bytes  {built.compiled:3} new  {place}/"
        )
        for left_out in built.left_out:
            typer.echo(f"  left out, no machine code for this host: {left_out}")


def read_budgets(path: Path = BUDGETS) -> dict[str, int]:
    """Allowed .mpy bytes by place on the board."""
    return {str(place): int(size) for place, size in json.loads(path.read_text()).items()}


def over_budget(sizes_bytes: dict[str, int], budgets: dict[str, int]) -> list[str]:
    """One line per module that is larger than allowed or has no budget, and per budget without a module."""
    lines = [
        f"{place}: {size} bytes, budget {budgets[place]}"
        for place, size in sizes_bytes.items()
        if place in budgets and size > budgets[place]
    ]
    lines += [f"{place}: no budget" for place in sizes_bytes if place not in budgets]
    lines += [f"{place}: has a budget but does not exist" for place in budgets if place not in sizes_bytes]
    return lines


def compiled_sizes() -> dict[str, int]:
    built = device_build.build(BUDGET_BOARD)
    return {place: size for place, size in built.sizes_bytes.items() if place.endswith(".mpy")}


def size(update: Annotated[bool, typer.Option(help="write today's sizes as the budgets")] = False) -> None:
    """Print the .mpy bytes of every device module beside its budget; status 1 when one is over it."""
    try:
        sizes_bytes = compiled_sizes()
    except device_build.BuildError as error:
        typer.echo(f"fieldgate size: {error}", err=True)
        raise typer.Exit(1) from None
    if update:
        budgets = {place: int(size * HEADROOM) for place, size in sizes_bytes.items()}
        BUDGETS.write_text(json.dumps(budgets, indent=1) + "\n")
    budgets = read_budgets() if BUDGETS.exists() else {}
    package_bytes: dict[str, int] = {}
    kinds = size_report.kinds(BUDGET_BOARD)
    typer.echo(f"{'module':<34} {'bytes':>7} {'budget':>7}  in memory")
    for place, size_bytes in sizes_bytes.items():
        typer.echo(f"{place:<34} {size_bytes:7,} {budgets.get(place, 0):7,}  {kinds.get(place, '')}")
        package = place.split("/")[0]
        package_bytes[package] = package_bytes.get(package, 0) + size_bytes
    typer.echo("")
    for package, total_bytes in package_bytes.items():
        typer.echo(f"{package + '/':<34} {total_bytes:7,}")
    typer.echo(f"{'all of ' + BUDGET_BOARD:<34} {sum(sizes_bytes.values()):7,}")
    for line in (*size_report.lines(sizes_bytes, BUDGET_BOARD), *size_change.lines(sizes_bytes), ""):
        typer.echo(line)
    for line in size_boards.lines():
        typer.echo(line)
    problems = over_budget(sizes_bytes, budgets)
    for problem in problems:
        typer.echo(f"fieldgate size: {problem}", err=True)
    if problems:
        raise typer.Exit(1)
