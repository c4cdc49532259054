"""Random configurations, 2,000 of them: nothing unsound is taken, nothing sound is refused, no traceback, no hang, the
heap back at its level. The firmware's code runs on MicroPython; fakes/config_judge.py, written from the pages, judges.
Fifty times as many: host_tests/soak/config_soak.py."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import config_fuzz
import config_judge
from fieldgate.demo.run import find_micropython

ROOT = Path(__file__).resolve().parents[2]
COUNT = 1000


@pytest.mark.parametrize("seed", [1, 2])
def test_random_configurations(tmp_path: Path, seed: int) -> None:
    figures = config_fuzz.run(find_micropython(), tmp_path, seed, COUNT, 110)
    assert figures.taken > COUNT // 10 and figures.cases - figures.sound > COUNT // 2, figures
    assert not figures.late, "the start refused what the console's check had taken"
    print(
        f"REPORT: {figures.cases} random configurations (seed {seed}): {figures.sound} sound, {figures.taken} taken,"
        f" none wrongly; heap {figures.heap:+d} B"
    )


def test_the_judge_takes_the_virtual_board() -> None:
    for half, faults in (("ot", config_judge.faults_ot), ("it", config_judge.faults_it)):
        text = (ROOT / "boards" / "virtual" / f"{half}.json").read_bytes()
        found = [fault for fault in faults(text) if "no unit of measure" not in fault]
        assert not found


def test_the_control_a_mistake_that_is_taken_is_seen() -> None:
    """The comparison must be able to fail."""
    good = json.dumps(config_fuzz.sound_ot(random.Random(5))).encode()
    bad = good.replace(b'"unit_id": 1,', b'"unit_id": 248,')
    assert bad != good
    with pytest.raises(AssertionError, match="taken, although"):
        config_fuzz.compare(0, [("ot", bad)], ["+ + "], 0)
    with pytest.raises(AssertionError, match="sound, but refused"):
        config_fuzz.compare(0, [("ot", good)], ["- - ot.json: x"], 0)
    with pytest.raises(AssertionError, match="did not come back"):
        config_fuzz.compare(0, [("ot", bad)], ["- - ot.json: x"], 10**5)
