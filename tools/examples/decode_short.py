"""The default payload in about 30 lines: bools, integers and floats of 16 and 32 bits; decode_batch.py knows the rest.

    python decode_short.py BATCH META.json...      (needs: pip install cbor2; prints one JSON line per sample)
"""
import json
import struct
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import cbor2

CODES = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "float32": "f"}

def varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            yield value
            value = shift = 0

def sums(data: bytes, total: int = 0) -> Iterator[int]:
    for z in varints(data):
        total = (total + (z >> 1 ^ -(z & 1)) + 2**31) % 2**32 - 2**31
        yield total

def column(data: bytes, kind: str, count: int) -> Sequence[float]:
    mode, data = data[0], data[1:]
    if mode >= 16:
        return [struct.unpack(">f", struct.pack(">f", k / 10 ** (mode - 16)))[0] for k in sums(data)]
    if kind == "bool":
        bits = (data[i >> 3] >> (i & 7) & 1 for i in range(count))
        return [bool(bit) for bit in (sums(data) if mode == 1 else data * count if mode == 2 else bits)]
    size = struct.calcsize(CODES[kind])
    words = b"".join((n % 256**size).to_bytes(size, "big") for n in sums(data)) if mode == 1 else data
    return struct.unpack(f">{count}{CODES[kind]}", words * count if mode == 2 else words)

def samples(payload: bytes, metas: dict[tuple[str, int], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    top = cbor2.loads(payload)
    for group, (times, runs, *columns) in top[8].items():
        points, runs = metas[top[3].hex(), group]["points"], list(varints(runs))
        qualities = [quality for quality, n in zip(runs[::2], runs[1::2]) for _ in range(n)]
        rows = zip(*(column(data, p["type"], qualities.count(0)) for data, p in zip(columns, points)))
        for quality, time in zip(qualities, accumulate(sums(times))):
            row = dict(zip((p["name"] for p in points), next(rows))) if quality == 0 else {}
            yield {"group": group, "uptime_ms": top[6] + time, "quality": quality, "values": row}

if __name__ == "__main__":
    loaded = [json.load(open(path)) for path in sys.argv[2:]]
    for sample in samples(open(sys.argv[1], "rb").read(), {(m["schema"], m["group"]): m for m in loaded}):
        print(json.dumps(sample))
