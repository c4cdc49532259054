"""The batch on the real rp2 firmware: 32-bit words and single-precision floats give the bytes that the format says."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from device_files import BOARD, compiled
from pico import Pico

HOST_TESTS = Path(__file__).resolve().parent.parent
PORTABLE = {
    "fakes": ("batch_reader", "reference_rows"),
    "unit": ("test_uplink_columns", "test_uplink_envelope", "test_uplink_typed"),
}
LEAST_TESTS = 5  # of a file
STEP_US = 5000  # design: other tasks work in slices of at most 5 ms on an RP2040


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    portable = [HOST_TESTS / folder / f"{name}.py" for folder, names in PORTABLE.items() for name in names]
    return compiled("uplink", "gateway", "points", scripts=("uplink_runs",), others=tuple(portable))


@pytest.mark.parametrize("name", PORTABLE["unit"])
def test_portable_tests(uf2: Path, files: dict[str, bytes], name: str) -> None:
    with Pico(uf2, BOARD, files) as pico:
        printed = pico.run(f"import uplink_runs\nuplink_runs.tests({name!r})")
        assert int(printed.splitlines()[-1]) >= LEAST_TESTS


def test_encoding_goes_in_short_steps(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        for raw, kind in ((False, "columns"), (True, "columns"), (True, "typed")):
            printed = pico.run(f"import uplink_runs\nuplink_runs.encode({raw}, {kind!r})")
            sample_us, encode_us, longest_us, garbage_bytes = (int(word) for word in printed.split())
            print(
                f"REPORT: emulated RP2040, batch of 60 x 8 float32, {'raw' if raw else 'quantised'} {kind}: sample "
                f"{sample_us} us, encoding {encode_us} us, longest step {longest_us} us, garbage {garbage_bytes} B"
            )
            assert longest_us < STEP_US  # virtual time: counted in instructions
            assert garbage_bytes < 2048


METER = [struct.pack(">f", value) for value in (230.1, 0.1, -40.25, 49.98, 10.403, 1234.5, 0.0, 16777216.0)]
EXTREMES = [struct.pack(">f", value) for value in (1e-45, 3.4e38, 1e10, 19781.0625)]


@pytest.mark.parametrize("columns", [False, True])
def test_decimals_are_exact_where_floats_are_single(uf2: Path, files: dict[str, bytes], columns: bool) -> None:
    rand = random.Random(4)
    words = METER if columns else [*METER, *EXTREMES, *(rand.randbytes(4) for _ in range(12))]
    with Pico(uf2, BOARD, files) as pico:
        *texts, figures = pico.run(
            f"import uplink_runs\nuplink_runs.decimals({' '.join(word.hex() for word in words)!r}, {columns})"
        ).splitlines()
    for word, text in zip(words, texts, strict=True):
        if text == "None":
            assert word[0] & 0x7F == 0x7F and word[1] & 0x80
        else:
            assert struct.pack(">f", float(text)) == word, (word.hex(), text)
    longest_us, garbage_bytes = map(int, figures.split())
    what = "of a meter, with the column coder" if columns else "with extremes, alone"
    print(f"REPORT: emulated RP2040, text of a float32 {what}: longest {longest_us} us, garbage {garbage_bytes} B each")
    assert longest_us < STEP_US
