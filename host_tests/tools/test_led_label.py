"""The printed label says what the LED blinks: the firmware's lamp is given each fault, its blinks are counted, and the
label, the console's `led` and the page for the board's label must name that fault at that number."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console import led  # type: ignore[import-not-found]
from fieldgate import box_label
from gateway.lamp import Lamp  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parents[2]
STEPS = 400
FAULTS = ("", "no network", "no broker", "a unit is silent", "no unit of a line answers", "records were lost")


class Led:
    def __init__(self) -> None:
        self.on = False

    def set(self, on: bool) -> None:
        self.on = on


def gateway_with(fault: str) -> Any:
    scheduler = SimpleNamespace(fault=fault.startswith("no unit"), quarantined=int(fault == "a unit is silent"))
    return SimpleNamespace(
        log=SimpleNamespace(stats=SimpleNamespace(dropped=0)),
        recorder=SimpleNamespace(dropped_total=int(fault == "records were lost")),
        buses=[SimpleNamespace(scheduler=scheduler)],
        session=SimpleNamespace(ready="network" not in fault and "broker" not in fault),
        net=SimpleNamespace(up=lambda: "network" not in fault),
    )


def blinks_of(fault: str) -> int:
    """Blinks between two long pauses, as a person counts them; 0: steady."""
    shown = Led()
    lamp = Lamp(shown, gateway_with(fault))
    seen = ""
    for _ in range(STEPS):
        lamp.step()
        seen += "-#"[shown.on]
    if "-" not in seen:
        return 0
    groups = re.split("-{4,}", seen)[1:-1]
    counts = {len(re.findall("#+", group)) for group in groups}
    assert len(groups) > 3 and len(counts) == 1, seen
    return counts.pop()


def label() -> list[str]:
    lines = box_label.text("fg-1", "A-1", "a/b/c/d/e/f", {}).splitlines()
    return [line.removeprefix("LED ") for line in lines if line.startswith("LED ")]


def page() -> list[list[str]]:
    """Rows of the table for the label in boards/README.md: LED, meaning, what to look at."""
    text = (ROOT / "boards" / "README.md").read_text().partition("| LED | means | look at |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_label_names_the_fault_at_its_number_of_blinks(fault: str) -> None:
    count = blinks_of(fault)
    begin = "steady: " if not count else f"{count} blink{'s' if count > 1 else ''}: "
    (line,) = [line for line in label() if line.startswith(begin)]
    assert (fault or "all is well") in line
    (row,) = [row for row in page() if row[0].split(",")[0] == begin[:-2]]
    words = (fault or "all is well").removeprefix("a ").split()
    assert all(word in row[1] for word in words), row
    verb = re.search(r"\(type (\w+)\)", line)
    assert row[2].strip("`") == (verb.group(1) if verb else "")


def test_label_console_and_page_have_the_same_codes() -> None:
    said = list(led.led(SimpleNamespace(gateway=SimpleNamespace(led=None, lamp=None, log=1)), []))
    assert label() == [line.strip() for line in said[1:]] == list(led.CODES)
    blank = list(led.led(SimpleNamespace(gateway=SimpleNamespace(led=Led(), log=None)), []))
    assert [line for line in blank if line.startswith("=>")] == ["=> " + led.CODES[-1]]
    assert len(page()) == len(led.CODES) + 1  # quick and dark share a line of the label
    assert "setup" in label()[-1] and [row[2] for row in page() if row[0].startswith("quick")] == ["`setup`"]
