"""Columns: every bit pattern comes back, in never more than the plain size, the same bytes on every runtime."""

import struct
from array import array

from batch_reader import column
from uplink.columns import (
    CONSTANT,
    DECIMAL,
    DELTAS,
    PLAIN,
    ColumnWriter,
    find_decimals,
    put_deltas,
)
from uplink.points import kind_of, layout_of, load_words


def write(words, type_name, order="ABCD"):
    """The column of 32-bit words, as bytes."""
    kind = kind_of(type_name, order)
    writer = ColumnWriter(bytearray(4 * len(words)))
    for i in range(len(words)):
        struct.pack_into(">I", writer.words, 4 * i, words[i])
    size = writer.choose(len(words), kind)
    out = bytearray(size)
    assert writer.put(out, 0) == size
    width = 0 if type_name == "bool" else 2 if type_name.endswith("16") else 4
    assert size <= 1 + (len(words) * width if width else (len(words) + 7) // 8)
    return bytes(out)


def bits(value):
    return struct.unpack(">I", struct.pack(">f", value))[0]


def lcg(seed):
    while True:
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        yield seed >> 8


def test_quantised_floats_become_decimals():
    words = [bits(v / 10) for v in (2301, 2302, 2299, 2301)]
    data = write(words, "float32")
    assert data[0] == DECIMAL + 1
    # 2301 -> zigzag 4602 -> fa 23; +1 -> 02; -3 -> 05; +2 -> 04
    assert data[1:] == b"\xfa\x23\x02\x05\x04"
    assert column(data, "float32", 4) == words


def test_decimals_grow_when_a_later_value_needs_more():
    words = [bits(v) for v in (5.0, 5.25, 5.125, 0.0, -5.5)]
    data = write(words, "float32")
    assert data[0] == DECIMAL + 3
    assert column(data, "float32", 5) == words


def test_every_decimal_of_a_meter_is_found():
    # By the definition: the float32 nearest to k / 10^d, k below 2^22, has at most d decimals.
    numbers = bytearray(4)
    for decimals in range(6):
        random = lcg(decimals + 1)
        for i in range(300):
            k = 1 + (next(random) >> (i % 20)) % 0x3FFFFF
            word = struct.pack(">f", k / 10**decimals)
            found = find_decimals(bytearray(word), 1, numbers)
            if word[1:] not in (b"\0\0\0", b"\x80\0\0"):
                assert 0 <= found <= decimals, (k, decimals)
            if found >= 0:
                assert struct.pack(">f", struct.unpack(">i", numbers)[0] / 10**found) == word


def test_floats_without_a_decimal_keep_their_bits():
    special = [0x80000000, 0x7F800000, 0xFF800000, 0x7FC00001, 0xFFFFFFFF, 1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF]
    for word in special:
        for words in ([word], [word, word], [bits(1.5), word, bits(2.5)], [word, bits(1.5)]):
            assert column(write(words, "float32"), "float32", len(words)) == words


def test_random_bits_come_back():
    random = lcg(7)
    for count in (1, 2, 3, 9, 60):
        for _ in range(20):
            words = [(next(random) << 16 ^ next(random)) & 0xFFFFFFFF for _ in range(count)]
            assert column(write(words, "float32"), "float32", count) == words
            assert column(write(words, "uint32"), "uint32", count) == words


def test_neighbours_of_decimals_are_not_mistaken_for_them():
    numbers = bytearray(4)
    random = lcg(11)
    values = [230.1, 0.1, 1.0, 2.0, 1024.0, 4096.0, 3011.9, 99.99, 0.001, 4194303.0, 4194304.0, 16777216.0]
    values += [(next(random) >> (i % 20)) / 10 ** (i % 6) for i in range(60)]
    for value in values:
        for off in (-2, -1, 0, 1, 2):
            word = (bits(value) + off) & 0xFFFFFFFF
            found = find_decimals(bytearray(struct.pack(">I", word)), 1, numbers)
            if found >= 0:
                k = struct.unpack(">i", numbers)[0]
                assert bits(k / 10**found) == word, (value, off)


def test_mutant_without_the_check_is_caught():
    # What a careless encoder does: round the value and believe it.
    word = bits(230.1) + 1
    value = struct.unpack(">f", struct.pack(">I", word))[0]
    assert bits(round(value * 10) / 10) != word


def test_counters_wrap_and_integers_keep_their_sign():
    for type_name, words in (
        ("uint32", [0xFFFFFFFE, 0xFFFFFFFF, 0, 1, 2]),
        ("int32", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0]),
        ("uint16", [0, 65535, 1, 40000]),
    ):
        assert column(write(words, type_name), type_name, len(words)) == words
    assert write([0xFFFFFFFE, 0xFFFFFFFF, 0, 1, 2], "uint32") == bytes((DELTAS, 3, 2, 2, 2, 2))


