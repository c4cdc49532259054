"""Points on the real rp2 firmware: floats of single precision, small ints of 31 bits, and all values are exact."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from device_files import BOARD, compiled
from pico import Pico

HOST_TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOST_TESTS / "fakes"))
import points_matrix  # noqa: E402  (its folder is on the path only now)

TIMEOUT_S = 1800
READS = 4


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    packages = ("points", "uplink", "gateway", "modbus")
    return compiled(*packages, scripts=("points_runs",), others=(HOST_TESTS / "fakes" / "points_device.py",))


def test_all_types_in_all_orders(uf2: Path, files: dict[str, bytes]) -> None:
    compared = 0
    for kinds in (("uint16", "int16", "uint32", "int32", "uint64"), ("int64", "float32", "bcd16", "bcd32", "string6"),
                  ("float64", "bool", "string30")):  # fmt: skip
        cases = points_matrix.cases(5, 0, kinds, READS)
        text = points_matrix.written(cases)
        with Pico(uf2, BOARD, {**files, "cases": text.encode()}) as pico:
            printed = pico.run("import points_runs\npoints_runs.decode('cases')")
        found, differences = points_matrix.judged(cases, printed.splitlines(), single=True)
        assert not differences, differences[:5]
        compared += found
    print(f"REPORT: emulated RP2040, type x order matrix: {compared} values, 0 differences")


def test_cost_of_a_value(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        printed = pico.run("import points_runs\npoints_runs.cost()")
    for line in printed.splitlines():
        _, text_us, allocated, number_us, name = line.split(" ", 4)
        print(f"REPORT: emulated RP2040, value of a {name}: text {text_us} us and {allocated} B of garbage, "
              f"number {number_us} us")  # fmt: skip
        assert int(text_us) < 20000
