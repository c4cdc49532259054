"""The profiles that Fieldgate brings: in order, each with a source and an example frame that decodes as it says.

The frames are decoded three ways that share no code: pymodbus, the struct module here, and the box's own modules.
"""

from __future__ import annotations

import json
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer.rtu import FramerRTU
from typer.testing import CliRunner

from fieldgate import profile_cli
from fieldgate.profiles import model
from fieldgate.profiles.check import mistakes
from fieldgate.profiles.model import words_of
from points import numbers

OWN = model.own_profiles()
FRAMES = [(path, frame) for path in OWN for frame in model.frames_of(path)]
CODES = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q", "float32": "f"}


def run(*arguments: str) -> Any:
    return CliRunner().invoke(profile_cli.app, list(arguments))


def split_frames(frame: dict[str, Any]) -> tuple[int, int, int, bytes]:
    """(fc, address, count, data) of an example: both CRCs hold, and the reply is one to the request."""
    request, reply = (bytes.fromhex(frame[key]) for key in ("request", "reply"))
    for text in (request, reply):
        assert FramerRTU.compute_CRC(text[:-2]).to_bytes(2, "big") == text[-2:], text.hex(" ")
    unit_id, fc, address, count = struct.unpack(">BBHH", request[:-2])
    assert reply[:3] == bytes([unit_id, fc, 2 * count]) and len(reply) == 2 * count + 5
    return fc, address, count, reply[3:-2]


def by_struct(point: dict[str, Any], data: bytes) -> Decimal:
    """Number x scale of the point whose wire bytes are `data`."""
    words = [data[at : at + 2] for at in range(0, len(data), 2)]
    ordered = b"".join(words[::-1] if point.get("order") == "CDAB" else words)
    number = struct.unpack(">" + CODES[point["type"]], ordered)[0]
    return scaled(point, number)


def by_pymodbus(point: dict[str, Any], data: bytes) -> Decimal:
    registers = list(struct.unpack(f">{len(data) // 2}H", data))
    kind = getattr(ModbusClientMixin.DATATYPE, point["type"].upper())
    order = "little" if point.get("order") == "CDAB" else "big"
    number = ModbusClientMixin.convert_from_registers(registers, kind, word_order=order)  # type: ignore[arg-type]
    return scaled(point, number)


def scaled(point: dict[str, Any], number: Any) -> Decimal:
    if "bit" in point:
        return Decimal(number >> point["bit"] & 1)
    if point["type"] == "float32":
        return Decimal(str(float(f"{number:.7g}")))
    return Decimal(number) * Decimal(str(point.get("scale", 1)))


def not_available(point: dict[str, Any], data: bytes) -> bool:
    return point.get("na") == ["ff"] and data == b"\xff" * len(data)


def compare_box(point: dict[str, Any], data: bytes, at: int, text: str | None) -> None:
    """The box's own decoder says the same."""
    number = numbers.number(numbers.kind_of(point), data, at, numbers.patterns(point))
    if text is None:
        assert number is None
    elif point["type"] == "float32" or "bit" in point:
        assert scaled(point | {"bit": 0} if "bit" in point else point, number) == Decimal(text)
    else:
        assert isinstance(number, int)
        assert Decimal(number) * Decimal(str(point.get("scale", 1))) == Decimal(text)


def compare(profile: dict[str, Any], frame: dict[str, Any]) -> int:
    """Every value that the frame names is what its bytes say; returns how many."""
    fc, address, count, data = split_frames(frame)
    points = {point["name"]: point for point in profile["points"]}
    for name, text in frame["values"].items():
        point = points[name]
        compare_box(point, data, 2 * (point["address"] - address), text)
        words = words_of(point["type"])
        assert words and point["fc"] == fc and address <= point["address"] <= address + count - words
        at = 2 * (point["address"] - address)
        mine = data[at : at + 2 * words]
        if text is None:
            assert not_available(point, mine), name
            continue
        assert not not_available(point, mine)
        for decode in (by_struct, by_pymodbus):
            assert decode(point, mine) == Decimal(text), f"{name}: {decode(point, mine)} is not {text}"
    return len(frame["values"])


def test_there_are_ten_devices_and_more_each_in_order() -> None:
    assert len(OWN) >= 10
    for path in OWN:
        tree = model.load(path)
        assert mistakes(tree, path.stem, model.frames_of(path)) == []
        assert tree["source"] and model.frames_of(path), path
        assert path.read_text() == path.read_text().rstrip() + "\n" and len(path.read_bytes()) < 4096
    total = sum(len(json.dumps(model.load(path), separators=(",", ":"))) for path in OWN)
    print(f"REPORT: {len(OWN)} device profiles, {total} bytes on a box, {len(FRAMES)} example frames")


