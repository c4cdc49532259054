"""Record blocks on the real rp2 firmware: machine code with 32-bit words writes the host's bytes, in short slices."""

from __future__ import annotations

from pathlib import Path

import pytest
from device_files import BOARD, compiled
from pico import Pico

HOST_TESTS = Path(__file__).resolve().parent.parent
OTHERS = ("fakes/nor.py", "fakes/reference_rows.py", "unit/test_flashlog_columns.py")
SLICE_US = 5000  # design: other tasks work in slices of at most 5 ms on an RP2040
TIMEOUT_S = 900
WHAT = {
    "quantised": "8 float32 of the reference data",
    "raw": "8 float32 with noise below the step",
    "floats": "30 float32",
    "registers": "60 uint16",
}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return compiled("flashlog", scripts=("columns_runs",), others=tuple(HOST_TESTS / name for name in OTHERS))


def test_the_same_bytes_as_on_the_host(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        assert pico.run("import columns_runs\ncolumns_runs.same_bytes()").strip() == "same"


def test_cost_of_a_sample(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        for name, what in WHAT.items():
            printed = pico.run(f"import columns_runs\ncolumns_runs.cost({name!r})")
            add_us, worst_add_us, take_us, worst_take_us, allocated, size = (int(word) for word in printed.split())
            print(
                f"REPORT: emulated RP2040, record block, {what}: {size / 40:.1f} B a sample, into a block {add_us} us"
                f" (worst {worst_add_us} us, {allocated} bytes allocated), out of it {take_us} us"
                f" (worst {worst_take_us} us)"
            )
            assert max(worst_add_us, worst_take_us) < SLICE_US  # virtual time: counted in instructions
            assert allocated == 0
