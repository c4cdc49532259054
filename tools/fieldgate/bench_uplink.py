"""`python -m fieldgate.bench_uplink`: the session beside umqtt.simple in the same run, and payload sizes.

Promises: the same broker, payloads (200 B, QoS 1) and runtime for both; round trips through the tests' fault proxy,
which delays each way; sizes of all formats on the same 60 x 8 values. Figures of this machine, nothing else.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fieldgate.broker import Broker, BrokerError

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHER = ROOT / "host_tests" / "e2e" / "uplink_publisher.py"
SIZE_BYTES = 200
UMQTT = """
import sys, time
from umqtt.simple import MQTTClient
port, count, size = [int(word) for word in sys.argv[1:]]
client = MQTTClient("bench", "127.0.0.1", port, keepalive=60)
client.connect()
hold = 0
payload = bytes(size)
began = time.ticks_ms()
for _ in range(count):
    started = time.ticks_us()
    client.publish("test/data", payload, False, 1)
    hold = max(hold, time.ticks_diff(time.ticks_us(), started))
print(count * 1000 / time.ticks_diff(time.ticks_ms(), began), hold)
client.disconnect()
"""


def on_device(*arguments: str, told: str = "") -> str:
    """Run the Unix port of MicroPython with the device's modules; returns the last line printed."""
    paths = [".frozen", *(str(ROOT / each) for each in ("lib", "firmware", "build/device"))]
    run = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-X", "heapsize=320K", *arguments],
        env={**os.environ, "MICROPYPATH": ":".join(paths)},
        input=told,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if run.returncode:
        raise RuntimeError(run.stdout + run.stderr)
    return run.stdout.splitlines()[-1]


def session_rate(port: int, count: int) -> tuple[float, float]:
    """(messages per second from the first attempt to the last PUBACK, longest hold in ms)."""
    plan = {"ports": [port], "count": count, "size": SIZE_BYTES, "give_up_ms": 200000}
    result = json.loads(on_device(str(PUBLISHER), told=json.dumps(plan) + "\n"))
    assert result["acked"] == count and result["connects"] == 1, result
    return count * 1000 / result["took_ms"], result["hold_max_us"] / 1000


def umqtt_rate(port: int, count: int) -> tuple[float, float]:
    """The same for umqtt.simple as it is; a publish call holds the loop until its PUBACK is there."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write(UMQTT)
        program.flush()
        rate, hold_us = on_device(program.name, str(port), str(count), str(SIZE_BYTES)).split()
    return float(rate), float(hold_us) / 1000


@contextmanager
def delayed(broker_port: int, round_trip_ms: float) -> Iterator[Any]:
    """The fault proxy of the tests, used for its delay."""
    sys.path.insert(0, str(ROOT / "host_tests" / "e2e"))
    from fault_proxy import FaultProxy  # type: ignore[import-not-found]

    with FaultProxy(broker_port) as proxy:
        proxy.delay_ms = round_trip_ms / 2
        yield proxy


def rates() -> Iterator[str]:
    """Lines of the table of rates."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        yield f"QoS 1, {SIZE_BYTES} B, {broker.kind}; messages per second (longest hold of the loop)"
        for round_trip_ms, many, few in ((0, 40000, 100), (50, 1500, 60)):
            if round_trip_ms:
                with delayed(broker.port, round_trip_ms) as proxy:
                    ours, theirs = session_rate(proxy.port, many), umqtt_rate(proxy.port, few)
            else:
                ours, theirs = session_rate(broker.port, many), umqtt_rate(broker.port, few)
            yield (
                f"  {round_trip_ms:2d} ms round trip: session {ours[0]:7.0f} ({ours[1]:.1f} ms), "
                f"umqtt.simple {theirs[0]:5.1f} ({theirs[1]:.1f} ms), {ours[0] / theirs[0]:.0f} times"
            )
        with delayed(broker.port, 0) as proxy:
            session_rate(proxy.port, 1000)
            ours_bytes, ours_chunks = proxy.bytes[0], proxy.chunks[0]
        with delayed(broker.port, 0) as proxy:
            umqtt_rate(proxy.port, 100)
            yield (
                f"  bytes to the broker per message: session {ours_bytes / 1000:.0f}, umqtt.simple "
                f"{proxy.bytes[0] / 100:.0f}; pieces: {ours_chunks / 1000:.2f} and {proxy.chunks[0] / 100:.2f}"
            )


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
    """Print both tables."""
    try:
        for line in (*sizes(), *rates()):
            print(line, flush=True)
    except (BrokerError, FileNotFoundError, RuntimeError) as error:
        raise SystemExit(f"bench_uplink: {error}") from None


if __name__ == "__main__":
    main()
