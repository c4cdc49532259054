"""What the start hands on keeps none of the code that made it: on a box that would stay in memory for as long."""

from __future__ import annotations

import gc
import io
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gateway import config, planning
from gateway.ot import Ot

ROOT = Path(__file__).resolve().parent.parent.parent
BOARD = ROOT / "boards" / "virtual"


def ours(module: ModuleType) -> bool:
    path = getattr(module, "__file__", None) or ""
    return any(path.startswith(str(ROOT / folder)) for folder in ("firmware", "lib"))


def kept(*objects: object) -> set[str]:
    """Names of our modules that live as long as these objects: their functions' globals, and what those reach."""
    owner = {id(vars(module)): name for name, module in list(sys.modules.items()) if ours(module)}
    found: set[str] = set()
    seen: set[int] = set()
    todo = list(objects)
    while todo:
        one = todo.pop()
        if id(one) in seen or (isinstance(one, ModuleType) and not ours(one)):
            continue
        seen.add(id(one))
        if id(one) in owner:
            found.add(owner[id(one)])
        if not isinstance(one, dict) or id(one) in owner or "__builtins__" not in one:
            todo.extend(gc.get_referents(one))
    return found


def test_the_plan_and_the_it_half_keep_no_code_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it.json").write_bytes((BOARD / "it.json").read_bytes())
    errors: list[str] = []
    it = config.it_half("", errors)
    planned = planning.make(Ot(io.BytesIO((BOARD / "ot.json").read_bytes()), 1, errors), errors, it, frames=False)
    assert not errors, errors
    assert kept(planned, it) == {"gateway.planned", "modbus.codes", "modbus.plan", "modbus.line"}


def test_the_control_an_object_of_a_class_there_keeps_all_of_it() -> None:
    class Other:
        made = planning.make

    assert {"gateway.planning", "gateway.config", "modbus.planner"} < kept(Other())
