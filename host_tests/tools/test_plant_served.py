"""The whole plant on real ptys with a pymodbus client: what the client read is what the plant says it served."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from plant_bench import adu
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from fieldgate.plant import Plant, PlantSettings, Reply, read_replies

READS = [
    (1, 4, 0, 32),
    (1, 4, 70, 6),
    (1, 4, 342, 2),
    (2, 4, 1, 2),
    (3, 3, 0x2103, 4),
    (4, 3, 0, 5),
    (4, 2, 0, 2),
    (4, 1, 0, 1),
]
Answer = tuple[int, int, int, int, bytes, int]


class Client:
    """pymodbus as the device on the line's port; answers as the plant's record states them."""

    def __init__(self, path: str) -> None:
        self.modbus = AsyncModbusSerialClient(path, framer=FramerType.RTU, timeout=0.5, retries=0)

    async def __aenter__(self) -> Client:
        assert await self.modbus.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.modbus.close()

    async def read(self, unit: int, fc: int, address: int, count: int) -> Answer:
        calls: dict[int, Callable[..., Awaitable[Any]]] = {
            1: self.modbus.read_coils,
            2: self.modbus.read_discrete_inputs,
            3: self.modbus.read_holding_registers,
            4: self.modbus.read_input_registers,
        }
        result = await calls[fc](address, count=count, device_id=unit)
        if result.isError():
            return (unit, fc, address, count, b"", result.exception_code)
        if fc <= 2:
            value = sum(bit << k for k, bit in enumerate(result.bits[:count]))
            return (unit, fc, address, count, value.to_bytes((count + 7) // 8, "little"), 0)
        return (unit, fc, address, count, struct.pack(f">{count}H", *result.registers), 0)


def as_answer(reply: Reply) -> Answer:
    return (reply.unit_id, reply.fc, reply.address, reply.count, reply.data, reply.exception)


def send(plant: Plant, *body: int) -> None:
    """Write a request to the port without waiting for anything."""
    port = os.open(plant.device_path, os.O_RDWR | os.O_NOCTTY)
    os.write(port, adu(*body))
    os.close(port)


async def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Wait for something that must happen; the limit only ends a test that has failed."""
    for _ in range(round(limit_s / 0.002)):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("did not happen")


async def settled(plant: Plant, replies: int) -> None:
    """Until the plant has booked so many replies (a client returns as soon as it has the last byte)."""
    await until(lambda: len(plant.served) + len(plant.faulted) >= replies)


async def quiet(plant: Plant) -> None:
    """Until nothing is on the wire: who sends into a reply, even to one who has left, collides with it."""
    await until(
        lambda: (
            not plant.line.wire.unanswered and len(plant.served) + len(plant.faulted) == plant.line.counts["replies"]
        )
    )


def differences(answers: list[Answer], replies: list[Reply]) -> list[tuple[int, Answer, Answer]]:
    served = [as_answer(reply) for reply in replies]
    assert len(served) == len(answers)
    return [(k, a, s) for k, (a, s) in enumerate(zip(answers, served)) if a != s]


def test_every_read_equals_the_record(tmp_path: Path) -> None:
    async def run() -> tuple[list[Answer], list[Reply], dict[str, Any]]:
        rng, answers = random.Random(5), []
        async with Plant(PlantSettings(baud=115200, speed=200, folder=tmp_path)) as plant:
            async with Client(plant.device_path) as client:
                for _ in range(60):
                    answers.append(await client.read(*rng.choice(READS)))
                answers.append(await client.read(4, 3, 3, 4))
            await settled(plant, len(answers))
            return answers, sorted([*plant.served, *plant.faulted], key=lambda reply: reply.utc_ms), plant.status()

    answers, replies, status = asyncio.run(run())
    assert differences(answers, replies) == []
    assert answers[-1][-1] == 2  # the exception is in the record too
    assert len({answer for answer in answers if answer[0] == 1}) > 10  # values did move
    assert status["line"]["collisions"] == status["line"]["bad_requests"] == 0
    written = read_replies(tmp_path / "served.jsonl") + read_replies(tmp_path / "faulted.jsonl")
    assert sorted(written, key=lambda reply: reply.utc_ms) == replies
    assert len((tmp_path / "line.jsonl").read_text().splitlines()) == 2 * len(answers)
    altered = [*answers[:7], (*answers[7][:4], b"\xff" + answers[7][4][1:], 0), *answers[8:]]
    assert [k for k, _, _ in differences(altered, replies)] == [7]  # the comparison can fail


