"""`fieldgate audit` on records that the box's own code has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from console import audit_chain as chain  # type: ignore[import-not-found]
from fieldgate.audit_cli import AuditError, verify


class Shell:
    """What the chain asks of the console."""

    def __init__(self) -> None:
        self.gateway = self.clock = self

    def utc_ms(self) -> int:
        return 1795312800000

    def who(self) -> str:
        return "ot"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        chain.note(Shell(), f"commit of revision {number}")
    return tmp_path / "config"


def test_a_record_is_whole_as_the_box_says(config: Path) -> None:
    assert verify(config) == f"20 lines, the chain is whole, head {chain.head()}"
    head = chain.head()
    chain.note(Shell(), "confirm")
    assert verify(config, head).startswith("21 lines")


def test_every_change_of_a_line_is_seen(config: Path) -> None:
    good = (config / "audit").read_text()
    lines = good.splitlines(keepends=True)
    for number in range(len(lines)):
        for bad in (lines[number].replace("ot", "it", 1), "" if number < len(lines) - 1 else None, lines[number] * 2):
            if bad is None or (number == 0 and bad == ""):
                continue  # the end may be cut off, and the beginning: what was published shows it
            (config / "audit").write_text("".join([*lines[:number], bad, *lines[number + 1 :]]))
            with pytest.raises(AuditError, match="does not fit to the chain"):
                verify(config)
    head = chain.head()
    (config / "audit").write_text("".join(lines[:-1]))
    with pytest.raises(AuditError, match="is not in this record"):
        verify(config, good.split()[-1])
    assert head


def test_two_files_are_one_chain(config: Path) -> None:
    while not (config / "audit.old").exists():
        chain.note(Shell(), "x" * 200)
    chain.note(Shell(), "login")
    assert "the chain is whole" in verify(config)
    text = (config / "audit").read_text()
    (config / "audit").write_text(text.replace("x" * 200, "x" * 199, 1))
    with pytest.raises(AuditError):
        verify(config)


def test_what_is_missing_is_said(tmp_path: Path, config: Path) -> None:
    with pytest.raises(AuditError, match="no file audit"):
        verify(tmp_path)
    (config / "audit.key").write_bytes(b"short")
    with pytest.raises(AuditError, match="allowed 64"):
        verify(config)
