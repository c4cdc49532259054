"""The plant's control channel: JSON lines over a Unix socket, one answer per line.

    {"do": "status"}
    {"do": "fault", "name": "lost_reply", "unit": 2, "count": 1}     also permille, ms; see faults.py
    {"do": "clear"}   {"do": "clear", "name": "dead_unit", "unit": 3}
    {"do": "machine", "state": "fault"}

Every answer is {"ok": true, ...} or {"ok": false, "error": "one line"}; a mistake changes nothing and the
connection stays. Lines are at most MAX_LINE_BYTES, clients at most MAX_CLIENTS.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fieldgate.plant.machine import State
from fieldgate.plant.plant import Plant

MAX_LINE_BYTES = 4096
MAX_CLIENTS = 8
MAX_SOCKET_PATH_BYTES = 100


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name that fits into a socket address (107 bytes; fewer elsewhere); long paths go by way of Linux's /proc."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlError(Exception):
    """The plant refused a command or is not there; the text is one line."""


class ControlServer:
    """Answers commands for one plant. `path`: the socket, replaced when it exists; OSError when it cannot be made."""

    def __init__(self, plant: Plant, path: Path) -> None:
        self._plant = plant
        self._path = path
        self._clients: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> ControlServer:
        try:
            if self._path.is_socket():
                self._path.unlink()
            with short_name(self._path) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_LINE_BYTES)
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self._path)) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in tuple(self._clients):
            writer.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= MAX_CLIENTS:
            writer.close()
            return
        self._clients.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(answer(self._plant, line)).encode() + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError, asyncio.CancelledError):
            pass  # a line beyond the limit, a client that went away, or the end of the plant
        finally:
            self._clients.discard(writer)
            writer.close()


def answer(plant: Plant, line: bytes) -> dict[str, Any]:
    """Carry out one command line; never raises for what a client may send."""
    try:
        command = json.loads(line)
    except ValueError:
        return _refused("not JSON")
    if not isinstance(command, dict):
        return _refused("a command is a JSON object")
    do = command.pop("do", None)
    action = _ACTIONS.get(do) if isinstance(do, str) else None
    if action is None:
        return _refused(f"do: found {do!r}, allowed {', '.join(_ACTIONS)}")
    allowed = list(inspect.signature(action).parameters)[1:]
    unknown = sorted(set(command) - set(allowed))
    if unknown:
        return _refused(f"{do}: found {', '.join(unknown)}, allowed {', '.join(allowed) or 'nothing'}")
    try:
        return {"ok": True, **action(plant, **command)}
    except ValueError as error:
        return _refused(str(error))


def _refused(text: str) -> dict[str, Any]:
    return {"ok": False, "error": text}


def _status(plant: Plant) -> dict[str, Any]:
    return plant.status()


def _fault(
    plant: Plant, name: Any = None, unit: Any = None, count: Any = None, permille: Any = 1000, ms: Any = None
) -> dict[str, Any]:
    plant.faults.set(name, unit, count=count, permille=permille, ms=ms)
    return {"active": plant.faults.as_list()}


def _clear(plant: Plant, name: Any = None, unit: Any = None) -> dict[str, Any]:
    plant.faults.clear(name, unit)
    return {"active": plant.faults.as_list()}


def _machine(plant: Plant, state: Any = None) -> dict[str, Any]:
    try:
        wanted = State(state)
    except ValueError:
        raise ValueError(f"state: found {state!r}, allowed {', '.join(s.value for s in State)}") from None
    plant.current_machine().force(wanted)
    return {"machine": wanted.value}


_ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "status": _status,
    "fault": _fault,
    "clear": _clear,
    "machine": _machine,
}


async def ask(path: Path, do: str, timeout_s: float = 5.0, **parameters: Any) -> dict[str, Any]:
    """Send one command to a plant's control socket and return its answer; ControlError when it is refused."""
    try:
        with short_name(path) as name:
            reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(name), timeout_s)
        try:
            writer.write(json.dumps({"do": do, **parameters}).encode() + b"\n")
            reply = json.loads(await asyncio.wait_for(reader.readline(), timeout_s))
        finally:
            writer.close()
    except (OSError, asyncio.TimeoutError, ValueError) as error:
        raise ControlError(f"the plant does not answer on {path}: {error or type(error).__name__}") from error
    if not reply.get("ok"):
        raise ControlError(str(reply.get("error", "refused without a reason")))
    return dict(reply)
