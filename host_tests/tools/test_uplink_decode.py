"""The host's decoder against the box's encoder, bit for bit; `fieldgate decode`; rubbish gives one clear line."""

import json
import random
import struct

import cbor2
import pytest

from batch_reader import samples as second_reader
from fieldgate import decode_cli, sparkplug_payload
from fieldgate.envelope import EnvelopeError, decode, groups_of, header
from fieldgate.points import number, point_from_meta, values
from reference_rows import POINTS, rows
from uplink.envelope import BatchEncoder
from uplink.points import layout_of
from uplink.sparkplug import FLOAT, INT32, INT64, PayloadWriter, split
from uplink.typed import TypedEncoder

FORMATS = {"columns": BatchEncoder, "typed": TypedEncoder}

TYPES = ["bool", "uint16", "int16", "uint32", "int32", "float32"]
ORDERS = ["ABCD", "BADC", "CDAB", "DCBA"]
SCHEMA = bytes.fromhex("a1b2c3d4")


def meta_of(points, group=0):
    return {"format": 1, "schema": "a1b2c3d4", "group": group, "unit": "meter", "points": points}


def encode(points, taken, utc_ms=None, known=True, make=BatchEncoder):
    """A batch of group 0; taken: (time, quality, data)."""
    encoder = make(0x9F3C12AA, 8192, 255)
    encoder.begin(7, SCHEMA, {0: layout_of(points)} if known else {}, 1 << 40, 1, 17)
    for time, quality, data in taken:
        assert encoder.sample(0, quality, 1, 17 + time, data)
    return bytes(encoder.finish(utc_ms))


def word_of(row, point):
    """The word by the definition of orders in FORMAT.md, independent of encoder and decoder."""
    at, type_name = point["at"], point["type"]
    if type_name == "bool":
        return row[at // 8] >> at % 8 & 1
    if type_name.endswith("16"):
        swapped = point["order"] in ("BADC", "DCBA")
        return struct.unpack("<H" if swapped else ">H", row[2 * at : 2 * at + 2])[0]
    a, b, c, d = row[2 * at : 2 * at + 4]
    order = {"ABCD": (a, b, c, d), "CDAB": (c, d, a, b), "BADC": (b, a, d, c), "DCBA": (d, c, b, a)}[point["order"]]
    return struct.unpack(">I", bytes(order))[0]


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("raw", [False, True])
def test_reference_data(raw, make):
    kept = list(rows(raw))
    payload = encode(POINTS, [(t, 0, row) for t, row in kept], 1795313755000, make=make)
    batch = decode(payload, {0: meta_of(POINTS)})
    assert [s.words for s in batch.samples] == [struct.unpack(">8I", row) for _, row in kept]
    assert [s.uptime_ms for s in batch.samples] == [(1 << 30) + 17 + t for t, _ in kept]
    assert batch.samples[5].utc_ms == 1795313755000 + kept[5][0]
    assert (batch.log, batch.boot, batch.schema, batch.seq, batch.count) == ("9f3c12aa", 7, "a1b2c3d4", 1 << 40, 60)


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("seed", range(40))
def test_random_points_and_data_come_back(seed, make):
    rand = random.Random(seed)
    bits = rand.random() < 0.2
    kinds = [rand.choice(TYPES[:1] if bits else TYPES[1:]) for _ in range(rand.randint(1, 12))]
    size = 20
    points = []
    for kind in kinds:
        last = 8 * size - 1 if kind == "bool" else size // 2 - (1 if kind.endswith("16") else 2)
        points.append({"name": "p", "at": rand.randint(0, last), "type": kind, "order": rand.choice(ORDERS)})
    taken, time, row = [], 0, rand.randbytes(size)
    for _ in range(rand.randint(1, 60)):
        time += rand.choice([0, 1000, 1000, 1001, 123456, -5])
        if rand.random() < 0.5:
            row = rand.randbytes(size) if rand.random() < 0.3 else bytes(size) if rand.random() < 0.2 else row
        taken.append((time, 0 if rand.random() < 0.8 else rand.choice([1, 2, 18]), row))
    for known in (True, False):
        batch = decode(encode(points, taken, known=known, make=make), {0: meta_of(points)})
        expected = sorted(
            ((t, q, tuple(word_of(row, p) for p in points) if q == 0 else ()) for t, q, row in taken),
            key=lambda item: item[0],
        )
        assert [(s.uptime_ms - (1 << 30) - 17, s.quality, s.words) for s in batch.samples] == expected


def test_both_readers_agree():
    payload = encode(POINTS, [(t, 0, row) for t, row in rows(True)])
    _, groups = second_reader(payload, {0: ["float32"] * 8})
    batch = decode(payload, {0: meta_of(POINTS)})
    assert [tuple(words) for _, _, words in groups[0]] == [s.words for s in batch.samples]


def test_typed_arrays_with_a_cbor_library_and_nothing_of_ours():
    """What a data engineer would write: cbor2 and struct. Every bit, for all types."""
    layouts = {85: "f", 70: "I", 78: "i", 69: "H", 77: "h", 64: "B"}
    points = [{"name": kind, "at": 2 * i, "type": kind, "order": "ABCD"} for i, kind in enumerate(TYPES[1:])]
    rand = random.Random(11)
    taken = [(1000 * i, int(i % 5 == 3), rand.randbytes(20)) for i in range(60)]
    top = cbor2.loads(encode(points, taken, 1795313755000, make=TypedEncoder))
    (group,) = top["groups"]

    def numbers(item):
        return [number for (number,) in struct.iter_unpack("<" + layouts[item.tag], item.value)]

    assert (top["utc_ms"], top["n"], top["schema"]) == (1795313755000, 60, "a1b2c3d4")
    assert numbers(group["times_ms"]) == [time for time, _, _ in taken]
    assert numbers(group["quality"]) == [quality for _, quality, _ in taken]
    for point, item in zip(points, group["values"]):
        got = b"".join(struct.pack("<" + layouts[item.tag], number) for number in numbers(item))
        words = [word_of(row, point) for _, quality, row in taken if not quality]
        width = 2 if point["type"].endswith("16") else 4
        assert got == b"".join(word.to_bytes(width, "little") for word in words)


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_every_cut_and_flip_is_refused_or_read(make):
    """A damaged payload never raises anything but EnvelopeError."""
    payload = encode(POINTS[:2], [(t, i % 7 and 1, row) for i, (t, row) in enumerate(rows(False))], make=make)
    metas = {0: meta_of(POINTS[:2])}
    refused = 0
    damaged = [payload[:i] for i in range(len(payload))]
    rand = random.Random(5)
    for _ in range(5000):
        flipped = bytearray(payload)
        flipped[rand.randrange(len(payload))] ^= 1 << rand.randrange(8)
        damaged.append(bytes(flipped))
    for data in damaged:
        try:
            decode(data, metas)
        except EnvelopeError:
            refused += 1
        except KeyError as error:
            assert error.args[0] != 0, "a group number was flipped, so its meta is missing"
    assert refused > len(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"\xa0",
        b"\xa1\x00\x02",
        b"hello",
        b"\xa1\x00\x01",
        b"\x9b" + b"\xff" * 8,
        b"\x81" * 5000,
        b"\xa1\x66format\x02",
        b"\xa1\x66format\x01",
        b"\xa1\x66format\x80",
        b"\xa2\x66format\x01\x66groups\x81\x01",
    ],
)
def test_rubbish(payload):
    with pytest.raises(EnvelopeError):
        header(payload)


