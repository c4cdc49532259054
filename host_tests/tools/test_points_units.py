"""The page of units says what the box allows."""

import re
from pathlib import Path

from gateway import units

PAGE = Path(__file__).resolve().parents[2] / "lib" / "points" / "UNITS.md"


def test_the_page_lists_what_the_box_allows() -> None:
    assert re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(), re.M) == list(units.symbols())
