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


def width(kind: str) -> int:
    """Bytes of a type; 0 for a bool. stringN has N, the others have their bits in their name."""
    return 0 if kind == "bool" else int(kind[6:]) if kind[:6] == "string" else int(kind[-2:]) // 8


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


def parts(points: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Types of the columns of each point: words of 32 bits where it has more, none for further bits of the register of
    the point before."""
    last = None
    for point in points:
        kind, size, place = point["type"], width(point["type"]), (point["at"], point["type"], point["order"])
        if ("bit" in point or "bits" in point) and place == last:
            yield []
            continue
        last = place
        plain = size <= 4 and kind[:3] not in ("bcd", "str")
        yield [kind] if plain else ["uint32"] * (size // 4) + ["uint16"] * (size % 4 // 2)


def column(data: bytes, kind: str, count: int) -> list[int]:
    """The words of one column."""
    mode, data, size = data[0], data[1:], width(kind)
    if mode >= 16:  # decimals
        floats = [signed(k, 32) / 10 ** (mode - 16) for k in differences(data)]
        return [struct.unpack(">I", struct.pack(">f", value))[0] for value in floats]
    if mode == 1:  # differences
        words = [word & ((1 << 8 * size) - 1) for word in differences(data)]
    elif kind == "bool":
        words = [data[i >> 3] >> (i & 7) & 1 for i in range(count if mode == 0 else 1)]
    else:
        words = [int.from_bytes(data[i : i + size], "big") for i in range(0, len(data), size)]
    return words * count if mode == 2 else words


def columns_of(columns: list[bytes], points: list[dict[str, Any]], count: int) -> Iterator[list[int]]:
    """The words of each point."""
    left = iter(columns)
    words = [0] * count
    for kinds in parts(points):
        if kinds:
            words = [0] * count
        for kind in kinds:
            more = column(next(left), kind, count)
            words = [high << 8 * width(kind) | low for high, low in zip(words, more)]
        yield words


def from_row(row: bytes, point: dict[str, Any]) -> int:
    at, kind, order = point["at"], point["type"], point["order"]
    if kind == "bool":
        return row[at >> 3] >> (at & 7) & 1
    registers = [row[i : i + 2] for i in range(2 * at, 2 * at + width(kind), 2)]
    if order in ("CDAB", "DCBA"):
        registers.reverse()
    return int.from_bytes(b"".join(r[::-1] if order in ("BADC", "DCBA") else r for r in registers), "big")


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
            table = zip(*columns_of(columns, meta["points"], good)) if good else iter(())
        time = top[6]
        for quality, step in zip(qualities, differences(times)):
            time += signed(step, 32)
            values = zip(meta["points"], next(table)) if quality == 0 else ()
            yield {
                "unit": meta["unit"],
                "uptime_ms": time,
                "utc_ms": None if top[7] is None else top[7] + time - top[6],
                "quality": quality,
                "values": {point["name"]: number(word, point) for point, word in values},  # scale and offset: yours
            }


if __name__ == "__main__":
    loaded = [json.load(open(path)) for path in sys.argv[2:]]
    for sample in samples(open(sys.argv[1], "rb").read(), {(meta["schema"], meta["group"]): meta for meta in loaded}):
        print(json.dumps(sample))
