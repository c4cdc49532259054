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

LETTERS = {64: "B", 69: "H", 70: "I", 77: "h", 78: "i", 85: "f"}  # RFC 8746 tag: what struct calls its numbers


def numbers(item: Any) -> list[Any]:
    return [number for (number,) in struct.iter_unpack("<" + LETTERS[item.tag], item.value)]


def samples(payload: bytes, metas: dict[tuple[str, int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a dict for every sample. metas: {(schema, group): meta object}."""
    top = cbor2.loads(payload)
    for group in top["groups"]:
        meta = metas[top["schema"], group["group"]]
        good = zip(*map(numbers, group.get("values", [])))  # rows of the samples with quality 0
        for time, quality in zip(numbers(group["times_ms"]), numbers(group["quality"])):
            values: tuple[Any, ...] = next(good) if quality == 0 else ()
            yield {
                "unit": meta["unit"],
                "uptime_ms": top["uptime_ms"] + time,
                "utc_ms": None if top["utc_ms"] is None else top["utc_ms"] + time,
                "quality": quality,
                "values": {point["name"]: value for point, value in zip(meta["points"], values)},  # x scale + offset
            }


if __name__ == "__main__":
    loaded = [json.load(open(path)) for path in sys.argv[2:]]
    for sample in samples(open(sys.argv[1], "rb").read(), {(meta["schema"], meta["group"]): meta for meta in loaded}):
        print(json.dumps(sample))
