"""Pinned blocks on a stock image: blocks that files own and the log uses behind the file system's back.

Shown on the real firmware and its real LittleFS: nothing that happens to the file system touches the blocks, a power
cut anywhere in the first start is mended by the next one, and what does not fit is refused.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from device_files import compiled
from flash_model import ERASE_STATES, PROGRAM_STATES
from pico import DeviceError, Pico, PowerCut

TIMEOUT_S = 900
FILES = 12
CUTS = int(os.environ.get("CUTS", "12"))
MANY_FILES = int(os.environ.get("MANY_FILES", "32"))  # 128 take more than 15 minutes of a core
BLOCKS = 352
LATER_START_MS = 8000  # below the watchdog's longest time, 8388 ms (RP2040 datasheet 4.7.2)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return compiled("flashlog", "ports", scripts=("pinned_runs",))


def test_the_file_system_leaves_the_blocks_alone(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, "RPI_PICO", files) as pico:
        said = [int(word) for word in pico.run("import pinned_runs\npinned_runs.stress()").split()]
        start_ms = int(pico.run("pinned_runs.open_all()"))
    first_ms, after_writes, filled, after_filling, after_remount = said
    assert filled > 20, "the file system was not filled"
    assert (after_writes, after_filling, after_remount) == (0, 0, 0)
    print(f"REPORT: emulated Pico, {FILES} pinned blocks: first start {first_ms} ms, later ones {start_ms} ms")


def test_time_of_a_start_with_many_files(uf2: Path, files: dict[str, bytes]) -> None:
    """The first start makes the files and erases their blocks, once in a box's life; later ones only look at them."""
    with Pico(uf2, "RPI_PICO", files) as pico:
        said = pico.run(f"import pinned_runs\npinned_runs.starts({MANY_FILES})")
    first_ms, later_ms, again_ms = (int(word) for word in said.split())
    print(f"REPORT: emulated Pico, {MANY_FILES} pinned blocks: first start {first_ms} ms, later ones {later_ms} ms")
    assert max(later_ms, again_ms) < LATER_START_MS


def start(pico: Pico, chip: bytes, operation: int, state: str, seed: int) -> tuple[bytes, str]:
    """A start on that chip, with a power cut in the given operation; the chip after it, and what was cut."""
    pico.load_storage(0, chip)
    pico.run("import vfs\nvfs.umount('/')\nvfs.mount(vfs.VfsLfs2(pinned_runs.storage.rp2.Flash(), progsize=256), '/')")
    if operation:
        pico.flash.cut_at(operation, state, seed)
    cut = ""
    try:
        pico.run("pinned_runs.open_all()")
    except PowerCut:
        cut = f"{pico.flash.operations[-1].kind}: {pico.flash.cut_state}"
    return pico.storage(0, BLOCKS), cut


def finish(pico: Pico, chip: bytes) -> int:
    """A start without a cut, then the blocks in use and the file system under load; wrong pages, to be 0."""
    start(pico, chip, 0, "", 0)
    code = f"f = pinned_runs.storage.open_flash({{'pinned_files': {FILES}}})\npinned_runs.use(f, 3)\n"
    code += "file = open('other', 'wb')\nfile.write(bytes(30000))\nfile.close()\nprint(pinned_runs.wrong(f, 3))"
    return int(pico.run(code))


def test_first_start_survives_power_cuts(uf2: Path, files: dict[str, bytes]) -> None:
    seed = int(os.environ.get("SEED", "1"))
    rand = random.Random(seed)
    cuts: Counter[str] = Counter()
    with Pico(uf2, "RPI_PICO", files) as pico:
        pico.run("import pinned_runs")
        blank = pico.storage(0, BLOCKS)
        pico.in_a_copy(partial(finish, pico, blank))
        whole = pico.in_a_copy(partial(operations_of_a_first_start, pico, blank))
        for number in range(CUTS):
            chip = blank
            for _ in range(1 + number % 2):  # every second time the start after the cut is cut as well
                state = rand.choice(PROGRAM_STATES + ERASE_STATES)
                chip, cut = pico.in_a_copy(
                    partial(start, pico, chip, rand.randrange(1, whole + 1), state, rand.randrange(1 << 30))
                )
                cuts[cut] += 1
            assert pico.in_a_copy(partial(finish, pico, chip)) == 0, f"seed {seed}, cut {number}: {cut}"
    print(
        f"REPORT: emulated Pico, pinned blocks: {sum(cuts.values())} power cuts in a first start of {whole} operations,"
        f" all mended by the next start (seed {seed})"
    )


def operations_of_a_first_start(pico: Pico, blank: bytes) -> int:
    start(pico, blank, 0, "", 0)
    return len(pico.flash.operations)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ("os.remove('log/004')", "log/004 is missing"),
        ("f = open('log/004', 'wb')\nf.write(bytes(4096))\nf.close()", "log/004 does not own its block any more"),
        ("os.remove('log/map')", "is in use but log/map is missing"),
        ("f = open('log/map', 'r+b')\nf.seek(12)\nf.write(b'x')\nf.close()", "log/map is damaged"),
    ],
)
def test_what_does_not_fit_is_refused(uf2: Path, files: dict[str, bytes], damage: str, complaint: str) -> None:
    with Pico(uf2, "RPI_PICO", files) as pico:
        pico.run("import os, pinned_runs\npinned_runs.use(pinned_runs.open_all(), 1)")
        pico.run(damage)
        before = len(pico.flash.operations)
        with pytest.raises(DeviceError, match=complaint):
            pico.run("pinned_runs.open_all()")
        assert len(pico.flash.operations) == before, "a refusal wrote to the chip"
