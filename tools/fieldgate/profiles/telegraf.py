"""Reads Telegraf's modbus input in its `request` form (TOML): the requests of one unit.

Meaning of registers, types and byte orders: the plugin's README.
"""

from __future__ import annotations

import sys
from typing import Any

from fieldgate.profiles.check import shown
from fieldgate.profiles.draft import Draft, Lost, Wanted, number, objects, one_unit, string_type, text_of, whole
from fieldgate.profiles.model import ORDERS, ProfileError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found]

REGISTERS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
TYPES = {"UINT16": "uint16", "INT16": "int16", "UINT32": "uint32", "INT32": "int32", "UINT64": "uint64",
         "INT64": "int64", "FLOAT32": "float32", "FLOAT64": "float64"}  # fmt: skip
BYTES = {"UINT8L": 0, "UINT8H": 8}


def read(text: str, wanted: Wanted) -> Draft:
    """The fields of all requests to one unit. Raises ProfileError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"not valid TOML: {error}") from None
    except RecursionError:
        raise ProfileError("nested too deeply") from None
    draft = Draft()
    inputs = tree.get("inputs")
    plugins = objects(inputs.get("modbus") if isinstance(inputs, dict) else None, "inputs.modbus", draft)
    requests = []
    for plugin in plugins:
        if plugin.get("configuration_type", "register") != "request":
            draft.lose("inputs.modbus", f'configuration_type {shown(plugin.get("configuration_type"))}: only "request"')
            continue
        requests += objects(plugin.get("request"), "inputs.modbus.request", draft)
    if not requests:
        raise ProfileError("no [[inputs.modbus.request]] of a plugin with configuration_type = \"request\"")
    ids = {entry["slave_id"] for entry in requests if type(entry.get("slave_id")) is int}
    draft.unit_id = one_unit(ids, wanted)
    for entry in requests:
        if entry.get("slave_id") in (None, draft.unit_id):
            add_request(draft, entry)
    return draft


def add_request(draft: Draft, entry: dict[str, Any]) -> None:
    register = entry.get("register", "holding")
    fc = REGISTERS.get(register) if isinstance(register, str) else None
    order = entry.get("byte_order", "ABCD")
    if fc is None or order not in ORDERS:
        draft.lose("request", f"register {shown(register)}, byte_order {shown(order)}: not mapped")
        return
    prefix = text_of(entry.get("measurement"))
    for at, one in enumerate(objects(entry.get("fields"), "fields", draft)):
        name = text_of(one.get("name"))
        try:
            if one.get("omit") is True:
                continue
            add_field(draft, one, fc, str(order), name or f"{prefix}_{at}")
        except Lost as lost:
            draft.lose(f"field {name or at}", str(lost))


def add_field(draft: Draft, one: dict[str, Any], fc: int, order: str, name: str) -> None:
    address = whole(one.get("address"), "address")
    if fc <= 2:
        draft.add(name, fc, address, "bool")
        return
    kind = text_of(one.get("type"))
    single = "BADC" if order in ("BADC", "DCBA") else "ABCD"  # one register has no words to swap
    if kind == "STRING":
        if order != "ABCD":
            raise Lost(f"a text in byte order {order}: not mapped")
        draft.add(name, fc, address, string_type(whole(one.get("length"), "length")))
    elif kind == "BIT":
        draft.add(name, fc, address, "uint16", order=single, bit=whole(one.get("bit", 0), "bit", 0, 15))
    elif kind in BYTES:
        if "scale" in one:
            raise Lost(f"scale of a part of a register ({kind}): not mapped")
        draft.add(name, fc, address, "uint16", order=single, bits=[BYTES[kind], 8])
    elif kind in TYPES:
        ours = TYPES[kind]
        scale = number(one.get("scale", 1) or 1, "scale")
        draft.add(name, fc, address, ours, order=single if ours.endswith("16") else order, scale=scale)
    else:
        raise Lost(f"type {shown(kind)}: not mapped")
