"""Decodes one Fieldgate batch (lib/uplink/FORMAT.md) in plain Python. Copy it, change it.

    python decode_batch.py BATCH META.json...      (needs: pip install cbor2)

BATCH: a payload of <base>/data. META.json: the retained <base>/meta/<schema>/<group>. Prints one JSON line per sample.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from typing import Any

import cbor2

BITS = {"bool": 1, "uint16": 16, "int16": 16, "uint32": 32, "int32": 32, "float32": 32}
ORDER = {"ABCD": (0, 1, 2, 3), "BADC": (1, 0, 3, 2), "CDAB": (2, 3, 0, 1), "DCBA": (3, 2, 1, 0)}


def varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def differences(data: bytes) -> Iterator[int]:
    word = 0
    for token in varints(data):
        word = (word + (token >> 1 ^ -(token & 1))) & 0xFFFFFFFF
        yield word


def signed(word: int, bits: int) -> int:
    return word - (1 << bits) if word >> (bits - 1) else word


def number(word: int, kind: str) -> Any:
    if kind == "float32":
        return struct.unpack(">f", struct.pack(">I", word))[0]
    return bool(word) if kind == "bool" else signed(word, BITS[kind]) if kind.startswith("int") else word


def column(data: bytes, kind: str, count: int) -> list[Any]:
    mode, data, size = data[0], data[1:], BITS[kind] // 8
    if mode >= 16:  # decimals
        return [struct.unpack(">f", struct.pack(">f", signed(k, 32) / 10 ** (mode - 16)))[0] for k in differences(data)]
    if mode == 1:  # differences
        words = [word & ((1 << BITS[kind]) - 1) for word in differences(data)]
    elif kind == "bool":
        words = [data[i >> 3] >> (i & 7) & 1 for i in range(count if mode == 0 else 1)]
    else:
        words = [int.from_bytes(data[i : i + size], "big") for i in range(0, len(data), size)]
    return [number(word, kind) for word in (words * count if mode == 2 else words)]


def from_row(row: bytes, point: dict[str, Any]) -> Any:
    at, kind = point["at"], point["type"]
    if kind == "bool":
        return bool(row[at >> 3] >> (at & 7) & 1)
    data = row[2 * at : 2 * at + BITS[kind] // 8]
    if len(data) == 4:
        data = bytes(data[i] for i in ORDER[point["order"]])
    return number(int.from_bytes(data, "big"), kind)


def samples(payload: bytes, metas: dict[tuple[str, int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a dict for every sample. metas: {(schema, group): meta object}."""
    top = cbor2.loads(payload)
    assert top[0] == 1, "another format version"
    for group, (times, runs, *columns) in top[8].items():
        meta = metas[top[3].hex(), group]
        qualities: list[int] = []
        at = 0
        while at < len(runs):
            end = next(i for i in range(at + 1, len(runs)) if runs[i] < 128) + 1
            qualities += [runs[at]] * next(varints(runs[at + 1 : end]))
            at = end
        good = qualities.count(0)
        if columns and columns[0][0] == 3:  # whole rows
            size = (len(columns[0]) - 1) // good
            rows = [columns[0][1 + i * size : 1 + (i + 1) * size] for i in range(good)]
            table: Iterator[Any] = iter([[from_row(row, point) for point in meta["points"]] for row in rows])
        else:
            table = zip(*(column(data, point["type"], good) for data, point in zip(columns, meta["points"])))
        time = top[6]
        for quality, step in zip(qualities, differences(times)):
            time += signed(step, 32)
            values = zip(meta["points"], next(table)) if quality == 0 else ()
            yield {
                "unit": meta["unit"],
                "uptime_ms": time,
                "utc_ms": None if top[7] is None else top[7] + time - top[6],
                "quality": quality,
                "values": {point["name"]: value for point, value in values},  # x point["scale"] + point["offset"]
            }


if __name__ == "__main__":
    loaded = [json.load(open(path)) for path in sys.argv[2:]]
    for sample in samples(open(sys.argv[1], "rb").read(), {(meta["schema"], meta["group"]): meta for meta in loaded}):
        print(json.dumps(sample))
