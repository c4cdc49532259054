"""Where an rp2 board keeps its flash log: in a region of its own image, else in blocks that files own.

`"region": [first, count]` names 4096-byte blocks of rp2.Flash() that an image of one's own keeps out of the file
system (which begins at block 0 then). A stock image gives its whole storage to LittleFS, and formats a file system
that was made smaller: there `"pinned_files"` says how many blocks the log borrows, see flashlog.pinned.
`"spi_nor"` names a chip of its own, see ports.spi_nor.
"""

import errno
import os

import rp2

from flashlog.pinned import BLOCK_BYTES, find_blocks
from ports.rp2.flash import Flash

_BLOCK_COUNT = 4  # ioctl of the block device protocol


def open_flash(settings, root=""):
    """The flash of the board's FLASH entry; root: where the file system is mounted. OSError with one clear line."""
    if "spi_nor" in settings:
        from ports.spi_nor import open_chip

        return open_chip(settings)
    device = rp2.Flash()
    region = settings.get("region")
    if region is None:
        from vfs import VfsLfs2

        return Flash(device, find_blocks(device, VfsLfs2, settings["pinned_files"], root))
    first, count = region
    volume = os.statvfs(root or "/")
    end_of_files = volume[1] * volume[2] // BLOCK_BYTES
    blocks = device.ioctl(_BLOCK_COUNT, 0)
    if first < end_of_files or first + count > blocks:
        raise OSError(
            errno.EINVAL,
            "flash log: region %d..%d of board.py, but files take blocks 0..%d and the last block is %d"
            % (first, first + count - 1, end_of_files - 1, blocks - 1),
        )
    return Flash(device, range(first, first + count))
