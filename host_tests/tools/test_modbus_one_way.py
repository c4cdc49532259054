"""One way, by the syntax trees: nothing but the gate calls a port's `send`, nothing but a port's `send` writes a UART.

Every rule is shown to fail on a mutant source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GATE = "lib/modbus/gate.py"  # takes the port's `send` and gives it to `gate_of`, nobody else
MAKERS = ("lib/modbus/native.py", "lib/modbus/plain.py")  # of the one function that has it: `gate_of`, twice
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


GATES = ("self._gate", "engine.gate")  # of modbus.ask, and of the engine in the parts of `turn`


def sends(place: str, source: str) -> list[str]:
    """Uses of a port's `send` by the bus code and the application that the gate does not make."""
    if place == GATE or place in MAKERS:  # see test_the_gate_sends_in_one_place_and_after_its_check
        return []
    found = [(function, before) for function, before in names_of(source, "send") if before not in GATES]
    found += [(function, f"{name}()") for function, name in called(source) if name == "gate_of"]
    return [f"{place}: {function}: {before}.send" for function, before in found]


def called(source: str) -> Iterator[tuple[str, str]]:
    """(function, name) of every name that is used, but for imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    yield node.name, inner.id


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


def gate_in(source: str) -> ast.FunctionDef:
    """The function `gate` that `gate_of(send, ...)` makes; nothing else in the file may be called `send`."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    (maker,) = [node for node in functions if node.name == "gate_of"]
    assert [argument.arg for argument in maker.args.args] == ["send", "available", "us"]
    (gate,) = [node for node in maker.body if isinstance(node, ast.FunctionDef)]
    uses = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and node.id == "send"]
    assert len(uses) == 1, "send is used in more than one place"
    return gate


def check_gate(source: str) -> None:
    """AssertionError unless `send` is called once, with the very frame that was checked, behind the check."""
    gate = gate_in(source)
    assert gate.args.args[0].arg == "frame"
    places = {ast.unparse(node): i for i, node in enumerate(gate.body)}
    (check,) = [i for i, node in enumerate(gate.body) if ast.unparse(node).endswith("reads only')")]
    assert isinstance(gate.body[check], ast.If) and isinstance(gate.body[check].body[0], ast.Raise)
    assert "n != allowed" in ast.unparse(gate.body[check].test), "the length is not checked"
    assert places["send(frame)"] > check, "sent before it was checked"
    for node in ast.walk(gate):
        if isinstance(node, ast.Name) and node.id in ("frame", "send"):
            assert isinstance(node.ctx, ast.Load), "another frame could take its place"


def test_the_gate_sends_in_one_place_and_after_its_check() -> None:
    source = (ROOT / GATE).read_text(encoding="utf-8")
    assert list(names_of(source, "send")) == [("__init__", "port"), ("__init__", "self")]
    assert "self.send = gate_of(port.send, port.available, clock.ticks_us)" in source
    for maker in MAKERS:
        check_gate((ROOT / maker).read_text(encoding="utf-8"))


def test_a_gate_that_does_not_check_is_caught() -> None:
    for maker in MAKERS:
        source = (ROOT / maker).read_text(encoding="utf-8")
        loop = "        while True:\n            if "
        for mutant in (
            source.replace("raise AssertionError(", "print("),
            source.replace("n != allowed or ", ""),
            source.replace("        send(frame)\n", "        frame = b''\n        send(frame)\n"),
            source.replace("        allowed: int = -1", "        send(frame)\n        allowed: int = -1").replace(
                "        allowed = -1", "        send(frame)\n        allowed = -1"
            ),
            source + "\n\ndef other(parts):\n    send = parts[0]\n    send(b'')\n",
        ):
            assert mutant != source and loop.strip() in mutant
            try:
                check_gate(mutant)
            except (AssertionError, ValueError):
                continue
            raise RuntimeError(f"{maker}: a mutant was not caught")


def test_only_send_writes_a_uart() -> None:
    files = device_files("lib", "firmware")
    ports = [place for place, _ in files if place.endswith(UART_MODULES)]
    assert ports, "no RS-485 port was found"
    assert [found for place, source in files for found in writes(place, source)] == []


def test_mutants_are_caught() -> None:
    engine = (ROOT / "lib/modbus/engine.py").read_text(encoding="utf-8")
    assert sends("lib/modbus/engine.py", engine.replace("Gate(port, clock)", "port.send"))
    bus = (ROOT / "lib/modbus/bus.py").read_text(encoding="utf-8")
    assert "engine.gate.send,\n" in bus
    assert sends("lib/modbus/bus.py", bus.replace("engine.gate.send,\n", "port.send,\n"))
    assert sends("lib/modbus/x.py", "def go(port):\n    gate_of(print, port.available, None)")
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
