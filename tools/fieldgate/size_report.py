"""What the device code costs in heap on a stock image: the lower half of `fieldgate size`.

Estimates count HEAP_PER_BYTE bytes of heap for a byte of .mpy (measured on the emulated Pico W: 1.3 to 1.6 by package).
A module is *resident* when it is in memory while the gateway runs with its default features: the modules imported
at the top level from ROOTS on, without those that gateway.unload drops after the start. Measured figures are shown as
the last run of `make test-rp2040` left them in MEASURED.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from fieldgate import device_build

HEAP_PER_BYTE = 1.5
RESIDENT_LIMIT_BYTES = 90 * 1024
ROOTS = ("gateway.app", "gateway.start", "gateway.layouts", "modbus.bus", "uplink.columns", "console.door")
FEATURE_STARTERS = {  # loaded where something is configured
    "gateway.edge_start", "gateway.edge_rules", "gateway.edge_points", "gateway.edge_groups", "gateway.edge_files",
    "gateway.silence", "edge.limits", "edge.expression",
    "gateway.machine_rules", "gateway.forms", "gateway.machine_start",
    "production.layout", "production.texts", "production.restore", "flashlog.tail",
}  # fmt: skip
PORT_ROOTS = ("clock", "flash", "led", "net", "uart_rs485", "watchdog", "console")
MEASURED = device_build.BUILD / "emulated" / "heap.json"


def dropped_modules() -> set[str]:
    """Modules that gateway.unload forgets after the start."""
    text = (device_build.ROOT / "firmware" / "gateway" / "unload.py").read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_STARTERS":
            return set(ast.literal_eval(node.value).split())
    raise ValueError("firmware/gateway/unload.py: _STARTERS is missing")


def loaded_by(roots: tuple[str, ...], paths: dict[str, Path]) -> set[str]:
    """The roots and all modules that they import at the top level, directly or not."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in paths and name not in found:
            found.add(name)
            waiting += [name.rpartition(".")[0], *imports_of(paths[name])]
    return found


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def kinds(board_name: str) -> dict[str, str]:
    """For each .mpy place of the board's tree: "resident", "start" (dropped after it) or "on demand"."""
    board = device_build.read_board(board_name)
    paths = {module_of(s.place): s.path for s in device_build.list_sources(board) if s.compiled}
    places = {module_of(s.place): s.place for s in device_build.list_sources(board) if s.compiled}
    roots = (*ROOTS, *(f"ports.{board.port}.{name}" for name in PORT_ROOTS))
    dropped = dropped_modules()
    loaded = loaded_by((*roots, *dropped - FEATURE_STARTERS), paths)
    return {
        place: "start" if name in dropped else "resident" if name in loaded else "on demand"
        for name, place in places.items()
    }


def module_of(place: str) -> str:
    return place.removesuffix(".mpy").replace("/", ".").removesuffix(".__init__")


def lines(sizes_bytes: dict[str, int], board_name: str) -> Iterator[str]:
    """The report of what lies in memory."""
    by_kind: dict[str, int] = {}
    for place, kind in kinds(board_name).items():
        by_kind[kind] = by_kind.get(kind, 0) + sizes_bytes.get(place, 0)
    for kind in ("resident", "start", "on demand"):
        heap = int(by_kind.get(kind, 0) * HEAP_PER_BYTE)
        goal = f"  goal {RESIDENT_LIMIT_BYTES:,} for what is left when functions run from flash (RP2)"
        note = goal if kind == "resident" else ""
        yield f"{kind + ':':<12} {by_kind.get(kind, 0):7,} B of .mpy, about {heap:7,} B of heap{note}"
    if MEASURED.is_file():
        for what, figures in json.loads(MEASURED.read_text()).items():
            yield f"measured, {what}: " + ", ".join(f"{name} {value:,}" for name, value in figures.items())
    else:
        yield "measured: no run of `make test-rp2040 UF2=...` is at hand"
