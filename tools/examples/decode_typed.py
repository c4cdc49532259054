"""Decodes one Fieldgate message of typed arrays (lib/uplink/FORMAT.md) with cbor2 and struct. Copy it, change it.

    python decode_typed.py MESSAGE META.json...      (needs: pip install cbor2)

MESSAGE: a payload of <base>/data. META.json: the retained <base>/meta/<schema>/<group>. One JSON line per sample.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from typing import Any

import cbor2


def width(kind: str) -> int:
    """Bytes of a type; 0 for a bool. stringN has N, the others have their bits in their name."""
    return 0 if kind == "bool" else int(kind[6:]) if kind[:6] == "string" else int(kind[-2:]) // 8


def signed(word: int, bits: int) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


def number(word: int, point: dict[str, Any]) -> Any:
    """The value without scale and offset; None if it is not available."""
    kind, size = point["type"], width(point["type"])
    for item in point.get("na", []):
        if word == ((1 << 8 * size) - 1 if item == "ff" else None if item == "nan" else item % (1 << 8 * size)):
            return None
    if kind[:5] == "float":
        value = struct.unpack(">f" if size == 4 else ">d", word.to_bytes(size, "big"))[0]
        return value if abs(value) < float("inf") else None  # neither NaN nor infinite
    if kind[:6] == "string":
        data = word.to_bytes(size, "big").partition(b"\0")[0].rstrip(b" ")
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")
    if kind[:3] == "bcd":
        return int(f"{word:x}") if f"{word:x}".isdigit() else None
    if "bit" in point:
        return bool(word >> point["bit"] & 1)
    if "bits" in point:
        return word >> point["bits"][0] & (1 << point["bits"][1]) - 1
    return bool(word) if kind == "bool" else signed(word, 8 * size) if kind[:3] == "int" else word


def words(arrays: list[Any], points: list[dict[str, Any]]) -> Iterator[list[int]]:
    """The words of each point: one array each, but none for further bits of the register of the point before."""
    left, last, found = iter(arrays), None, []
    for point in points:
        place, size = (point["at"], point["type"], point["order"]), width(point["type"]) or 1
        if not ("bit" in point or "bits" in point) or place != last:
            data = next(left).value  # little-endian, but for strings
            big = point["type"][:6] == "string"
            parts = [data[i : i + size] for i in range(0, len(data), size)]
            found = [int.from_bytes(part, "big" if big else "little") for part in parts]
        last = place
        yield found


def samples(payload: bytes, metas: dict[tuple[str, int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a dict for every sample. metas: {(schema, group): meta object}."""
    top = cbor2.loads(payload)
    for group in top["groups"]:
        meta = metas[top["schema"], group["group"]]
        good = zip(*words(group["values"], meta["points"])) if "values" in group else iter(())  # those of quality 0
        for (time,), quality in zip(struct.iter_unpack("<i", group["times_ms"].value), group["quality"].value):
            row: tuple[int, ...] = next(good) if quality == 0 else ()
            yield {
                "unit": meta["unit"],
                "uptime_ms": top["uptime_ms"] + time,
                "utc_ms": None if top["utc_ms"] is None else top["utc_ms"] + time,
                "quality": quality,
                "values": {p["name"]: number(word, p) for p, word in zip(meta["points"], row)},  # scale, offset: yours
            }


if __name__ == "__main__":
    loaded = [json.load(open(path)) for path in sys.argv[2:]]
    for sample in samples(open(sys.argv[1], "rb").read(), {(meta["schema"], meta["group"]): meta for meta in loaded}):
        print(json.dumps(sample))
