"""`fieldgate plant`: runs the virtual plant, prints its port and live counts, ends with Ctrl-C.

Promises: the first line names the serial port to open; errors are one line on stderr and status 1; Ctrl-C and
SIGTERM end it cleanly with status 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import selectors
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from fieldgate.plant.control import ControlServer
from fieldgate.plant.plant import Plant, PlantSettings
from fieldgate.plant.units import UNITS

REPORT_S = 1.0
QUIET_REPORT_S = 10.0


def plant(
    baud: Annotated[int, typer.Option(help="Baud rate of the line.")] = 19200,
    serial_format: Annotated[str, typer.Option("--format", help="Data bits, parity, stop bits.")] = "8E1",
    seed: Annotated[int, typer.Option(help="Seed of the machine and of the faults.")] = 1,
    speed: Annotated[float, typer.Option(help="Machine seconds per second.")] = 1.0,
    seconds: Annotated[float, typer.Option(help="End after this time; 0: with Ctrl-C.")] = 0,
    folder: Annotated[Path | None, typer.Option(help="Write line.jsonl, served.jsonl, faulted.jsonl here.")] = None,
    control: Annotated[Path | None, typer.Option(help="Unix socket that takes commands as JSON lines.")] = None,
    link: Annotated[Path | None, typer.Option(help="Symbolic link to make to the serial port.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="Fault from the start: NAME or NAME:UNIT.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line with the port, then nothing.")] = False,
) -> None:
    """Serve the virtual RS-485 line with its Modbus units."""
    logging.getLogger("pymodbus").addHandler(logging.NullHandler())  # it would dump every odd frame on stderr
    try:
        settings = PlantSettings(baud, serial_format, seed, speed, folder, link)
        _run_precisely(_serve(settings, seconds, control, fault or [], as_json))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValueError as error:
        _fail(str(error))


def _fail(text: str) -> NoReturn:
    print(f"fieldgate plant: {text}", file=sys.stderr)
    raise typer.Exit(1) from None


def _run_precisely(main: Coroutine[Any, Any, None]) -> None:
    """Run on an event loop whose timers are not rounded to milliseconds, as epoll's are.

    Where the system permits it (root, usually), with real-time priority: a wire does not wait for a busy host.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


async def _serve(
    settings: PlantSettings, seconds: float, control: Path | None, faults: list[str], as_json: bool
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(Plant(settings))
        for text in faults:
            _set_fault(running, text)
        if control is not None:
            await stack.enter_async_context(ControlServer(running, control))
        if seconds > 0:
            loop.call_later(seconds, ended.set)
        if as_json:
            print(json.dumps({"device": running.device_path}), flush=True)
            await _until_alone(ended)
            return
        print(f"serial port: {running.device_path}  ({settings.baud} baud, {settings.serial_format})")
        for unit in UNITS:
            codes = ", ".join(f"FC {code}" for code in sorted(unit.spans))
            print(f"  unit {unit.unit_id}: {unit.model} ({codes})")
        await _report(running, ended)


async def _until_alone(ended: asyncio.Event) -> None:
    """Wait for the end, or for the program that started this one to be gone: nothing is left behind."""
    parent = os.getppid()
    while os.getppid() == parent and not ended.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), REPORT_S)


def _set_fault(running: Plant, text: str) -> None:
    name, _, unit = text.partition(":")
    if unit and not unit.isdecimal():
        raise ValueError(f"--fault: found {text!r}, allowed NAME or NAME:UNIT")
    running.faults.set(name, int(unit) if unit else None)


async def _report(running: Plant, ended: asyncio.Event) -> None:
    """Print counts: once a second in place on a terminal, every 10 s as lines elsewhere."""
    live = sys.stdout.isatty()
    period_s = REPORT_S if live else QUIET_REPORT_S
    while not ended.is_set():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), period_s)
        text = _one_line(running.status())
        print(("\r\033[K" if live else "") + text, end="" if live and not ended.is_set() else "\n", flush=True)


def _one_line(status: dict[str, Any]) -> str:
    line = status["line"]
    parts = [
        f"machine {status['machine']}",
        "port open" if status["listening"] else "port closed",
        f"{line['requests']} requests",
        f"{line['served']} served",
    ]
    names = ("faulted", "collisions", "short_gaps", "bad_requests", "absent_unit", "host_stalls", "overrun")
    parts += [f"{line[name]} {name}" for name in names if line[name]]
    parts += ["fault " + fault["name"] for fault in status["active"]]
    return ", ".join(parts)
