"""`python -m fieldgate.bench_uplink`: the session beside other MQTT clients in the same run, bytes, payloads.

Promises: the same broker, payloads (200 B, QoS 1) and runtime for all; round trips through the tests' fault proxy,
which delays each way; sizes of all formats on the same 60 x 8 values. Figures of this machine, nothing else.
    --umqtt FOLDER     also with the umqtt.simple of micropython-lib (folder that holds umqtt/simple.py)
    --mqtt-as FOLDER   also beside mqtt_as (folder that holds mqtt_as/__init__.py)
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import subprocess
import sys
import tempfile
import time as pause
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fieldgate.bench_peers import ROOT, mqtt_as_rate, on_device, umqtt_rate
from fieldgate.broker import Broker, BrokerError, find_mosquitto, free_port

HOST = "127.0.0.1"
PUBLISHER = ROOT / "host_tests" / "e2e" / "uplink_publisher.py"
SIZE_BYTES = 200
TOPIC = "acme/lyon/press-shop/line-1/cell-3/press-7/data"  # of the reference configuration
sys.path.insert(0, str(ROOT / "host_tests" / "e2e"))


def session(port: int, count: int, size: int = SIZE_BYTES, first: Path | None = None, **more: Any) -> dict[str, Any]:
    """What the publisher of the tests measured; every message acknowledged over one connection."""
    plan = {"ports": [port], "count": count, "size": size, "give_up_ms": 200000, **more}
    result: dict[str, Any] = json.loads(on_device(str(PUBLISHER), told=json.dumps(plan) + "\n", first=first))
    assert result["acked"] == count and result["connects"] == 1, result
    return result


def session_rate(port: int, count: int, first: Path | None = None, **more: Any) -> tuple[float, float, float]:
    """(messages per second from the first attempt to the last PUBACK, longest hold in ms, the same in CPU time)."""
    result = session(port, count, first=first, **more)
    return count * 1000 / result["took_ms"], result["hold_max_us"] / 1000, result["hold_cpu_us"] / 1000


@contextmanager
def delayed(broker_port: int, round_trip_ms: float) -> Iterator[Any]:
    """The fault proxy of the tests, used for its delay."""
    from fault_proxy import FaultProxy  # type: ignore[import-not-found]

    with FaultProxy(broker_port) as proxy:
        proxy.delay_ms = round_trip_ms / 2
        yield proxy


@contextmanager
def tls_broker(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """mosquitto with a TLS listener: (port, settings for the session)."""
    from certificates import Authority  # type: ignore[import-not-found]

    program = find_mosquitto()
    if program is None:
        raise BrokerError("mosquitto is not installed (Debian: apt install mosquitto)")
    ca = Authority(folder, "bench")
    server = ca.issue("server", [HOST])
    port = free_port()
    config = folder / "tls.conf"
    config.write_text(
        f"user root\nlistener {port} {HOST}\nallow_anonymous true\nmax_inflight_messages 0\n"
        f"cafile {ca.pair.cert}\ncertfile {server.cert}\nkeyfile {server.key}\n"
    )
    process = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_open(port)
        yield port, {"ca": str(ca.pair.der), "cert": None, "key": None, "server_name": None}
    finally:
        process.terminate()
        process.wait()


def wait_open(port: int) -> None:
    """Until something listens there. Raises BrokerError."""
    for _ in range(200):
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            pause.sleep(0.05)
    raise BrokerError(f"nothing opened port {port}")


def figure(rate: tuple[float, ...]) -> str:
    """`session_rate` of ours, without CPU time of others."""
    cpu = f", CPU {rate[2]:.0f} ms" if len(rate) > 2 else ""
    return f"{rate[0]:7.1f} ({rate[1]:.1f} ms{cpu})"


def rates(umqtt: Path | None, mqtt_as: Path | None) -> Iterator[str]:
    """Lines of the table of rates."""
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "plain") as broker:
        folder = Path(name)
        yield f"QoS 1, {SIZE_BYTES} B, {broker.kind}; messages per second (longest hold of the loop)"
        for round_trip_ms, many, few in ((0, 40000, 100), (50, 1500, 60)):
            with delayed(broker.port, round_trip_ms) as proxy:
                port = proxy.port if round_trip_ms else broker.port
                ours: tuple[float, ...] = session_rate(port, many)
                theirs = umqtt_rate(port, few, SIZE_BYTES)
                label = f"  {round_trip_ms:2d} ms round trip: "
                yield f"{label}session over umqtt.simple 1.3.4      {figure(ours)}"
                yield f"{label}umqtt.simple 1.3.4                   {figure(theirs)}, {ours[0] / theirs[0]:.0f} times"
                if umqtt:
                    ours, theirs = session_rate(port, many, umqtt), umqtt_rate(port, few, SIZE_BYTES, umqtt)
                    yield f"{label}session over {umqtt.name[:24]:24s}{figure(ours)}"
                    yield f"{label}{umqtt.name[:24]:37s}{figure(theirs)}, {ours[0] / theirs[0]:.0f} times"
                for tasks in (1, 8, 16) if mqtt_as else ():
                    theirs = mqtt_as_rate(port, few * 4, SIZE_BYTES, tasks, mqtt_as)  # type: ignore[arg-type]
                    yield f"{label}mqtt_as, {tasks:2d} tasks                    {figure(theirs)}"
        with tls_broker(folder / "tls") as (tls_port, tls):
            for round_trip_ms, many in ((0, 20000), (50, 1500)):
                with delayed(tls_port, round_trip_ms) as proxy:
                    result = session(proxy.port if round_trip_ms else tls_port, many, tls=tls)
                    ours = many * 1000 / result["took_ms"], result["hold_max_us"] / 1000, result["hold_cpu_us"] / 1000
                    yield (
                        f"  {round_trip_ms:2d} ms round trip: session, TLS 1.2 with P-256      "
                        f"{figure(ours)}, handshake: {result['steps']} steps, longest "
                        f"{result['secure_max_us'] / 1000:.1f} ms, CPU {result['secure_cpu_us'] / 1000:.0f} ms"
                    )
            yield from wire(broker.port, tls_port, tls)
        if not umqtt:
            yield "  not run: umqtt.simple of micropython-lib (--umqtt FOLDER)"
        if not mqtt_as:
            yield "  not run: mqtt_as (--mqtt-as FOLDER)"


def wire(plain_port: int, tls_port: int, tls: dict[str, Any]) -> Iterator[str]:
    """Lines of the bytes that TCP carries: a connection by itself, then per batch of 60 x 8 samples."""
    batches = 200
    small, raw = reference_batches()
    yield f"Bytes in TCP, batches of 60 samples x 8 float32 on a topic of {len(TOPIC)} B"
    kinds: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("MQTT", plain_port, {}),
        ("MQTT over TLS 1.2", tls_port, {"tls": tls}),
    )
    for label, port, more in kinds:
        counts = {}
        for size, count in ((small, 1), (small, 1 + batches), (raw, 1 + batches)):
            with delayed(port, 0) as proxy:
                session(proxy.port, count, size, None, topic=TOPIC, **more)
                counts[size, count] = list(proxy.bytes), proxy.chunks[0]
        start, chunks = counts[small, 1]
        whole, whole_chunks = counts[small, 1 + batches]
        per_sample = [(counts[size, 1 + batches][0][0] - start[0]) / batches / 60 for size in (small, raw)]
        per_sample[1] -= (raw - small) / batches / 60  # the first batch of the short run was a small one
        yield (
            f"  {label:18s} to the broker per sample: {per_sample[0]:5.2f} quantised, {per_sample[1]:5.2f} raw; back "
            f"{(whole[1] - start[1]) / batches:.1f} per batch; connection and first batch {sum(start)}; pieces per "
            f"batch {(whole_chunks - chunks) / batches:.2f}"
        )


def reference_batches() -> tuple[int, int]:
    """Bytes of a quantised and of a raw batch on the reference data."""
    found = next(line for line in sizes() if "(default)" in line).split()
    numbers = [int(word) for word in found if word.isdigit()]
    return numbers[0], numbers[1]


def sizes() -> Iterator[str]:
    """Lines of the table of payload sizes on the reference data."""
    sys.path[:0] = [str(ROOT / "lib"), str(ROOT / "host_tests" / "fakes")]
    from reference_rows import POINTS, rows  # type: ignore[import-not-found]
    from uplink.envelope import BatchEncoder
    from uplink.points import layout_of
    from uplink.typed import TypedEncoder

    yield "60 samples x 8 float32, bytes (per sample): quantised, raw"
    columns: dict[str, list[int]] = {}
    for raw in (False, True):
        kept = list(rows(raw))
        base_ms = 1795313755000
        ours = []
        for make in (TypedEncoder, BatchEncoder):
            encoder = make(0x9F3C12AA, 4096, 64)
            encoder.begin(7, b"\xa1\xb2\xc3\xd4", {0: layout_of(POINTS)}, 123456, 0, 5000)
            for time, row in kept:
                assert encoder.sample(0, 0, 0, 5000 + time, row)
            ours.append(bytes(encoder.finish(base_ms)))
        values = [[_shortest(value) for value in struct.unpack(">8f", row)] for _, row in kept]
        named = [
            {"t": base_ms + time, **{point["name"]: value for point, value in zip(POINTS, row)}}
            for (time, _), row in zip(kept, values)
        ]
        times = [time for time, _ in kept]
        columnar = {"t0": base_ms, "t": times, **{p["name"]: list(column) for p, column in zip(POINTS, zip(*values))}}
        for name, payload in (
            ("JSON, one object per sample", json.dumps(named, separators=(",", ":")).encode()),
            ("JSON, columns", json.dumps(columnar, separators=(",", ":")).encode()),
            ("Fieldgate, typed arrays", ours[0]),
            ("Fieldgate, columns (default)", ours[1]),
        ):
            columns.setdefault(name, []).append(len(payload))
    for name, (quantised, raw_size) in columns.items():
        yield f"  {name:28s} {quantised:5d} ({quantised / 60:5.1f})   {raw_size:5d} ({raw_size / 60:5.1f})"


def _shortest(value: float) -> float:
    """The shortest decimal number that is the same float32."""
    return next(
        number
        for number in (float(f"{value:.{digits}g}") for digits in range(6, 10))
        if struct.pack(">f", number) == struct.pack(">f", value)
    )


def main() -> None:
    """Print all tables."""
    arguments = argparse.ArgumentParser(description="The MQTT session beside other clients.")
    arguments.add_argument("--umqtt", type=Path, metavar="FOLDER", help="holds another umqtt/simple.py")
    arguments.add_argument("--mqtt-as", type=Path, metavar="FOLDER", help="holds mqtt_as/__init__.py")
    given = arguments.parse_args()
    for folder, inside in ((given.umqtt, "umqtt/simple.py"), (given.mqtt_as, "mqtt_as/__init__.py")):
        if folder and not (folder / inside).is_file():
            raise SystemExit(f"bench_uplink: {folder}: holds no {inside}")
    try:
        for line in sizes():
            print(line, flush=True)
        for line in rates(given.umqtt, given.mqtt_as):
            print(line, flush=True)
    except (BrokerError, FileNotFoundError, RuntimeError) as error:
        raise SystemExit(f"bench_uplink: {error}") from None


if __name__ == "__main__":
    main()
