"""The Modbus TCP server on the real rp2 firmware: small ints of 31 bits, what it takes, and how short its steps are."""

from __future__ import annotations

from pathlib import Path

import pytest
from device_files import BOARD, compiled
from pico import Pico

HOST_TESTS = Path(__file__).resolve().parent.parent
STEP_US = 5000  # design: other tasks work in slices of at most 5 ms on an RP2040
PORTABLE = [
    *(HOST_TESTS / "fakes" / f"{name}.py" for name in ("clock", "line", "rig", "scada_rig")),
    HOST_TESTS / "unit" / "test_scada_image.py",
    HOST_TESTS / "sim" / "test_scada_server.py",
]


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return compiled("scada", "modbus", "umodbus", scripts=("scada_runs",), others=tuple(PORTABLE))


# Without the long ones: an emulated second takes 20.
SHORT = {
    "test_scada_image": "the_head_says_version_groups_mark_uptime_and_time "
    "good_words_stay_as_they_came_and_age_while_it_fails "
    "a_split_read_fills_its_block_part_by_part before_the_first_poll_nothing_looks_like_a_value",
    "test_scada_server": "a_read_is_answered_with_the_image what_a_read_asks_wrongly_has_its_own_exception "
    "one_too_many_and_strangers_are_refused garbage_ends_the_connection_at_once",
}


@pytest.mark.parametrize("name", SHORT)
def test_portable_tests(uf2: Path, files: dict[str, bytes], name: str) -> None:
    with Pico(uf2, BOARD, files) as pico:
        assert pico.run(f"import scada_runs\nscada_runs.tests({name!r}, {SHORT[name]!r})").endswith("done\n")


def test_heap_and_length_of_steps(uf2: Path, files: dict[str, bytes]) -> None:
    with Pico(uf2, BOARD, files) as pico:
        printed = pico.run("import scada_runs\nscada_runs.costs()")
    heap, sample_us, longest_us, garbage, idle_us, _ = (int(word) for word in printed.split())
    print(
        f"REPORT: emulated RP2040, modbus tcp for 200 points in 20 blocks: heap {heap} B without the image's code, "
        f"a sample of 10 registers {sample_us} us, a request for 125 registers {longest_us} us and {garbage} B of "
        f"garbage, nothing to do {idle_us} us"
    )
    assert longest_us < STEP_US
