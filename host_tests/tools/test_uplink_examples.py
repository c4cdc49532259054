"""The one-file decoders in tools/examples against the box's encoder: every type, order, mode and quality."""

import json
import shutil
import struct
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from fieldgate.envelope import decode
from fieldgate.points import point_from_meta, values
from reference_rows import POINTS, rows
from uplink.envelope import BatchEncoder
from uplink.points import layout_of
from uplink.typed import TypedEncoder

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "tools" / "examples"
PROGRAMS = {
    "python": ([sys.executable, str(EXAMPLES / "decode_batch.py")], BatchEncoder),
    "node": (["node", str(EXAMPLES / "decode_batch.js")], BatchEncoder),
    "python typed": ([sys.executable, str(EXAMPLES / "decode_typed.py")], TypedEncoder),
    "node typed": (["node", str(EXAMPLES / "decode_typed.js")], TypedEncoder),
}
MIXED = [
    {"name": f"{kind}-{order}", "at": at, "type": kind, "order": order}
    for at, (kind, order) in enumerate(
        [("uint16", "ABCD"), ("int16", "ABCD")]
        + [(kind, order) for kind in ("uint32", "int32", "float32") for order in ("ABCD", "BADC", "CDAB", "DCBA")]
    )
]
INPUTS = [{"name": f"input {i}", "at": i, "type": "bool", "order": None} for i in range(11)]


# Types that are several columns, or none: bits of one register, with and without something between them.
WIDE = [
    {"name": f"{kind}-{order}{at}", "at": at, "type": kind, "order": order, **more}
    for at, (kind, order, more) in enumerate(
        [(kind, order, {}) for kind in ("uint64", "int64", "float64", "bcd16", "bcd32", "string2", "string6", "string8")
         for order in ("ABCD", "BADC", "CDAB", "DCBA")]
        + [("uint64", "ABCD", {"na": ["ff"]}), ("int16", "BADC", {"na": [0]}), ("uint32", "CDAB", {"na": [-1]})]
    )
] + [
    {"name": f"bits {i}", "at": 40, "type": kind, "order": order, **more}
    for i, (kind, order, more) in enumerate(
        [("uint16", "ABCD", {"bit": 3}), ("uint16", "ABCD", {"bits": [0, 5]}), ("uint16", "BADC", {"bit": 0}),
         ("uint16", "BADC", {}), ("uint16", "BADC", {"bit": 9}), ("uint32", "CDAB", {"bits": [3, 29]})]
    )
]  # fmt: skip


