"""Names in flash on the real rp2 firmware: MicroPython finds them there, each once; what looks strange is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from device_files import as_on_a_box, compiled
from pico import Pico

from fieldgate import names

TIMEOUT_S = 600
BOARDS = ("RPI_PICO", "RPI_PICO_W")


def files_with(content: bytes | None = None) -> dict[str, bytes]:
    files = as_on_a_box(compiled("modbus", "flashlog", "ports", scripts=("names_runs",)), ("names_runs",))
    return files if content is None else files | {names.NAME: content}


@pytest.mark.parametrize("board", BOARDS)
def test_names_are_found_in_flash_and_each_has_one_number(uf2: Path, board: str) -> None:
    unheard = [f"unheard_of_{i:04d}" for i in range(1500)]  # over five blocks
    known = ["append", "ticks_ms", "mem_free", "asyncio", "zip"]  # in every image's ROM
    with Pico(uf2, board, files_with(names.pack([*unheard, *known]))) as pico:
        first, mistakes = pico.run(f"import names_runs\nnames_runs.take({unheard[::40]!r})").splitlines()
    taken, took_ms, heap_bytes, before, after, again = map(int, first.split())
    print(f"REPORT: emulated {board}, {taken} names in flash: taken in {took_ms} ms, {heap_bytes} B of heap")
    assert taken == len(unheard) - 1, "one was known, and those of the image"
    assert before == 1 and after == len(unheard[::40])
    assert again == 0, "all are known now"
    assert heap_bytes < 7 * len(unheard)
    assert mistakes == "[]"


def test_a_file_that_is_not_whole_is_left_alone(uf2: Path) -> None:
    whole = names.pack([f"unheard_of_{i:04d}" for i in range(1500)])
    for content in (whole[:9000], b"%08x" % 1501 + whole[8:], b"nonsense" + whole[8:], b""):
        with Pico(uf2, "RPI_PICO", files_with(content)) as pico:
            told = pico.run("from ports.rp2 import names\nprint(names.take())")
        assert told == "0\n", content[:16]


def test_pools_that_look_strange_are_refused(uf2: Path) -> None:
    with Pico(uf2, "RPI_PICO", files_with()) as pico:
        right, *wrong = pico.run("import names_runs\nnames_runs.refuse()").split()
    assert right == "1"
    assert len(wrong) == 17 and set(wrong) == {"0"}, wrong
