"""The file of names: what goes in comes out, sorted, and no name stands across two blocks."""

from __future__ import annotations

import random

from fieldgate import names
from fieldgate.device_build import build


def test_what_was_packed_comes_back_sorted() -> None:
    rand = random.Random(8)
    for count in (0, 1, 7, 300, 3000):
        given = ["".join(rand.choice("abxyz_09é") for _ in range(rand.randint(1, 30))) for _ in range(count)]
        packed = names.pack(given)
        assert list(names.unpack(packed)) == sorted(set(given), key=str.encode)
        assert packed == names.pack(reversed(given)), "the same names, the same bytes"
        assert int(packed[:8], 16) == len(set(given)) and int(packed[8:16], 16) == len(packed)


def test_no_name_stands_across_two_blocks() -> None:
    packed = names.pack(f"{i:04d}" + "x" * (i % 50) for i in range(2000))
    begin = end = 0
    for index in range(100):
        begin, end = end, end + names.BLOCK_BYTES - names.pointer_bytes(index)
        block = packed[begin:end]
        at = names.HEAD_BYTES if not index else 0
        while at + 1 < len(block) and block[at + 1]:
            length = block[at + 1]
            assert block[at + 2 + length] == 0 and names.hash_of(block[at + 2 : at + 2 + length]) == block[at]
            at += length + 3
    assert end > len(packed)


def test_what_does_not_fit_is_left_out() -> None:
    assert list(names.unpack(names.pack(["", "a" * 121, "b\0c", "kept"]))) == ["kept"]


def test_names_of_a_module_are_those_of_its_source() -> None:
    tree = build("RPI_PICO_W").tree
    found = names.of_module((tree / "modbus" / "crc.mpy").read_bytes())
    assert "seal" in found and "sound" in found
    assert len(found) == len(set(found))
