"""The session on the real runtime against a real broker behind a fault proxy: nothing lost, order kept.

A subscriber of its own sees what the broker got. QoS 0 there, so that nothing is sent to it again: a duplicate is the
publisher's. `hold` is the longest time that one round of publishing and `service()` kept the loop, as measured: on the
wall's clock, which counts what else the machine did, and in CPU time.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from fault_proxy import TO_BROKER, FaultProxy

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHER = Path(__file__).with_name("uplink_publisher.py")
QUICK = {"backoff_min_ms": 20, "backoff_max_ms": 100, "ack_timeout_ms": 1000, "connack_timeout_ms": 1000}


class Subscriber:
    """Counts numbered messages: first arrivals in order, and duplicates."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.order: list[int] = []
        self.seen: set[int] = set()
        self.duplicates = 0
        self.retained: dict[str, bytes] = {}
        self.changed = threading.Condition()
        self.client: mqtt.Client | None = None

    def start(self) -> None:
        """Connect and return when the subscription stands."""
        ready = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.connect("127.0.0.1", self.port)
        self.client.subscribe("test/#", 0)
        self.client.loop_start()
        assert ready.wait(20), "the broker did not take the subscription"

    def stop(self) -> None:
        if self.client:
            self.client.disconnect()
            self.client.loop_stop()
            self.client = None

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self.changed:
            if message.topic != "test/data":
                self.retained[message.topic] = message.payload
            else:
                number = int(message.payload[:8])
                if number in self.seen:
                    self.duplicates += 1
                else:
                    self.seen.add(number)
                    self.order.append(number)
            self.changed.notify_all()

    def wait_for(self, what: Callable[[], bool], seconds: float = 60) -> bool:
        """Wait until `what` is true, of messages or of anything else. False when it takes too long."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while not what() and time.monotonic() < deadline:
                self.changed.wait(0.05)
            return what()

    def wait_count(self, count: int) -> bool:
        return self.wait_for(lambda: len(self.seen) >= count)


class Publisher:
    """The device side as a process with a heap like a Pico W's. `umqtt`: folder of another umqtt/simple.py."""

    def __init__(self, ports: list[int], count: int, size: int = 200, umqtt: str = "", **more: Any) -> None:
        settings = {**QUICK, **more.pop("settings", {})}
        plan = {"ports": ports, "count": count, "size": size, "settings": settings, **more}
        paths = [".frozen", *([umqtt] if umqtt else [])]
        paths += [str(ROOT / each) for each in ("lib", "firmware", "build/device")]
        self.process = subprocess.Popen(
            [str(Path(sys.prefix) / "bin" / "micropython"), "-X", "heapsize=320K", str(PUBLISHER)],
            env={**os.environ, "MICROPYPATH": ":".join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(plan) + "\n")
        self.process.stdin.flush()

    def result(self, seconds: float = 120) -> dict[str, Any]:
        try:
            output, _ = self.process.communicate(timeout=seconds)
        finally:
            self.process.kill()
        assert self.process.returncode == 0, output
        return json.loads(output.splitlines()[-1])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def subscriber(broker: Any) -> Iterator[Subscriber]:
    subscriber = Subscriber(broker.consumer_port)
    subscriber.start()
    yield subscriber
    subscriber.stop()


@pytest.fixture
def proxy(broker: Any) -> Iterator[FaultProxy]:
    with FaultProxy(broker.port) as proxy:
        yield proxy


@pytest.fixture
def publish(proxy: FaultProxy) -> Iterator[Callable[..., Publisher]]:
    started: list[Publisher] = []

    def start(count: int, size: int = 200, **more: Any) -> Publisher:
        started.append(Publisher([proxy.port], count, size, **more))
        return started[-1]

    yield start
    for publisher in started:
        if publisher.process.poll() is None:
            publisher.kill()


def judge(name: str, subscriber: Subscriber, result: dict[str, Any], count: int) -> None:
    """Wait for all, print the figures, check them."""
    subscriber.wait_count(count)
    print(
        f"REPORT: uplink {name}: {count} published, {count - len(subscriber.seen)} lost, {subscriber.duplicates} "
        f"duplicates, {result['connects']} connects, longest hold {result['hold_max_us'] / 1000:.1f} ms "
        f"(CPU {result['hold_cpu_us'] / 1000:.1f} ms)"
    )
    check(subscriber, result, count)


def check(subscriber: Subscriber, result: dict[str, Any], count: int) -> None:
    """0 lost, order kept, duplicates at most one window per reconnect."""
    assert len(subscriber.seen) == count, result
    assert subscriber.order == list(range(count)), "reordered"
    assert result["acked"] == count and not result["problems"], result
    assert result["hold_cpu_us"] < 20000  # CPU time, so that a busy machine does not count
    assert subscriber.duplicates <= 16 * (result["connects"] - 1)


def test_no_fault(subscriber, publish):
    judge("without a fault", subscriber, publish(3000).result(), 3000)


def test_resets_at_random_bytes(subscriber, proxy, publish):
    rand = random.Random(1)
    some = [(rand.randrange(1, 30000), rand.randrange(1, 600)) for _ in range(30)]
    proxy.cuts = iter(some)
    result = publish(3000).result()
    assert proxy.resets == 30 and result["connects"] >= 20
    judge("30 resets at random bytes (seed 1)", subscriber, result, 3000)


def test_broker_killed(broker, subscriber, proxy, publish):
    if broker.kind != "mosquitto":
        pytest.skip("amqtt forgets what it has acknowledged when it is killed")
    publisher = publish(3000, pause_ms=1)
    for target in (300, 1200):
        assert subscriber.wait_count(target)
        proxy.refuse = True  # until the subscriber is there again, or it would miss what it cannot see
        broker.kill()
        subscriber.stop()
        broker.start()
        subscriber.start()
        proxy.refuse = False
    judge("broker killed twice with -9", subscriber, publisher.result(), 3000)


def test_half_open(subscriber, proxy, publish):
    publisher = publish(3000, pause_ms=1, settings={"ack_timeout_ms": 200})
    assert subscriber.wait_count(400)
    proxy.silent = True
    proxy.apply()
    assert subscriber.wait_for(lambda: proxy.connections >= 3), "it gave up the silent connection and the next"
    proxy.silent = False
    judge("half-open link", subscriber, publisher.result(), 3000)


def test_connack_held(subscriber, proxy, publish):
    proxy.hold_answers = True
    publisher = publish(500)
    assert subscriber.wait_for(lambda: proxy.connections >= 3)
    proxy.hold_answers = False
    proxy.apply()
    result = publisher.result()
    assert any("no CONNACK" in text for text in result["texts"])
    judge("CONNACK held", subscriber, result, 500)


def test_pubacks_lost(subscriber, proxy, publish):
    publisher = publish(2000, pause_ms=1, settings={"ack_timeout_ms": 200})
    for target in (200, 700, 1200):
        assert subscriber.wait_count(target)
        proxy.drop_pubacks += 1
    result = publisher.result()
    assert proxy.pubacks_dropped == 3 and any("no PUBACK" in text for text in result["texts"])
    judge("3 PUBACKs lost", subscriber, result, 2000)


def test_slow_link(subscriber, proxy, publish):
    proxy.rate = 2000
    result = publish(30).result()
    assert proxy.bytes[TO_BROKER] > 6000
    assert result["connects"] == 1, "a slow link is not a dead one"
    judge("link of 2000 B/s", subscriber, result, 30)


def test_packet_identifiers_wrap(subscriber, publish):
    judge("70,000 messages (identifiers wrap)", subscriber, publish(70000, 16).result(), 70000)


def test_resets_over_the_other_umqtt(subscriber, proxy):
    """The same over micropython-lib's umqtt.simple (1.8), where the user has a copy of it."""
    folder = os.environ.get("FIELDGATE_UMQTT", "")
    if not folder:
        pytest.skip("not run: FIELDGATE_UMQTT names no folder with micropython-lib's umqtt/simple.py")
    assert (Path(folder) / "umqtt" / "simple.py").is_file(), folder
    rand = random.Random(4)
    proxy.cuts = iter([(rand.randrange(1, 30000), rand.randrange(1, 600)) for _ in range(30)])
    publisher = Publisher([proxy.port], 3000, umqtt=folder)
    try:
        result = publisher.result()
    finally:
        publisher.kill()
    assert folder in result["umqtt"]
    judge("30 resets, umqtt.simple of micropython-lib", subscriber, result, 3000)


def test_resets_with_amqtt(tmp_path):
    """The same client with another broker implementation."""
    from fieldgate.broker import Broker

    with Broker(tmp_path / "amqtt", None, "amqtt") as broker, FaultProxy(broker.port) as proxy:
        subscriber = Subscriber(broker.consumer_port)
        subscriber.start()
        rand = random.Random(2)
        proxy.cuts = iter([(rand.randrange(1, 20000), rand.randrange(1, 400)) for _ in range(10)])
        publisher = Publisher([proxy.port], 500)
        try:
            judge("10 resets at random bytes, amqtt", subscriber, publisher.result(), 500)
        finally:
            publisher.kill()
            subscriber.stop()
        assert proxy.resets >= 3


def test_second_broker_of_the_list(broker, subscriber, proxy):
    """The first broker of the list is not there: connection refused, the second takes everything."""
    with FaultProxy(broker.port) as unused:
        dead = unused.port
    publisher = Publisher([dead, proxy.port], 100)
    try:
        result = publisher.result()
    finally:
        publisher.kill()
    assert result["texts"][0] == f"broker 127.0.0.1:{dead}: connection refused"
    judge("first broker of two unreachable", subscriber, result, 100)


class NameServer:
    """A real UDP socket that knows one name (RFC 1035)."""

    def __init__(self, name: str, address: str) -> None:
        self.question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
        self.address = bytes(int(part) for part in address.split("."))
        self.asked = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(512)
            if not data:
                return
            self.asked += 1
            assert data[2:] == b"\1\0\0\1\0\0\0\0\0\0" + self.question
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + self.address
            self.socket.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + self.question + answer, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(10)
        self.socket.close()


def test_broker_by_name(subscriber, proxy):
    """The first name server is not there, the second knows the name; asked once for many reconnects."""
    server = NameServer("broker.plant.example", "127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = unused.getsockname()[1]
    proxy.cuts = iter([(2000, 1 << 60)] * 5)
    publisher = Publisher([proxy.port], 100, dns=[nobody, server.port], host="broker.plant.example")
    try:
        result = publisher.result()
    finally:
        publisher.kill()
        server.close()
    assert result["texts"][0] == f"broker broker.plant.example:{proxy.port}: connected"
    judge("broker called by name, 5 resets", subscriber, result, 100)
    assert result["connects"] == 6 and server.asked == 1


def test_last_will_when_the_box_dies(subscriber, proxy, publish):
    publisher = publish(1000000, pause_ms=5)
    assert subscriber.wait_count(5)
    publisher.kill()
    assert subscriber.wait_for(lambda: subscriber.retained.get("test/status") == b"offline")


def test_refused_login(mosquitto_program, tmp_path):
    """mosquitto with a password file and none given: one clear text."""
    from fieldgate.broker import free_port

    port = free_port()
    (tmp_path / "users").write_text("")
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {tmp_path}/users\nuser root\n")
    server = subprocess.Popen([mosquitto_program, "-c", str(config)], stderr=subprocess.DEVNULL)
    publisher = None
    try:
        publisher = Publisher([port], 1, settings={"user": "box", "password": "wrong"}, give_up_ms=1500)
        result = publisher.result()
    finally:
        server.terminate()
        server.wait()
        if publisher:
            publisher.kill()
    assert result["last_error"] == f"broker 127.0.0.1:{port}: refused the login: not authorised"
    assert result["acked"] == 0


def test_the_judge_sees_a_loss(subscriber, publish):
    """The judgement can fail: one message less, one swapped."""
    result = publish(50).result()
    assert subscriber.wait_count(50)
    subscriber.order[10], subscriber.order[11] = subscriber.order[11], subscriber.order[10]
    with pytest.raises(AssertionError, match="reordered"):
        check(subscriber, result, 50)
    subscriber.order.sort()
    check(subscriber, result, 50)
    subscriber.seen.discard(10)
    with pytest.raises(AssertionError):
        check(subscriber, result, 50)