def batches(make):
    """(payload, metas) of batches that together use every mode."""
    wire = bytes((37 * i * i + i // 3) & 0x7F for i in range(4096))  # no NaN, which JSON does not know
    for known in (True, False) if make is BatchEncoder else (True,):  # whole rows are for the first format's example
        for raw in (False, True):
            described = {0: POINTS, 1: MIXED, 2: WIDE, 200: INPUTS}
            layouts = {group: layout_of(points) for group, points in described.items()} if known else {}
            encoder = make(1, 65536, 255)
            encoder.begin(3, bytes.fromhex("a1b2c3d4"), layouts, 1 << 33, 0, 61000)
            for i, (time, row) in enumerate(rows(raw)):
                assert encoder.sample(0, 0 if i % 9 else 1, 0, 61000 + time, row)
                mixed = wire[32 * i : 32 * i + 32] if raw else wire[:32]
                assert encoder.sample(1, 0 if i % 50 < 40 else 18, 0, 61100 + time, mixed)
                if i % 4 == 0:
                    whole = wire[100 + 13 * i : 184 + 13 * i] if raw else b"\xff" * (i % 8 * 9) + b"A " * 50
                    assert encoder.sample(2, 0, 0, 61150 + time, whole[:84])
                assert encoder.sample(200, 0, 0, 61200 + time, bytes((i & 0xFF if raw else 5, i % 3)))
            metas = {
                group: {"schema": "a1b2c3d4", "group": group, "unit": f"unit {group}", "points": points}
                for group, points in described.items()
            }
            yield bytes(encoder.finish(1795313755000 if raw else None)), metas


@pytest.mark.parametrize("program", PROGRAMS)
def test_example(program, tmp_path):
    command, make = PROGRAMS[program]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    for payload, metas in batches(make):
        (tmp_path / "batch").write_bytes(payload)
        for group, meta in metas.items():
            (tmp_path / f"{group}.json").write_text(json.dumps(meta))
        files = [str(tmp_path / "batch"), *(str(tmp_path / f"{group}.json") for group in metas)]
        run = subprocess.run([*command, *files], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        printed = [json.loads(line) for line in run.stdout.splitlines()]
        for group, meta in metas.items():
            expected = [sample for sample in decode(payload, metas).samples if sample.group == group]
            got = [sample for sample in printed if sample["unit"] == meta["unit"]]
            assert [(s["uptime_ms"], s["utc_ms"], s["quality"]) for s in got] == [
                (s.uptime_ms, s.utc_ms, s.quality) for s in expected
            ]
            for sample, wanted in zip(got, expected):
                for point, word in zip(meta["points"], wanted.words):
                    value = sample["values"][point["name"]]
                    right = values([point_from_meta({"order": "ABCD", **point})], [word])[0]
                    if point["type"] == "float32":
                        assert struct.pack(">f", value) == struct.pack(">I", word), point
                    elif right.exact is None or isinstance(right.exact, (bool, str)):
                        assert value == right.exact and type(value) is type(right.exact), point
                    else:  # what a Number of JavaScript does not hold is told as text
                        assert Decimal(str(value)) == right.exact, point
                assert len(sample["values"]) == len(wanted.words)


@pytest.mark.parametrize("program", (sys.executable, "node"))
def test_the_short_decoders_read_plain_types(program, tmp_path):
    """`decode_short`: the groups of 16 and 32 bits and of bools, every mode that their columns take, failed reads."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    seen = set()
    for raw in (False, True):
        described = {0: POINTS, 1: MIXED, 200: INPUTS}
        encoder = BatchEncoder(1, 65536, 255)
        layouts = {group: layout_of(points) for group, points in described.items()}
        encoder.begin(3, bytes.fromhex("a1b2c3d4"), layouts, 4711, 0, 61000)
        wire = bytes((37 * i * i + i // 3) & 0x7F for i in range(4096))  # no NaN, which JSON does not know
        for i, (time, row) in enumerate(rows(raw)):
            assert encoder.sample(0, 0 if i % 9 else 1, 0, 61000 + time, row)
            mixed = wire[32 * i : 32 * i + 32] if raw else wire[:32]
            assert encoder.sample(1, 0 if i % 50 < 40 else 18, 0, 61100 + time, mixed)
            assert encoder.sample(200, 0, 0, 61200 + time, bytes((i & 0xFF if raw else 5, i % 3)))
        payload = bytes(encoder.finish(None))
        metas = {number: {"schema": "a1b2c3d4", "group": number, "unit": "", "points": points}
                 for number, points in described.items()}  # fmt: skip
        (tmp_path / "batch").write_bytes(payload)
        for number, meta in metas.items():
            (tmp_path / f"{number}.json").write_text(json.dumps(meta))
        suffix = "js" if program == "node" else "py"
        files = [str(tmp_path / name) for name in ("batch", "0.json", "1.json", "200.json")]
        command = [program, str(EXAMPLES / f"decode_short.{suffix}"), *files]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        printed = [json.loads(line) for line in run.stdout.splitlines()]
        for number, meta in metas.items():
            wanted = [sample for sample in decode(payload, metas).samples if sample.group == number]
            got = [sample for sample in printed if sample["group"] == number]
            assert [(s["uptime_ms"], s["quality"]) for s in got] == [(s.uptime_ms, s.quality) for s in wanted]
            for one, right in zip(got, wanted):
                assert len(one["values"]) == len(right.words)
                for point, word in zip(meta["points"], right.words):
                    value = one["values"][point["name"]]
                    if point["type"] == "float32":
                        assert struct.pack(">f", value) == struct.pack(">I", word), point
                    else:
                        assert value == values([point_from_meta({"order": "ABCD", **point})], [word])[0].exact, point
                    seen.add(point["type"])
    assert seen == {"bool", "uint16", "int16", "uint32", "int32", "float32"}
