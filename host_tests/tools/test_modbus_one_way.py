"""One way, by the syntax trees: nothing but the gate calls a port's `send`, nothing but a port's `send` writes a UART.

Every rule is shown to fail on a mutant source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GATE = "lib/modbus/gate.py"
UART_MODULES = ("uart_rs485.py",)
TERMINAL = "firmware/ports/linux/console.py"  # standard input may be a terminal; they open nothing
TERMINALS = (TERMINAL, "firmware/ports/linux/prompt.py")


def names_of(source: str, attribute: str) -> Iterator[tuple[str, str]]:
    """(function, expression before the dot) of every place that names an attribute, also by getattr."""
    stack: list[tuple[ast.AST, str]] = [(ast.parse(source), "")]
    while stack:
        node, function = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Attribute) and node.attr == attribute:
            yield function, ast.unparse(node.value)
        if isinstance(node, ast.Constant) and node.value == attribute:
            yield function, "a string"
        stack.extend((child, function) for child in ast.iter_child_nodes(node))


def sends(place: str, source: str) -> list[str]:
    """Uses of a port's `send` by the bus code and the application that the gate does not make."""
    if place == GATE:
        return []
    found = [(function, before) for function, before in names_of(source, "send") if before != "self._gate"]
    return [f"{place}: {function}: {before}.send" for function, before in found]


def writes(place: str, source: str) -> list[str]:
    """UART writes outside `send`, and UARTs outside the RS-485 ports.

    A port may bind its `send` to the driver's own `write`: that is the same door.
    """
    if place.endswith(UART_MODULES):
        source = source.replace("self.send = self._uart.write", "pass")
        return [
            f"{place}: {function}: {before}.write"
            for function, before in names_of(source, "write")
            if function != "send"
        ]
    if place in TERMINALS:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        return [f"{place}:{call.lineno}: {ast.unparse(call)}" for call in calls if not only_standard_input(call)]
    found = []
    for node in ast.walk(ast.parse(source)):
        named = {ast.Name: "id", ast.Attribute: "attr", ast.alias: "name"}.get(type(node))
        if named and getattr(node, named) in ("UART", "termios"):
            found.append(f"{place}:{getattr(node, 'lineno', 0)}: {getattr(node, named)}")
    return found


def only_standard_input(call: ast.Call) -> bool:
    """True unless the call opens a file, or is one of termios for another descriptor than 0."""
    name = ast.unparse(call.func)
    if name.startswith("termios."):
        return isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
    return name.rpartition(".")[2] != "open"


def device_files(*folders: str) -> list[tuple[str, str]]:
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).glob("**/*.py")):
            found.append((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
    return found


def test_only_the_gate_sends() -> None:
    files = device_files("lib/modbus", "firmware/gateway")
    assert GATE in [place for place, _ in files]
    assert [found for place, source in files for found in sends(place, source)] == []


def test_the_gate_sends_in_one_place_and_after_its_check() -> None:
    source = (ROOT / GATE).read_text(encoding="utf-8")
    assert list(names_of(source, "send")) == [("__init__", "port")]
    assert list(names_of(source, "_send")).count(("send", "self")) == 1
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    (send,) = [node for node in functions if node.name == "send"]
    check = send.body[1]
    assert isinstance(check, ast.If) and ast.unparse(check.test) == "not allowed(frame)"
    assert isinstance(check.body[0], ast.Raise)


def test_only_send_writes_a_uart() -> None:
    files = device_files("lib", "firmware")
    ports = [place for place, _ in files if place.endswith(UART_MODULES)]
    assert ports, "no RS-485 port was found"
    assert [found for place, source in files for found in writes(place, source)] == []


def test_mutants_are_caught() -> None:
    engine = (ROOT / "lib/modbus/engine.py").read_text(encoding="utf-8")
    assert "self._gate.send(" in engine
    assert sends("lib/modbus/engine.py", engine.replace("self._gate.send(", "self._port.send("))
    assert sends("lib/modbus/x.py", "def go(port):\n    leave = port.send\n    leave(b'')")
    assert sends("lib/modbus/x.py", "getattr(port, 'send')(b'')")
    door = "    def send(self, frame):\n        self.uart.write(frame)\n"
    port = "class Rs485:\n" + door + door.replace("send", "flash")
    assert len(writes("firmware/ports/rp2/uart_rs485.py", port)) == 1
    assert writes("firmware/gateway/x.py", "from machine import UART")
    assert writes(TERMINAL, "import termios\ntermios.setraw(fd)")
    assert writes(TERMINAL, "file = open('/dev/ttyUSB0', 'r+b')")
    assert writes(TERMINAL, "import termios\ntermios.setraw(0)") == []
    assert writes("firmware/gateway/x.py", "import machine\nmachine.UART(1)")