def test_faults_reach_a_real_client_and_are_kept_out_of_served() -> None:
    async def run() -> None:
        async with Plant(PlantSettings(baud=115200)) as plant, Client(plant.device_path) as client:
            await client.read(2, 4, 1, 2)
            await settled(plant, 1)
            for name in ("lost_reply", "corrupt"):
                plant.faults.set(name, unit=2, count=1)
                with pytest.raises(ModbusIOException):
                    await client.read(2, 4, 1, 2)
            plant.faults.set("dead_unit", unit=3)
            with pytest.raises(ModbusIOException):
                await client.read(3, 3, 0x2103, 4)
            plant.faults.clear()
            await client.read(3, 3, 0x2103, 4)
            await settled(plant, 4)
            assert [reply.faults for reply in plant.faulted if "host_stall" not in reply.faults] == [
                ("lost_reply",),
                ("corrupt",),
            ]

    asyncio.run(run())


def test_unknown_function_code_does_not_upset_the_units() -> None:
    async def run() -> None:
        async with Plant(PlantSettings(baud=115200)) as plant:
            async with Client(plant.device_path) as client:
                send(plant, 4, 0x41, 1, 2)
                await until(lambda: plant.line.counts["requests"] == 1)
                answer = await client.read(4, 3, 0, 5)
                assert answer[-1] == 0 and len(answer[4]) == 10

    asyncio.run(run())


def test_client_comes_and_goes_and_finds_a_clean_port() -> None:
    async def run() -> None:
        async with Plant(PlantSettings(baud=115200)) as plant:
            for turn in range(1, 6):
                async with Client(plant.device_path) as client:
                    assert (await client.read(4, 3, 0, 5))[-1] == 0
                    if turn % 2:  # leave with a reply on its way
                        send(plant, 1, 4, 0, 0, 0, 32)
                        sent = turn + (turn + 1) // 2
                        await until(lambda sent=sent: plant.line.counts["requests"] >= sent)  # type: ignore[misc]
                await until(lambda: not plant.line.wire.listening)
                await quiet(plant)
            assert plant.line.device_opens == 5
            # how far a reply came before its client left is up to the host
            assert {name for reply in plant.faulted for name in reply.faults} <= {"no_listener", "host_stall"}
            assert len(plant.served) + len(plant.faulted) == plant.line.counts["replies"] == 8

    asyncio.run(run())


def test_bytes_that_a_client_left_unread_do_not_meet_the_next_one() -> None:
    async def run() -> int:
        async with Plant(PlantSettings(baud=115200)) as plant:
            send_and_hold = os.open(plant.device_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            os.write(send_and_hold, adu(1, 4, 0, 0, 0, 32))
            await settled(plant, 1)
            os.close(send_and_hold)
            await until(lambda: not plant.line.wire.listening)
            port = os.open(plant.device_path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            await until(lambda: plant.line.wire.listening)
            try:
                return len(os.read(port, 256))
            except BlockingIOError:
                return 0
            finally:
                os.close(port)

    assert asyncio.run(run()) == 0


def test_leaving_gives_everything_back() -> None:
    async def run() -> None:
        async with Plant(PlantSettings()) as plant:
            async with Client(plant.device_path) as client:
                await client.read(4, 3, 0, 5)

    before = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    for _ in range(3):
        asyncio.run(run())
    after = sorted(os.listdir("/proc/self/fd")) if before else []
    assert len(after) == len(before)


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    for settings in (PlantSettings(baud=1), PlantSettings(serial_format="7E1"), PlantSettings(speed=0)):
        with pytest.raises(ValueError, match="found .* allowed"):
            Plant(settings)
    (tmp_path / "file").touch()

    async def run() -> None:
        async with Plant(PlantSettings(folder=tmp_path / "file")):
            raise AssertionError("a file is not a folder")

    with pytest.raises(OSError):
        asyncio.run(run())
