"""Other MQTT clients for `bench_uplink`, run as they are on the same runtime: umqtt.simple and mqtt_as.

Promises: each prints "messages per second, longest hold in us" as its last line; what is not on this machine is said to
be not run, with the option that names it. Nothing of them is part of this project.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from fieldgate.places import ROOT

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

MQTT_AS = """
import asyncio, sys, time
from mqtt_as import MQTTClient, config
port, count, size, tasks = [int(word) for word in sys.argv[1:]]
config.update({"server": "127.0.0.1", "port": port, "client_id": "bench", "keepalive": 60, "ssid": "x",
    "wifi_pw": "x", "queue_len": 1})
hold = 0

async def watch():
    global hold
    while True:
        started = time.ticks_us()
        await asyncio.sleep_ms(0)
        hold = max(hold, time.ticks_diff(time.ticks_us(), started))

async def publish(client, payload, each):
    for _ in range(each):
        await client.publish("test/data", payload, qos=1)

async def main():
    client = MQTTClient(config)
    await client.connect(quick=True)
    watching = asyncio.create_task(watch())
    payload = bytes(size)
    began = time.ticks_ms()
    await asyncio.gather(*[publish(client, payload, count // tasks) for _ in range(tasks)])
    took = time.ticks_diff(time.ticks_ms(), began)
    watching.cancel()
    print(count // tasks * tasks * 1000 / took, hold)

asyncio.run(main())
"""

# What mqtt_as expects of a board, where the host's network is always up.
NETWORK = """
STA_IF, STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 0, 0, 1, 3
class WLAN:
    def __init__(self, kind): pass
    def active(self, on=None): return True
    def isconnected(self): return True
    def connect(self, *words): pass
    def disconnect(self): pass
    def config(self, *names, **values): pass
    def status(self, *words): return STAT_GOT_IP
"""
MACHINE = 'def unique_id():\n    return b"bench"\n'


def on_device(*arguments: str, told: str = "", first: Path | None = None) -> str:
    """Run the Unix port of MicroPython with the device's modules; returns the last line printed. `first`: a folder
    whose modules go before ours. Raises RuntimeError."""
    paths = [".frozen", *([str(first)] if first else [])]
    paths += [str(ROOT / each) for each in ("lib", "firmware", "build/device")]
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


def run_program(text: str, *arguments: int, first: Path | None = None) -> tuple[float, float]:
    """(messages per second, longest hold in ms) of one of the programs above."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
        program.write(text)
        program.flush()
        rate, hold_us = on_device(program.name, *map(str, arguments), first=first).split()
    return float(rate), float(hold_us) / 1000


def umqtt_rate(port: int, count: int, size: int, folder: Path | None = None) -> tuple[float, float]:
    """umqtt.simple as it is; a publish call holds the loop until its PUBACK is there."""
    return run_program(UMQTT, port, count, size, first=folder)


def mqtt_as_rate(port: int, count: int, size: int, tasks: int, folder: Path) -> tuple[float, float]:
    """mqtt_as as it is, with so many tasks that publish at the same time."""
    with tempfile.TemporaryDirectory() as stand_ins:
        (Path(stand_ins) / "network.py").write_text(NETWORK)
        (Path(stand_ins) / "machine.py").write_text(MACHINE)
        (Path(stand_ins) / "mqtt_as").symlink_to(folder.resolve() / "mqtt_as")
        return run_program(MQTT_AS, port, count, size, tasks, first=Path(stand_ins))
