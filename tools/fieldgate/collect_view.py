"""How `fieldgate collect` shows its boxes: one line, or one row of a table, for each; then gaps and leftovers."""

from __future__ import annotations

from rich.table import Table

from fieldgate.collect_link import Link
from fieldgate.collect_sparkplug import LOG
from fieldgate.collect_store import Box, Collection

GAPS_SHOWN = 20  # of one log

COLUMNS = ("box", "state", "batches", "samples", "values", "failed reads", "events", "duplicates", "missing",
           "no meta yet", "unreadable", "delay median", "95 %", "worst")  # fmt: skip


def cells(box: Box) -> list[str]:
    """One text per column."""
    counted = box.counts
    numbers = [counted[name] for name in ("batches", "samples", "values", "failed", "events", "duplicates")]
    numbers += [box.missing, box.waiting, counted["rubbish"]]
    delays = [box.delays.permille(500), box.delays.permille(950), box.delays.worst_ms]
    return [box.base, box.state, *map(str, numbers),
            *(seconds(delay) if box.delays.count else "-" for delay in delays)]  # fmt: skip


def seconds(delay_ms: int) -> str:
    """A delay for people."""
    return f"{delay_ms / 1000:.2f} s" if delay_ms < 100_000 else f"{delay_ms / 60_000:.0f} min"


def box_line(box: Box) -> str:
    """The cells with their names, in one line."""
    named = [f"{name} {cell}" for name, cell in zip(COLUMNS[2:], cells(box)[2:], strict=True)]
    return f"{box.base} {box.state or 'no status yet'}: {', '.join(named)}"


def table(collection: Collection, link: Link) -> Table:
    """The live view."""
    shown = Table(title="fieldgate collect: " + (link.problem or "connected"), title_justify="left")
    for name in COLUMNS:
        shown.add_column(name, justify="left" if name in ("box", "state") else "right")
    for box in collection.boxes.values():
        shown.add_row(*cells(box))
    return shown


def gap_lines(collection: Collection) -> list[str]:
    """Every hole in the record numbers, log by log."""
    lines = []
    for box in collection.boxes.values():
        for log, (_, coverage) in box.logs.items():
            gaps = coverage.gaps()
            what = "messages" if log == LOG else "records"
            for first, count in gaps[-GAPS_SHOWN:]:
                lines.append(f"gap: {box.base} log {log}: {count} {what} missing from number {first}")
            if len(gaps) > GAPS_SHOWN or coverage.given_up:
                older = coverage.missing - sum(count for _, count in gaps[-GAPS_SHOWN:])
                lines.append(f"gap: {box.base} log {log}: {older} more {what} missing before those")
    return lines


def rest_lines(collection: Collection, link: Link) -> list[str]:
    """What could not be stored, and why."""
    lines = []
    if collection.last_rubbish:
        lines.append(f"unreadable, the last one: {collection.last_rubbish}")
    if collection.ignored:
        lines.append(f"messages of no known box: {collection.ignored}")
    if link.forgotten:
        lines.append(f"the broker had forgotten our session {link.forgotten} times: gaps tell what is missing")
    return lines
