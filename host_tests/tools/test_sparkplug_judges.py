"""The box's Sparkplug payloads read by others: pysparkplug, tahu, npm's sparkplug-payload; every value bit for bit.

npm's package and what it needs are pinned by version and hash (host_tests/npm) and fetched into build/npm once, without
running any of their scripts. Where node or npm is missing, or the fetch finds no network, the judge is not run and the
report says so; a package that does not have its hash is a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from pysparkplug import DataType, DBirth, DData

from spb_reader import read
from uplink import sparkplug as spb
from uplink.sparkplug import PayloadWriter, split

ROOT = Path(__file__).resolve().parent.parent.parent
FAKES = ROOT / "host_tests" / "fakes"
NPM = ROOT / "host_tests" / "npm"
BUILD = ROOT / "build" / "npm"
UTC_MS = 1_795_313_755_123
WORDS = [0, 1, 127, 128, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFF8000, 0xFFFFFFFF, 0x43660000]
FLOATS = [0x43661999, 0x00000001, 0x80000000, 0x7F7FFFFF, 0x7F800000, 0xC2C80000]


LONGS = [1 << 32, (1 << 53) + 1, 1 << 63, (1 << 64) - 1, 0x0123456789ABCDEF, 0xFFFFFFFF00000000]
DOUBLES = [0x406CC33333333333, 1, 0x7FEFFFFFFFFFFFFF, 0xC012000000000000, 0x7FF0000000000000]


def packed(datatype: int, word: int) -> bytes:
    wide = datatype in (spb.UINT64, spb.DOUBLE) or word >> 32
    return struct.pack(">Q" if wide else ">I", word)


def signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def cases() -> list[tuple[int, int, object]]:
    """(datatype, word, what a library must make of it)."""
    found: list[tuple[int, int, object]] = [(spb.INT32, word, signed(word)) for word in WORDS]
    found += [(spb.INT64, word, word) for word in WORDS]
    found += [(spb.UINT16, word, word) for word in WORDS if word < 65536]
    for word in LONGS:
        found += [(spb.UINT64, word, word), (spb.INT64, word, word - (word >> 63 << 64))]
    found += [(spb.DOUBLE, word, struct.unpack(">d", struct.pack(">Q", word))[0]) for word in DOUBLES]
    found += [(spb.FLOAT, word, struct.unpack(">f", struct.pack(">I", word))[0]) for word in FLOATS]
    return found + [(spb.BOOLEAN, 0, False), (spb.BOOLEAN, 1, True)]


def data_message(historical: bool) -> bytes:
    writer = PayloadWriter(4096)
    writer.begin(split(UTC_MS))
    bad = spb.property_set([("Quality", spb.number_property(0)), ("quality_code", spb.number_property(18))])
    for alias, (datatype, word, _) in enumerate(cases(), 1):
        writer.metric(None, 256 * alias, split(UTC_MS - alias), datatype, packed(datatype, word), historical)
    writer.metric(None, 9, split(UTC_MS), spb.INT32, None, historical, bad)
    return bytes(writer.finish(200))


def birth_message() -> bytes:
    writer = PayloadWriter(4096)
    writer.begin(split(UTC_MS))
    told = [("engUnit", spb.text_property("°C")), ("scale", spb.text_property("0.1"))]
    for alias, (datatype, word, _) in enumerate(cases(), 1):
        writer.metric(f"point {alias}", 256 * alias, split(UTC_MS), datatype, packed(datatype, word), False,
                      spb.property_set(told))  # fmt: skip
    writer.metric("text", 3, split(UTC_MS), spb.STRING, "größe")
    return bytes(writer.finish(1))


@pytest.mark.parametrize("historical", [False, True])
def test_data_by_pysparkplug(historical: bool) -> None:
    message = DData.decode(data_message(historical))
    assert (message.timestamp, message.seq) == (UTC_MS, 200)
    *metrics, null = message.metrics
    assert null.is_null and null.value is None
    for alias, ((datatype, _, value), metric) in enumerate(zip(cases(), metrics, strict=True), 1):
        assert metric.datatype == DataType(datatype) and metric.alias == 256 * alias and metric.name is None
        assert metric.timestamp == UTC_MS - alias and metric.is_historical == historical
        assert repr(metric.value) == repr(value)


def test_birth_by_pysparkplug() -> None:
    message = DBirth.decode(birth_message())
    assert [metric.name for metric in message.metrics][:2] == ["point 1", "point 2"]
    assert [repr(metric.value) for metric in message.metrics][:-1] == [repr(value) for _, _, value in cases()]
    assert message.metrics[-1].value == "größe"


def by(command: list[str], payloads: list[bytes], **environment: str) -> list[dict]:
    lines = "".join(payload.hex() + "\n" for payload in payloads)
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_both_by_tahu_and_by_our_reader() -> None:
    payloads = [data_message(True), birth_message()]
    told = by([sys.executable, str(FAKES / "tahu_reader.py")], payloads)
    for top, payload in zip(told, payloads, strict=True):
        ours = read(payload)
        assert (top["timestamp"], top["seq"]) == (ours["timestamp"], ours["seq"])
        for theirs, metric in zip(top["metrics"], ours["metrics"], strict=True):
            for key in ("name", "alias", "timestamp", "datatype", "historical", "null", "properties"):
                assert theirs[key] == metric[key], key
            if theirs["field"] == "double_value":
                assert struct.unpack(">Q", struct.pack(">d", theirs["value"]))[0] == metric["value"]
            elif theirs["field"] == "float_value":
                assert struct.unpack(">I", struct.pack(">f", theirs["value"]))[0] == metric["value"]
            else:
                assert theirs["value"] == metric["value"]
    assert told[0]["metrics"][-1]["properties"] == {"Quality": 0, "quality_code": 18}
    assert told[1]["metrics"][0]["properties"] == {"engUnit": "°C", "scale": "0.1"}


def test_the_control_a_flipped_bit_is_seen() -> None:
    payload = bytearray(data_message(False))
    at = payload.index(struct.pack("<I", FLOATS[0]))
    payload[at] ^= 1
    values = [metric.value for metric in DData.decode(bytes(payload)).metrics]
    assert [repr(value) for value in values[:-1]] != [repr(value) for _, _, value in cases()]


def not_run(why: str) -> None:
    print(f"REPORT: npm's sparkplug-payload as a judge: not run ({why})")
    pytest.skip(f"npm's sparkplug-payload is not run: {why}")


def npm_modules() -> Path:
    """The folder node_modules of the packages that host_tests/npm names. Skips where it cannot be had."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            not_run(f"{program} is not installed")
    wanted = BUILD / hashlib.sha256((NPM / "package-lock.json").read_bytes()).hexdigest()[:12]
    if not wanted.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=BUILD))
        for each in ("package.json", "package-lock.json"):
            shutil.copy(NPM / each, folder)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
        except subprocess.TimeoutExpired:
            not_run("npm did not answer within 90 s")
        assert "EINTEGRITY" not in done.stderr, done.stderr
        if done.returncode:
            not_run((done.stderr.strip() or "npm failed").splitlines()[0])
        folder.rename(wanted)
    return wanted / "node_modules"


