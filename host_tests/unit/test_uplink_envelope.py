"""Batches: lossless, bounded, without a gap in the count, and as small as the bar asks."""

from batch_reader import cbor, samples
from reference_rows import POINTS, rows
from uplink.envelope import BatchEncoder, layout_of

LAYOUT = layout_of(POINTS)
FLOATS = {0: ["float32"] * 8}


def words_of(row):
    return [int.from_bytes(row[i : i + 4], "big") for i in range(0, len(row), 4)]


def encode_reference(raw):
    encoder = BatchEncoder(0x9F3C12AA, 4096, 64)
    encoder.begin(7, b"\xa1\xb2\xc3\xd4", {0: LAYOUT}, 123456, 0, 5000)
    kept = list(rows(raw))
    for time, row in kept:
        assert encoder.sample(0, 0, 0, 5000 + time, row)
    return kept, bytes(encoder.finish(1795313755000))


def test_reference_sizes():
    for raw, limit in ((False, 10.5), (True, 21.5)):
        kept, payload = encode_reference(raw)
        print("REPORT: batch of 60 x 8 float32, %s: %d B, %.1f B per sample (bar %.1f)" % (
            "raw" if raw else "quantised", len(payload), len(payload) / 60, limit))
        assert len(payload) <= 60 * limit
        top, groups = samples(payload, FLOATS)
        assert [(t, w) for t, q, w in groups[0]] == [(t, words_of(row)) for t, row in kept]
        assert top[1] == b"\x9f\x3c\x12\xaa" and top[3] == b"\xa1\xb2\xc3\xd4"
        assert [top[key] for key in (0, 2, 4, 5, 6, 7)] == [1, 7, 123456, 60, 5000, 1795313755000]


def test_worked_example_of_the_format_page():
    encoder = BatchEncoder(0x9F3C12AA)
    points = [
        {"at": 0, "type": "float32", "order": "ABCD"},
        {"at": 3, "type": "uint16", "order": None},
    ]
    encoder.begin(7, b"\xa1\xb2\xc3\xd4", {0: layout_of(points)}, 4711, 0, 61000)
    assert encoder.sample(0, 0, 0, 61000, bytes.fromhex("4366199a0000000a"))
    assert encoder.sample(0, 1, 0, 62003, b"")
    assert encoder.sample(0, 0, 0, 63001, bytes.fromhex("436633330000000b"))
    assert encoder.event(2, 0, 62003, 1)
    payload = bytes(encoder.finish(None))
    assert payload == bytes.fromhex(
        "aa0001"  # map of 10, format 1
        "01449f3c12aa02070344a1b2c3d4"  # log, boot 7, schema
        "041912670504"  # seq 4711, 4 records
        "0619ee4807f6"  # base 61000 ms, UTC unknown
        "08a10084"  # groups: group 0, an array of 4
        "4400d60f09"  # times: steps 0, 1003, 998
        "46000101010001"  # qualities: 0 x 1, 1 x 1, 0 x 1
        "4411fa2302"  # decimals 1: 2301, +1
        "43011402"  # deltas: 10, +1
        "098183021903eb01"  # event 2 at 1003 ms, value 1
    )
    top, groups = samples(payload, {0: ["float32", "uint16"]})
    assert groups == {0: [(0, 0, [0x4366199A, 10]), (1003, 1, None), (2001, 0, [0x43663333, 11])]}
    assert top[9] == [[2, 1003, 1]] and top[7] is None


def test_groups_types_orders_and_failed_reads():
    encoder = BatchEncoder(1)
    mixed = [
        {"at": 1, "type": "int16", "order": "ABCD"},
        {"at": 3, "type": "uint32", "order": "CDAB"},
        {"at": 5, "type": "float32", "order": "CDAB"},
    ]
    inputs = [{"at": 0, "type": "bool", "order": None}, {"at": 9, "type": "bool", "order": None}]
    encoder.begin(1, b"abcd", {3: layout_of(mixed), 200: layout_of(inputs)}, 0, 0, 0)
    row = bytes.fromhex("0000fffe00005678123433334366")  # register 3 and 4: 0x12345678 low word first
    for i in range(10):
        assert encoder.sample(3, 18 if i == 4 else 0, 0, 100 * i, row)
        assert encoder.sample(200, 0, 0, 100 * i + 30, bytes((i & 1, 2)))
    top, groups = samples(bytes(encoder.finish(None)), {3: ["int16", "uint32", "float32"], 200: ["bool", "bool"]})
    assert top[5] == 20
    for i in range(10):
        expected = (100 * i, 18, None) if i == 4 else (100 * i, 0, [0xFFFE, 0x12345678, 0x43663333])
        assert groups[3][i] == expected
        assert groups[200][i] == (100 * i + 30, 0, [i & 1, 1])


