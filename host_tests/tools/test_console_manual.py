"""The console's manual and its table of verbs: complete, and the page is the table."""

import pytest

from console import manual, verbs  # type: ignore[import-not-found]
from fieldgate import console_manual


def test_the_page_is_made_from_the_table() -> None:
    assert console_manual.MANUAL.read_text() == console_manual.text(), (
        "firmware/CONSOLE.md is out of date: fieldgate console-manual --write"
    )


def test_every_verb_is_explained_with_an_example() -> None:
    assert set(manual.TEXTS) == set(verbs.MODULES)
    for verb, (_, what, examples) in manual.TEXTS.items():
        assert what and examples and all(example.split()[0] == verb for example in examples)


@pytest.mark.parametrize("words", [[], *([verb] for verb in sorted(manual.TEXTS))])
def test_help_fits_a_narrow_terminal(words: list[str]) -> None:
    lines = list(manual.help(None, words))
    assert all(len(line) <= 78 and line.isascii() for line in lines)
    assert sum(len(line) + 2 for line in lines) < 400


def test_a_beginning_of_a_verb_is_enough() -> None:
    assert verbs.find("stat") == "status"
    assert verbs.find("set") == "set"
    assert verbs.find("s") == ["scan", "set", "setup", "show", "status"]
    assert verbs.find("x") is None
