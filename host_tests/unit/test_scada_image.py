"""The register image: words bit for bit, quality and age before them, a map that stays when a read is split."""

from rig import Rand
from scada.image import NEVER_S, NOT_ASKED, OLDEST_S
from scada_rig import BLOCKS, READS, REGISTERS, STARTS, ImageRig, Read

TIMEOUT = 1


def block(rig, i):
    """(quality, age, words) of block i."""
    count = (STARTS + (REGISTERS,))[i + 1] - STARTS[i]
    values = rig.image.values(STARTS[i], count)
    return values[0], values[1], list(values[2:])


def test_the_head_says_version_groups_mark_uptime_and_time():
    rig = ImageRig()
    rig.clock.advance_ms(70000 * 1000)
    head = rig.image.values(0, 16)
    utc_s = (1795312800000 + 70000 * 1000) // 1000
    assert list(head) == [1, 4, 0x1234, 0x5678, 1, 70000 - 65536, utc_s >> 16, utc_s & 0xFFFF] + [0] * 8
    assert rig.image.registers == REGISTERS
    assert rig.image.values(0, REGISTERS + 1) is None and rig.image.values(REGISTERS, 1) is None
    assert len(rig.image.values(REGISTERS - 1, 1)) == 1


def test_time_that_is_not_known_is_not_1970():
    rig = ImageRig()
    rig.image._clock._utc_offset_ms = None
    assert rig.image.values(6, 2) == (0xFFFF, 0xFFFF)


def test_before_the_first_poll_nothing_looks_like_a_value():
    rig = ImageRig()
    for i in (0, 1, 3):
        quality, age_s, words = block(rig, i)
        assert (quality, age_s) == (NOT_ASKED, NEVER_S) and set(words) == {0xFFFF}
    assert block(rig, 2) == (NOT_ASKED, NEVER_S, [0xFFFF, 0x001F])  # 21 bits


def test_good_words_stay_as_they_came_and_age_while_it_fails():
    rig = ImageRig()
    data = bytes(range(28))
    rig.sample(0, data)
    rig.clock.advance_ms(2500)
    expected = [data[i] << 8 | data[i + 1] for i in range(0, 28, 2)]
    assert block(rig, 0) == (0, 2, expected)
    rig.sample(0, b"", TIMEOUT)
    rig.clock.advance_ms(1500)
    assert block(rig, 0) == (TIMEOUT, 4, expected)
    assert block(rig, 1)[0] == NOT_ASKED
    rig.sample(0, b"\x01\x02")  # a good sample of another length cannot be: nothing is taken
    assert block(rig, 0)[2] == expected


def test_ages_stop_before_the_clock_wraps():
    rig = ImageRig()
    rig.sample(0, bytes(28))
    for hours, age_s in ((1, 3600), (17, 64800), (1, OLDEST_S), (24 * 7, OLDEST_S), (24 * 7, OLDEST_S)):
        for _ in range(hours * 6):
            rig.clock.advance_ms(600000)
            rig.image.sweep()
        assert block(rig, 0)[1] == age_s
    rig.sample(0, bytes(28))
    assert block(rig, 0)[1] == 0


def test_bits_lie_from_the_lowest_on_wherever_a_read_begins():
    rand = Rand(7)
    for _ in range(200):
        rig = ImageRig()
        bits = [rand(2) for _ in range(21)]
        cut = 1 + rand(20)
        for group, first, end in ((50, 0, cut), (51, cut, 21)):
            data = bytearray((end - first + 7) // 8)
            for n in range(first, end):
                data[(n - first) >> 3] |= bits[n] << ((n - first) & 7)
            read = Read(group, "plc", 2, 3 + first, end - first, 250)
            rig.take(read, data)
        words = block(rig, 2)[2]
        assert [words[n >> 4] >> (n & 15) & 1 for n in range(21)] == bits
        assert words[1] >> 5 == 0


def test_a_split_read_fills_its_block_part_by_part():
    rig = ImageRig()
    rig.sample(0, bytes([1] * 28))
    rig.sample(0, b"", 18)  # exception 2: the read is split
    low, high = Read(9, "meter", 4, 0, 6, 1000), Read(10, "meter", 4, 6, 8, 1000)
    rig.clock.advance_ms(5000)
    rig.take(low, bytes([2] * 12))
    quality, age_s, words = block(rig, 0)
    assert (quality, age_s) == (18, 5), "the rest is still what it was"
    assert words == [0x0202] * 6 + [0x0101] * 8
    rig.take(high, bytes([3] * 16))
    assert block(rig, 0) == (0, 0, [0x0202] * 6 + [0x0303] * 8)
    rig.take(high, b"", TIMEOUT)
    rig.clock.advance_ms(3000)
    rig.take(low, bytes([2] * 12))
    assert block(rig, 0)[:2] == (TIMEOUT, 3), "one part that fails is seen"


def test_a_part_in_the_middle_leaves_what_lies_on_both_sides():
    rig = ImageRig()
    rig.sample(0, bytes([1] * 28))
    rig.clock.advance_ms(9000)
    for group, first, count in ((9, 4, 4), (10, 0, 4), (11, 8, 6)):
        assert block(rig, 0)[1] == 9, "the oldest part counts"
        read = Read(group, "meter", 4, first, count, 1000)
        rig.take(read, bytes([group] * 2 * count))
    assert block(rig, 0) == (0, 0, [0x0A0A] * 4 + [0x0909] * 4 + [0x0B0B] * 6)


def test_a_stranger_changes_nothing():
    rig = ImageRig()
    before = rig.image.values(0, REGISTERS)
    for read in (
        Read(60, "meter", 3, 0, 14, 1000), Read(61, "other", 4, 0, 14, 1000), Read(62, "meter", 4, 0, 15, 1000),
        Read(63, "meter", 4, 0, 14, 999), Read(64, "meter", 4, 65535, 1, 1000),
    ):  # fmt: skip
        rig.take(read, bytes(2 * read.count))
    assert rig.image.values(0, REGISTERS) == before


def test_every_piece_of_the_map_is_the_same_as_the_whole():
    rig = ImageRig()
    for i, read in enumerate(READS):
        n = (read.count + 7) // 8 if read.fc <= 2 else 2 * read.count
        rig.sample(i, bytes([17 * (i + 1)] * n), TIMEOUT if i == 1 else 0)
    whole = rig.image.values(0, REGISTERS)
    for first in range(REGISTERS):
        for count in range(1, REGISTERS - first + 1):
            rig.image._data[2 * STARTS[3] + 1] = 99  # what is not refreshed would show
            assert rig.image.values(first, count) == whole[first : first + count]
    assert len(BLOCKS) == len(STARTS)