def test_numbers():
    def of(word, **point):
        point = point_from_meta({"name": "p", "at": 0, **point})
        return number(point, word), decode_cli.value_text(point, values([point], [word])[0], word)

    assert of(0xFFFE, type="int16") == (-2, "-2") and of(0xFFFE, type="uint16") == (65534, "65534")
    assert of(0x80000000, type="int32")[0] == -(1 << 31) and of(0x80000000, type="uint32")[0] == 1 << 31
    assert of(0x4366199A, type="float32") == (struct.unpack(">f", bytes.fromhex("4366199a"))[0], "230.1")
    assert of(1, type="bool") == (True, "true")
    assert of(0x7FC00001, type="float32")[1] == '"0x7fc00001"'
    assert of(237, type="uint16", scale=0.1, offset=-40)[1] == "-16.3"


def test_command(tmp_path, capsys):
    points = [{"name": "voltage", "at": 0, "type": "float32", "order": "ABCD", "scale": 1, "offset": 0, "unit": "V"}]
    meta, batch = tmp_path / "meta.json", tmp_path / "batch"
    meta.write_text(json.dumps(meta_of(points)))
    batch.write_bytes(encode(points, [(0, 0, bytes.fromhex("4366199a")), (1000, 1, b"")], 1795313755000))
    decode_cli.decode([str(batch)], [meta])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed[0]["batch"]["log"] == "9f3c12aa"
    assert printed[1] == {
        "group": 0,
        "uptime_ms": (1 << 30) + 17,
        "utc_ms": 1795313755000,
        "quality": 0,
        "values": {"meter.voltage": 230.1},
    }
    assert printed[2]["quality"] == 1 and printed[2]["values"] == {}
    assert groups_of(batch.read_bytes()) == [0]
    decode_cli.decode([batch.read_bytes().hex()], [meta], hex_text=True)
    many = [(i * i * i, i % 5, bytes.fromhex("4366199a")) for i in range(200)]
    decode_cli.decode([encode(points, many).hex()], [meta], hex_text=True)  # longer than a file name may be
    capsys.readouterr()
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    for wrong in ([str(tmp_path / "missing")], [str(tmp_path / "rubbish")]):
        with pytest.raises(decode_cli.typer.Exit):
            decode_cli.decode(wrong, [meta])
        assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(decode_cli.typer.Exit):
        decode_cli.decode([str(batch)], [])
    assert "no meta of schema a1b2c3d4 group 0" in capsys.readouterr().err


