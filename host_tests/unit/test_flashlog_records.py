"""Record blocks: what goes in comes out, at every size, over the wrap of ticks; damage is a ValueError."""

from flashlog import records
from flashlog.columns import plan_of
from flashlog.records import EVENT, SAMPLE, TIME_MARK, Block, BlockBuilder
from flashlog.workspace import Workspace
from nor import Rng

WRAP = 1 << 30


def test_golden_block():
    """Bytes written out by hand from FORMAT.md, "Worked example"."""
    work = Workspace()
    work.plans[3] = plan_of(6, [(0, 0, True)])
    builder = BlockBuilder(480, work)
    builder.reset(7, b"\xa1\xb2\xc3\xd4", 2, 1000)
    assert builder.sample(3, 0, 1010, b"\x43\x66\x19\x9a\x00\x01", 6)
    assert builder.sample(3, 0, 2010, b"\x43\x66\x33\x33\x00\x01", 6)
    assert builder.sample(4, 1, 2210, None, 0)
    assert builder.event(2, 2211, 17, -2)
    assert builder.event(11, 2211, text="gap")
    assert builder.time_mark(2201, 1700000000000)
    expected = (
        "02 07000000 a1b2c3d4 0200 e8030000"
        "07 03 14 06 10a7ff1802"
        "83 d00f 0200"
        "03 04 01 9003"
        "04 02 02 22 03"
        "05 0b 00 03 676170"
        "06 13 0068e5cf8b010000"
    )
    assert bytes(builder.payload()).hex() == expected.replace(" ", "")
    assert builder.records == 6
    block = Block(builder.payload())
    assert (block.boot, block.schema, block.era, block.ticks) == (7, b"\xa1\xb2\xc3\xd4", 2, 1000)
    rows = [row[:5] + (bytes(row[5]) if row[0] == SAMPLE and row[5] is not None else row[5],) for row in block]
    assert rows == [
        (SAMPLE, 3, 0, 2, 1010, b"\x43\x66\x19\x9a\x00\x01"),
        (SAMPLE, 3, 0, 2, 2010, b"\x43\x66\x33\x33\x00\x01"),
        (SAMPLE, 4, 1, 2, 2210, None),
        (EVENT, 2, 0, 2, 2211, (17, -2)),
        (EVENT, 11, 0, 2, 2211, ("gap",)),
        (TIME_MARK, 0, 0, 2, 2201, 1700000000000),
    ]


def test_golden_block_of_version_1():
    """Firmware before columns wrote this; changed words have a row of their own."""
    block = bytes.fromhex("0107000000010203040200e8030000" + "010314064366199a0001" + "0203d00f023333" + "0304019003")
    rows = [row[:5] + (None if row[5] is None else bytes(row[5]),) for row in Block(block)]
    assert rows == [
        (SAMPLE, 3, 0, 2, 1010, b"\x43\x66\x19\x9a\x00\x01"),
        (SAMPLE, 3, 0, 2, 2010, b"\x43\x66\x33\x33\x00\x01"),
        (SAMPLE, 4, 1, 2, 2210, None),
    ]


def test_blocks_of_other_versions_are_refused():
    for version in (0, 3, 255):
        try:
            Block(bytes((version,)) + bytes(20))
        except ValueError as error:
            assert str(error) == "record block: not of version 1 to 2"
        else:
            raise AssertionError(version)


