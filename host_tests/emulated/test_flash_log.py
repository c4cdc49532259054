"""The flash log over rp2.Flash on the emulated Pico: power cuts at random operations, and what an append costs.

One chain of starts on one chip: each mounts what the last cut has left, is checked against what the log had promised
by then, goes on with its work, and loses its power in a random operation and torn state. The seed is printed;
SEED=number repeats a run, CUTS=number makes it longer.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from device_files import compiled
from figures_table import Table
from flash_model import ERASE_STATES, PROGRAM_STATES
from pico import Pico, PowerCut

TIMEOUT_S = 900
SECTORS = 6
FIRST_BLOCK = 352 - SECTORS  # RPI_PICO has 352 blocks of file system; the log takes the last ones, which hold no file
CUTS = int(os.environ.get("CUTS", "60"))
APPEND_CPU_US = 2000  # issue "flash log": beside the flash time itself
SCRATCH = 0x0C


@dataclass(frozen=True)
class Outcome:
    """The region after a cut, which operation was cut how, and the registers of log_runs.work."""

    region: bytes = field(repr=False)
    cut: str
    appended: int
    acked: int
    acking: int
    first: int
    last: int
    checked: int


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return compiled("flashlog", "ports", scripts=("log_runs",))


def work_until_cut(pico: Pico, region: bytes, appended: int, operation: int, state: str, seed: int) -> Outcome:
    """Mount the log in `region`, check it, go on with it until the power is cut in the given operation."""
    pico.load_storage(FIRST_BLOCK, region)
    pico.flash.cut_at(operation, state, seed)
    with pytest.raises(PowerCut):
        pico.run(f"log_runs.work({FIRST_BLOCK}, {FIRST_BLOCK + SECTORS}, {appended})")
    registers = [pico.mcu.watchdog.read_uint32(SCRATCH + 4 * i) for i in (0, 1, 2, 3, 5, 6)]
    cut = f"{pico.flash.operations[-1].kind}: {pico.flash.cut_state}"
    return Outcome(pico.storage(FIRST_BLOCK, SECTORS), cut, *registers)


@dataclass
class Promise:
    """What the log has promised so far, by append numbers: returned, acknowledged, acknowledgement begun."""

    appended: int = 0
    acked: int = 0
    acking: int = 0

    def judge(self, outcome: Outcome) -> bool:
        """True if what a start has found keeps the promise; the promise then moves on with that start's work."""
        if not outcome.checked:  # cut before the log was open: nothing was said and nothing was promised
            return True
        if outcome.first:
            kept = outcome.first in (self.acked + 1, self.acking + 1)
            kept = kept and outcome.last in (self.appended, self.appended + 1)
            self.acked = outcome.first - 1
        else:
            kept = self.appended in (self.acked, self.acking)
            self.acked = self.appended
        self.appended = outcome.appended
        self.acked = max(self.acked, outcome.acked)
        self.acking = max(self.acked, outcome.acking)
        return kept and outcome.checked == 1


def test_log_survives_power_cuts(uf2: Path, files: dict[str, bytes]) -> None:
    seed = int(os.environ.get("SEED", "1"))
    rand = random.Random(seed)
    cuts: Counter[str] = Counter()
    promise = Promise()
    mounts = 0
    with Pico(uf2, "RPI_PICO", files) as pico:
        pico.run("import log_runs")
        region = pico.storage(FIRST_BLOCK, SECTORS)
        assert region == b"\xff" * len(region), "the host put a file where the log goes"
        for number in range(CUTS):
            operation, state = rand.randrange(1, 45), rand.choice(PROGRAM_STATES + ERASE_STATES)
            noise = rand.randrange(1 << 30)
            work = partial(work_until_cut, pico, region, promise.appended, operation, state, noise)
            outcome: Outcome = pico.in_a_copy(work)
            where = f"seed {seed}, cut {number}: {outcome}; promised was {promise}"
            assert promise.judge(outcome), where
            region = outcome.region
            cuts[outcome.cut] += 1
            mounts += not outcome.checked
    print(
        f"REPORT: emulated Pico, flash log: {CUTS} power cuts ({mounts} of them before the log was open),"
        f" {promise.appended} appends of 8 records, 0 lost, reordered or invented (seed {seed})"
    )
    print("REPORT: of them " + ", ".join(f"{cut} {count}" for cut, count in sorted(cuts.items())))
    assert promise.appended > CUTS * 3


def test_a_chip_that_forgets_is_caught(uf2: Path, files: dict[str, bytes]) -> None:
    """The mutant: appends that had returned, and were not acknowledged, are gone after the cut."""
    with Pico(uf2, "RPI_PICO", files) as pico:
        pico.run("import log_runs")
        blank = pico.storage(FIRST_BLOCK, SECTORS)
        for operation in range(16, 30, 3):  # not every cut comes while something is unacknowledged
            promise = Promise()
            first: Outcome = pico.in_a_copy(partial(work_until_cut, pico, blank, 0, operation, "half", 0))
            assert promise.judge(first)
            if promise.appended > promise.acking:
                break
        assert promise.appended > promise.acking
        second: Outcome = pico.in_a_copy(partial(work_until_cut, pico, blank, promise.appended, 16, "half", 0))
    assert second.checked and not promise.judge(second)


def test_append_holds_the_processor_for_2_ms_at_most(uf2: Path, files: dict[str, bytes], table: Table) -> None:
    with Pico(uf2, "RPI_PICO", files) as pico:
        pico.run("import log_runs")
        words = [int(word) for word in pico.run(f"log_runs.timing({FIRST_BLOCK}, {FIRST_BLOCK + SECTORS}, 30)").split()]
        kinds = Counter(operation.kind for operation in pico.flash.operations)
    table.row("Pico, flash log alone, 30 appends of 8 records", operations=pico.flash.operations)
    all_us, flash_us = words[:-2:2], words[1:-2:2]
    starved, erases = words[-2:]
    cpu_us = [whole - flash for whole, flash in zip(all_us, flash_us)]
    assert len(cpu_us) == 30 and not starved
    assert erases >= 2 and kinds["erase"] >= erases, "no append opened a sector"
    print(
        f"REPORT: emulated Pico, append of 8 records of 32 bytes: CPU {sum(cpu_us) // 30} us mean,"
        f" {max(cpu_us)} us worst (goal {APPEND_CPU_US} us),"
        f" beside {sum(flash_us) // 30} us mean, {max(flash_us)} us worst in the chip"
    )
    assert max(cpu_us) <= APPEND_CPU_US
