"""Reads a template of ioBroker's modbus adapter: one table as tab-separated text with a head line.

The file does not say which table it is: `fc` does. Meaning of types and of factor and offset: the adapter's README.
"""

from __future__ import annotations

import csv
import io
from typing import Any

from fieldgate.profiles.draft import Draft, Lost, Wanted, number, string_type, text_of, whole
from fieldgate.profiles.model import ProfileError

# Type -> (type, order); "sw" swaps words, "sb" swaps bytes inside words, "le" is least significant byte first.
TYPES = {"uint16be": ("uint16", "ABCD"), "int16be": ("int16", "ABCD"), "uint16le": ("uint16", "BADC"),
         "int16le": ("int16", "BADC")}  # fmt: skip
for _short, _ours in (("uint32", "uint32"), ("int32", "int32"), ("float", "float32"), ("uint64", "uint64"),
                      ("int64", "int64"), ("double", "float64")):  # fmt: skip
    for _end, _order in (("be", "ABCD"), ("le", "DCBA"), ("sw", "CDAB"), ("sb", "BADC")):
        TYPES[_short + _end] = (_ours, _order)


def read(text: str, wanted: Wanted) -> Draft:
    """The points of a template. Raises ProfileError."""
    draft = Draft()
    rows = csv.DictReader(io.StringIO(text), delimiter="\t")
    try:
        if not rows.fieldnames or not {"_address", "name"} <= set(rows.fieldnames):
            raise ProfileError("the first line names no columns _address and name")
        for row in rows:
            try:
                add(draft, row, wanted.fc)
            except Lost as lost:
                draft.lose(f"line {rows.line_num} ({text_of(row.get('name'))})", str(lost))
    except csv.Error as error:
        raise ProfileError(f"line {rows.line_num}: {error}") from None
    return draft


def add(draft: Draft, row: dict[str, Any], fc: int | None) -> None:
    if fc is None:
        raise ProfileError("a template does not say which table it is: --fc 1 coils, 2 discrete, 3 holding, 4 input")
    address = whole(row.get("_address"), "_address")
    if text_of(row.get("formula")):
        raise Lost("formula: a profile has none, only scale and offset")
    name = text_of(row.get("name")) or text_of(row.get("description"))
    if fc <= 2:
        draft.add(name, fc, address, "bool")
        return
    kind = text_of(row.get("type")) or "uint16be"
    unit = text_of(row.get("unit"))
    if kind == "string":
        draft.add(name, fc, address, string_type(whole(row.get("len"), "len")))
        return
    if kind not in TYPES:
        raise Lost(f"type {kind}: not mapped")
    ours, order = TYPES[kind]
    scale = number(row.get("factor") or 1, "factor")
    offset = number(row.get("offset") or 0, "offset")
    draft.add(name, fc, address, ours, order=order, scale=scale, offset=offset, unit=unit)