def test_random_blocks_come_back():
    rng = Rng(11)
    work = Workspace()
    work.plans[2] = plan_of(40, [(4, 1, True), (10, 1, False), (36, 1, True)])
    builder = BlockBuilder(480, work)
    changed = 0
    for _ in range(150):
        era, ticks = 5, (WRAP - 3000 + rng.below(6000)) % WRAP
        builder.reset(rng.getrandbits(20), b"abcd", era, ticks)
        data = [bytearray(rng.getrandbits(8) for _ in range((rng.below(80), 40)[i in (1, 2)])) for i in range(5)]
        wanted = []
        while True:
            step = rng.below(2500) - 300
            ticks += step
            if ticks >= WRAP:
                ticks, era = ticks - WRAP, era + 1
            elif ticks < 0:
                ticks, era = ticks + WRAP, era - 1
            kind = rng.below(12)
            group = rng.below(5)
            if kind < 8:
                raw = data[group]
                for _ in range(rng.below(4)):
                    if raw:
                        raw[rng.below(len(raw))] = rng.getrandbits(8)
                fits = builder.sample(group, 0, ticks, bytes(raw) + b"zz", len(raw))
                row = (SAMPLE, group, 0, era, ticks, bytes(raw))
            elif kind == 8:
                fits = builder.sample(group, 18, ticks, None, 0)
                row = (SAMPLE, group, 18, era, ticks, None)
            elif kind == 9:
                a, b = (1 << rng.below(31)) - 1, -(1 << rng.below(31))
                fits = builder.event(group, ticks, a, b)
                row = (EVENT, group, 0, era, ticks, (a, b))
            elif kind == 10:
                fits = builder.event(group, ticks, text="t" * group)
                row = (EVENT, group, 0, era, ticks, ("t" * group,))
            else:
                fits = builder.time_mark(ticks, 1700000000000 + ticks)
                row = (TIME_MARK, 0, 0, era, ticks, 1700000000000 + ticks)
            if not fits:
                break
            wanted.append(row)
        payload = bytes(builder.payload())
        assert len(payload) <= 480 and builder.records == len(wanted)
        got = [r[:5] + (bytes(r[5]) if isinstance(r[5], (bytearray, bytes)) else r[5],) for r in Block(payload)]
        assert got == wanted
        changed += len(payload) < 15 + sum(len(r[5] or b"") + 4 for r in wanted if r[0] == SAMPLE)
    assert changed > 20


def test_full_block_changes_nothing():
    builder = BlockBuilder(100)
    builder.reset(1, b"abcd", 0, 0)
    assert builder.sample(1, 0, 5, bytes(60), 60)
    before = bytes(builder.payload())
    assert not builder.sample(2, 0, 9, bytes(60), 60)
    assert bytes(builder.payload()) == before and builder.records == 1
    assert builder.sample(1, 0, 10, bytes(60), 60)  # no change: fits
    assert [row[4] for row in Block(builder.payload())] == [5, 10]
    builder.reset(1, b"abcd", 0, 0)
    count = 0
    large = BlockBuilder(820)
    large.reset(1, b"abcd", 0, 0)
    while large.sample(1, 0, 0, b"", 0):
        count += 1
    assert count == 255  # what a frame can count


def test_largest_reply_fits():
    builder = BlockBuilder(480)
    builder.reset(1, b"abcd", 0, WRAP - 1)
    assert builder.sample(254, 0, 0, bytes(range(250)), 250)
    (row,) = list(Block(builder.payload()))
    assert bytes(row[5]) == bytes(range(250)) and row[3:5] == (1, 0)


def test_long_text_is_cut_between_characters():
    builder = BlockBuilder(480)
    builder.reset(1, b"abcd", 0, 0)
    assert builder.event(2, 0, text="x" * 39 + "\u00e9")
    assert builder.event(2, 0, text="x" * 38 + "\u00e9")
    rows = list(Block(builder.payload()))
    assert rows[0][5] == ("x" * 39,) and rows[1][5] == ("x" * 38 + "\u00e9",)


def test_damaged_blocks_raise_only_value_error():
    builder = BlockBuilder(200)
    builder.reset(7, b"abcd", 0, 1)
    builder.sample(1, 0, 2, b"\1\2\3\4", 4)
    builder.sample(1, 0, 3, b"\1\2\3\5", 4)
    builder.event(3, 4, 1000000, -1000000)
    builder.event(3, 4, text="abc")
    builder.time_mark(9, 1700000000000)
    whole = bytes(builder.payload())
    rng = Rng(5)
    refused = 0
    for _ in range(3000):
        bad = bytearray(whole[: rng.below(len(whole)) + 1])
        for _ in range(rng.below(3)):
            bad[rng.below(len(bad))] ^= 1 << rng.below(8)
        try:
            assert len(list(Block(bad))) <= len(whole)
        except ValueError:
            refused += 1
    assert refused > 500


def test_kinds_are_distinct():
    assert len({records.SAMPLE, records.EVENT, records.TIME_MARK}) == 3
