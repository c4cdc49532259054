"""Reads a register list as CSV, as people export it from a spreadsheet: a head line, then one point per line.

Columns by their usual names in any order; needed are a name and an address. Separator: comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io

from fieldgate.profiles.check import shown
from fieldgate.profiles.draft import Draft, Lost, Wanted, number, slug, whole
from fieldgate.profiles.model import ORDERS, ProfileError, words_of

COLUMNS = {
    "name": ("name", "quantity", "parameter", "description", "tag"),
    "address": ("address", "register", "pdu_addr", "pdu_addr_hex", "addr"),
    "fc": ("fc", "function", "function_code", "table", "register_type"),
    "type": ("type", "data_type", "datatype", "format"),
    "order": ("order", "word_order", "byte_order"),
    "scale": ("scale", "factor", "multiply_by", "multiplier"),
    "offset": ("offset",),
    "unit": ("unit", "units"),
    "bit": ("bit",),
    "period_ms": ("period_ms",),
}
TABLES = {"coil": 1, "coils": 1, "discrete": 2, "discrete_input": 2, "discrete_inputs": 2, "holding": 3,
          "holding_register": 3, "input": 4, "input_register": 4}  # fmt: skip
TYPES = {"float": "float32", "real": "float32", "double": "float64", "u16": "uint16", "s16": "int16", "i16": "int16",
         "u32": "uint32", "s32": "int32", "i32": "int32", "u64": "uint64", "s64": "int64", "i64": "int64",
         "word": "uint16", "dword": "uint32", "bit": "bool", "f32": "float32", "f64": "float64"}  # fmt: skip
ORDER_WORDS = {"": "ABCD", "-": "ABCD", "ABCDEFGH": "ABCD", "BIG": "ABCD", "LITTLE": "DCBA"}


def read(text: str, wanted: Wanted) -> Draft:
    """The points of a register list. Raises ProfileError."""
    head = text.splitlines()[0] if text.strip() else ""
    delimiter = max("\t;,", key=head.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    draft = Draft()
    try:
        names = [slug(cell) for cell in next(rows, [])]
        places = {key: names.index(word) for key, words in COLUMNS.items() for word in words[::-1] if word in names}
        if not {"name", "address"} <= set(places):
            raise ProfileError("the first line names no columns name and address")
        for row in rows:
            cells = {key: row[at].strip() for key, at in places.items() if at < len(row)}
            if not any(cells.values()):
                continue
            try:
                add(draft, cells, wanted.fc)
            except Lost as lost:
                draft.lose(f"line {rows.line_num} ({cells.get('name', '')})", str(lost))
    except csv.Error as error:
        raise ProfileError(f"line {rows.line_num}: {error}") from None
    return draft


def add(draft: Draft, cells: dict[str, str], default_fc: int | None) -> None:
    fc = default_fc
    if cells.get("fc"):
        word = slug(cells["fc"])
        fc = TABLES[word] if word in TABLES else whole(cells["fc"], "fc", 1, 4)
    address = whole(cells.get("address"), "address")
    kind = cells.get("type", "").lower().replace(" ", "")
    kind = TYPES.get(kind, kind) or ("bool" if fc in (1, 2) else "uint16")
    if words_of(kind) is None:
        raise Lost(f"type {shown(kind)}: not mapped")
    order = cells.get("order", "").upper()
    order = ORDER_WORDS.get(order, order)
    if order not in ORDERS:
        raise Lost(f"order {shown(order)}: not mapped")
    more: dict[str, object] = {"unit": cells.get("unit", ""), "order": order}
    for key in ("scale", "offset"):
        if cells.get(key):
            more[key] = number(cells[key], key)
    if cells.get("bit"):
        more["bit"] = whole(cells["bit"], "bit", 0, 63)
    if cells.get("period_ms"):
        more["period_ms"] = whole(cells["period_ms"], "period_ms", 20, 86400000)
    draft.add(cells.get("name", ""), fc, address, kind, **more)
