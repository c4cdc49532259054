"""A change that nobody confirms, on the real firmware: the broker has moved, or so somebody thought; no unit answers
any more. After the trial the box is as it was, and nothing that was measured is lost.

A trial is minutes long, so what `commit` leaves is put onto the box by hand with a trial of seconds. That `commit 1`
writes 60 and the watch keeps to it: test_console.py and host_tests/sim/test_console_trials.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from console_box import ConsoleBox

from fieldgate.broker import Broker

TRIAL_S = 5


class TrialBox(ConsoleBox):
    """It starts into the trial of a revision whose halves `spoil` has changed."""

    spoil: Callable[[dict[str, Any], dict[str, Any]], None]

    def write_configuration(self) -> None:
        super().write_configuration()
        ot, it = copy.deepcopy(self.ot), copy.deepcopy(self.it)
        self.spoil(ot, it)
        folder = self.box / "config" / "1"
        folder.mkdir(parents=True)
        (folder / "ot.json").write_text(json.dumps(ot))
        (folder / "it.json").write_text(json.dumps(it))
        (folder / "about").write_text("console -\nby hand: -> spoilt\n")
        (self.box / "config" / "now").write_text(f"1 0 {TRIAL_S} trial\n")

    def wait_started(self) -> None:
        self.terminal.expect("records to publish")


def broker_moved(ot: dict[str, Any], it: dict[str, Any]) -> None:
    it["mqtt"]["brokers"][0]["port"] = 9


def no_unit_answers(ot: dict[str, Any], it: dict[str, Any]) -> None:
    for number, unit in enumerate(ot["buses"][0]["units"]):
        unit["unit_id"] = 100 + number


@pytest.mark.parametrize("spoil", [broker_moved, no_unit_answers])
def test_nobody_confirms_and_the_box_comes_back(
    tmp_path: Path, start_broker: Callable[..., Broker], spoil: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    with TrialBox(tmp_path / "run", start_broker()) as box:
        box.spoil = spoil
        box.start()
        box.terminal.expect("not confirmed, the configuration before is back", timeout=60)
        box.terminal.expect("records to publish", timeout=60)
        box.knock()
        assert "as delivered" in box.type("about")
        box.wait_samples(30)
        balance = box.balance(settle_s=60)
        assert balance.ok, balance
        about = (box.box / "config" / "1" / "about").read_text()
        assert about.endswith("rolled back: nobody confirmed it in time\n")
