"""Where the blocks of a file lie in flash that the processor reads like memory (RP2040 data sheet, 2.6.3: XIP)."""

import uctypes

from flashlog.watch import Watch

BLOCK_BYTES = 4096
_XIP = 0x10000000
_MEBIBYTE = 0x100000


def base(device):
    """Address of block 0 of the file system, which ends where the chip ends; 0: not found. device: rp2.Flash()."""
    size = device.ioctl(4, 0) * BLOCK_BYTES
    head = bytearray(64)
    device.readblocks(0, head, 0)
    for mebibytes in (2, 4, 8, 16):
        at = _XIP + mebibytes * _MEBIBYTE - size
        if at > _XIP and uctypes.bytearray_at(at, 64) == head:
            return at
    return 0


def blocks(device, littlefs, start, path, end):
    """Numbers of the blocks of the first `end` bytes of a file, the last block first; none of a file without blocks.

    start: address of block 0. littlefs: vfs.VfsLfs2; it is asked which block it reads for the last of these bytes.
    """
    watch = Watch(device)
    file = littlefs(watch, readsize=256, progsize=256, lookahead=8).open(path, "rb")
    watch.forget()
    file.seek(end - 1)
    file.read(1)
    file.close()
    found = []
    block = watch.block
    index = index_of(end - 1)
    if index and block >= 0:  # else the file has no block of its own
        found.append(block)
        while index:  # each block but the first begins with the number of the one before it
            block = uctypes.struct(start + block * BLOCK_BYTES, {"before": uctypes.UINT32 | 0}).before
            found.append(block)
            index -= 1
    return found


def index_of(place):
    """Which block of a file this place is in."""
    index = 0
    end = BLOCK_BYTES
    while place >= end:
        index += 1
        end += BLOCK_BYTES - pointer_bytes(index)
    return index


def pointer_bytes(index):
    """What block `index` of a file begins with: as many pointers of 4 bytes as 2 * index has factors of 2 (LittleFS
    SPEC.md, CTZ skip-lists)."""
    count = 0
    index <<= 1
    while index and not index & 1:
        count += 4
        index >>= 1
    return count