def test_group_without_a_good_sample_has_no_columns():
    encoder = BatchEncoder(1)
    encoder.begin(1, b"abcd", {0: LAYOUT}, 0, 0, 0)
    for i in range(5):
        assert encoder.sample(0, 1, 0, 1000 * i, None)
    top, groups = samples(bytes(encoder.finish(None)), FLOATS)
    assert len(top[8][0]) == 2 and [q for _, q, _ in groups[0]] == [1] * 5


def test_unknown_group_travels_as_whole_rows():
    encoder = BatchEncoder(1)
    encoder.begin(1, b"abcd", {}, 0, 0, 0)
    for i in range(4):
        assert encoder.sample(9, 1 if i == 2 else 0, 0, i, bytes((i, i, 0, 1)))
    top, _ = cbor(bytes(encoder.finish(None)))
    assert top[8][9][2] == b"\x03" + bytes((0, 0, 0, 1, 1, 1, 0, 1, 3, 3, 0, 1))


def test_a_sample_of_2000_points_fits_a_small_batch():
    points = [{"at": i, "type": "bool", "order": None} for i in range(2000)]
    encoder = BatchEncoder(1, 512)
    encoder.begin(1, b"abcd", {0: layout_of(points)}, 0, 0, 0)
    assert encoder.sample(0, 0, 0, 0, bytes(250))
    top, _ = cbor(bytes(encoder.finish(None)))
    assert top[8][0][2] == b"\x03" + bytes(250)


def test_the_limit_holds_for_the_worst_data():
    # Alternating far-apart words and times: nothing compresses.
    for max_bytes in (512, 1000, 2048):
        encoder = BatchEncoder(1, max_bytes, 255)
        encoder.begin(1 << 31, b"abcd", {0: LAYOUT, 1: LAYOUT[:1]}, (1 << 62) + 5, 1 << 20, 0)
        taken = 0
        state = 1
        while True:
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            row = bytes([(state >> (3 * i & 15)) & 0xFF for i in range(32)])
            group = state >> 9 & 1
            quality = 0 if state >> 12 & 3 else 1 + (state >> 14) % 5
            if not encoder.sample(group, quality, 1 << 20, (taken & 1) * 400000000, row if group == 0 else row[:4]):
                break
            taken += 1
            if not encoder.event(1, 1 << 20, 3, 2000000000, -2000000000):
                break
        payload = encoder.finish(1 << 41)
        assert max_bytes // 2 < len(payload) <= max_bytes
        top, _ = cbor(bytes(payload))
        assert top[5] == encoder.records


def test_full_by_number_of_records():
    encoder = BatchEncoder(1, 2048, 3)
    encoder.begin(1, b"abcd", {}, 0, 0, 0)
    assert [encoder.sample(0, 1, 0, i, b"") for i in range(4)] == [True, True, True, False]
    assert encoder.records == 3


def test_uptime_crosses_an_era():
    encoder = BatchEncoder(1)
    encoder.begin(1, b"abcd", {}, 0, 2, (1 << 30) - 5)
    assert encoder.sample(0, 1, 2, (1 << 30) - 5, b"")
    assert encoder.sample(0, 1, 3, 10, b"")
    assert not encoder.sample(0, 1, 4, 10, b"")  # 12 days later: another batch
    top, groups = samples(bytes(encoder.finish(None)), {0: []})
    assert top[6] == 3 * (1 << 30) - 5
    assert [t for t, _, _ in groups[0]] == [0, 15]


def test_events_and_time_marks():
    encoder = BatchEncoder(1)
    encoder.begin(1, b"abcd", {}, 0, 0, 1000)
    assert encoder.event(1, 0, 1000)
    assert encoder.event(11, 0, 1500, "sector 3 unreadable")
    assert encoder.time_mark(0, 1600, 1795313755123)
    top, _ = cbor(bytes(encoder.finish(1795313754523)))
    assert top[9] == [[1, 0], [11, 500, "sector 3 unreadable"]]
    assert top[10] == [[600, 1795313755123]]
    assert top[5] == 3 and top[8] == {}


def test_encoding_in_slices_gives_the_same_bytes():
    kept, whole = encode_reference(True)
    encoder = BatchEncoder(0x9F3C12AA, 4096, 64)
    encoder.begin(7, b"\xa1\xb2\xc3\xd4", {0: LAYOUT}, 123456, 0, 5000)
    for time, row in kept:
        encoder.sample(0, 0, 0, 5000 + time, row)
    assert sum(1 for _ in encoder.steps(1795313755000)) == 10
    assert encoder.payload == whole
