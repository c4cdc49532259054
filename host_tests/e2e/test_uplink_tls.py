"""TLS on the real runtime: what must be refused is refused with its own words, and nothing is lost on the way.

The peers: one mosquitto with a listener for every kind of certificate, and plain sockets for what no broker does. The
certificates are made in the run.
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from fault_proxy import FaultProxy
from test_uplink_faults import Publisher, Subscriber, judge

HOST = "127.0.0.1"
QUICK = {"handshake_gap_ms": 0, "handshake_timeout_ms": 3000}


class Plant:
    """mosquitto with listeners by name; `ports` has them all, `plain` is for the subscriber."""

    def __init__(self, folder: Path, program: str) -> None:
        from fieldgate.broker import free_port

        self.ca = Authority(folder, "plant")
        self.other = Authority(folder, "other")
        self.client = self.ca.issue("box", [])
        self.stranger = self.other.issue("stranger", [])
        rsa = Authority(folder, "rsa", kind="rsa")
        self.rsa_ca = rsa
        kinds = {
            "good": (self.ca.issue("good", [HOST, "broker.plant.example"]), ""),
            "rsa": (rsa.issue("rsa", [HOST], kind="rsa"), ""),
            "other_ca": (self.other.issue("other", [HOST]), ""),
            "other_host": (self.ca.issue("elsewhere", ["10.1.2.3", "elsewhere.example"]), ""),
            "expired": (self.ca.issue("expired", [HOST], -30, -1), ""),
            "early": (self.ca.issue("early", [HOST], 2, 30), ""),
            "client": (self.ca.issue("asks", [HOST]), "require_certificate true\n"),
            "new_only": (self.ca.issue("new", [HOST]), "tls_version tlsv1.3\n"),
        }
        self.ports: dict[str, int] = {"plain": free_port()}
        lines = f"user root\nlistener {self.ports['plain']} {HOST}\nallow_anonymous true\n"
        for name, (pair, more) in kinds.items():
            self.ports[name] = free_port()
            lines += f"listener {self.ports[name]} {HOST}\nallow_anonymous true\n{more}"
            lines += f"cafile {self.ca.pair.cert}\ncertfile {pair.cert}\nkeyfile {pair.key}\n"
        config = folder / "mosquitto.conf"
        config.write_text(lines)
        self.log = (folder / "mosquitto.log").open("w")
        self.process = subprocess.Popen([program, "-c", str(config)], stdout=self.log, stderr=self.log)
        for port in self.ports.values():
            wait_open(port)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()


def wait_open(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, port), 1).close()
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"port {port} was not opened")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory, mosquitto_program: str) -> Iterator[Plant]:
    plant = Plant(tmp_path_factory.mktemp("tls"), mosquitto_program)
    yield plant
    plant.close()


@pytest.fixture
def publish(plant: Plant) -> Iterator[Callable[..., Publisher]]:
    started: list[Publisher] = []

    def start(port: str | int, count: int = 1, size: int = 200, give_up_ms: int = 60000, **more: Any) -> Publisher:
        tls = {"ca": str(plant.ca.pair.der), "cert": None, "key": None, "server_name": None, **more.pop("tls", {})}
        ports = [plant.ports[port] if isinstance(port, str) else port]
        settings = {**QUICK, **more.pop("settings", {})}
        started.append(Publisher(ports, count, size, tls=tls, settings=settings, give_up_ms=give_up_ms, **more))
        return started[-1]

    yield start
    for publisher in started:
        if publisher.process.poll() is None:
            publisher.kill()


@pytest.fixture
def subscriber(plant: Plant) -> Iterator[Subscriber]:
    subscriber = Subscriber(plant.ports["plain"])
    subscriber.start()
    yield subscriber
    subscriber.stop()


def first_text(result: dict[str, Any]) -> str:
    """The text of the first event, without the broker's name."""
    return str(result["texts"][0].split(": ", 1)[1])


# What must work


def test_everything_arrives(subscriber, publish):
    result = publish("good", 3000).result()
    judge("TLS without a fault", subscriber, result, 3000)
    print(
        f"REPORT: uplink TLS handshake, P-256: {result['steps']} steps, "
        f"longest {result['secure_max_us'] / 1000:.1f} ms (CPU {result['secure_cpu_us'] / 1000:.1f} ms)"
    )
    assert result["secure_cpu_us"] < 20000
    assert result["steps"] >= 8, "a handshake in fewer steps has more than one message in a step"


