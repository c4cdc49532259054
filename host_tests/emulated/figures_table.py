"""The table at the end of a run: each run's efficiency, gaps, heap, loop holds and flash operations beside each other.

A test fills in what it has measured (`Table.row`); the rest stays empty. Rows go with the test's report, so they come
from failed tests and from other processes as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from bus_model import Line
    from flash_model import Operation

PROPERTY = "row of figures"
COLUMNS = (
    "run",
    "polls",
    "efficiency",
    "gap, t3.5 (us)",
    "heap free",
    "largest",
    "hold (ms)",
    "programs",
    "erases",
)


def shortest_gap_us(line: Line) -> float | None:
    """Shortest silence before a request, from the last stop bit of whatever was on the line before it."""
    gaps = [b.start_ns - (a.reply_end_ns or a.end_ns) for a, b in zip(line.transactions, line.transactions[1:])]
    return min(gaps) / 1000 if gaps else None


class Table:
    """Takes the rows of one test."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def row(
        self,
        run: str,
        line: Line | None = None,
        efficiency: float | None = None,
        heap_free_bytes: int | None = None,
        largest_bytes: int | None = None,
        hold_max_ms: int | None = None,
        operations: list[Operation] | None = None,
    ) -> None:
        """line: what the referee saw; operations: the flash chip's; the others as the box measured them."""
        gap_us = shortest_gap_us(line) if line else None
        kinds = [operation.kind for operation in operations or []]
        cells = [
            run,
            len(line.transactions) if line else None,
            None if efficiency is None else f"{efficiency:.4f}",
            None if line is None or gap_us is None else f"{gap_us:.0f}, {line.t35_ns / 1000:.0f}",
            heap_free_bytes,
            largest_bytes,
            hold_max_ms,
            None if operations is None else kinds.count("program"),
            None if operations is None else len(kinds) - kinds.count("program"),
        ]
        self._item.user_properties.append((PROPERTY, ["" if cell is None else str(cell) for cell in cells]))


def lines_of(reports: list[Any]) -> list[str]:
    """The table as text, nothing without rows. reports: pytest's, of all tests."""
    rows = [row for report in reports for name, row in report.user_properties if name == PROPERTY]
    if not rows:
        return []
    widths = [max(len(row[i]) for row in [COLUMNS, *rows]) for i in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [COLUMNS, *rows]]
