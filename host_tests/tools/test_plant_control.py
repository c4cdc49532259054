"""The plant as a program: control channel, live switching, a client that is killed, clean ends, clear errors."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from plant_bench import read_request
from test_plant_served import Client, as_answer, quiet, until

from fieldgate.plant import Plant, PlantSettings
from fieldgate.plant.control import MAX_LINE_BYTES, ControlError, ControlServer, answer, ask, short_name
from fieldgate.plant.process import PlantFailed, PlantProcess

TOOLS = Path(__file__).resolve().parents[2] / "tools"

# A client in a process of its own that polls without end, as firmware does.
POLLING_CLIENT = """
import os, sys, tty
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
tty.setraw(port)
request = bytes.fromhex(sys.argv[2])
while True:
    os.write(port, request)
    left = int(sys.argv[3])
    while left:
        left -= len(os.read(port, left))
    print("read", flush=True)
"""


def start_program(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fieldgate", "plant", *arguments],
        env={**os.environ, "PYTHONPATH": str(TOOLS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_program_prints_its_port_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    link = tmp_path / "port"
    program = start_program("--link", str(link))
    assert program.stdout is not None
    first = program.stdout.readline()
    assert first.startswith("serial port: /dev/") and "19200 baud, 8E1" in first
    assert os.path.realpath(link) == first.split()[2]
    assert [program.stdout.readline().split(":")[0].strip() for _ in range(4)] == [f"unit {k}" for k in (1, 2, 3, 4)]
    program.send_signal(number)
    rest, errors = program.communicate(timeout=20)
    assert program.returncode == 0 and errors == "" and "0 requests" in rest
    assert not os.path.lexists(link)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--baud", "100"), "baud: found 100, allowed 1200"),
        (("--format", "7E1"), "serial format: found 7E1"),
        (("--fault", "fire"), "fault: found 'fire', allowed dead_unit"),
        (("--fault", "dead_unit:x"), "--fault: found 'dead_unit:x'"),
        (("--folder", "/dev/null/x"), "Not a directory"),
        (("--control", "/nowhere/x"), "/nowhere/x"),
    ],
)
def test_mistakes_are_one_line_and_status_1(arguments: tuple[str, ...], words: str) -> None:
    out, errors = (program := start_program(*arguments)).communicate(timeout=20)
    assert program.returncode == 1
    assert len(errors.splitlines()) == 1 and words in errors and errors.startswith("fieldgate plant: ")


def test_commands_answer_and_refuse_in_one_line() -> None:
    async def run() -> list[dict[str, Any]]:
        async with Plant(PlantSettings()) as plant:
            return [answer(plant, line) for line in LINES]

    answers = asyncio.run(run())
    for line, (given, wanted) in zip(LINES, zip(answers, WANTED)):
        if isinstance(wanted, str):
            assert not given["ok"] and wanted in given["error"] and "\n" not in given["error"], line
        else:
            assert given["ok"] and wanted.items() <= given.items(), line


LINES = [
    b'{"do": "status"}',
    b'{"do": "machine", "state": "fault"}',
    b'{"do": "status"}',
    b'{"do": "clear"}',
    b"rubbish",
    b"\xff\xfe",
    b"[1]",
    b"{}",
    b'{"do": ["status"]}',
    b'{"do": "status", "x": 1}',
    b'{"do": "fault"}',
    b'{"do": "fault", "name": ["echo"]}',
    b'{"do": "fault", "name": "lost_reply", "unit": "2"}',
    b'{"do": "fault", "name": "lost_reply", "permille": null}',
    b'{"do": "fault", "name": "lost_reply", "self": 1}',
    b'{"do": "clear", "name": "fire"}',
    b'{"do": "clear", "unit": []}',
    b'{"do": "machine", "state": "flying"}',
]
WANTED: list[dict[str, Any] | str] = [
    {"machine": "stopped", "baud": 19200, "active": []},
    {"machine": "fault"},
    {"machine": "fault"},
    {"active": []},
    "not JSON",
    "not JSON",
    "JSON object",
    "do: found None",
    "do: found",
    "status: found x, allowed nothing",
    "fault: found None",
    "fault: found ['echo']",
    "lost_reply.unit: found '2'",
    "lost_reply.permille: found None",
    "fault: found self",
    "fault: found 'fire'",
    "unit: found []",
    "state: found 'flying', allowed stopped",
]


@pytest.mark.parametrize("folder", ["short", "long" * 40])
def test_control_socket_survives_bad_clients(tmp_path: Path, folder: str) -> None:
    async def run() -> None:
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "socket"
        async with Plant(PlantSettings()) as plant, ControlServer(plant, path):
            for bad in (b"x" * (2 * MAX_LINE_BYTES), b"half a line"):
                with short_name(path) as name:
                    _, writer = await asyncio.open_unix_connection(name)
                writer.write(bad)
                writer.close()
            await ask(path, "fault", name="stray_ff", unit=2, count=3)
            assert plant.faults.as_list()[0]["count"] == 3
            with pytest.raises(ControlError, match="found 'fire'"):
                await ask(path, "fault", name="fire")
        with pytest.raises(ControlError, match="does not answer"):
            await ask(path, "status")

    asyncio.run(run())


def test_plant_in_its_own_process(tmp_path: Path) -> None:
    async def run() -> None:
        async with PlantProcess(PlantSettings(baud=115200, speed=50, folder=tmp_path)) as plant:
            async with Client(plant.device_path) as client:
                answers = [await client.read(4, 3, 0, 5) for _ in range(10)]
                await plant.fault("corrupt", unit=1, count=1)
                assert (await plant.status())["active"][0]["name"] == "corrupt"
                client.modbus.retries = 0
                with pytest.raises(Exception, match="No response"):
                    await client.read(1, 4, 0, 2)
                await plant.clear()
            pid = plant.pid
        replies = sorted([*plant.served(), *plant.faulted()], key=lambda reply: reply.utc_ms)
        assert [as_answer(reply) for reply in replies[:10]] == answers
        assert [reply.faults for reply in plant.faulted() if not reply.whole] == [("corrupt",)]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    asyncio.run(run())


def test_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        async with PlantProcess(PlantSettings(baud=100, folder=tmp_path)):
            raise AssertionError("there is no such baud rate")

    with pytest.raises(PlantFailed, match="baud: found 100"):
        asyncio.run(run())


def test_client_killed_in_the_middle_of_a_reply_and_started_again(tmp_path: Path) -> None:
    started: list[asyncio.subprocess.Process] = []

    async def run() -> None:
        async with Plant(PlantSettings(baud=19200, folder=tmp_path)) as plant:
            for turn in range(1, 4):
                arguments = [plant.device_path, read_request(1, 4, 0, 32).hex(), "69"]
                client = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", POLLING_CLIENT, *arguments, stdout=asyncio.subprocess.PIPE
                )
                assert client.stdout is not None
                started.append(client)
                for _ in range(3):
                    assert await asyncio.wait_for(client.stdout.readline(), 10) == b"read\n"
                count = plant.line.counts["replies"]
                await until(lambda count=count: plant.line.counts["replies"] > count)  # type: ignore[misc]
                client.kill()  # 69 bytes take 40 ms, so one is on its way
                await client.wait()
                await until(lambda: not plant.line.wire.listening)
                assert plant.line.device_opens == turn
                await quiet(plant)
            counts = plant.line.counts
            # whether the kill met a reply is up to the host; that it is then not called served is not
            lost = [reply for reply in plant.faulted if "no_listener" in reply.faults]
            assert len(lost) == counts["no_listener"] and not any(reply.whole for reply in lost)
            assert counts["replies"] >= 12
            # what it says it served, it wrote at once
            lines = (tmp_path / "served.jsonl").read_text().splitlines()
            assert [json.loads(line)["utc_ms"] for line in lines] == [reply.utc_ms for reply in plant.served]

    async def run_and_clean_up() -> None:
        try:
            await run()
        finally:
            for client in started:
                if client.returncode is None:
                    client.kill()

    asyncio.run(run_and_clean_up())


def test_plant_does_not_outlive_the_program_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import subprocess, sys, time\n"
        "plant = subprocess.Popen([sys.executable, '-m', 'fieldgate', 'plant', '--json'], stdout=subprocess.PIPE)\n"
        "print(plant.pid, plant.stdout.readline(), flush=True)\n"
        "time.sleep(100)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", starter],
        env={**os.environ, "PYTHONPATH": str(TOOLS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    pid = int(program.stdout.readline().split()[0])
    program.kill()
    program.wait()
    program.stdout.close()

    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    asyncio.run(until(ended))
