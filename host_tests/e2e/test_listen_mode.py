"""A box beside an existing client, end to end: pymodbus polls the plant, the firmware hears it and publishes the same.

The truth is the plant's own record; that nothing was sent is read off the line, not asked of the firmware.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from line_hub import LineHub
from pymodbus.client import ModbusSerialClient
from virtual_box import VirtualBox

from fieldgate.broker import Broker
from fieldgate.summary import report

# What boards/virtual/ot.json comes to: (unit, function, address, count).
READS = ((1, 4, 0, 32), (1, 4, 70, 4), (2, 4, 1, 2), (3, 3, 8451, 4), (4, 3, 0, 5), (4, 2, 0, 2), (4, 1, 0, 1))
PERIOD_MS = 250
CYCLE_S = 0.8  # so much longer than the plan's period that nothing is left out, even if this host holds somebody up


class ExistingClient:
    """pymodbus, polling READS in a thread; `answered` counts."""

    def __init__(self, path: str, reads: tuple[tuple[int, int, int, int], ...] = READS) -> None:
        self.answered = 0
        self.reads = reads
        self._client = ModbusSerialClient(path, baudrate=19200, timeout=1, retries=0)  # a pty has no parity
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        assert self._client.connect()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)
        self._client.close()

    def _run(self) -> None:
        client = self._client
        ask = (
            client.read_coils,
            client.read_discrete_inputs,
            client.read_holding_registers,
            client.read_input_registers,
        )
        while not self._over.is_set():
            begin = time.monotonic()
            for unit, function, address, count in self.reads:
                self.answered += not ask[function - 1](address, count=count, device_id=unit).isError()
            self._over.wait(max(0.0, begin + CYCLE_S - time.monotonic()))


@pytest.fixture
def box(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[VirtualBox]:
    """A box with its one bus in listen mode."""
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.ot["buses"][0]["mode"] = "listen"
        for unit in box.ot["buses"][0]["units"]:
            for point in unit["points"]:
                point["period_ms"] = PERIOD_MS
        yield box


def test_a_box_beside_an_existing_client_publishes_the_same_and_never_drives_the_line(box: VirtualBox) -> None:
    box.start_plant()
    box.start_consumer()
    hub = box.beside.enter_context(LineHub(str(box.serial)))
    box.serial = Path(hub.box_path)
    box.start_firmware()
    box.wait(lambda: "fieldgate " in box.said(), "the firmware starts")
    client = ExistingClient(hub.client_path)
    client.start()
    try:
        box.wait(lambda: box.samples >= 150, "150 samples that were overheard", 60)
    finally:
        client.stop()
    balance = box.balance()
    driven = bytes(hub.driven)
    assert driven == b"", driven
    assert balance.ok, report(balance)
    assert {stream[:2] for stream in balance.streams} == {read[:2] for read in READS}
    assert len(balance.lost) == 0 and client.answered >= 150
    print(
        f"REPORT: listen mode beside pymodbus: {balance.served} replies served, {box.samples} published, 0 bytes sent"
    )


def test_the_control_a_polling_box_is_seen_to_drive_the_line(box: VirtualBox) -> None:
    """The record of the line must be able to tell."""
    box.ot["buses"][0]["mode"] = "poll"
    for unit in box.ot["buses"][0]["units"]:
        for point in unit["points"]:
            point["period_ms"] = 2000
    box.start_plant()
    hub = box.beside.enter_context(LineHub(str(box.serial)))
    box.serial = Path(hub.box_path)
    box.start_firmware()
    box.wait(lambda: len(hub.driven) >= 8, "the box sends a request")
