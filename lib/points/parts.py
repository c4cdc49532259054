"""Cuts points into the columns that payloads carry: those that are wider than 32 bits become several.

Loaded only where a schema has a point that is not one of the first six types (`uplink.points.layout_of`). What the
columns are says lib/uplink/FORMAT.md.
"""

from modbus.widths import words_of
from uplink.points import GOES_ON, INT32, KINDS, ORDERS, UINT16, UINT32, kind_of

# Bits 6 and 7 of the first column: 1 uint64; 2 int64, or float64 where the column is an INT32; 3 a string.
_UINT64 = 1 << 6
_INT64 = 2 << 6
_FLOAT64 = _INT64 + INT32 - UINT32
_STRING = 3 << 6


def add_columns(columns, point, before):
    """See uplink.points; for any point. Returns the last point that has a column of its own."""
    if shares(point, before):
        return before  # several bits of one register are one column
    columns.extend(_parts(point))
    return point


def shares(point, before):
    """True if this point has no column of its own: it is bits of the same register as the last one that has."""
    return (
        before is not None
        and ("bit" in point or "bits" in point)
        and (point["at"], point["type"], point["order"]) == (before["at"], before["type"], before["order"])
    )


def _parts(point):
    at, name = point["at"], point["type"]
    if name in KINDS:
        return [at << 8 | kind_of(name, point["order"])]
    order = ORDERS[point["order"]] << 4
    words = words_of(name)
    if name == "bcd32":
        return [at << 8 | order | UINT32]
    short = order & 16 | UINT16  # one word
    if name == "bcd16":
        return [at << 8 | short]
    parts = []
    for i in range(0, words - 1, 2):
        # The words of the value stand in reverse where the order says so, the most significant pair last.
        parts.append((at + (words - 2 - i if order > 31 else i)) << 8 | order | UINT32 | (GOES_ON if i else 0))
    if words & 1:
        parts.append((at + (0 if order > 31 else words - 1)) << 8 | short | (GOES_ON if words > 1 else 0))
    parts[0] += {"uint64": _UINT64, "int64": _INT64, "float64": _FLOAT64}.get(name, _STRING)
    return parts
