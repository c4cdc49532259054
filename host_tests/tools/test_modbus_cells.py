"""Numbers of cells stand twice, as viper takes constants of its own module only: they must be the same."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "lib" / "modbus"


def constants(name: str) -> dict[str, str]:
    return dict(re.findall(r"^_?(\w+) = const\((.+)\)", (FOLDER / f"{name}.py").read_text("utf-8"), re.MULTILINE))


def differing(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    return [name for name in ours if name in theirs and ours[name] != theirs[name]]


def test_machine_code_has_the_numbers_of_cells_and_of_plain_python() -> None:
    cells, native, plain = constants("cells"), constants("native"), constants("plain")
    assert len(set(cells) & set(native)) > 50 and len(set(plain) & set(native)) > 5
    assert differing(native, cells) == [] and differing(native, plain) == []
    assert differing(dict(native, STATE="7"), cells) == ["STATE"]


def test_every_place_has_one_owner() -> None:
    text = (FOLDER / "cells.py").read_text("utf-8")
    line, unit = text.split("# Places in the cells of a unit")
    unit, read = unit.split("# Places in the row of a read")
    line = line.split("# Places in the cells of a line")[1]
    for part, first in ((line.split("RING =")[0], 0), (unit, 7), (read.split("# What")[0], 0)):
        numbers = [int(number) for number in re.findall(r"^\w+ = const\((\d+)\)", part, re.MULTILINE)]
        assert numbers == list(range(first, first + len(numbers)))
    cells = constants("cells")
    assert int(cells["UNITS"]) == int(cells["RING"]) + 3 * 64 and int(cells["RING"]) == int(cells["OVERDUE"]) + 1
