"""A box with LittleFS on simulated flash and pinned blocks in it: lives, power cuts, the use of both. MicroPython only.

A *life* is a mount of the file system on one state of the flash, as after power-on, to be ended by `end`.
"""

import os

import vfs

from flashlog.pinned import find_blocks
from nor import ERASE_STATES, PROGRAM, PROGRAM_STATES, Nor, Rng, pages
from storage_device import Device

# Name, alignment of programs, and what _boot.py of ports/rp2/modules and ports/esp32/modules (the defaults: 32 bytes to
# read, program and look ahead) gives to LittleFS; but that a board's files carry times of change. They are the wall
# clock's and get into LittleFS's choice of blocks, so no run would be like another. DATED has them, for soaks.
RP2 = ("rp2", 256, {"progsize": 256, "mtime": False})
ESP32 = ("esp32", 1, {"mtime": False})
CHIPS = (RP2, ESP32)
DATED = (("rp2", 256, {"progsize": 256}), ("esp32", 1, {}))
BLOCKS = 48
FILES = 6
KEPT = {"main.py": b"import gateway\n" * 3, "lib.mpy": bytes(range(256)) * 25}
PAGE = 256


def text_of(error):
    """The line of an error; its class where it has none."""
    return error.args[-1] if error.args and isinstance(error.args[-1], str) else repr(error)


def blank(chip, blocks=BLOCKS):
    """Flash with a fresh file system that holds KEPT."""
    nor = Nor(blocks, 16)
    vfs.VfsLfs2.mkfs(Device(nor, chip[1]), **chip[2])
    life = Life(chip, nor)
    for name, content in KEPT.items():
        life.write(name, content)
    life.end()
    return nor


class Life:
    """The file system of `nor`, mounted at a place of its own."""

    depth = 0

    def __init__(self, chip, nor):
        self.chip = chip
        self.nor = nor
        self.device = Device(nor, chip[1])
        self.files = vfs.VfsLfs2(self.device, **chip[2])
        self.root = "/storage%d" % Life.depth
        vfs.mount(self.files, self.root)
        Life.depth += 1
        self.blocks = None

    def end(self):
        vfs.umount(self.root)
        Life.depth -= 1

    def find(self, count=FILES):
        self.blocks = find_blocks(self.device, vfs.VfsLfs2, count, self.root)
        return self.blocks

    def write(self, name, content):
        with open(self.root + "/" + name, "wb") as file:
            file.write(content)

    def read(self, name):
        """The content, None if it is not there."""
        try:
            with open(self.root + "/" + name, "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno == 2:
                return None
            raise

    def names(self):
        """Files in the root folder, the log's own left out."""
        return [entry[0] for entry in os.ilistdir(self.root) if entry[1] == 0x8000]

    # -- the blocks, used as the log does -----------------------------------------------------

    def page_of(self, number, turn, at):
        seed = (number * 7919 + turn * 104729 + at) & 0x3FFFFFFF
        return bytes([seed * (i + 3) >> 3 & 255 for i in range(16)]) * (PAGE // 16)

    def fill(self, number, turn):
        """Erase the block and program its 16 pages."""
        block = self.blocks[number]
        if self.device.ioctl(6, block):
            return
        for at in range(0, 4096, PAGE):
            self.device.writeblocks(block, self.page_of(number, turn, at), at)

    def bad_pages(self, number, turn):
        """Pages that do not hold what `fill` wrote."""
        page = bytearray(PAGE)
        bad = 0
        for at in range(0, 4096, PAGE):
            self.nor.read(self.blocks[number], at, page)
            bad += page != self.page_of(number, turn, at)
        return bad


def cut(rng):
    """A hook that leaves the operation torn in a random state and ends the device's life; see nor.py."""

    def hook(device, kind, sector, offset, data):
        nor = device.nor
        if kind == PROGRAM:
            parts = list(pages(offset, data))
            state = PROGRAM_STATES[rng.below(5)]  # without "ghost": no file system claims to survive that
            nor.tear_program(sector, parts, rng.below(len(parts)), state)
        else:
            state = ERASE_STATES[rng.below(5)]  # without "weak", as above
            nor.tear_erase(sector, state)
        nor.weak.discard(sector)  # LittleFS and log erase anew before they program
        device.dead = True
        device.state = state

    return hook


class CutAt:
    """Hook: passes `before` operations, then cuts."""

    def __init__(self, before, rng):
        self.left = before
        self.cut = cut(rng)

    def __call__(self, device, kind, sector, offset, data):
        if self.left == 0:
            self.cut(device, kind, sector, offset, data)
        self.left -= 1


__all__ = ("BLOCKS", "CHIPS", "DATED", "CutAt", "FILES", "KEPT", "Life", "Rng", "blank", "cut", "text_of")
