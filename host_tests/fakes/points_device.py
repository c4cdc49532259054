"""The device's half of the matrix of types and orders: decodes what points_matrix.py wrote into a file.

Lines of the file: a point (JSON), then the wire's bytes of one read each, in hex, up to the next point. For each read
one line comes back: text, quality, name, number (hex of its bytes for floats); and for each point its reads as batches
of both payloads, in hex.
"""

import json
import struct
from binascii import hexlify, unhexlify

from gateway.latest import _described, _value
from points import numbers
from uplink.envelope import BatchEncoder
from uplink.points import layout_of
from uplink.typed import TypedEncoder

ROWS = 48  # of a batch


def hex_of(data):
    return hexlify(data).decode()


def number_text(point, data):
    kind = numbers.kind_of(point)
    at = point["at"] if point["type"] == "bool" else 2 * point["at"]
    found = numbers.number(kind, data, at, numbers.patterns(point))
    if isinstance(found, float):
        return "f" + hex_of(struct.pack(">f" if kind & 15 == numbers.FLOAT32 else ">d", found))
    return str(found)


def batch(encoder, points, rows):
    encoder.begin(1, b"abcd", {0: layout_of(points)}, 0, 0, 0)
    for i, row in enumerate(rows):
        if not encoder.sample(0, 0, 0, i, row):  # compiled for a chip, an assert is left out
            raise ValueError("the batch is full")
    return hex_of(bytes(encoder.finish(None)))


def decode(path, max_bytes=16384):
    """Print the answer to each line of the file; max_bytes: of a batch."""
    encoders = (BatchEncoder(1, max_bytes, ROWS), TypedEncoder(1, max_bytes, ROWS))
    points = described = None
    rows = []
    with open(path) as file:
        for line in file:
            if line[0] == "[":
                flush(encoders, points, rows)
                points = json.loads(line)
                described = _described(points[0], points).split(",", 9)
                rows = []
                continue
            data = unhexlify(line.strip())
            text, quality, name = _value(described, data)
            print("%s\t%d\t%s\t%s" % (text, quality, name, number_text(points[0], data)))
            rows.append(data)
            if len(rows) == ROWS:
                flush(encoders, points, rows)
                rows = []
    flush(encoders, points, rows)


def flush(encoders, points, rows):
    if rows:
        for encoder in encoders:
            print("batch " + batch(encoder, points, rows))
