"""The real firmware as a Sparkplug node on a real broker, read by pysparkplug: what the units served, bit for bit."""

from __future__ import annotations

import json
import random
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from fault_proxy import FaultProxy
from paho.mqtt.enums import CallbackAPIVersion
from pysparkplug import DataType, DBirth, DData, DDeath, Metric, NBirth, NCmd, NData, NDeath
from virtual_box import VirtualBox

from fieldgate.broker import HOST, Broker
from fieldgate.demo.result import served_record

NODE = "spBv1.0/lyon/{}/fg-0001"
READERS = {"NBIRTH": NBirth, "DBIRTH": DBirth, "NDATA": NData, "DDATA": DData, "DDEATH": DDeath,
           "NDEATH": NDeath}  # fmt: skip


class Host:
    """A host application: keeps (kind, device, payload) in order of arrival."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[str, str, object]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.connect(HOST, port)
        self._client.subscribe("spBv1.0/#", 1)
        self._client.loop_start()

    def _take(self, _client: object, _user: object, message: mqtt.MQTTMessage) -> None:
        parts = message.topic.split("/")
        if parts[2] in READERS:
            payload = READERS[parts[2]].decode(message.payload)
            self.got.append((parts[2], parts[4] if len(parts) > 4 else "", payload))

    def kinds(self, wanted: str) -> list:
        return [payload for kind, _, payload in list(self.got) if kind == wanted]

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(20)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def problems(self) -> list[str]:
        """Broken rules of numbers and births."""
        found, seq = [], None
        for kind, device, payload in self.got:
            if kind == "NDEATH":
                continue
            if kind == "NBIRTH":
                seq = -1
            if seq is None or payload.seq != (seq + 1) & 255:
                found.append(f"{kind} {device}: seq {payload.seq} after {seq}")
            seq = payload.seq
        return found

    def values(self) -> dict[str, list[tuple[int, int]]]:
        """(timestamp, word) of every good value by unit.point, in order of arrival, each once."""
        names: dict[int, str] = {}
        values: dict[str, dict[tuple[int, int], None]] = defaultdict(dict)
        for kind, device, payload in self.got:
            if kind == "DBIRTH":
                names |= {metric.alias: f"{device}.{metric.name}" for metric in payload.metrics}
            if kind == "DDATA":
                for metric in payload.metrics:
                    if not metric.is_null:
                        values[names[metric.alias]][metric.timestamp, word_of(metric)] = None
        return {name: list(found) for name, found in values.items()}


def word_of(metric: Metric) -> int:
    if metric.datatype == DataType.FLOAT:
        return int(struct.unpack(">I", struct.pack(">f", metric.value))[0])
    return int(metric.value) & 0xFFFFFFFF


def served_words(box: VirtualBox, unit_id: int, fc: int, at: int, kind: str, until_ms: int) -> list[int]:
    """What the plant delivered of one point, in order, as words."""
    found = []
    for reply in served_record(box.folder / "plant"):
        number, code, address, count = reply.stream
        if (number, code) == (unit_id, fc) and address <= at < address + count and reply.owed:
            if reply.utc_ms <= until_ms:
                data = reply.data[2 * (at - address) :]
                found.append(int.from_bytes(data[:4] if kind == "float32" else data[:2], "big"))
    return found


@pytest.fixture
def box(tmp_path: Path, mosquitto_program: str, start_broker: Callable[..., Broker]) -> Iterator[VirtualBox]:
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.it["publish"]["payload"] = "sparkplug"
        box.it["publish"]["assets_s"] = 0
        yield box


def test_a_node_over_cut_connections(box: VirtualBox) -> None:
    """A proxy cuts the box's connection at any byte, and answers nothing for a while; the host sees everything."""
    host = Host(box.broker.port)
    seeds = random.Random(3)
    with FaultProxy(box.broker.port) as proxy:
        box.it["mqtt"]["brokers"][0]["port"] = proxy.port
        proxy.cuts = iter([(seeds.randint(1500, 5000), 10**9) for _ in range(6)])
        try:
            box.start_plant()
            box.start_firmware()
            box.wait(lambda: proxy.resets == 6, "six cuts", 60)
            proxy.refuse = True
            proxy.reset_all()
            served = box.folder / "plant" / "served.jsonl"
            before = len(served.read_text().splitlines())
            box.wait(lambda: len(served.read_text().splitlines()) > before + 20, "the log fills")
            births = len(host.kinds("NBIRTH"))
            proxy.refuse = False
            box.wait(lambda: len(host.kinds("NBIRTH")) == births + 1, "the next birth")
            box.wait(lambda: host.got[-1][0] == "DDATA", "data after it")
            cmd = Metric(timestamp=1, name="Node Control/Rebirth", datatype=DataType.BOOLEAN, value=True)
            host.publish(NODE.format("NCMD"), NCmd(timestamp=1, metrics=(cmd,)).encode(include_dtypes=True))
            box.wait(lambda: len(host.kinds("NBIRTH")) == births + 2, "the birth that was asked for")
            until_ms = time.time_ns() // 1_000_000
            box.wait(
                lambda: all(found[-1][0] > until_ms for found in host.values().values()), "what was served until now"
            )
            deaths = len(host.kinds("NDEATH"))
            box.kill_firmware()
            box.wait(lambda: len(host.kinds("NDEATH")) > deaths, "the last will")
        finally:
            host.close()
    assert host.problems() == []
    told = [{metric.name: metric.value for metric in birth.metrics}["bdSeq"] for birth in host.kinds("NBIRTH")]
    assert told == sorted(told) and told[-1] == told[-2] and len(set(told)) == len(told) - 1, told
    assert host.kinds("NDEATH")[-1].bd_seq_metric.value == told[-1]
    values, checked = host.values(), 0
    for unit in box.ot["buses"][0]["units"]:
        for point in unit["points"]:
            if point["type"] not in ("float32", "uint16") or point.get("order", "ABCD") != "ABCD":
                continue
            wanted = served_words(box, unit["unit_id"], point["fc"], point["address"], point["type"], until_ms)
            got = [word for _, word in values[f"{unit['name']}.{point['name']}"]]
            assert wanted and got[: len(wanted)] == wanted, point["name"]
            checked += len(wanted)
    print(f"REPORT: Sparkplug through a real broker, 6 cuts and an outage: {checked} values equal, 0 lost")