def test_both_by_npm() -> None:
    modules = str(npm_modules())
    payloads = [data_message(True), birth_message()]
    data, birth = by(["node", str(FAKES / "npm_reader.js")], payloads, NODE_PATH=modules)
    assert str(data["timestamp"]) == str(UTC_MS) and str(data["seq"]) == "200"
    names = {spb.INT32: "Int32", spb.INT64: "Int64", spb.UINT16: "UInt16", spb.UINT64: "UInt64", spb.FLOAT: "Float",
             spb.DOUBLE: "Double", spb.BOOLEAN: "Boolean"}  # fmt: skip
    for top in (data, birth):
        for (datatype, _, value), metric in zip(cases(), top["metrics"], strict=False):
            assert metric["type"] == names[datatype]
            if isinstance(value, float) and value in (float("inf"), float("-inf")):
                assert metric["value"] is None  # JSON
            elif datatype == spb.DOUBLE:
                assert float(metric["value"]) == value
            elif isinstance(value, float):
                assert struct.pack(">f", float(metric["value"])) == struct.pack(">f", value)
            elif datatype in (spb.INT64, spb.UINT64):
                assert str(metric["value"]) == str(value)
            else:
                assert metric["value"] == value
    assert all(metric["historical"] for metric in data["metrics"]) and data["metrics"][-1]["value"] is None
    assert birth["metrics"][-1]["value"] == "größe"
    version = json.loads((Path(modules) / "sparkplug-payload" / "package.json").read_text())["version"]
    print(f"REPORT: npm's sparkplug-payload {version} as a judge: {2 * len(cases())} values equal")
