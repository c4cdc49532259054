"""The Modbus TCP server has no path to the RS-485 side: by its files' imports, all the way down, and by its words.

The rule is shown to fail on mutants. That writes are refused is tested in host_tests/sim and host_tests/e2e.
"""

from __future__ import annotations

import ast
from pathlib import Path

from fieldgate import size_report

ROOT = Path(__file__).resolve().parent.parent.parent
ROOTS = ("scada", "scada.server", "scada.image", "ports.listening", "ports.linux.listening")
# What of the application the server's files may lead to, all of it on the network's side.
ALLOWED = {
    "scada", "scada.server", "scada.image", "umodbus", "umodbus.functions", "umodbus.const", "umodbus.typing",
    "umodbus.version", "ports", "ports.listening", "ports.linux", "ports.linux.listening", "ports.sockets",
    "ports.linux.net", "ports.linux.net_faults",
}  # fmt: skip
# Imported inside a function of the network ports: back to the listening socket itself, and the chip's own network.
OUTSIDE = {"errno", "json", "os", "socket", "select", "sys", "network", "micropython", "struct", "time", "typing"}
BUS_WORDS = ("Rs485", "uart", "gate", "engine", "send_frame", "plans", "buses", "write_register", "write_coil")


def path_of(name: str) -> Path | None:
    relative = Path(*name.split("."))
    for folder in ("lib", "firmware", "build/device"):
        for path in (ROOT / folder / relative.with_suffix(".py"), ROOT / folder / relative / "__init__.py"):
            if path.is_file():
                return path
    return None


def imports(source: str, package: str) -> set[str]:
    """Full names of everything that is imported, functions' own imports included; a computed one is "<computed>"."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module or ''}".rstrip(".") if node.level else node.module or ""
            found.add(module)
            found |= {f"{module}.{alias.name}" for alias in node.names if path_of(f"{module}.{alias.name}")}
        elif isinstance(node, ast.Name) and node.id in ("__import__", "eval", "exec"):
            found.add("<computed>")
        elif isinstance(node, ast.Attribute) and node.attr == "modules":
            found.add("<computed>")
    return found


def reachable(roots: tuple[str, ...], replaced: dict[str, str] | None = None) -> set[str]:
    """The modules that the roots lead to, at whatever depth; `replaced`: other sources for some of them."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        path = path_of(name)
        if path:
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            source = (replaced or {}).get(name, path.read_text())
            waiting += sorted(imports(source, package) - OUTSIDE)
    return found


def test_the_server_leads_to_nothing_of_the_bus() -> None:
    found = reachable(ROOTS)
    assert set(ROOTS) <= found and "umodbus.functions" in found, "the rule looks at nothing"
    assert found <= ALLOWED, found - ALLOWED


def test_a_new_path_is_found_at_any_depth() -> None:
    for place, line in (
        ("scada.server", "from modbus.gate import Gate"),
        ("scada.image", "def late():\n    import modbus.engine"),
        ("scada", "from uplink import points"),
        ("ports.listening", "import ports.linux.uart_rs485"),
        ("scada.server", "import sys\nbus = sys.modules['modbus.bus']"),
        ("scada.image", "__import__('modbus.' + 'gate')"),
        ("ports.sockets", "import machine"),
    ):
        path = path_of(place)
        assert path
        assert reachable(ROOTS, {place: path.read_text() + "\n" + line}) - ALLOWED, (place, line)


def test_the_server_names_nothing_of_the_bus() -> None:
    for name in ("scada.server", "scada.image"):
        path = path_of(name)
        assert path
        named = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        named |= {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not named & set(BUS_WORDS), named & set(BUS_WORDS)


def test_it_is_in_memory_only_where_it_is_configured() -> None:
    kinds = size_report.kinds("RPI_PICO_W")
    places = [place for place in kinds if "scada" in place or "listening" in place]
    assert len(places) == 6
    assert {kinds[place] for place in places} == {"on demand"}


def test_what_the_start_hands_over_is_no_bus() -> None:
    """The application gives the server the network seam, numbers and texts; the image gets clock and uptime."""
    for name, function, handed in (
        ("scada_task", "Server", ["net", "port", "allowed", "image", "gateway.clock"]),
        ("scada_task", "Image", ["blocks", "mark", "gateway.clock", "gateway.uptime"]),
        ("scada_task", "gateway.reader.run", ["gateway.room", "sleep_ms"]),
    ):
        source = (ROOT / "firmware" / "gateway" / f"{name}.py").read_text()
        calls = [
            [ast.unparse(argument) for argument in node.args]
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == function
        ]
        assert calls == [handed], (name, function)
        assert not {"modbus.gate", "modbus.engine", "modbus.bus"} & imports(source, "gateway")
    for name, handed in (
        ("start", "gateway.reader = planned.map + (parts.net, settings['port'], settings['allowed'])"),
        ("scada", "return (self._blocks, self._digest.digest()[:4], self._groups)"),
    ):
        source = (ROOT / "firmware" / "gateway" / f"{name}.py").read_text()
        assert handed in ast.unparse(ast.parse(source))
