"""Reads a SunSpec model definition (JSON): a block of registers whose place in the device the user has to name.

`base` is the PDU address of the model's first register (its ID). Types, "not implemented" patterns and scale factors:
SunSpec Device Information Model Specification, clause 4.2 and 4.3.
"""

from __future__ import annotations

from typing import Any

from fieldgate.profiles.check import shown
from fieldgate.profiles.draft import Draft, Lost, Wanted, objects, slug, string_type, text_of, whole
from fieldgate.profiles.model import ProfileError, parse_json, words_of

# Type -> (ours, the raw value of "not implemented" as in `na`).
# Accumulators use 0, floats NaN, which is never a number.
TYPES: dict[str, tuple[str, Any]] = {
    "int16": ("int16", -0x8000), "uint16": ("uint16", "ff"), "count": ("uint16", "ff"), "acc16": ("uint16", 0),
    "enum16": ("uint16", "ff"), "bitfield16": ("uint16", "ff"), "sunssf": ("int16", -0x8000),
    "int32": ("int32", -0x80000000), "uint32": ("uint32", "ff"), "acc32": ("uint32", 0), "enum32": ("uint32", "ff"),
    "bitfield32": ("uint32", "ff"), "int64": ("int64", -0x8000000000000000), "uint64": ("uint64", "ff"),
    "acc64": ("uint64", 0), "bitfield64": ("uint64", "ff"), "float32": ("float32", None), "float64": ("float64", None),
}  # fmt: skip
SIZES = {"ipaddr": 2, "ipv6addr": 8, "eui48": 4, "raw16": 1, "pad": 1}
MAX_REGISTERS = 4096
MAX_DEPTH = 8


class Block:
    """Walks the model; `at`: registers so far."""

    def __init__(self, draft: Draft, base: int, fc: int) -> None:
        self.draft = draft
        self.base = base
        self.fc = fc
        self.at = 0

    def group(self, tree: dict[str, Any], prefix: str, depth: int = 0) -> bool:
        """Take in a group; False: where the next one begins is not known."""
        if depth > MAX_DEPTH:
            raise ProfileError(f"groups: nested deeper than {MAX_DEPTH}")
        names: dict[str, str] = {}
        for point in objects(tree.get("points"), prefix + "points", self.draft):
            if not self.point(point, prefix, names):
                return False
        self.link_scales(names)
        for inner in objects(tree.get("groups"), prefix + "groups", self.draft):
            name = text_of(inner.get("name"))
            count = inner.get("count", 1)
            if type(count) is not int or count < 1 or count > 100:
                self.draft.lose(f"group {prefix}{name}", f"count {shown(count)}: only a fixed number is mapped")
                return False
            for number in range(count):
                inner_prefix = f"{prefix}{name}_{number + 1}_" if count > 1 else f"{prefix}{name}_"
                if not self.group(inner, inner_prefix, depth + 1):
                    return False
        return True

    def point(self, point: dict[str, Any], prefix: str, names: dict[str, str]) -> bool:
        name, kind = text_of(point.get("name")), text_of(point.get("type"))
        where = f"point {prefix}{name}"
        try:
            ours = TYPES[kind][0] if kind in TYPES else None
            default = words_of(ours) if ours else SIZES.get(kind)
            size = whole(point.get("size", default), "size", 1, 1000)
        except Lost as lost:
            self.draft.lose(where, f"{lost}; nothing behind it is mapped")
            return False
        address = self.base + self.at
        self.at += size
        if self.at > MAX_REGISTERS:
            raise ProfileError(f"found more than {MAX_REGISTERS} registers")
        if kind == "pad":
            return True
        try:
            self.add(point, prefix + name, kind, ours, size, address, names)
        except Lost as lost:
            self.draft.lose(where, str(lost))
        return True

    def add(
        self,
        point: dict[str, Any],
        name: str,
        kind: str,
        ours: str | None,
        size: int,
        address: int,
        names: dict[str, str],
    ) -> None:
        if address > 65535:
            raise Lost(f"address: found {address}, allowed 0..65535: --base")
        if kind == "string":
            self.draft.add(name, self.fc, address, string_type(size))
            return
        if ours is None:
            raise Lost(f"type {shown(kind)}: not mapped")
        if size != words_of(ours):
            raise Lost(f"size: found {size}, allowed {words_of(ours)} for {kind}")
        names_of = {}
        if kind.startswith("enum"):
            for symbol in objects(point.get("symbols"), f"symbols of {name}", self.draft):
                if type(symbol.get("value")) is int and text_of(symbol.get("name")):
                    names_of[str(symbol["value"])] = slug(text_of(symbol["name"]))[:24]
        if kind.startswith("bitfield") and point.get("symbols"):
            self.draft.lose(f"symbols of {name}", "names of bits: make a point with bit for each that matters")
        sf = point.get("sf")
        factor: Any = 1
        if type(sf) is int and -10 <= sf <= 10:
            factor = 10**sf if sf >= 0 else float(f"1e{sf}")
        unit = text_of(point.get("units"))
        pattern = TYPES[kind][1]
        na = None if pattern is None else [pattern]
        self.draft.add(name, self.fc, address, ours, scale=factor, unit=unit, na=na, names=names_of or None)
        added = self.draft.points[-1]
        names[text_of(point.get("name"))] = added["name"]
        if isinstance(sf, str):
            added["scale_from"] = sf  # the model's name; link_scales makes it ours

    def link_scales(self, names: dict[str, str]) -> None:
        for point in self.draft.points:
            wanted = point.get("scale_from")
            if wanted in names and wanted != names[wanted]:
                point["scale_from"] = names[wanted]


def read(text: str, wanted: Wanted) -> Draft:
    """The points of one model. Raises ProfileError."""
    tree = parse_json(text, "file")
    group = tree.get("group") if isinstance(tree, dict) else None
    if not isinstance(group, dict):
        raise ProfileError("no object group: this is no SunSpec model")
    if wanted.base is None:
        raise ProfileError("a SunSpec model does not say where it lies: --base with the PDU address of its ID register")
    draft = Draft(settled=True, max_gap=8)  # a model has no addresses that are not there
    block = Block(draft, wanted.base, wanted.fc or 3)
    block.group(group, "")
    known = {point["name"] for point in draft.points}
    for point in draft.points:
        if point.get("scale_from", point["name"]) not in known:
            draft.lose(point["name"], f"scale factor {shown(point.pop('scale_from'))} is no point of its group")
    return draft
