"""An MQTT broker that can go away and come back on the same port: mosquitto, or amqtt where it is missing.

Promises: numeric address 127.0.0.1, one port for the broker's whole life, anonymous access, and that a consumer at
`consumer_port` with a durable session (clean session off, QoS 1) gets every message that the box was told is safe.
mosquitto is stopped with SIGTERM and started again; it keeps sessions in a file. amqtt has no such file and does
not keep messages for a consumer that is away (0.12.1, tried), so there "away" means that the port is closed and
every connection to it is cut while the process lives on, and consumers use an inner port that stays.

`FIELDGATE_BROKER` chooses `mosquitto` or `amqtt`.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0


class BrokerError(RuntimeError):
    """The broker did not start; the text says why in one line."""


def child_environment() -> dict[str, str]:
    """The environment in which a child's Python finds this package."""
    tools = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [tools, os.environ.get("PYTHONPATH")]))}


def free_port() -> int:
    """A TCP port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def find_mosquitto() -> str | None:
    """Path of the program; Debian puts it where only root's PATH looks."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"])
    return shutil.which("mosquitto", path=path)


class Broker:
    """See the head of this file. Files go to `directory`; `kind` is mosquitto, amqtt or None to choose."""

    def __init__(self, directory: Path, port: int | None = None, kind: str | None = None) -> None:
        kind = kind or os.environ.get("FIELDGATE_BROKER") or ("mosquitto" if find_mosquitto() else "amqtt")
        if kind not in ("mosquitto", "amqtt"):
            raise BrokerError(f"FIELDGATE_BROKER: found {kind!r}, allowed mosquitto or amqtt")
        self.kind = kind
        self.port = port or free_port()
        self.consumer_port = free_port() if kind == "amqtt" else self.port
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start, or come back after `stop`; returns when the port takes connections. Raises BrokerError."""
        if self._process is None:
            self._spawn()
        elif self.kind == "amqtt":
            self._command(b"open\n")
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None:
                raise BrokerError(f"{self.kind} ended at once: {self._last_line()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.kind} did not open port {self.port} within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.02)

    def stop(self) -> None:
        """Go away: the port is closed and all connections are cut; sessions are kept for `start`."""
        if self._process is None:
            return
        if self.kind == "amqtt":
            self._command(b"close\n")
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while self._answers() and time.monotonic() < deadline:
                time.sleep(0.02)
        else:
            self.close()

    def kill(self) -> None:
        """kill -9: what a broker without its session file forgets is forgotten."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process; harmless when it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def _spawn(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        program = self._mosquitto() if self.kind == "mosquitto" else self._amqtt()
        with (self._directory / "broker.log").open("ab") as log:
            # A session of its own, so that a Ctrl-C at the terminal reaches the demo only, which then ends us.
            self._process = subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=child_environment()
            )

    def _mosquitto(self) -> list[str]:
        found = find_mosquitto()
        if found is None:
            raise BrokerError("mosquitto is not installed (Debian: apt install mosquitto)")
        lines = [
            f"listener {self.port} {HOST}",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self._directory.resolve()}/",
            "max_queued_messages 0",  # all messages for a consumer that is away
            "max_inflight_messages 0",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # otherwise it gives up its rights and cannot write its session file
        config = self._directory / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [found, "-c", str(config)]

    def _amqtt(self) -> list[str]:
        return [sys.executable, "-m", "fieldgate.broker", str(self.port), str(self.consumer_port)]

    def _command(self, line: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise BrokerError(f"{self.kind} has ended: {self._last_line()}") from error

    def _answers(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), 1.0).close()
        except OSError:
            return False
        return True

    def _last_line(self) -> str:
        lines = (self._directory / "broker.log").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


# The amqtt process: the broker on an inner port, and the outer port that can be closed and opened.


class Door:
    """The outer port: forwards bytes to the inner one; `close` cuts every connection."""

    def __init__(self, port: int, inner_port: int) -> None:
        self._port, self._inner_port = port, inner_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Take connections."""
        if self._server is None:
            self._server = await asyncio.start_server(self._forward, HOST, self._port)

    def close(self) -> None:
        """Take none, and cut those that exist with a reset."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(HOST, self._inner_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, inner_writer}
        await asyncio.gather(self._pipe(reader, inner_writer), self._pipe(inner_reader, writer))
        self._writers -= {writer, inner_writer}

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


async def serve_amqtt(port: int, inner_port: int) -> None:
    """Run amqtt until SIGTERM or until standard input closes; lines `open` and `close` work the door."""
    from amqtt.broker import Broker as Amqtt

    broker = Amqtt(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{inner_port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    door = Door(port, inner_port)
    await door.open()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)

    async def obey() -> None:
        while line := await commands.readline():
            if line == b"close\n":
                door.close()
            elif line == b"open\n":
                await door.open()
        ended.set()

    obeying = asyncio.create_task(obey())
    await ended.wait()
    obeying.cancel()
    door.close()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve_amqtt(int(sys.argv[1]), int(sys.argv[2])))
