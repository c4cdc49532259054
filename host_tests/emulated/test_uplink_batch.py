"""The batch on the real rp2 firmware: 32-bit words and single-precision floats give the bytes that the format says."""

from __future__ import annotations

from pathlib import Path

import pytest
from device_files import BOARD, compiled
from pico import Pico

HOST_TESTS = Path(__file__).resolve().parent.parent
PORTABLE = {"fakes": ("batch_reader", "reference_rows"), "unit": ("test_uplink_columns", "test_uplink_envelope")}
STEP_US = 5000  # design: other tasks work in slices of at most 5 ms on an RP2040


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    portable = [HOST_TESTS / folder / f"{name}.py" for folder, names in PORTABLE.items() for name in names]
    return compiled("uplink", scripts=("uplink_runs",), others=tuple(portable))


def test_portable_tests(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        for name in PORTABLE["unit"]:
            printed = pico.run(f"import uplink_runs\nuplink_runs.tests({name!r})")
            assert int(printed.splitlines()[-1]) > 10


def test_encoding_goes_in_short_steps(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        for raw in (False, True):
            printed = pico.run(f"import uplink_runs\nuplink_runs.encode({raw})")
            sample_us, encode_us, longest_us, garbage_bytes = (int(word) for word in printed.split())
            print(
                f"REPORT: emulated RP2040, batch of 60 x 8 float32, {'raw' if raw else 'quantised'}: sample "
                f"{sample_us} us, encoding {encode_us} us, longest step {longest_us} us, garbage {garbage_bytes} B"
            )
            assert longest_us < STEP_US  # virtual time: counted in instructions
            assert garbage_bytes < 2048
