"""The one-file decoders in tools/examples against the box's encoder: every type, order, mode and quality."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from fieldgate.envelope import decode
from fieldgate.points import number, point_from_meta
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


def batches(make):
    """(payload, metas) of batches that together use every mode."""
    wire = bytes((37 * i * i + i // 3) & 0x7F for i in range(4096))  # no NaN, which JSON does not know
    for known in (True, False) if make is BatchEncoder else (True,):  # whole rows are for the first format's example
        for raw in (False, True):
            layouts = {0: layout_of(POINTS), 1: layout_of(MIXED), 200: layout_of(INPUTS)} if known else {}
            encoder = make(1, 16384, 255)
            encoder.begin(3, bytes.fromhex("a1b2c3d4"), layouts, 1 << 33, 0, 61000)
            for i, (time, row) in enumerate(rows(raw)):
                assert encoder.sample(0, 0 if i % 9 else 1, 0, 61000 + time, row)
                mixed = wire[32 * i : 32 * i + 32] if raw else wire[:32]
                assert encoder.sample(1, 0 if i % 50 < 40 else 18, 0, 61100 + time, mixed)
                assert encoder.sample(200, 0, 0, 61200 + time, bytes((i & 0xFF if raw else 5, i % 3)))
            metas = {
                group: {"schema": "a1b2c3d4", "group": group, "unit": f"unit {group}", "points": points}
                for group, points in ((0, POINTS), (1, MIXED), (200, INPUTS))
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
                    if point["type"] == "float32":
                        assert struct.pack(">f", value) == struct.pack(">I", word), point
                    else:
                        assert value == number(point_from_meta(point), word), point
                assert len(sample["values"]) == len(wanted.words)