@pytest.mark.parametrize("path, frame", FRAMES, ids=[f"{path.stem}-{frame['origin']}" for path, frame in FRAMES])
def test_an_example_frame_decodes_to_its_values(path: Path, frame: dict[str, Any]) -> None:
    assert frame["origin"] in ("captured", "reported", "constructed")
    assert compare(model.load(path), frame) > 0


def test_a_probe_accepts_its_own_device() -> None:
    """Where an example shows the probe's register."""
    own = foreign = 0
    for path, frame in FRAMES:
        fc, address, count, data = split_frames(frame)
        for other in OWN:
            probe = model.load(other)["probe"]
            words = words_of(probe["type"]) if probe else None
            if not words or probe["fc"] != fc or not address <= probe["address"] <= address + count - words:
                continue
            at = 2 * (probe["address"] - address)
            value = by_struct(probe, data[at : at + 2 * words])
            accepted = Decimal(str(probe["low"])) <= value <= Decimal(str(probe["high"]))
            if other != path:
                foreign += accepted
            elif "temperatures have another scale" not in frame.get("note", ""):
                assert accepted, (other, value)
                own += 1
    assert own >= 8
    print(f"REPORT: probes: {own} examples accepted by their own profile, {foreign} times by another one's")


def test_a_wrong_scale_order_or_address_does_not_go_unnoticed() -> None:
    path = model.FOLDER / "pzem-016.json"
    frame = model.frames_of(path)[0]
    for name, key, wrong in (("energy", "scale", 0.1), ("current", "order", "ABCD"), ("voltage", "address", 7)):
        tree = model.load(path)
        next(point for point in tree["points"] if point["name"] == name)[key] = wrong
        with pytest.raises(AssertionError):
            compare(tree, frame)


def test_the_reference_frame_of_the_pzem_is_the_published_one() -> None:
    frame = model.frames_of(model.FOLDER / "pzem-016.json")[0]
    assert frame["origin"] == "reported"
    assert bytes.fromhex(frame["reply"]).hex() == "01041408d1006c000000f40000002600" + "0001f4006400005134"
    assert frame["values"]["voltage"] == "225.7" and frame["values"]["energy"] == "38"


def good() -> dict[str, Any]:
    return model.load(model.FOLDER / "eastron-sdm120.json")


def judged(change: Any) -> list[str]:
    tree = good()
    change(tree)
    return mistakes(tree, "eastron-sdm120", [])


CASES = {
    'profile: found "x", allowed "eastron-sdm120", the name of its file': lambda tree: tree.update(profile="x"),
    'confidence: found "verified", allowed that word only with a captured frame in frames.jsonl':
        lambda tree: tree.update(confidence="verified"),
    "colour: unknown key": lambda tree: tree.update(colour=1),
    "unit.max_registers: found 126, allowed a whole number 1..125": lambda tree: tree["unit"].update(max_registers=126),
    "unit.name: unknown key": lambda tree: tree["unit"].update(name="x"),
    "probe.low: found 300, allowed less than probe.high, 300": lambda tree: tree["probe"].update(low=300),
    'points[0].type: found "float16", allowed bool': lambda tree: tree["points"][0].update(type="float16"),
    'points[0].type: found "string7", allowed bool': lambda tree: tree["points"][0].update(type="string7"),
    'points[0].type: found "bool", allowed "bool" with fc 1 or 2': lambda tree: tree["points"][0].update(type="bool"),
    'points[0].type: found "string128", allowed bool': lambda tree: tree["points"][0].update(type="string128"),
    "points[9].type: found \"string120\", allowed types of at most 59 registers: unit.max_registers":
        lambda tree: (tree["unit"].update(max_registers=59), tree["points"][9].update(type="string120")),
    'points[0].order: found "ACBD", allowed ABCD': lambda tree: tree["points"][0].update(order="ACBD"),
    "points[9].address: found 65535, allowed 0..65534 for float32":
        lambda tree: tree["points"][9].update(address=65535),
    "points[1].address: found 1, allowed registers of no other point: points[0] (\"voltage\") has 0..1":
        lambda tree: tree["points"][1].update(address=1),
    "points[1].name: found \"voltage\", allowed a name not used before (points[0])":
        lambda tree: tree["points"][1].update(name="voltage"),
    "points[0].bit: found 3, allowed none with \"float32\"": lambda tree: tree["points"][0].update(bit=3),
    "points[0].bit: found 16, allowed 0..15": lambda tree: tree["points"][0].update(type="uint16", bit=16),
    "points[0].bits: found a list of 2, allowed [lowest bit, number of bits] inside 16 bits":
        lambda tree: tree["points"][0].update(type="uint16", bits=[10, 7]),
    "points[0].fc: found 3, allowed unit.functions, 4": lambda tree: tree["points"][0].update(fc=3),
    "points[0].address: found 0, allowed none of 1..2: unit.holes":
        lambda tree: tree["unit"].update(holes=[{"fc": 4, "address": 1, "count": 2}]),
    "points: found a list of 0, allowed a list of 1..200": lambda tree: tree.update(points=[]),
    "points[0].scale: found 0, allowed any other number": lambda tree: tree["points"][0].update(scale=0),
}  # fmt: skip


