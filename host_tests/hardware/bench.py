"""The bench: the virtual plant behind a USB-RS485 adapter, a broker that the board reaches, and the comparison of both.

    with Bench(folder, broker, adapter="/dev/ttyUSB0", port=1883) as bench: ...

The board runs by itself all the time; nothing here starts or stops its program but a reset over the cable.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import serial
from virtual_box import VirtualBox

from fieldgate.broker import HOST, Broker

BAUD = 19200


class Relay:
    """A TCP port of this computer that leads to the broker on its loopback; `closed` makes the broker unreachable."""

    def __init__(self, port: int, target: int) -> None:
        self.target = target
        self.closed = False
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("", port), reuse_port=False)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                if self.closed:
                    raise OSError
                broker = socket.create_connection((HOST, self.target), timeout=5)
                broker.settimeout(None)
            except OSError:
                client.close()
                continue
            self._open += [client, broker]
            for source, sink in ((client, broker), (broker, client)):
                threading.Thread(target=pump_socket, args=(source, sink), daemon=True).start()

    def close_for_now(self) -> None:
        self.closed = True
        for each in self._open:
            shut(each)
        self._open.clear()

    def open_again(self) -> None:
        self.closed = False

    def stop(self) -> None:
        self.close_for_now()
        shut(self._server)  # closing alone would leave the port taken while accept waits


def shut(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    each.close()


def pump_socket(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(4096):
            sink.sendall(data)
    except OSError:
        pass
    shut(source)
    shut(sink)


class Bridge:
    """Carries bytes between the adapter and the plant's own pseudo-terminal."""

    def __init__(self, adapter: str, plant: Path) -> None:
        self.adapter = serial.Serial(adapter, BAUD, parity="E", timeout=0.02, exclusive=True)
        self.plant = serial.Serial(str(plant), BAUD, timeout=0.02)
        self._over = False
        self.threads = [
            threading.Thread(target=self._carry, args=pair, daemon=True)
            for pair in ((self.adapter, self.plant), (self.plant, self.adapter))
        ]
        for thread in self.threads:
            thread.start()

    def _carry(self, source: serial.Serial, sink: serial.Serial) -> None:
        while not self._over:
            data = source.read(max(1, source.in_waiting))
            if data:
                sink.write(data)

    def stop(self) -> None:
        self._over = True
        for thread in self.threads:
            thread.join()
        self.adapter.close()
        self.plant.close()


class Bench(VirtualBox):
    """What the end-to-end tests use, with a board at the end of a cable in place of the firmware's process."""

    def __init__(self, folder: Path, broker: Broker, adapter: str, port: int) -> None:
        super().__init__(folder, broker)
        self.relay = Relay(port, broker.port)
        self.adapter = adapter
        self.bridge: Bridge | None = None

    def start_firmware(self) -> None:
        """The board runs already: only its line is joined to the plant."""
        self.bridge = Bridge(self.adapter, self.serial)

    def __exit__(self, *error: object) -> None:
        if self.bridge is not None:
            self.bridge.stop()
        self.relay.stop()
        super().__exit__(None, None, None)


def asked_for() -> dict[str, str] | None:
    """BOARD, PORT and ADAPTER as the user gave them, or None when one is missing."""
    named = {name: os.environ.get(name, "") for name in ("BOARD", "PORT", "ADAPTER")}
    return named if all(named.values()) else None
