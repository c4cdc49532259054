"""100,000 random bytes at the console of the whole application, on a clock that leaves out every wait: no traceback, no
hang, no answer without OK or ERR, the heap back at its level, the box started again by itself after every commit.
Ten times as many: host_tests/soak/config_soak.py. The same through a terminal: host_tests/e2e/test_console.py."""

from __future__ import annotations

from pathlib import Path

import pytest

import console_fuzz

COUNT = 50_000


@pytest.mark.parametrize("seed", [1, 2])
def test_random_bytes(tmp_path: Path, seed: int) -> None:
    figures = console_fuzz.run(tmp_path, seed, COUNT, 110)
    assert figures.answers > 1000 and figures.starts > 2, figures
    print(
        f"REPORT: {figures.bytes_typed} random bytes at the console (seed {seed}): {figures.answers} answers,"
        f" {figures.starts - 1} restarts, no traceback; heap {figures.heap:+d} B"
    )


def test_the_control_what_goes_wrong_is_seen() -> None:
    good = "> status\nOK\n> frob\nERR 1 unknown verb frob: type help\n\nheap 1000 1100 polls 7\n"
    assert console_fuzz.judge(good, 1, 10, 1) == console_fuzz.Figures(10, 2, 1, 100, 7)
    for bad, said in (
        (good.replace("1100", "99100"), "did not come back"),
        (good.replace("heap", "help"), "no end"),
        ("Traceback" + good, "Traceback"),
    ):
        with pytest.raises(AssertionError, match=said):
            console_fuzz.judge(bad, 1, 10, 1)
