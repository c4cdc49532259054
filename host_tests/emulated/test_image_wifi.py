"""An image that `make image` built lives on an emulated Pico W: it publishes over its Wi-Fi to a real mosquitto, is
reset, and loses its power in random flash operations of its whole life. `SEED=2 CUTS=20` make it another or a longer
run (default 3 interruptions).

Nothing is run over the REPL, watchdog and LED are the board's. Every life goes on with the flash of the one before.
How lives end goes round: the power goes while the first start makes the log's files (later: while a start is under
way), it goes while the box polls, logs and publishes, it is reset there. The last life ends when the consumer has what
the log held.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import image_on_pico
import pytest
import wifi_model
from bus_model import Line, Unit
from figures_table import Table
from flash_model import ERASE_STATES, PROGRAM_STATES
from pico import FLASH_BYTES, Pico
from test_wifi import KEEP_ALIVE_S, Mosquitto, mosquitto  # noqa: F401  (a fixture)

from fieldgate import board_data, image_files, image_firmware, image_uf2
from fieldgate.broker import HOST
from fieldgate.monitor.client import Consumer
from fieldgate.monitor.decoder import decode
from fieldgate.monitor.site import filters
from fieldgate.monitor.store import Store

BOARD = "RPI_PICO_W"
SEED = int(os.environ.get("SEED") or 1)
CUTS = int(os.environ.get("CUTS") or 3)
TIMEOUT_S = 2400 * (CUTS + 1)
LIFE_US = 40_000_000  # of virtual time, at most
START_OPERATIONS, WORK_OPERATIONS = 250, 60  # of the flash: a first start makes the log's files; about 5 s of work
RESET_S = 6.0  # after the first poll, at most
SAMPLES = 40
LOOK_NS = 50e6
ENDS = ("cut in a start", "cut at work", "reset")


class Interruption:
    """Ends a life in one of the ways above; `over` tells that it has."""

    def __init__(self, end: str, pico: Pico, line: Line, rand: random.Random) -> None:
        self.end, self._pico, self._line = end, pico, line
        state = rand.choice(PROGRAM_STATES + ERASE_STATES)
        self._cut = (
            rand.randint(1, START_OPERATIONS if end == ENDS[0] else WORK_OPERATIONS),
            state,
            rand.getrandbits(30),
        )
        self._reset_s = rand.uniform(0, RESET_S)
        self._is_reset = False
        self._alarm = pico.mcu.clock.create_alarm(self._look)
        if end == ENDS[0]:
            pico.flash.cut_at(*self._cut)
        elif end:
            self._alarm.schedule(LOOK_NS)

    def _look(self) -> None:
        if self._is_reset or not self._line.transactions:
            self._alarm.schedule(LOOK_NS)
        elif self.end == "reset":
            first_ns = self._line.transactions[0].start_ns
            self._is_reset = self._pico.mcu.clock.nanos - first_ns >= self._reset_s * 1e9
            self._alarm.schedule(LOOK_NS)
        else:
            self._pico.flash.cut_at(*self._cut)

    @property
    def over(self) -> bool:
        return self._is_reset or self._pico.flash.is_cut

    def __str__(self) -> str:
        if self._pico.flash.is_cut:
            return f"{self.end} ({self._pico.flash.operations[-1].kind}: {self._pico.flash.cut_state})"
        return self.end if self._is_reset else "no interruption"


def test_resets_and_power_cuts_lose_nothing_that_was_logged(
    uf2: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mosquitto: Mosquitto,  # noqa: F811
    table: Table,
) -> None:
    wifi_model.lead_to_this_host(monkeypatch)
    broker = {"host": wifi_model.HOST, "port": mosquitto.ports["plain"]}
    it = {
        **image_on_pico.IT,
        "mqtt": {"brokers": [broker], "keep_alive_s": KEEP_ALIVE_S},
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
    print(f"REPORT: image of {BOARD} on the emulated Wi-Fi, {CUTS} interruptions, seed {SEED}")
    for life in range(CUTS + 1):
        last = life == CUTS
        pico = Pico(uf2, BOARD, flash=flash)
        unit = Unit(1, 2000, list(range(256)))
        line = Line(pico.mcu, pico.uarts[0], [unit], image_on_pico.BAUD, "8N1")
        interruption = Interruption("" if last else ENDS[life % len(ENDS)], pico, line, rand)
        before = store.counts["samples"]

        def done(interruption: Interruption = interruption, last: bool = last, before: int = before) -> bool:
            consumer.drain(store.feed)
            return interruption.over or (last and store.counts["samples"] >= before + SAMPLES)

        with pico:
            said = image_on_pico.wait_until(pico, done, LIFE_US)
            flash = pico.flash_bytes()
            first_ms = line.transactions[0].start_ns / 1e6 if line.transactions else -1
            kinds = [operation.kind for operation in pico.flash.operations]
            print(
                f"REPORT: life {life + 1}: {pico.now_us / 1e6:.1f} s, first poll {first_ms:.0f} ms,"
                f" {unit.requests} polls, {kinds.count('program')} programs, {kinds.count('erase')} erases,"
                f" {interruption}; {store.counts['samples'] - before} samples at the consumer, missing {store.missing}"
            )
            table.row(f"image of {BOARD}, Wi-Fi, life {life + 1}", line, operations=pico.flash.operations)
            assert "internal error" not in said and "flash log:" not in said, said[-800:]
            assert not line.breaches
            if last:
                assert done(), said[-800:]
                files = image_files.read(board, pico.storage(0, board.flash["files_bytes"] // 4096))
                assert "crash.txt" not in files, files["crash.txt"].decode()
            else:
                assert life % len(ENDS) == 0 or interruption.over, f"this life was not interrupted: {said[-800:]}"
    consumer.stop()
    assert not store.counts["rubbish"] and not store.counts["unexplained"]
    assert store.missing == 0, "a record that was logged did not arrive"