def test_rsa(plant, subscriber, publish):
    result = publish("rsa", 200, tls={"ca": str(plant.rsa_ca.pair.der)}).result()
    judge("TLS with RSA-2048", subscriber, result, 200)


def test_client_certificate(plant, subscriber, publish):
    tls = {"cert": str(plant.client.der), "key": str(plant.client.key_der)}
    result = publish("client", 200, tls=tls).result()
    judge("TLS with client certificate", subscriber, result, 200)
    assert result["steps"] >= 10


def test_resets_at_random_bytes(plant, subscriber, publish):
    rand = random.Random(3)
    with FaultProxy(plant.ports["good"]) as proxy:
        proxy.cuts = iter([(rand.randrange(1, 30000), rand.randrange(1, 3000)) for _ in range(30)])
        result = publish(proxy.port, 3000).result()
        assert proxy.resets == 30
    judge("TLS, 30 resets at random bytes (seed 3)", subscriber, result, 3000)


def test_pieces_of_any_size(plant, subscriber, publish):
    """A link of 20,000 B/s hands records over in pieces of 400 bytes."""
    with FaultProxy(plant.ports["good"]) as proxy:
        proxy.rate = 20000
        proxy.delay_ms = 5
        result = publish(proxy.port, 100).result()
    judge("TLS over 20 kB/s", subscriber, result, 100)
    assert result["connects"] == 1


