"""Reads the modbus connector of a ThingsBoard gateway (JSON): timeseries and attributes of one unit.

Meaning of types, of byteOrder and wordOrder: the gateway's documentation. Only what is said and BIG is mapped: what
LITTLE, or a key that is not there, does with values of several registers has changed between releases.
"""

from __future__ import annotations

from typing import Any

from fieldgate.profiles.check import shown
from fieldgate.profiles.draft import (
    Draft,
    Lost,
    Wanted,
    number,
    objects,
    one_unit,
    quotient,
    string_type,
    text_of,
    whole,
)
from fieldgate.profiles.model import ProfileError, parse_json, words_of

TYPES = {"16int": "int16", "16uint": "uint16", "32int": "int32", "32uint": "uint32", "64int": "int64",
         "64uint": "uint64", "32float": "float32", "64float": "float64"}  # fmt: skip


def read(text: str, wanted: Wanted) -> Draft:
    """The points of one unit. Raises ProfileError."""
    tree = parse_json(text, "file")
    draft = Draft()
    master = tree.get("master", tree) if isinstance(tree, dict) else None
    if not isinstance(master, dict) or "slaves" not in master:
        raise ProfileError("no master.slaves: this is no modbus connector of a ThingsBoard gateway")
    slaves = objects(master["slaves"], "slaves", draft)
    ids = {slave["unitId"] for slave in slaves if type(slave.get("unitId")) is int}
    draft.unit_id = one_unit(ids, wanted)
    for slave in slaves:
        if slave.get("unitId") not in (None, draft.unit_id):
            continue
        for section in ("timeseries", "attributes"):
            for entry in objects(slave.get(section), section, draft):
                tag = text_of(entry.get("tag"))
                try:
                    add(draft, entry, slave, tag, wanted.order)
                except Lost as lost:
                    draft.lose(f"{section} {tag}", str(lost))
        for section in ("attributeUpdates", "rpc"):
            if slave.get(section):
                draft.lose(section, "writes to the device; a profile only reads")
    return draft


def add(draft: Draft, entry: dict[str, Any], slave: dict[str, Any], tag: str, given: str | None) -> None:
    address = whole(entry.get("address"), "address")
    fc = whole(entry.get("functionCode"), "functionCode", 1, 4)
    kind = text_of(entry.get("type")).lower()
    count = whole(entry.get("objectsCount", entry.get("registerCount", 1)), "objectsCount", 1, 2000)
    if fc <= 2:
        if kind != "bits" or count != 1:
            raise Lost(f"type {shown(kind)} of {count} with functionCode {fc}: only one of bits is mapped")
        draft.add(tag, fc, address, "bool")
        return
    if "bit" in entry:
        raise Lost("bit: which end it counts from has changed between releases; set it by hand")
    if kind == "string":
        draft.add(tag, fc, address, string_type(count))
        return
    if kind not in TYPES:
        raise Lost(f"type {shown(kind)}: not mapped")
    ours = TYPES[kind]
    words = words_of(ours)
    if "objectsCount" in entry and count != words:
        raise Lost(f"objectsCount: found {count}, allowed {words} for {kind}")
    order = "ABCD"
    if words != 1:
        order = order_of(entry, slave, given)
    scale = number(entry.get("multiplier", 1), "multiplier")
    if "divider" in entry:
        if scale != 1:
            raise Lost("multiplier and divider together: not mapped")
        scale = quotient(entry["divider"], "divider")
    draft.add(tag, fc, address, ours, order=order, scale=scale)


def order_of(entry: dict[str, Any], slave: dict[str, Any], given: str | None) -> str:
    found = [entry.get(key, slave.get(key)) for key in ("byteOrder", "wordOrder")]
    if found == ["BIG", "BIG"]:
        return "ABCD"
    if found == ["BIG", "LITTLE"]:
        return "CDAB"
    if given is not None:
        return given
    text = " and ".join(f"{key} {shown(value)}" for key, value in zip(("byteOrder", "wordOrder"), found))
    raise Lost(f"{text}: what it means differs between releases; compare with a known value and give --order")
