"""The log computes with small ints only: on CPython every value is watched, line by line, in each of its functions.

Boards have 31-bit small ints; a larger value is an object on the heap. Allowed are the values named in FORMAT.md,
"Small ints": CRC results and seeds, the log id and UTC, a fixed few per append.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from flashlog import layout
from flashlog.columns import plan_of
from flashlog.log import FlashLog
from flashlog.records import Block, BlockBuilder
from flashlog.workspace import Workspace
from nor import Nor

SMALL = 1 << 30
ALLOWED = {"crc", "seed", "_seed", "utc_ms", "data"}

# Viper on the boards: they compute with machine words, never with objects.
MACHINE_CODE = {"put_word", "load_values", "put_values", "take_values", "store_values", "move", "ptr8", "ptr32"}


class Watch:
    """Trace function: notes every int outside 31 bits in the variables and attributes of flashlog's functions."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if "flashlog" not in frame.f_code.co_filename or "lib" not in frame.f_code.co_filename:
            return None
        if frame.f_code.co_name in MACHINE_CODE:
            return None
        self.lines += 1
        for name, value in frame.f_locals.items():
            self._look(frame.f_code.co_name + "." + name, name, value)
        owner = frame.f_locals.get("self")
        for name, value in getattr(owner, "__dict__", {}).items():
            self._look(type(owner).__name__ + "." + name, name, value)
        if event == "return":
            self._look(frame.f_code.co_name + "()", "", argument)
        return self

    def _look(self, where: str, name: str, value: Any) -> None:
        if isinstance(value, int) and not -SMALL <= value < SMALL and name not in ALLOWED:
            if where not in ("sector_seed()", "log_id()"):
                self.found.add(f"{where} = {value}")


def work(watch: Watch, first: tuple[int, int]) -> FlashLog:
    """Everything a box does, near record number `first` and near the wrap of ticks, under the eyes of `watch`."""
    nor = Nor(4)
    log = FlashLog(nor, entropy=b"\xff\xff\xff\xff")
    log.mount()
    log.begin_boot()
    log._next_hi, log._next_lo = log._ack_hi, log._ack_lo = first
    log._off = layout.SECTOR_BYTES
    workspace = Workspace()
    workspace.plans[1] = plan_of(40, [(8, 0, True), (30, 0, False)])
    builder = BlockBuilder(480, workspace)
    sys.settrace(watch)
    try:
        for round_number in range(200):
            ticks = (SMALL - 400 + round_number * 7) % SMALL
            builder.reset(1, b"abcd", 3, ticks)
            for i in range(4):
                data = (b"\xff\xfe" * 20, b"\x7f\xff" * 4 + b"\xc3\x66\x33\x33" + b"\xff" * 28)[i // 2]
                builder.sample(i % 2, 0, (ticks + i) % SMALL, data, 40)
            builder.event(3, ticks, SMALL - 1, -SMALL)
            log.append(builder.payload(), builder.records)
            log.cost(100)
            log.idle()
            if round_number % 8 == 0:
                payload = log.read()
                if payload is not None:
                    list(Block(payload))
                    log.ack(log.position())
        again = FlashLog(nor)
        again.mount()
        again.begin_boot()
        while again.read() is not None:
            again.ack(again.position())
    finally:
        sys.settrace(None)
    return log


def test_no_big_ints() -> None:
    for first in ((0, 0), (0, SMALL - 300), (7, SMALL - 300), (7, 5)):
        watch = Watch()
        log = work(watch, first)
        assert not watch.found, sorted(watch.found)[:10]
        assert watch.lines > 5000 and log.stats.dropped > 0


def test_the_watch_can_fail(monkeypatch: Any) -> None:
    def plain_add(hi: int, lo: int, count: int) -> tuple[int, int]:
        total = (hi << 30) + lo + count
        return total >> 30, total & (SMALL - 1)

    plain_add.__code__ = plain_add.__code__.replace(co_filename=layout.__file__)
    monkeypatch.setattr("flashlog.log.number_add", plain_add)
    watch = Watch()
    work(watch, (0, SMALL - 300))
    assert any("plain_add.total" in each for each in watch.found)
