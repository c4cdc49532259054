"""Rules that the syntax trees of the device code must obey; each rule is shown to fail on a mutant source.

Purity: only firmware/ports/ and main.py may import hardware and operating system modules. One way: the MQTT code
cannot name the bus code. Shape: every file opens with a docstring and keeps below MAX_LINES lines.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HARDWARE = {"machine", "network", "esp32", "rp2", "termios", "socket", "select"}
NOT_ON_A_BOARD = {"typing", "dataclasses", "enum", "abc", "unittest", "logging", "threading", "subprocess"}
MAX_LINES = 400


def python_files(*folders: str) -> list[Path]:
    """The Python files of the folders, without what lies in hidden or cache folders."""
    found = [path for folder in folders for path in sorted((ROOT / folder).glob("**/*.py"))]
    return [path for path in found if "__pycache__" not in path.parts]


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and full module name of every import, those inside functions and by __import__ included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in ("__import__", "import_module"):
                literal = node.args and isinstance(node.args[0], ast.Constant)
                yield node.lineno, str(node.args[0].value) if literal else "<computed>"  # type: ignore[attr-defined]


def forbidden_imports(source: str, names: set[str], computed: bool = False) -> list[str]:
    """The imports of `source` whose top module is one of `names` or its `u`-prefixed alias; those whose name is
    computed as well, unless `computed` allows them."""
    found = []
    for line, module in imports(source):
        top = module.split(".")[0]
        hidden = module == "<computed>" and not computed
        if top in names or (top.startswith("u") and top[1:] in names) or hidden:
            found.append(f"line {line}: {module}")
    return found


def shape_problems(source: str) -> list[str]:
    problems = []
    if not ast.get_docstring(ast.parse(source)):
        problems.append("no docstring at the top")
    if source.count("\n") > MAX_LINES:
        problems.append(f"{source.count(chr(10))} lines, allowed are {MAX_LINES}")
    return problems


def check(paths: list[Path], problems_of: object) -> None:
    assert paths, "no file to look at: the rule would pass without looking"
    assert callable(problems_of)
    found = [f"{path.relative_to(ROOT)}: {text}" for path in paths for text in problems_of(path.read_text())]
    assert not found, "\n".join(found)


def test_libraries_and_application_import_no_hardware() -> None:
    check(python_files("lib", "firmware/gateway"), lambda source: forbidden_imports(source, HARDWARE))
    # The console loads its verbs by name.
    check(python_files("firmware/console"), functools.partial(forbidden_imports, names=HARDWARE, computed=True))


def test_device_code_imports_nothing_that_a_board_lacks() -> None:
    # main.py names the port's modules by the board's data.
    rule = functools.partial(forbidden_imports, names=NOT_ON_A_BOARD, computed=True)
    check(python_files("lib", "firmware", "boards"), rule)


def test_libraries_do_not_know_the_application() -> None:
    check(python_files("lib"), lambda source: forbidden_imports(source, {"gateway", "ports", "board"}))


def test_uplink_cannot_reach_the_bus() -> None:
    check(python_files("lib/uplink"), lambda source: forbidden_imports(source, {"modbus", "umodbus"}))


def test_boards_are_data_only() -> None:
    def not_data(source: str) -> list[str]:
        allowed = (ast.Assign, ast.Expr)
        return [f"line {node.lineno}" for node in ast.parse(source).body if not isinstance(node, allowed)]

    check(sorted((ROOT / "boards").glob("*/board.py")), not_data)
    assert not_data("import machine\n") and not_data("def f(): pass\n")


def test_every_file_says_what_it_is_for_and_stays_short() -> None:
    check(python_files("lib", "firmware", "boards", "tools", "host_tests"), shape_problems)


@pytest.mark.parametrize(
    "mutant",
    [
        "import machine",
        "import os, socket",
        "from network import WLAN",
        "def late():\n    import usocket",
        "import select as time",
        "__import__('rp2')",
        "name = 'rp2'\n__import__(name)",
        "try:\n    import esp32\nexcept ImportError:\n    esp32 = None",
    ],
)
def test_the_purity_rule_catches(mutant: str) -> None:
    assert forbidden_imports(mutant, HARDWARE)


def test_the_purity_rule_lets_others_pass() -> None:
    assert not forbidden_imports("import os\nfrom micropython import const\nmachine = 1\n", HARDWARE)


def test_the_shape_rule_catches() -> None:
    assert shape_problems("x = 1\n") == ["no docstring at the top"]
    assert shape_problems('"""What for."""\n' + "x = 1\n" * MAX_LINES) == ["401 lines, allowed are 400"]
    assert shape_problems('"""What for."""\n') == []
