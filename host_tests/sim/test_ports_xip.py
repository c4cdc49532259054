"""Files in flash that is read like memory: their blocks as ports.rp2.xip finds them, in a real LittleFS in memory."""

import uctypes
from vfs import VfsLfs2

from ports.rp2 import xip

HEAP_KB = 16384
BLOCK = 4096


class Chip:
    """Flash that can be read like memory: `base` is the address of its first block."""

    def __init__(self, blocks):
        self.memory = bytearray(blocks * BLOCK)
        for i in range(len(self.memory)):
            self.memory[i] = 255
        self.base = uctypes.addressof(self.memory)

    def readblocks(self, block, buf, offset=0):
        at = block * BLOCK + offset
        buf[:] = self.memory[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            offset = 0
            self.ioctl(6, block)
        at = block * BLOCK + offset
        self.memory[at : at + len(buf)] = buf

    def ioctl(self, operation, value):
        if operation == 4:
            return len(self.memory) // BLOCK
        if operation == 5:
            return BLOCK
        if operation == 6:
            self.memory[value * BLOCK : (value + 1) * BLOCK] = b"\xff" * BLOCK
        return 0


def content_of(size, end):
    """A file of that size which says that its modules for good end at `end`."""
    seed = 7
    data = bytearray(size)
    for i in range(size):
        seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
        data[i] = seed >> 16 & 255
    return data


def pointers_in(index):
    """Bytes of pointers at the begin of a file's block (LittleFS SPEC.md): none in the first, then 4 for each power of
    two that divides its index, and one more."""
    count = 0
    while index:
        count += 1
        if index & 1:
            break
        index >>= 1
    return 4 * count


def blocks_of(chip, size, end):
    """(what the port finds, the bytes that lie there in the file's order)."""
    VfsLfs2.mkfs(chip, readsize=256, progsize=256, lookahead=8)
    files = VfsLfs2(chip, readsize=256, progsize=256, lookahead=8)
    for i in range(5):  # so that blocks are not in a row
        with files.open("before%d" % i, "wb") as file:
            file.write(b"x" * (3000 * i))
    with files.open("code.mpys", "wb") as file:
        file.write(content_of(size, end))
    files.remove("before3")
    with files.open("behind", "wb") as file:
        file.write(b"y" * 9000)
    found = list(xip.blocks(chip, VfsLfs2, chip.base, "code.mpys", end))
    data = bytearray()
    for index, block in enumerate(reversed(found)):
        at = block * BLOCK
        data += chip.memory[at + pointers_in(index) : at + BLOCK]
    return found, data


def test_the_blocks_hold_the_file_up_to_the_end_of_what_stays():
    chip = Chip(100)
    for size, end in ((9000, 8999), (9000, 5000), (40000, 40000), (40000, 8192), (40000, 8180), (150000, 149000)):
        found, data = blocks_of(chip, size, end)
        wanted = content_of(size, end)
        assert len(data) >= end, (size, end, found)
        assert data[:end] == wanted[:end], (size, end, found)
        assert len(data) < end + BLOCK and len(set(found)) == len(found)


def test_a_file_without_a_block_of_its_own_gives_none():
    assert blocks_of(Chip(40), 100, 90) == ([], b"")


def test_the_place_in_a_file_is_counted_as_littlefs_does():
    place = index = 0
    while index < 300:
        room = BLOCK - pointers_in(index)
        assert xip.index_of(place) == index and xip.index_of(place + room - 1) == index
        place += room
        index += 1


def test_the_control_wrong_pointers_are_seen():
    """Without the pointers' room the same comparison must fail."""
    chip = Chip(60)
    found, _ = blocks_of(chip, 40000, 40000)
    data = b"".join([bytes(chip.memory[block * BLOCK : (block + 1) * BLOCK]) for block in reversed(found)])
    assert data[:40000] != bytes(content_of(40000, 40000))