def test_int16_is_loaded_with_its_sign():
    rows = b"\x00\x00\xff\xfb"  # second register: -5
    words = bytearray(4)
    load_words(rows, array("H", (0,)), 1, 2, kind_of("int16", None), words)
    assert words == b"\xff\xff\xff\xfb"
    load_words(rows, array("H", (0,)), 1, 2, kind_of("uint16", None), words)
    assert words == b"\x00\x00\xff\xfb"


def test_byte_orders():
    # 0x11223344 on the wire in the four orders that devices use.
    for order, wire in (
        ("ABCD", b"\x11\x22\x33\x44"),
        ("CDAB", b"\x33\x44\x11\x22"),
        ("BADC", b"\x22\x11\x44\x33"),
        ("DCBA", b"\x44\x33\x22\x11"),
    ):
        words = bytearray(8)
        load_words(b"\0\0" + wire + wire, array("H", (0, 4)), 2, 2, kind_of("float32", order), words)
        assert words == b"\x11\x22\x33\x44" * 2, order


def test_bools_take_a_bit():
    rows = bytes((0b00000100, 0b1, 0, 0b1, 0b00000100, 0))
    words = bytearray(12)
    load_words(rows, array("H", (0, 2, 4)), 3, 2, kind_of("bool", None), words)
    assert [words[3], words[7], words[11]] == [1, 0, 1]
    load_words(rows, array("H", (0, 2, 4)), 3, 8, kind_of("bool", None), words)
    assert [words[3], words[7], words[11]] == [1, 1, 0]
    many = [i % 3 & 1 for i in range(20)]
    data = write(many, "bool")
    assert len(data) == 1 + 3 and data[0] == PLAIN
    assert column(data, "bool", 20) == many
    assert write([1] * 20, "bool") == bytes((CONSTANT, 1))


def test_constant_columns_are_short():
    assert write([bits(230.1)] * 60, "float32") == bytes((CONSTANT,)) + struct.pack(">f", 230.1)
    assert write([7] * 60, "uint16") == bytes((CONSTANT, 0, 7))
    assert column(write([7] * 60, "uint16"), "uint16", 60) == [7] * 60


def test_deltas_measure_what_they_write():
    random = lcg(3)
    for _ in range(50):
        words = bytearray(40)
        for i in range(40):
            words[i] = next(random) & 0xFF
        out = bytearray(60)
        assert put_deltas(words, 10, out, 0, 0) == put_deltas(words, 10, out, 0, 1)


def test_points_that_are_several_columns_or_share_one():
    def layout(*points):
        usual = {"order": "ABCD"}
        return [(column >> 8, column & 15, column >> 4 & 3) for column in layout_of([dict(usual, **p) for p in points])]

    # (register, kind, order); kind + 8: goes on
    assert layout({"at": 2, "type": "uint64"}) == [(2, 3, 0), (4, 11, 0)]
    assert layout({"at": 2, "type": "int64", "order": "CDAB"}) == [(4, 3, 2), (2, 11, 2)]
    assert layout({"at": 2, "type": "float64", "order": "DCBA"}) == [(4, 5, 3), (2, 11, 3)]
    assert layout({"at": 2, "type": "string6", "order": "BADC"}) == [(2, 3, 1), (4, 9, 1)]
    assert layout({"at": 2, "type": "string6", "order": "CDAB"}) == [(3, 3, 2), (2, 9, 0)]
    assert layout({"at": 1, "type": "bcd16"}, {"at": 2, "type": "bcd32"}) == [(1, 1, 0), (2, 3, 0)]
    state = {"at": 7, "type": "uint16"}
    first, second = dict(state, bit=1), dict(state, bits=[0, 4])
    assert layout(first, second, dict(first, bit=3)) == [(7, 1, 0)], "one register"
    assert layout(state, second) == [(7, 1, 0)] and layout(first, state) == [(7, 1, 0), (7, 1, 0)]
    assert len(layout(first, dict(second, order="BADC"))) == 2 and len(layout(first, dict(second, at=8))) == 2
    assert len(layout(first, {"at": 7, "type": "int16"}, second)) == 3, "the last one that has columns counts"
