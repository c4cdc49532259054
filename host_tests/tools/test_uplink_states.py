"""The session's design page: every state and every reason to leave one that the code knows is drawn there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

LIB = Path(__file__).resolve().parent.parent.parent / "lib" / "uplink"


def reasons(source: str) -> set[str]:
    """Texts given to _Lost and _report, each as its constant pieces."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
        if name in ("_Lost", "_report", "_fail"):
            constants = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
            found |= {each for each in constants if isinstance(each, str)}
    return found


def pattern_of(text: str) -> str:
    """As it stands on the page: what is filled in as an ellipsis."""
    return re.sub(r"%[0-9a-z]*[dxs]", "…", text.replace("0x%02x", "…"))


def undrawn(page: str) -> set[str]:
    texts = reasons((LIB / "session.py").read_text()) | reasons((LIB / "sparkplug_session.py").read_text())
    assert len(texts) > 12
    wanted = {pattern_of(text).removeprefix("protocol error: ") for text in texts}
    return {text for text in wanted if text.strip() and f"{text}" not in page}


def test_every_exit_is_drawn() -> None:
    page = (LIB / "DESIGN.md").read_text()
    assert undrawn(page) == set()
    states = re.findall(r"^([A-Z][A-Z_]*) = \d", (LIB / "session.py").read_text(), re.MULTILINE)
    assert len(states) == 5
    for state in states:
        assert re.search(rf"│ +{state} +│", page) and f"| {state} |" in page, state


def test_the_control_an_exit_that_is_not_drawn_is_seen() -> None:
    page = (LIB / "DESIGN.md").read_text()
    assert undrawn(page.replace("no PUBACK for … ms", "")) == {"no PUBACK for … ms"}
