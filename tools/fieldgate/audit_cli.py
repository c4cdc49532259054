"""The command `fieldgate audit`: checks a box's audit record away from the box, with Python's own HMAC.

FOLDER is the box's folder `config`, copied while its prompt is open (`mpremote cp -r :config .`): audit, audit.old
where there is one, audit.key. Who has the key could write a chain of his own; the head that the box had published
before (`--head`) is what he cannot change.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Annotated

import typer

MAC_CHARS = 16
KEY_BYTES = 64


class AuditError(Exception):
    """Its text is the one line that the user sees."""


def lines_of(folder: Path) -> list[str]:
    """The record, oldest first. Raises AuditError."""
    found: list[str] = []
    for name in ("audit.old", "audit"):
        try:
            found += (folder / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise AuditError(f"{folder / name}: {error}") from None
    if not found:
        raise AuditError(f"{folder}: no file audit: copy the box's folder config with mpremote cp -r :config .")
    return found


def verify(folder: Path, head: str | None = None) -> str:
    """One line about a chain that is whole. Raises AuditError with the first line that does not fit."""
    lines = lines_of(folder)
    try:
        key = (folder / "audit.key").read_bytes()
    except OSError as error:
        raise AuditError(f"{folder / 'audit.key'}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise AuditError(f"{folder / 'audit.key'}: found {len(key)} bytes, allowed {KEY_BYTES}")
    before = None if (folder / "audit.old").exists() or not lines[0].startswith("1 ") else "-"
    macs = []
    for number, line in enumerate(lines, 1):
        text, _, mac = line.rpartition(" ")
        right = hmac.new(key, ((before or "") + text).encode(), hashlib.sha256).hexdigest()[:MAC_CHARS]
        if before is not None and not hmac.compare_digest(mac.encode(), right.encode()):
            raise AuditError(f'line {number} does not fit to the chain: "{text[:60]}": somebody changed the record')
        before = mac
        macs.append(mac)
    if head is not None and head not in macs:
        raise AuditError(f"the published head {head} is not in this record of {len(macs)} lines: cut, or replaced")
    return f"{len(lines)} lines, the chain is whole, head {macs[-1]}"


def audit(
    folder: Annotated[Path, typer.Argument(help="the box's folder config, or a copy of it")],
    head: Annotated[str | None, typer.Option(help="a head that the box has published before")] = None,
    show: Annotated[bool, typer.Option(help="print the record, too")] = False,
) -> None:
    """Check a box's record of logins and changes: whether its chain is whole."""
    try:
        if show:
            for line in lines_of(folder):
                typer.echo(line)
        typer.echo(verify(folder, head))
    except AuditError as error:
        typer.echo(f"fieldgate audit: {error}", err=True)
        raise typer.Exit(1) from None