def test_a_silent_unit_dies_and_is_born_again(box: VirtualBox) -> None:
    host = Host(box.broker.port)

    def lives(device: str) -> list[str]:
        return [kind for kind, name, _ in list(host.got) if name == device]

    try:
        box.start_plant()
        box.start_firmware()
        box.wait(lambda: lives("climate").count("DDATA") > 3, "values of the sensor")
        box.fault("dead_unit", unit=2)
        box.wait(lambda: "DDEATH" in lives("climate"), "its death")
        held = len(lives("climate"))
        others = len(lives("meter"))
        box.wait(lambda: len(lives("meter")) > others + 10, "the others go on")
        assert len(lives("climate")) == held
        box.clear()
        box.wait(lambda: lives("climate").count("DBIRTH") == 2, "it is born again", 60)
        box.wait(lambda: lives("climate")[-1] == "DDATA", "and speaks")
    finally:
        host.close()
    assert host.problems() == []
    assert lives("climate")[held - 1 : held + 2] == ["DDEATH", "DBIRTH", "DDATA"]
    assert "DDEATH" not in lives("meter") + lives("drive") + lives("plc")


def test_the_primary_host_decides(box: VirtualBox) -> None:
    box.it["publish"]["sparkplug"] = {"group": "plant", "node": "press", "host": "scada"}
    host = Host(box.broker.port)
    state = "spBv1.0/STATE/scada"
    try:
        box.start_plant()
        box.start_firmware()
        box.wait(lambda: "connected" in box.said(), "the box connects")
        time.sleep(1)
        assert host.got == []
        now = time.time_ns() // 1_000_000
        host.publish(state, json.dumps({"online": True, "timestamp": now}).encode(), True)
        box.wait(lambda: len(host.kinds("DDATA")) > 5, "values for the host")
        host.publish(state, json.dumps({"online": False, "timestamp": now}).encode(), True)
        box.wait(lambda: host.kinds("NDEATH"), "the death")
        box.wait(lambda: box.said().count("connected") == 2, "it connects again")
        held = len(host.got)
        time.sleep(1)
        assert len(host.got) == held
        host.publish(state, json.dumps({"online": True, "timestamp": now + 1}).encode(), True)
        box.wait(lambda: len(host.kinds("NBIRTH")) == 2, "it is born again")
    finally:
        host.close()
    assert host.problems() == []
    assert "primary host is offline" in box.said()
