"""`fieldgate modbus-map ot.json`: the register map of a box's Modbus TCP server, for whoever sets up the SCADA.

Promises: it is made by the box's own code from the OT half, so the box shows the same map under the same mark. What the
registers of a block mean: lib/scada/DESIGN.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldgate.profiles import apply
from fieldgate.profiles.model import ProfileError, parse_json, read_text


def modbus_map(
    ot: Annotated[Path, typer.Argument(help="The OT half, ot.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Print the registers that a SCADA reads from a box with this configuration."""
    try:
        tree = map_of(ot)
    except ProfileError as error:
        print(f"fieldgate: modbus-map: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(json.dumps(tree, indent=1) if as_json else "\n".join(lines_of(tree)))


def map_of(path: Path) -> dict[str, Any]:
    """The map as a tree. Raises ProfileError."""
    ot = parse_json(read_text(path), str(path))
    half = apply.on_the_box(ot)
    if half.mistakes:
        raise ProfileError(f"{path}: {half.mistakes[0]}")
    scada, virtual, image = box_map()
    reads = []
    for number, bus in enumerate(half.head["buses"]):
        units = [unit for of_bus, unit in half.units if of_bus == number]
        line = scada.Line(bus["name"], bus["baud"], bus["serial_format"], 1000)
        reads += scada.Plan(line, units, frames=False).reads
    reads += virtual.reads_of(half.head)
    made = scada.Map()
    for read in reads:
        made.add(read)
    tree: dict[str, Any] = {"format": 1, "mark": made.whole()[1].hex(), "blocks": []}
    register = image.HEAD
    for read in reads:
        size = image.OWN + image.data_registers(read.fc, read.count)
        block = {"register": register, "registers": size, "unit": read.unit.name, "unit_id": read.unit.unit_id}
        block |= {"fc": read.fc, "address": read.address, "count": read.count, "period_ms": read.period_ms}
        data = register + image.OWN
        block["points"] = [
            described(point, point["address"] - read.address, data, image.is_bits(read.fc)) for point in read.points
        ]
        tree["blocks"].append(block)
        register += size
    tree["registers"] = register
    return tree


def described(point: dict[str, Any], at: int, data: int, is_bit: bool) -> dict[str, Any]:
    """A point with the register that it begins in, for bits also which bit."""
    left_out: tuple[str, ...] = ("fc", "address", "period_ms", "priority")
    place: dict[str, Any] = {"name": point["name"], "register": data + at}
    if is_bit:
        place = {"name": point["name"], "register": data + at // 16, "bit": at % 16}
        left_out += ("order", "scale", "offset")
    return place | {key: value for key, value in point.items() if key not in left_out and key not in place}


def box_map() -> tuple[Any, Any, Any]:
    """The box's own modules gateway.scada, gateway.virtual and scada.image; plain Python."""
    apply.find_box_code()
    from gateway import scada, virtual  # type: ignore[attr-defined]
    from scada import image  # type: ignore[import-not-found]

    return scada, virtual, image


def lines_of(tree: dict[str, Any]) -> list[str]:
    lines = [
        f"map {tree['mark']}: {tree['registers']} registers, read with FC 3 or FC 4, unit id 1 (or 0, 255)",
        "    0  version of the map's form, 1",
        f"    1  number of blocks, {len(tree['blocks'])}",
        "    2  mark of the map (2 registers)",
        "    4  uptime in s (uint32)",
        "    6  UTC in s since 1970 (uint32), all ones while it is not known",
    ]
    for block in tree["blocks"]:
        lines.append(
            f"block of unit {block['unit']} {origin(block)}, every {block['period_ms']} ms: "
            f"{block['registers']} registers"
        )
        lines.append(f"{block['register']:5}  quality of the last poll, 0 good")
        lines.append(f"{block['register'] + 1:5}  age of the values in s, 65535 never read")
        for point in block["points"]:
            lines.append(f"{point['register']:5}  {point['name']}: {meaning(point)}")
    return lines


def origin(block: dict[str, Any]) -> str:
    if not block["fc"]:
        return "(the box computes it)"
    last = block["address"] + block["count"] - 1
    return f"({block['unit_id']}), fc {block['fc']}, {block['address']}..{last}"


def meaning(point: dict[str, Any]) -> str:
    text = f"bit {point['bit']}" if point["type"] == "bool" else point["type"]
    for key in ("order", "scale", "offset"):
        if point.get(key) not in (None, "ABCD", {"scale": 1, "offset": 0}.get(key)):
            text += f", {key} {point[key]}"
    rest = [key for key in point if key not in ("name", "register", "type", "order", "scale", "offset", "unit", "bit")]
    text += "".join(f", {key} {point[key]}" for key in rest)
    if "bit" in point and point["type"] != "bool":
        text += f", bit {point['bit']}"
    return text + (f" [{point['unit']}]" if point.get("unit") else "")
