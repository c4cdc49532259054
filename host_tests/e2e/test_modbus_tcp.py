"""The local reader for SCADA, end to end: pymodbus reads from the virtual board what the plant served on its line.

The map is what `fieldgate modbus-map` makes of the box's own ot.json. A value is right when its words are, bit for bit,
those of one reply that the plant has put on the line.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient
from virtual_box import VirtualBox

from fieldgate import modbus_map_cli
from fieldgate.broker import HOST, Broker
from fieldgate.demo import result


class ScadaBox(VirtualBox):
    """A virtual box whose it.json asks for the server; `registers`: read them as pymodbus does."""

    def serve(self) -> None:
        """Start with the server on a free port."""
        with socket.socket() as sock:
            sock.bind((HOST, 0))
            self.tcp_port = int(sock.getsockname()[1])
        self.it["modbus_tcp"] = {"port": self.tcp_port, "allowed": [HOST]}
        self.it["publish"]["telemetry_s"] = 1
        doubled = {"name": "doubled", "expression": "drive.output_frequency * 2", "period_ms": 500}
        self.ot["derived"] = [doubled]
        self.start()
        self.wait_samples(40)
        self.wait(self.accepts, "the server listens")

    def accepts(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex((HOST, self.tcp_port)) == 0

    def client(self) -> ModbusTcpClient:
        client = ModbusTcpClient(HOST, port=self.tcp_port, timeout=5, retries=0)
        assert client.connect()
        return client

    def map(self) -> dict[str, Any]:
        return modbus_map_cli.map_of(self.box / "ot.json")

    def served(self) -> set[tuple[Any, ...]]:
        """(unit id, fc, address, count, data) of every reply that the plant has put on the line."""
        return {(*one.stream, one.data) for one in result.served_record(self.folder / "plant")}


@pytest.fixture(scope="module")
def box(broker_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScadaBox]:
    """One box for the tests that leave it as they found it; a start takes seconds."""
    folder = tmp_path_factory.mktemp("scada")
    broker = Broker(folder / "broker", None, broker_program)
    broker.start()
    try:
        with ScadaBox(folder / "run", broker) as box:
            box.serve()
            yield box
    finally:
        broker.close()


def read(client: ModbusTcpClient, address: int, count: int, input_registers: bool = False) -> list[int]:
    ask = client.read_input_registers if input_registers else client.read_holding_registers
    answer = ask(address, count=count, device_id=1)
    assert not answer.isError(), answer
    return list(answer.registers)


def data_of(block: dict[str, Any], words: list[int]) -> bytes:
    """A block's data as they were on the wire."""
    if block["fc"] > 2:
        return b"".join(word.to_bytes(2, "big") for word in words)
    return b"".join(word.to_bytes(2, "little") for word in words)[: (block["count"] + 7) // 8]


def connect(box: ScadaBox) -> socket.socket:
    return socket.create_connection((HOST, box.tcp_port), 5)


def is_cut(sock: socket.socket) -> bool:
    sock.settimeout(10)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_scada_reads_bit_for_bit_what_the_plant_served(box: ScadaBox) -> None:
    tree = box.map()
    client = box.client()
    head = read(client, 0, 16)
    assert head[:2] == [1, 8] and head[2] << 16 | head[3] == int(tree["mark"], 16)
    assert abs((head[6] << 16 | head[7]) - time.time()) < 5 and head[8:] == [0] * 8
    compared: list[tuple[Any, ...]] = []
    *polled, computed = tree["blocks"]
    assert computed["unit"] == "derived" and computed["fc"] == 0
    for turn in range(15):
        for block in polled:
            quality, age_s, *words = read(client, block["register"], block["registers"], turn % 2 == 1)
            assert quality == 0 and age_s <= 5, block
            stream = tuple(block[key] for key in ("unit_id", "fc", "address", "count"))
            compared.append((*stream, data_of(block, words)))
        time.sleep(0.2)  # the plant moves on; what is judged does not depend on it
    box.wait(lambda: set(compared) <= box.served(), "the plant's record shows all of it")
    seen = len(set(compared))
    assert seen > 20, "the values have moved"
    assert not set(compared[:1]) <= {(*one[:4], bytes(len(one[4]))) for one in compared}, "and are no zeros"
    print(f"REPORT: modbus tcp: {len(compared)} blocks read, {seen} different, all in the plant's record bit for bit")
    quality, _, high, low = read(client, computed["register"], computed["registers"])
    doubled = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    drive = next(block for block in polled if block["unit"] == "drive")
    frequencies = {struct.unpack(">H", data[:2])[0] for unit, *_, data in box.served() if unit == drive["unit_id"]}
    assert quality == 0 and any(abs(doubled - raw * 0.02) < 1e-4 for raw in frequencies), "what the box computes, too"
    beyond = client.read_holding_registers(tree["registers"], count=1, device_id=1)
    assert beyond.isError() and beyond.exception_code == 2
    for refused in (
        client.write_register(18, 1, device_id=1),
        client.write_registers(18, [1, 2], device_id=1),
        client.write_coil(0, True, device_id=1),
        client.write_coils(0, [True], device_id=1),
        client.mask_write_register(address=18, device_id=1),
        client.readwrite_registers(read_address=0, read_count=1, address=18, values=[1], device_id=1),
        client.read_coils(0, count=1, device_id=1),
    ):
        assert refused.isError() and refused.exception_code == 1, refused
    other = client.read_holding_registers(0, count=1, device_id=3)
    assert other.isError() and other.exception_code == 10, "there is no way to the units of the line"
    client.close()
    assert box.balance().ok


def test_a_unit_that_falls_silent_keeps_its_values_and_says_so(box: ScadaBox) -> None:
    meter = box.map()["blocks"][0]
    client = box.client()
    box.fault("dead_unit", unit=meter["unit_id"])
    box.wait(lambda: read(client, meter["register"], 1)[0] == 1, "quality is timeout")
    box.wait(lambda: read(client, meter["register"] + 1, 1)[0] >= 2, "its values grow old")
    quality, _, *words = read(client, meter["register"], meter["registers"])
    assert quality in (1, 5) and any(words)
    box.clear()
    box.wait(lambda: read(client, meter["register"], 1)[0] == 0, "it is back", 60)
    client.close()


def test_bad_clients_hold_nobody_up(box: ScadaBox) -> None:
    silent = connect(box)
    garbage = connect(box)
    garbage.sendall(b"GET / HTTP/1.1\r\nHost: box\r\n\r\n")
    assert is_cut(garbage)
    good = box.client()
    read(good, 0, 16)
    third = connect(box)
    assert is_cut(third), "two clients at most"
    slow = bytes.fromhex("0009 0000 0006 01 03 0000 007D".replace(" ", ""))
    silent.sendall(slow[:5])
    before = box.samples
    started = time.monotonic()
    for _ in range(200):
        read(good, 0, 16)
    per_s = 200 / (time.monotonic() - started)
    box.wait(lambda: box.samples > before + 40, "samples go on")
    good.close()
    flood = connect(box)
    flood.setblocking(False)
    request = bytes.fromhex("000100000006010300000010")
    sent = 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:  # a client that asks without end and takes no reply
        try:
            sent += flood.send(request * 50)
        except BlockingIOError:
            time.sleep(0.01)
    before = box.samples
    box.wait(lambda: box.samples > before + 40, "samples go on")
    for sock in (silent, flood, third, garbage):
        sock.close()
    again = box.client()
    assert read(again, 1, 1) == [8]
    again.close()
    balance = box.balance()
    assert balance.ok, balance
    told = box.store.telemetry
    print(f"REPORT: modbus tcp: {told['modbus_tcp']}; longest hold of the loop {told['hold_max_ms']} ms")
    print(f"REPORT: modbus tcp: {per_s:.0f} requests per s of 16 registers beside polling, virtual board")


def test_without_modbus_tcp_nothing_listens_and_strangers_are_refused(
    tmp_path: Path, start_broker: Callable[..., Broker]
) -> None:
    with ScadaBox(tmp_path / "run", start_broker()) as box:
        box.it["modbus_tcp"] = None
        box.tcp_port = 0
        box.start()
        box.wait_samples(5)
        listening = [line for line in open_sockets(box) if "LISTEN" in line]
        assert not listening, listening
        box.kill_firmware()
        with socket.socket() as sock:
            sock.bind((HOST, 0))
            box.tcp_port = int(sock.getsockname()[1])
        box.it["modbus_tcp"] = {"port": box.tcp_port, "allowed": ["10.1.2.0/24"]}
        box.write_configuration()
        box.start_firmware()
        box.wait_samples(5)
        assert is_cut(connect(box)), "only who is allowed"


def open_sockets(box: ScadaBox) -> list[str]:
    import psutil

    assert box.firmware is not None
    found = psutil.Process(box.firmware.pid).net_connections(kind="tcp")
    return [f"{one.laddr} {one.status}" for one in found]
