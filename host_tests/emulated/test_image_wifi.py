"""An image that `make image` built lives on an emulated Pico W: it publishes over its Wi-Fi to a real mosquitto and
loses its power in random flash operations. `SEED=2 CUTS=20` make it another or a longer run (default 2 cuts).

Nothing is run over the REPL, watchdog and LED are the board's. Every life goes on with the flash of the one before. The
last one has no cut, and ends when the consumer has what the log held.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import image_on_pico
import pytest
import wifi_model
from bus_model import Line, Unit
from flash_model import ERASE_STATES, PROGRAM_STATES
from pico import FLASH_BYTES, Pico
from test_wifi import Mosquitto, mosquitto  # noqa: F401  (a fixture)

from fieldgate import board_data, image_files, image_firmware, image_uf2
from fieldgate.broker import HOST
from fieldgate.monitor.client import Consumer
from fieldgate.monitor.decoder import decode
from fieldgate.monitor.site import filters
from fieldgate.monitor.store import Store

TIMEOUT_S = 7200
BOARD = "RPI_PICO_W"
SEED = int(os.environ.get("SEED") or 1)
CUTS = int(os.environ.get("CUTS") or 2)
LIFE_US = 30_000_000  # of virtual time, at most
FIRST_OPERATIONS, OPERATIONS = 300, 40  # the first start makes the log's files; later ones write samples
SAMPLES = 40


def test_power_cuts_lose_nothing_that_was_logged(
    uf2: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mosquitto: Mosquitto,  # noqa: F811
) -> None:
    wifi_model.lead_to_this_host(monkeypatch)
    broker = {"host": wifi_model.HOST, "port": mosquitto.ports["plain"]}
    it = {
        **image_on_pico.IT,
        "mqtt": {"brokers": [broker]},
        "network": {"wifi": [{"ssid": "plant", "key": "radio-key"}]},
    }
    path = image_on_pico.build(BOARD, uf2, tmp_path, monkeypatch, it)
    board = board_data.read(BOARD)
    flash = image_uf2.flash_of(board, image_firmware.uf2_blocks(path, path.read_bytes()))
    assert len(flash) == FLASH_BYTES
    store = Store(decode)
    consumer = Consumer(HOST, mosquitto.ports["plain"], filters(""), client_id="emulated")
    consumer.start()
    assert consumer.wait_subscribed(15), consumer.problem
    rand = random.Random(SEED)
    print(f"REPORT: image of {BOARD} on the emulated Wi-Fi, {CUTS} power cuts, seed {SEED}")
    for life in range(CUTS + 1):
        last = life == CUTS
        pico = Pico(uf2, BOARD, flash=flash)
        unit = Unit(1, 2000, list(range(256)))
        line = Line(pico.mcu, pico.uarts[0], [unit], image_on_pico.BAUD, "8N1")
        before = store.counts["samples"]

        def done(pico: Pico = pico, before: int = before) -> bool:
            consumer.drain(store.feed)
            return pico.flash.is_cut or store.counts["samples"] >= before + SAMPLES

        with pico:
            if not last:
                operation = rand.randint(1, OPERATIONS if life else FIRST_OPERATIONS)
                pico.flash.cut_at(operation, rand.choice(PROGRAM_STATES + ERASE_STATES), rand.getrandbits(30))
            said = image_on_pico.wait_until(pico, done, LIFE_US)
            flash = pico.flash_bytes()
            first_ms = line.transactions[0].start_ns / 1e6 if line.transactions else -1
            kinds = [operation.kind for operation in pico.flash.operations]
            what = f"cut in {kinds[-1]}: {pico.flash.cut_state}" if pico.flash.is_cut else "no cut"
            print(
                f"REPORT: life {life + 1}: {pico.now_us / 1e6:.1f} s, first poll {first_ms:.0f} ms,"
                f" {unit.requests} polls, {kinds.count('program')} programs, {kinds.count('erase')} erases, {what};"
                f" {store.counts['samples'] - before} samples at the consumer, missing {store.missing}"
            )
            assert "internal error" not in said and "flash log:" not in said, said[-800:]
            if last:
                assert done() and not pico.flash.is_cut, said[-800:]
                assert not line.breaches
                files = image_files.read(board, pico.storage(0, board.flash["files_bytes"] // 4096))
                assert "crash.txt" not in files, files["crash.txt"].decode()
    consumer.stop()
    assert not store.counts["rubbish"] and not store.counts["unexplained"]
    assert store.missing == 0, "a record that was logged did not arrive"
