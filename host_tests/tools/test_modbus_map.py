"""`fieldgate modbus-map`: every point once, at the register where the box shows it; mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from fieldgate import modbus_map_cli

ROOT = Path(__file__).resolve().parents[2]
OT = ROOT / "boards" / "virtual" / "ot.json"
app = typer.Typer()
app.command()(modbus_map_cli.modbus_map)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_every_point_of_the_configuration_has_its_register() -> None:
    tree = json.loads(run(str(OT), "--json").stdout)
    ot = json.loads(OT.read_text())
    found = {(block["unit"], point["name"]): (block, point) for block in tree["blocks"] for point in block["points"]}
    wanted = {
        (unit["name"], point["name"]): point for bus in ot["buses"] for unit in bus["units"] for point in unit["points"]
    }
    assert set(found) == set(wanted) and len(wanted) == 20
    end = 16
    for block in tree["blocks"]:
        assert block["register"] == end, "blocks lie one behind the other"
        end += block["registers"]
    assert end == tree["registers"]
    for key, (block, point) in found.items():
        at = wanted[key]["address"] - block["address"]
        if wanted[key]["fc"] <= 2:
            assert (point["register"], point["bit"]) == (block["register"] + 2 + at // 16, at % 16)
        else:
            assert point["register"] == block["register"] + 2 + at


def test_the_mark_changes_with_what_a_register_means(tmp_path: Path) -> None:
    marks = set()
    for change in ({}, {"name": "volt"}, {"type": "int32"}, {"order": "CDAB"}, {"address": 2}, {"period_ms": 500}):
        ot = json.loads(OT.read_text())
        ot["buses"][0]["units"][0]["points"][0].update(change)
        path = tmp_path / "ot.json"
        path.write_text(json.dumps(ot))
        marks.add(json.loads(run(str(path), "--json").stdout)["mark"])
    assert len(marks) == 6
    ot["revision"] += 1
    path.write_text(json.dumps(ot))
    assert json.loads(run(str(path), "--json").stdout)["mark"] in marks


def test_the_table_is_for_people() -> None:
    text = run(str(OT)).stdout
    assert "   18  voltage: float32 [V]" in text and "   71  fault: bit 1" in text
    assert "block of unit climate (2), fc 4, 1..2, every 2000 ms: 4 registers" in text


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ot.json"
    for text in ("{", "[]", OT.read_text().replace('"unit_id": 1', '"unit_id": 0'), ""):
        path.write_text(text)
        done = run(str(path))
        assert done.exit_code == 1 and done.stderr.count("\n") == 1, done.output
    assert run(str(tmp_path / "none.json")).exit_code == 1