@pytest.mark.parametrize("line", CASES)
def test_a_mistake_is_one_line(line: str) -> None:
    found = judged(CASES[line])
    assert any(text.startswith(line) for text in found), found
    assert all("\n" not in text for text in found)


def test_bits_of_one_word_may_stand_beside_each_other_and_the_word() -> None:
    def bits(tree: dict[str, Any], *fields: dict[str, Any]) -> None:
        tree["points"] = [
            {"name": f"p{at}", "fc": 4, "address": 0, "type": "uint16"} | field for at, field in enumerate(fields)
        ]

    assert judged(lambda tree: bits(tree, {"bit": 0}, {"bit": 1}, {"bits": [2, 14]}, {})) == []
    assert len(judged(lambda tree: bits(tree, {"bit": 3}, {"bits": [2, 2]}))) == 1
    assert len(judged(lambda tree: bits(tree, {}, {}))) == 1


def test_verified_stands_with_a_captured_frame_only() -> None:
    tree = good() | {"confidence": "verified"}
    assert mistakes(tree, "eastron-sdm120", [{"origin": "captured"}]) == []
    assert len(mistakes(tree, "eastron-sdm120", [{"origin": "reported"}])) == 1


def test_the_commands_list_show_and_check() -> None:
    listed = run("list")
    assert listed.exit_code == 0 and all(path.stem in listed.stdout for path in OWN)
    shown = run("show", "witmotion-wtvb01")
    assert shown.exit_code == 0 and "unit_id: 80" in shown.stdout and "0x0034" in shown.stdout
    assert run("check").stdout == f"profile: {len(OWN)} in order\n"
    missing = run("show", "no-such")
    assert missing.exit_code == 1 and missing.stderr.count("\n") == 1


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text in ("{", "[]", '{"points": [1, null, {"fc": true}]}', "[" * 100000, '{"a": NaN}', "\xff"):
        path.write_text(text, "latin-1")
        result = run("check", str(path))
        assert result.exit_code == 1 and "Traceback" not in result.output
        assert isinstance(result.exception, SystemExit)


OT = {"format": 1, "owner": "controls", "revision": 4, "buses": [
    {"name": "line1", "port": 0, "baud": 9600, "serial_format": "8N1", "units": [
        {"name": "drive", "unit_id": 3, "points": [{"name": "speed", "fc": 3, "address": 1, "type": "uint16"}]}]},
    {"name": "line2", "port": 1, "units": [
        {"name": "plc", "unit_id": 3, "points": [{"name": "run", "fc": 2, "address": 1, "type": "bool"}]}]},
]}  # fmt: skip


def test_apply_adds_a_unit_and_refuses_what_the_box_would(tmp_path: Path) -> None:
    path = tmp_path / "ot.json"
    path.write_text(json.dumps(OT))
    done = run("apply", "xy-md02", str(path), "--unit-id", "9", "--name", "climate", "--bus", "line1")
    assert done.exit_code == 0, done.output
    tree = json.loads(path.read_text())
    unit = tree["buses"][0]["units"][1]
    profile = model.load(model.FOLDER / "xy-md02.json")
    assert tree["revision"] == 5 and unit["unit_id"] == 9 and unit["points"] == profile["points"]
    assert unit["max_registers"] == 2
    tree["buses"][0]["units"].pop()
    tree["revision"] = 4
    assert tree == OT  # nothing else has changed
    before = path.read_text()
    for arguments, line in (
        (["--unit-id", "3", "--bus", "line1"], "buses[0].units[2].unit_id: found 3, allowed a value not used before"),
        (["--unit-id", "300", "--bus", "line1"], "buses[0].units[2].unit_id: found 300, allowed a whole number 1..247"),
        (["--unit-id", "8"], "has buses line1, line2: name one with --bus"),
        (["--unit-id", "8", "--bus", "x"], '--bus: found "x"'),
        (["--bus", "line1"], "the profile knows no unit id: give --unit-id"),
    ):
        refused = run("apply", "pzem-016", str(path), *arguments)
        assert refused.exit_code == 1 and line in refused.stderr and refused.stderr.count("\n") == 1, refused.output
        assert path.read_text() == before
