"""One source for the words: GLOSSARY.md, the box's published terms and the codes in the firmware say the same."""

from __future__ import annotations

import json
import re

import pytest

from fieldgate import glossary_cli
from gateway import words
from modbus import codes, names

MUST_HAVE = """planned_downtime unplanned_downtime equipment_fault device_fault bus_fault network_fault broker_fault
gateway_fault sample_time bus_response_time sample_age publish_delay availability performance quality_rate oee mttr mtbf
batch schema boot_id quality deadband unknown_time latest asset log_wear reset_cause""".split()


def test_the_page_is_made_from_the_source() -> None:
    assert glossary_cli.PAGE.read_text() == glossary_cli.markdown(), "run: fieldgate glossary --write"


def test_the_box_publishes_every_term_and_code_of_the_page() -> None:
    known, terms = glossary_cli.load()
    assert json.loads(words.glossary()) == known
    first, *rest = words.messages()
    assert first == ("glossary", words.glossary())
    published = dict(rest)
    assert {topic: json.loads(bytes(text)) for topic, text in published.items()} == {
        "glossary/" + term["term"]: term for term in terms
    }
    page = glossary_cli.PAGE.read_text()
    for term in terms:
        assert f"| `{term['term']}` | {term['definition']} | {term['unit']} | {term['source']} |" in page
    assert set(MUST_HAVE) <= {term["term"] for term in terms}
    assert len(published) == len(terms), "a term stands twice"
    print(f"REPORT: glossary: {len(terms)} terms, {sum(map(len, published.values()))} B once per broker and boot")


def test_terms_are_short_enough_for_a_message_and_plain() -> None:
    for _, text in list(words.messages())[1:]:
        text = bytes(text).decode()
        assert len(text) < 700 and text.isascii()
        term = json.loads(text)
        assert re.fullmatch("[a-z_0-9]+", term["term"]) and term["definition"].endswith(".") and "|" not in text
        assert term["source"]


def test_every_code_of_the_firmware_has_a_name() -> None:
    known, _ = glossary_cli.load()
    qualities = {str(codes.EXCEPTION + number) for number in names.EXCEPTION_NAMES}
    for name in names.QUALITIES:
        assert known["quality"][str(getattr(codes, name.upper()))] == name
    qualities |= {str(code) for code in range(len(names.QUALITIES))}
    assert set(known["quality"]) == qualities
    source = (glossary_cli.ROOT / "lib" / "modbus" / "codes.py").read_text()
    events = source[source.index("# Events;") : source.index("# Causes")]
    ours = (glossary_cli.ROOT / "firmware" / "gateway" / "words.py").read_text()
    numbers = re.findall(r"^[A-Z_]+ = const\((\d+)\)", events, re.M) + re.findall(r"^[A-Z_]+ = (\d+)  #", ours, re.M)
    assert set(known["event"]) == set(numbers)


def test_without_the_file_there_are_no_terms_and_an_empty_glossary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "FILE", "none.jsonl")
    assert list(words.messages()) == [("glossary", words.glossary())]
    assert json.loads(words.glossary()) == {"format": 1, "quality": {}, "event": {}}


def test_the_command_finds_words(capsys: pytest.CaptureFixture[str]) -> None:
    glossary_cli.glossary("sample time")
    assert capsys.readouterr().out.startswith("sample_time [ms since 1970")
    glossary_cli.glossary("timeout")
    assert "quality 1: timeout" in capsys.readouterr().out
    with pytest.raises(glossary_cli.typer.Exit):
        glossary_cli.glossary("nonsense")
    assert len(capsys.readouterr().err.splitlines()) == 1
