"""Typed arrays: every bit comes back, the limit holds, failed reads are never numbers."""

from batch_reader import cbor, typed
from reference_rows import POINTS, rows
from uplink.points import layout_of
from uplink.typed import TypedEncoder

KINDS = ("bool", "uint16", "int16", "uint32", "int32", "float32")


def words_of(row):
    return [int.from_bytes(row[i : i + 4], "big") for i in range(0, len(row), 4)]


def test_reference_data_and_size():
    sizes = []
    for raw in (False, True):
        encoder = TypedEncoder(0x9F3C12AA, 4096, 64)
        encoder.begin(7, b"\xa1\xb2\xc3\xd4", {0: layout_of(POINTS)}, 123456, 0, 5000)
        kept = list(rows(raw))
        for time, row in kept:
            assert encoder.sample(0, 0, 0, 5000 + time, row)
        payload = bytes(encoder.finish(1795313755000))
        sizes.append(len(payload))
        top, groups = typed(payload)
        assert [(t, w) for t, q, w in groups[0]] == [(t, words_of(row)) for t, row in kept]
        assert (top["format"], top["log"], top["boot"], top["schema"]) == (1, "9f3c12aa", 7, "a1b2c3d4")
        assert [top[key] for key in ("seq", "n", "uptime_ms", "utc_ms")] == [123456, 60, 5000, 1795313755000]
        assert "events" not in top and "time_marks" not in top
    assert sizes[0] == sizes[1] <= 60 * 39.8
    print("REPORT: typed arrays, batch of 60 x 8 float32: %d B, %.1f B per sample" % (sizes[0], sizes[0] / 60))


def worked_example():
    """The records of FORMAT.md's worked example."""
    encoder = TypedEncoder(0x9F3C12AA)
    points = [{"at": 0, "type": "float32", "order": "ABCD"}, {"at": 3, "type": "uint16", "order": None}]
    encoder.begin(7, b"\xa1\xb2\xc3\xd4", {0: layout_of(points)}, 4711, 0, 61000)
    assert encoder.sample(0, 0, 0, 61000, bytes.fromhex("4366199a0000000a"))
    assert encoder.sample(0, 1, 0, 62003, b"")
    assert encoder.sample(0, 0, 0, 63001, bytes.fromhex("436633330000000b"))
    assert encoder.event(2, 0, 62003, 1)
    return bytes(encoder.finish(None))


def test_worked_example_of_the_format_page():
    assert worked_example() == bytes.fromhex(
        "aa"
        "66666f726d6174"
        "01"  # map of 10, "format": 1
        "636c6f67"
        "683966336331326161"  # "log": "9f3c12aa"
        "64626f6f74"
        "07"
        "66736368656d61"
        "686131623263336434"  # "boot": 7, "schema": "a1b2c3d4"
        "63736571"
        "191267"
        "616e"
        "04"  # "seq": 4711, "n": 4
        "69757074696d655f6d73"
        "19ee48"
        "667574635f6d73"
        "f6"  # "uptime_ms": 61000, "utc_ms": null
        "6667726f757073"
        "81"
        "a4"
        "6567726f7570"
        "00"  # "groups": array of 1: map of 4, "group": 0
        "6874696d65735f6d73"
        "d84e"
        "4c"
        "00000000eb030000d1070000"  # "times_ms": 0, 1003, 2001
        "677175616c697479"
        "d840"
        "43"
        "000100"  # "quality": good, timeout, good
        "6676616c756573"
        "82"
        "d855"
        "48"
        "9a19664333336643"  # "values": 230.1, 230.2
        "d845"
        "44"
        "0a000b00"  # 10, 11
        "666576656e7473"
        "81"
        "83"
        "02"
        "1903eb"
        "01"  # "events": unit_silent at 1003 ms, value 1
    )


def test_groups_types_orders_and_failed_reads():
    for order, wire in (("ABCD", (0, 1, 2, 3)), ("CDAB", (2, 3, 0, 1)), ("BADC", (1, 0, 3, 2)), ("DCBA", (3, 2, 1, 0))):
        points = [{"at": 0, "type": kind, "order": order} for kind in KINDS[1:]]
        inputs = [{"at": at, "type": "bool", "order": order} for at in (0, 9)]
        encoder = TypedEncoder(1)
        encoder.begin(1, b"abcd", {3: layout_of(points), 200: layout_of(inputs)}, 0, 1, 0)
        word = bytes.fromhex("fedcba98")
        row = bytes([word[wire.index(i)] for i in range(4)])
        for i in range(10):
            assert encoder.sample(3, 18 if i == 4 else 0, 1, 100 * i - 50, row)
            assert encoder.sample(200, 0, 1, 100 * i, bytes((i & 1, 2)))
        assert encoder.time_mark(1, 7, 1795313755000)
        payload = bytes(encoder.finish(None))
        top, groups = typed(payload)
        assert [tag for tag, _ in top["groups"][0]["values"]] == [69, 77, 70, 78, 85]
        assert [tag for tag, _ in top["groups"][1]["values"]] == [64, 64]
        short = int.from_bytes(row[:2], "little" if order in ("BADC", "DCBA") else "big")
        for i in range(10):
            good = (100 * i - 50, 0, [short, short, 0xFEDCBA98, 0xFEDCBA98, 0xFEDCBA98])
            assert groups[3][i] == ((100 * i - 50, 18, None) if i == 4 else good)
            assert groups[200][i] == (100 * i, 0, [i & 1, 1])
        assert top["time_marks"] == [[7, 1795313755000]] and top["n"] == 21 and top["uptime_ms"] == 1 << 30


def test_group_without_a_good_sample_has_no_values_and_an_unknown_one_whole_rows():
    encoder = TypedEncoder(1)
    encoder.begin(1, b"abcd", {0: layout_of(POINTS)}, 0, 0, 0)
    for i in range(3):
        assert encoder.sample(0, 1, 0, i, None) and encoder.sample(9, 0, 0, i, bytes((i, 7)))
    top, _ = cbor(bytes(encoder.finish(None)))
    assert set(top["groups"][0]) == {"group", "times_ms", "quality"}
    assert top["groups"][1]["rows"] == b"\x00\x07\x01\x07\x02\x07"


def test_the_limit_holds_for_the_worst_data():
    bits = [{"at": i, "type": "bool", "order": None} for i in range(32)]
    for max_bytes in (512, 1000, 2048):
        for points in (POINTS, bits, POINTS[:1]):
            encoder = TypedEncoder(1, max_bytes, 255)
            encoder.begin(1 << 31, b"abcd", {0: layout_of(points), 1: layout_of(points[:1])}, (1 << 62) + 5, 1 << 20, 0)
            taken = 0
            while encoder.sample(taken & 1, taken % 3 and 1, 1 << 20, taken, bytes(32)):
                taken += 1
                if not encoder.event(1, 1 << 20, 3, 2000000000, -2000000000):
                    break
                if taken % 5 == 0 and not encoder.event(1, 1 << 20, 3, "x" * 40):
                    break
            payload = encoder.finish(1 << 41)
            assert taken > 2 and max_bytes // 3 < len(payload) <= max_bytes
            top, _ = typed(bytes(payload))
            assert top["n"] == encoder.records
