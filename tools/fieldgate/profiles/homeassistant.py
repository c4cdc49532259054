"""Reads Home Assistant's modbus integration (YAML): sensors and binary sensors of one unit.

Meaning of data_type and swap: the integration's documentation. Tags as !secret are not resolved.
"""

from __future__ import annotations

from typing import Any

import yaml

from fieldgate.profiles.check import shown
from fieldgate.profiles.draft import Draft, Lost, Wanted, number, objects, one_unit, string_type, text_of, whole
from fieldgate.profiles.model import ProfileError

INPUTS = {"coil": 1, "discrete_input": 2, "holding": 3, "input": 4}
TYPES = {"int16": "int16", "uint16": "uint16", "int32": "int32", "uint32": "uint32", "int64": "int64",
         "uint64": "uint64", "float32": "float32", "float64": "float64"}  # fmt: skip
SWAPS = {"none": "ABCD", "word": "CDAB", "byte": "BADC", "word_byte": "DCBA"}
WRITERS = ("switches", "lights", "climates", "covers", "fans")


class Loader(yaml.SafeLoader):
    """A safe loader that takes unknown tags (!secret, !include) for nothing instead of refusing the file."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def read(text: str, wanted: Wanted) -> Draft:
    """The sensors of one unit. Raises ProfileError."""
    tree = parse(text)
    draft = Draft()
    hubs = tree.get("modbus") if isinstance(tree, dict) and "modbus" in tree else tree
    hubs = objects(hubs if isinstance(hubs, list) else [hubs], "modbus", draft)
    entries = []
    for hub in hubs:
        for section in ("sensors", "binary_sensors"):
            entries += [(section, entry) for entry in objects(hub.get(section), section, draft)]
        for section in WRITERS:
            if hub.get(section):
                draft.lose(section, "writes to the device; a profile only reads")
    if not entries:
        raise ProfileError("no sensors and no binary_sensors below modbus")
    ids = {unit for _, entry in entries if type(unit := unit_of(entry)) is int}
    draft.unit_id = one_unit(ids, wanted)
    for section, entry in entries:
        if unit_of(entry) not in (None, draft.unit_id):
            continue
        name = text_of(entry.get("name"))
        try:
            add(draft, section, entry, name)
        except Lost as lost:
            draft.lose(f"{section} {name}", str(lost))
    return draft


def parse(text: str) -> Any:
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ProfileError(f"{line}not valid YAML: {error.problem or error.context}") from None
    except RecursionError:
        raise ProfileError("nested too deeply") from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        # PyYAML lets what its constructors trip over through: "!!int ''", dates as 2001-99-99.
        text = " ".join(str(error).split())
        raise ProfileError(f"not valid YAML: {text[:100]}") from None


def unit_of(entry: dict[str, Any]) -> Any:
    return entry.get("slave", entry.get("device_address"))


def add(draft: Draft, section: str, entry: dict[str, Any], name: str) -> None:
    address = whole(entry.get("address"), "address")
    for key in ("virtual_count", "slave_count"):
        if entry.get(key):
            raise Lost(f"{key}: not mapped; write one entry for each")
    bit_sensor = section == "binary_sensors"
    input_type = entry.get("input_type", "coil" if bit_sensor else "holding")
    fc = INPUTS.get(input_type) if isinstance(input_type, str) else None
    if fc is None:
        raise Lost(f"input_type {shown(input_type)}: not mapped")
    if fc <= 2:
        draft.add(name, fc, address, "bool")
        return
    if bit_sensor:
        draft.add(name, fc, address, "uint16", bit=0)
        return
    kind = text_of(entry.get("data_type")) or "int16"
    unit = text_of(entry.get("unit_of_measurement"))
    if kind == "string":
        draft.add(name, fc, address, string_type(whole(entry.get("count"), "count")))
        return
    if kind not in TYPES:
        raise Lost(f"data_type {shown(kind)}: not mapped")
    if entry.get("count") not in (None, 1, int(TYPES[kind].lstrip("uintfloa")) // 16):
        raise Lost(f"count {shown(entry['count'])} of {kind}: not mapped")
    swap = entry.get("swap", "none") or "none"
    order = SWAPS.get(swap) if isinstance(swap, str) else None
    if order is None or (kind.endswith("16") and "word" in swap):
        raise Lost(f"swap {shown(swap)} of {kind}: not mapped")
    if entry.get("nan_value") is not None:
        draft.lose(f"nan_value of {name}", "set na by hand")
    period_ms = None
    if "scan_interval" in entry:
        period_ms = whole(entry["scan_interval"], "scan_interval", 1, 86400) * 1000
    scale, offset = number(entry.get("scale", 1), "scale"), number(entry.get("offset", 0), "offset")
    draft.add(name, fc, address, TYPES[kind], order=order, scale=scale, offset=offset, unit=unit, period_ms=period_ms)
