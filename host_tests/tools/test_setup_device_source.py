"""What is compiled for chips does what the sources do: constants folded, private names shortened, tests still pass."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fieldgate import device_build
from fieldgate.device_build import ROOT, Source
from fieldgate.device_names import NAMES_IN_ROM
from fieldgate.device_source import Shrinker, snippets

MICROPYTHON = ROOT / ".venv" / "bin" / "micropython"
SEAM = '''
"""Numbers."""
try:
    from micropython import const
except ImportError:
    def const(value):
        return value

KIND = const(2)
MASK = const((1 << KIND) - 1)
LOW = -5
NAMES = ("a", "b")
TOLD = const(9)
changed = 1
'''
USER = '''
import sys
from seam import KIND, MASK, LOW, NAMES, const
import seam

_HERE = const(MASK + 1)
__all__ = ("Thing",)
if sys.implementation.name == "micropython":
    WHERE = 32
else:
    WHERE = 64

class Thing:
    """A thing."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._in = seam.KIND
        self._kept = getattr(self, "_width")

    def sum(self, LOW=3):
        """All of it."""
        return self._width + KIND + MASK + LOW + seam.MASK + _HERE + self._helped() + self._in

    def _helped(self):
        return len(NAMES)
'''


def shrunk(**texts: str) -> dict[str, str]:
    shrinker = Shrinker({f"{name}.py": text for name, text in texts.items()}, [f"{name}.py" for name in texts])
    return {name: shrinker.shrink(f"{name}.py") for name in texts}


def test_constants_become_numbers_and_private_names_short() -> None:
    both = shrunk(seam=SEAM, user=USER)
    assert both["seam"] == "NAMES = ('a', 'b')\nchanged = 1\n"
    user = both["user"]
    for gone in ("KIND", "MASK", "_HERE", "const", "__all__", "All of it", "int)", "self._in", "64", "TOLD"):
        assert gone not in user, gone
    assert "from seam import NAMES" in user and "WHERE = 32" in user
    assert "+ 2 + 3 + value + 3 + 4 + self._helped()" in user  # an argument hides the constant; a method keeps its name
    assert "getattr(self, '_width')" in user and "self._width" in user  # reached by text


def test_an_attribute_is_named_like_something_in_rom_or_like_a_text() -> None:
    text = (
        "class A:\n    def __init__(self, bus, x):\n        self._bus = bus\n        self._x = x\n        self.x = x\n"
    )
    short = shrunk(a=text)["a"]
    assert f"self.{NAMES_IN_ROM[0]} = value" in short and f"self.{NAMES_IN_ROM[1]} = key" in short and "self.x" in short
    assert "self.bus = value" in shrunk(a=text + "print('bus')\n")["a"]


def test_what_is_assigned_from_elsewhere_or_named_outside_is_kept() -> None:
    both = shrunk(seam="LIMIT = 5\nHIGH = 6\n", user="import seam\nseam.LIMIT = 7\nprint(seam.LIMIT, seam.HIGH)\n")
    assert "LIMIT = 5" in both["seam"] and both["user"].endswith("print(seam.LIMIT, 6)\n")
    shrinker = Shrinker({"seam.py": "HIGH = 6\n"}, ["seam.py"], ["from seam import HIGH"])
    assert "HIGH = 6" in shrinker.shrink("seam.py")


def test_a_parameter_takes_a_common_name_unless_it_is_passed_by_name() -> None:
    text = (
        "def f(width, depth, height=2):\n    g = lambda depth: depth + width\n    return g(depth) + height\n"
        "print(f(1, 2, height=3))\n"
    )
    short = shrunk(a=text)["a"]
    assert short.startswith("def f(value, key, height=2):")
    out: list[int] = []
    exec(short, {"print": out.append})
    exec(text, {"print": out.append})
    assert out == [6, 6]


def test_a_keyword_is_no_name() -> None:
    compile(shrunk(a="class A:\n    def f(self):\n        self._in = self._is = 1\n")["a"], "a", "exec")


def test_names_in_rom_are_names() -> None:
    assert len(set(NAMES_IN_ROM)) == len(NAMES_IN_ROM) and all(name.isidentifier() for name in NAMES_IN_ROM)


def test_snippets_are_found(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text('"""Doc."""\nRUN = "from gateway import config\\nprint(config.LIMIT)"\n')
    assert snippets(tmp_path) == ["from gateway import config\nprint(config.LIMIT)"]


TESTS = (
    "test_config", "test_flashlog_log", "test_flashlog_records", "test_gateway_records", "test_modbus_frames",
    "test_schema", "test_uplink_columns", "test_uplink_envelope",
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shrunk sources of the Pico W's image, with tests and fakes shrunk among them, as a folder."""
    folder = tmp_path_factory.mktemp("shrunk")
    board = device_build.read_board("RPI_PICO_W")
    tests = [ROOT / "host_tests" / "unit" / f"{name}.py" for name in TESTS]
    tests += sorted((ROOT / "host_tests" / "fakes").glob("*.py"))
    sources = device_build.list_sources(board) + [device_build.compiled_source(path.name, path) for path in tests]
    for place, content in device_build.device_texts(board, sources).items():
        target = folder / (device_build.python_place(place) if place.endswith(".mpy") else place)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


@pytest.mark.parametrize("name", TESTS)
def test_unit_tests_pass_on_shrunk_sources(tree: Path, name: str) -> None:
    code = f"import {name} as m\nn = 0\nfor k in dir(m):\n if k[:5] == 'test_':\n  getattr(m, k)()\n  n += 1\nprint(n)"
    environment = {**os.environ, "MICROPYPATH": f".frozen:{tree}"}
    done = subprocess.run(
        [str(MICROPYTHON), "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tree,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 3


def test_names_of_the_image_shrink() -> None:
    """The reason for it all: fewer and shorter names, as .mpy bytes (an eighth is gone at the time of writing)."""
    board = device_build.read_board("RPI_PICO_W")
    sources = [source for source in device_build.list_sources(board) if source.compiled]
    texts = device_build.device_texts(board, sources)
    plain = shorter = 0
    for source in sources:
        plain += len(source.path.read_bytes())
        shorter += len(texts[source.place])
    assert shorter < plain
    assert isinstance(sources[0], Source)
