"""Every screen of the console is under 400 bytes and 78 columns wide, on a large box with much that is wrong.

The whole application on MicroPython; see fakes/console_screens_box.py. A question is the end of a screen.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

import console_screens
from console import verbs  # type: ignore[import-not-found]

SCREEN_BYTES, COLUMNS = 400, 78
WHOLE = re.compile(r"dump(?! \?)|.* --json|watch main|bus frames \d")  # for programs, or what goes on until Ctrl-C
# A screen ends with the answer to a question, or with the progress of a search, before which seconds pass.
BREAK = re.compile(r"(?<=: )(?:yes|no|y|wrong-password|\*+)\r\n|(?<=\r\n)asking: \d+ of \d+\r\n")
END = re.compile(r"(?:^|\r\n)(?:OK|ERR \d+ [^\r\n]+)\r\n> $")

LOOKING = """status|bus|log|about|alarms|alarms all|alarms ack all|time|watch main_meter 3|read 1 3 0 8|read 1 3 0 60|
read main_meter 1 0 100|read 3 3 0|scan|identify 1|show|show line1|show line1.main_meter|show mqtt|show alarms|diff|
check|confirm|rollback|dump|load ot nothing.json|login ot|logout|who|audit|audit all|audit verify|net|wifi|mqtt|
mqtt test|test|
led|lock|incident|help|more|status --json|bus --json|bus frames|bus frames bad|bus frames 4|frob|s|set|set line1.baud ?|
set line1.baud fast|unset x|discard""".replace("\n", "").split("|")
CHANGING = """set line1.drive_infeed.active_power.period_ms 100|set line1.+another_unit_with_a_long_name_ok.unit_id 40|
set line1.+another_unit_with_a_long_name_ok.+a_point_with_a_name_of_32_letters.address 7|set place.site lyon|
set mqtt.brokers.0.tls.ca ca.der|diff|check|check --json|unset line1.another_unit_with_a_long_name_ok|diff|check|
rollback|audit""".replace("\n", "").split("|")
STOPPING = ["scan units\tyes", "wifi scan", "reboot\tno", "repl\tno", "update\tno", "commit\tno", "commit yes"]


def judge(shown: list[tuple[str, str]]) -> list[int]:
    """Bytes of each screen. Raises AssertionError for one that is too large or has no end."""
    screens = []
    for line, text in shown:
        assert END.search(text), f"{line}: no OK or ERR at the end: {text!r}"
        assert text.isascii(), f"{line}: {text!r}"
        if WHOLE.match(line):
            continue
        for screen in BREAK.split(text.removesuffix("> ")):
            screens.append(len(screen))
            widest = max(len(row) for row in screen.split("\r\n"))
            assert len(screen) < SCREEN_BYTES, f"{line}: {len(screen)} bytes:\n{screen}"
            assert widest <= COLUMNS, f"{line}: {widest} columns:\n{screen}"
    return screens


def lines_of(words: list[str]) -> list[str]:
    return [word.replace("\t", "|") for word in words]


@pytest.mark.parametrize("faults", [console_screens.TROUBLED, console_screens.DEAD], ids=["troubled", "dead"])
def test_every_screen_is_small(tmp_path: Path, faults: dict[str, Any]) -> None:
    lines = LOOKING + CHANGING + STOPPING
    if faults["down"]:
        lines = [line for line in lines if line[:4] != "scan"]  # of nobody: 12 minutes
    shown = console_screens.show(tmp_path, faults, lines_of(lines))
    screens = judge(shown)
    said = "".join(text for _, text in shown)
    if not faults["down"]:
        for hint in ("no answer; others fine", "refuses reads", "only sometimes", "damaged replies", "nobody asked"):
            assert hint in said.replace("\r\n  ", " "), hint
    stops = {line: text.replace("\r\n  ", " ") for line, text in shown if line[-3:] == "|no"}
    for line in ("reboot|no", "repl|no", "update|no"):
        assert "drive_infeed (5) acts when nobody asks it for 5000 ms" in stops[line], stops[line]
        assert "ERR 9 nothing was done" in stops[line], stops[line]
    print(f"REPORT: console, 16 units, 64 points, {'all' if faults['down'] else 'much'} wrong: {len(lines)} lines "
          f"answered on {len(screens)} screens of at most {max(screens)} bytes and 78 columns")  # fmt: skip


def test_more_shows_the_rest_once(tmp_path: Path) -> None:
    lines = ["help", "more", "show", "bus", "more", "alarms all"]
    shown = console_screens.show(tmp_path, console_screens.HEALTHY, lines)
    pages: list[str] = []
    answers = []
    for line, text in shown:
        body = text.removesuffix("> ").replace("\r\n", "\n")
        if line != "more" or not pages:
            pages = []
        rows = body.splitlines()[:-1]
        cut = bool(rows) and rows[-1].endswith(": type more")
        pages += rows[: len(rows) - cut]
        if not cut:
            answers.append((line, "\n".join(pages)))
            pages = []
    table = next(text for _, text in answers if text.startswith("line1:"))
    names = [row.split()[0] for row in table.splitlines()[2:]]
    assert names == [name[:14] for name in console_screens.NAMES], table
    assert "ERR 6 no answer has more to show" in "".join(text for _, text in shown)


def test_every_help_is_small(tmp_path: Path) -> None:
    shown = console_screens.show(tmp_path, console_screens.HEALTHY, [f"{verb} ?" for verb in verbs.MODULES])
    assert all("example: " in text for _, text in shown) and len(judge(shown)) == len(verbs.MODULES)


def test_the_longest_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the terminal, and what is allowed still shows."""
    ot = copy.deepcopy(console_screens.ot())
    bus, name, point = "b" * 32, "u" * 32, "p" * 32
    bus_tree = ot["buses"][0]
    bus_tree["name"] = bus
    bus_tree["units"] = bus_tree["units"][:2]
    bus_tree["units"][0]["name"] = name
    bus_tree["units"][0]["points"][3]["name"] = point
    for key in ("derived", "aggregates", "alarms", "machine"):
        del ot[key]
    monkeypatch.setattr(console_screens, "ot", lambda: ot)
    key = f"{bus}.{name}.{point}"
    lines = [
        f"set {key}.period_ms fast", f"set {key}.period_msx 5", f"set {key}.order DCAB", f"set {key}.unit kwh",
        f"set {key}.type uint61", f"set {key}.period_ms 200", f"set {key}x.fc 3", f"set {bus}.+{'n' * 32}.unit_id 248",
        f"set {key}.scale_from {'q' * 32}", f"set {bus}.serial_format 8e1", "diff", "check", f"show {key}",
        f"show {bus}",
        f"watch {name}.{point} 2", f"bus {bus}", "status", "bus frames", f"set {key}.period_ms ?", f"unset {key}.low",
        f"read {bus} {name} 3 0 2", f"frob{'x' * 100}", f"show {'x' * 150}", f"load ot {'f' * 120}",
    ]  # fmt: skip
    shown = console_screens.show(tmp_path, console_screens.HEALTHY | {"silent": [1]}, lines)
    judge(shown)
    said = {line: text for line, text in shown}
    for line, words in (
        (lines[0], ('found "fast"', "20..86400000", "period_ms")),
        (lines[1], ("period_msx", "period_ms?")),
        (lines[2], ("DCAB", "did you mean")),
        (lines[4], ("uint61", "uint64?")),
    ):
        assert all(word in said[line] for word in words), said[line]
    dump = console_screens.show(tmp_path, console_screens.HEALTHY, ["dump ot"])[0][1]
    assert f"set +{bus}.+{name}.+{point}.period_ms" in dump  # what is to be pasted is never broken


