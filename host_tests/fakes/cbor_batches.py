"""Batches for tests of consumers, made with cbor2 and not with the box's encoder: two points, plain columns.

One group of a `uint16` scaled by 0.1 and a `float32`. A quality other than 0 is a failed read.
"""

import json
import struct

import cbor2

BASE = "acme/lyon/press-shop/line-1/cell-3/press-7"
SCHEMA = "a1b2c3d4"
META = {
    "format": 1, "schema": SCHEMA, "group": 0, "bus": "line1", "unit": "meter", "unit_id": 1, "fc": 4, "address": 0,
    "count": 3, "period_ms": 1000,
    "points": [
        {"name": "level", "at": 0, "type": "uint16", "order": "ABCD", "scale": 0.1, "offset": -5, "unit": "m"},
        {"name": "voltage", "at": 1, "type": "float32", "order": "ABCD", "scale": 1, "offset": 0, "unit": "V"},
    ],
}  # fmt: skip


def meta_text() -> bytes:
    """The retained meta message of the group."""
    return json.dumps(META).encode()


def batch(seq, samples, boot=7, utc_ms=None, base_ms=61000, events=(), marks=(), log="9f3c12aa"):
    """One payload. samples: (ms after the base, quality, level, voltage) each."""
    good = [sample for sample in samples if sample[1] == 0]
    times, last, before = bytearray(), 0, 0
    for sample in samples:
        step = sample[0] - last
        times += _varint(_zigzag(step - before))
        last, before = sample[0], step
    runs = b"".join(bytes([sample[1], 1]) for sample in samples)
    group = [bytes(times), runs]
    if good:
        group.append(b"\x00" + b"".join(struct.pack(">H", sample[2]) for sample in good))
        group.append(b"\x00" + b"".join(struct.pack(">f", sample[3]) for sample in good))
    top = {0: 1, 1: bytes.fromhex(log), 2: boot, 3: bytes.fromhex(SCHEMA), 4: seq,
           5: len(samples) + len(events) + len(marks), 6: base_ms, 7: utc_ms,
           8: {0: group} if samples else {}}  # fmt: skip
    if events:
        top[9] = [list(event) for event in events]
    if marks:
        top[10] = [list(mark) for mark in marks]
    return cbor2.dumps(top)


def _zigzag(number):
    return 2 * number if number >= 0 else -2 * number - 1


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