def test_command_tells_qualities_names_and_every_digit(tmp_path, capsys):
    points = [
        {"name": "energy", "at": 0, "type": "uint64", "order": "CDAB", "scale": 0.001, "offset": 0, "unit": "kWh"},
        {"name": "state", "at": 4, "type": "uint16", "order": "ABCD", "names": {"1": "run"}},
        {"name": "input", "at": 5, "type": "int16", "order": "ABCD", "na": [-32768], "high": 10},
        {"name": "text", "at": 6, "type": "string4", "order": "ABCD"},
    ]
    (tmp_path / "meta").write_text(json.dumps(meta_of(points)))
    row = b"\xff\xff" * 4 + b"\x00\x01\x80\x00" + b'A"\x00B'
    above = row[:10] + b"\x00\x0b" + row[12:]
    for make in FORMATS.values():
        decode_cli.decode([encode(points, [(0, 0, row), (1, 0, above)], make=make).hex()], [tmp_path / "meta"], True)
        line, second = capsys.readouterr().out.splitlines()[1:]
        assert '"meter.energy": 18446744073709551.615' in line
        found = json.loads(line)
        assert found["values"] | {"meter.energy": 0} == {
            "meter.energy": 0, "meter.state": 1, "meter.input": "0x8000", "meter.text": 'A"',
        }  # fmt: skip
        assert found["qualities"] == {"meter.input": 7} and found["names"] == {"meter.state": "run"}
        found = json.loads(second)
        assert found["qualities"] == {"meter.input": 6} and found["values"]["meter.input"] == 11


def protobuf(*fields):
    """Payload bytes of (number, kind, value), by the rules of protobuf; kinds: int, bytes, float."""
    out = b""
    for place, kind, value in fields:
        out += varint(place << 3 | {int: 0, bytes: 2, float: 5}[kind])
        out += struct.pack("<f", value) if kind is float else varint(value) if kind is int else (
            varint(len(value)) + value)  # fmt: skip
    return out


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def test_sparkplug_births_and_data(tmp_path, capsys):
    quality = protobuf((1, bytes, b"Quality"), (2, bytes, protobuf((1, int, 3), (3, int, 500))))
    birth = protobuf(
        (1, int, 1795313755000),
        (2, bytes, protobuf((1, bytes, b"meter/voltage"), (2, int, 7), (4, int, 9), (12, float, 230.1))),
        (2, bytes, protobuf((1, bytes, b"climate/temperature"), (2, int, 8), (4, int, 3), (7, int, 1))),
        (3, int, 1),
    )
    data = protobuf(
        (2, bytes, protobuf((2, int, 7), (3, int, 1795313756000), (5, int, 1), (12, float, 0.1))),
        (2, bytes, protobuf((2, int, 8), (9, bytes, quality), (10, int, 0xFFFFFFFE))),
        (3, int, 2),
    )
    files = [tmp_path / "birth", tmp_path / "data"]
    for file, payload in zip(files, (birth, data)):
        file.write_bytes(payload)
    decode_cli.decode([str(file) for file in files])
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed[0] == {"sparkplug": {"seq": 1, "utc_ms": 1795313755000, "n": 2}}
    assert (printed[1]["metric"], printed[1]["value"]) == ("meter/voltage", 230.1)
    assert printed[2]["value"] is None
    assert (printed[4]["metric"], printed[4]["value"], printed[4]["historical"]) == ("meter/voltage", 0.1, True)
    assert printed[5]["value"] == -2 and printed[5]["properties"] == {"Quality": 500}


def test_sparkplug_of_the_box_itself_bit_for_bit():
    words = [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFF8000, 0xFFFFFFFF, 0x4366199A]
    writer = PayloadWriter(4096)
    writer.begin(split(1795313755123))
    for alias, word in enumerate(words, 1):
        for datatype in (INT32, INT64, FLOAT):
            writer.metric(None, alias, split(1795313755000), datatype, struct.pack(">I", word), True)
    found = sparkplug_payload.read(bytes(writer.finish(200)))
    assert (found.seq, found.timestamp_ms, len(found.metrics)) == (200, 1795313755123, 3 * len(words))
    metrics = iter(map(sparkplug_payload.Aliases().complete, found.metrics))
    for word in words:
        signed, unsigned, single = next(metrics), next(metrics), next(metrics)
        assert (signed.value, unsigned.value, single.word) == (word - (word >> 31 << 32), word, word)
        assert signed.historical and signed.timestamp_ms == 1795313755000


def test_json_messages_are_printed_and_damage_is_one_line(tmp_path, capsys):
    (tmp_path / "latest").write_text('{"format":1,"values":{"voltage":230.1}}')
    decode_cli.decode([str(tmp_path / "latest")])
    assert json.loads(capsys.readouterr().out) == {"format": 1, "values": {"voltage": 230.1}}
    rand = random.Random(3)
    for start in (b"\x08", b"\x12", b"{"):
        for _ in range(300):
            (tmp_path / "bad").write_bytes(start + rand.randbytes(rand.randrange(40)))
            try:
                decode_cli.decode([str(tmp_path / "bad")])
            except decode_cli.typer.Exit:
                assert len(capsys.readouterr().err.splitlines()) == 1
    capsys.readouterr()