@pytest.mark.parametrize("heap_kb", [480, 490, 1000])
def test_a_check_without_memory_says_so_and_the_gateway_goes_on(tmp_path: Path, heap_kb: int) -> None:
    """Between 475 and 490 KB a MemoryError once met another task, and the gateway started again."""
    lines = ["set line1.main_meter.active_power.period_ms 3000", "check", "diff", "check", "discard", "status"]
    shown = console_screens.show(tmp_path, console_screens.HEALTHY, lines, f"{heap_kb}K")
    checks = [text for line, text in shown if line == "check"]
    word = "OK" if heap_kb == 1000 else "ERR 7 not enough memory now"
    assert len(checks) == 2 and all(word in text for text in checks), checks
    assert "16 of 16 units answer" in shown[-1][1], shown[-1]


def test_the_control_a_large_screen_is_seen() -> None:
    good = [("status", "   network: up\r\nOK\r\n> ")]
    assert judge(good) == [20]
    for text, said in (
        ("x\r\n" * 140 + "OK\r\n> ", "bytes"),
        ("x" * 79 + "\r\nOK\r\n> ", "columns"),
        ("x\r\n> ", "no OK or ERR"),
        ("\xb0\r\nOK\r\n> ", "status"),
    ):
        with pytest.raises(AssertionError, match=said):
            judge([("status", text)])
    assert json.dumps(console_screens.TROUBLED) != json.dumps(console_screens.HEALTHY)