class Merger:
    """Between client and server: what the server says first comes as one record, as some brokers send it."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.port = self.listener.getsockname()[1]
        self.target = port
        self.merged = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            server = socket.create_connection((HOST, self.target))
            server.sendall(client.recv(4096))
            messages = b""
            while not messages.endswith(b"\x0e\0\0\0"):  # ServerHelloDone (RFC 5246, 7.4.5)
                head = self.exactly(server, 5)
                assert head[0] == 22
                messages += self.exactly(server, head[3] << 8 | head[4])
                self.merged += 1
            for byte in b"\x16\x03\x03" + len(messages).to_bytes(2, "big") + messages:
                client.sendall(bytes([byte]))
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()
            self.forward(server, client)

    @staticmethod
    def exactly(source: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = source.recv(count - len(data))
            if not piece:
                raise OSError("closed")
            data += piece
        return data

    @staticmethod
    def forward(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                target.sendall(data)


def test_messages_in_one_record_are_still_steps_of_their_own(plant, subscriber, publish):
    merger = Merger(plant.ports["good"])
    result = publish(merger.port, 50).result()
    judge("TLS, a flight in one record", subscriber, result, 50)
    assert merger.merged >= 4 and result["steps"] >= 8


# What must be refused, each with its own words


def refusal(publish: Callable[..., Publisher], port: str | int, **more: Any) -> str:
    result = publish(port, one_try=True, **more).result()
    assert result["acked"] == 0 and result["connects"] == 0, result
    text = first_text(result)
    assert len(text) <= 40, "an event's text has 40 bytes"
    return text


def test_wrong_authority(publish):
    assert refusal(publish, "other_ca") == "certificate not signed by our CA"


def test_wrong_host(publish):
    assert refusal(publish, "other_host") == "certificate is for another host"
    assert refusal(publish, "good", tls={"server_name": "other.example"}) == "certificate is for another host"


def test_server_name_may_be_given(plant, subscriber, publish):
    result = publish("other_host", 10, tls={"server_name": "elsewhere.example"}).result()
    judge("TLS with server_name", subscriber, result, 10)


def test_expired(publish):
    assert refusal(publish, "expired").startswith("certificate expired 20")


def test_not_valid_yet(publish):
    assert refusal(publish, "early").startswith("certificate valid from 20")


def test_our_own_clock_judges_where_the_runtime_does_not(publish):
    """Mbed TLS uses the host's clock here, which is content; the box's says otherwise, as on an ESP32."""
    assert refusal(publish, "good", utc_days=400).startswith("certificate expired 20")
    assert "valid from 20" in refusal(publish, "good", utc_days=-10)


def test_unknown_time(plant, publish):
    assert refusal(publish, "good", utc_days=None) == "clock is not set, no TLS without"


def test_plain_broker_on_a_tls_port(publish):
    assert refusal(publish, "plain") == "closed, no TLS there (plain port?)"


def test_tls_broker_for_a_plain_client(plant):
    publisher = Publisher([plant.ports["good"]], 1, settings=QUICK, one_try=True)
    try:
        result = publisher.result()
    finally:
        publisher.kill()
    # mosquitto 2.0 closes at once; others send an alert first.
    assert first_text(result) in ("closed without CONNACK (TLS port?)", "answers with TLS: needs tls")
    assert result["acked"] == 0


def test_client_certificate_missing_or_of_a_stranger(plant, publish):
    assert refusal(publish, "client") == "TLS refused: own certificate missing?"
    tls = {"cert": str(plant.stranger.der), "key": str(plant.stranger.key_der)}
    assert refusal(publish, "client", tls=tls) == "our certificate is of another CA"


def test_tls_alert_for_a_plain_client():
    peer = Listener(b"\x15\x03\x03\x00\x02\x02\x46")
    publisher = Publisher([peer.port], 1, settings=QUICK, one_try=True)
    try:
        assert first_text(publisher.result()) == "answers with TLS: needs tls"
    finally:
        publisher.kill()


def test_tls_1_3_only(publish):
    assert refusal(publish, "new_only") == "broker wants another TLS version"


def test_files_that_are_missing_or_damaged(plant, publish, tmp_path):
    assert refusal(publish, "good", tls={"ca": "ca.der"}) == "ca.der: no such file"
    bad = tmp_path / "b"
    bad.write_bytes(b"rubbish")
    for tls, text in (
        ({"ca": str(bad)}, "/b is no DER certificate"),
        ({"ca": str(plant.ca.pair.cert)}, "ca-plant.pem is no DER certificate"),
        ({"cert": str(bad), "key": str(plant.client.key_der)}, "/b is no DER certificate"),
        ({"cert": str(plant.client.der), "key": str(bad)}, "/b is no DER key"),
    ):
        assert publish("client", one_try=True, tls=tls).result()["texts"][0].endswith(text), tls


class Listener:
    """A peer that says `words` and remembers what it was told."""

    def __init__(self, words: bytes) -> None:
        self.server = socket.create_server((HOST, 0))
        self.port = self.server.getsockname()[1]
        self.words = words
        self.heard: list[bytes] = []
        self.kept: list[socket.socket] = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.server.accept()
                self.kept.append(peer)
                with contextlib.suppress(OSError):
                    peer.sendall(self.words)
                    peer.settimeout(2)
                    self.heard.append(peer.recv(4096))


def test_never_a_silent_fallback_to_plain(publish):
    """Whatever the peer is, all it ever hears is a ClientHello."""
    for words, text in (
        (b"\x20\x02\x00\x00", "answers without TLS (plain port?)"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers without TLS (plain port?)"),
        (b"\x16\x03\x03\x00\x04\x0e\0\0\0", "TLS error -0x"),  # ServerHelloDone first
        (b"\x16\x03\x03\xff\xff", "answers without TLS (plain port?)"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "TLS refused: own certificate missing?"),
        (b"\x15\x03\x03\x00\x02\x02\x77", "broker ends TLS with alert 119"),
    ):
        peer = Listener(words)
        assert refusal(publish, peer.port).startswith(text), words
        peer.server.close()
        assert peer.heard and all(data[:3] == b"\x16\x03\x03" or not data for data in peer.heard), words


def test_a_peer_that_says_nothing(publish):
    peer = Listener(b"")
    assert refusal(publish, peer.port, settings={"handshake_timeout_ms": 500}) == "no TLS within 500 ms"


def test_fuzzed_server(plant, publish):
    """A handshake with one byte changed anywhere in what the server says: refused, never a session."""
    rand = random.Random(5)
    with FaultProxy(plant.ports["good"]) as proxy:
        proxy.damage = lambda data: damaged(rand, data)
        result = publish(proxy.port, give_up_ms=4000, settings={"backoff_min_ms": 5, "backoff_max_ms": 10}).result()
        assert result["acked"] == 0 and result["connects"] == 0 and proxy.connections > 10, result
        print(f"REPORT: uplink TLS: {proxy.connections} handshakes with a changed byte, none believed")


def damaged(rand: random.Random, data: bytes) -> bytes:
    at = rand.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rand.randrange(8)]) + data[at + 1 :]
