"""Where an esp32 board keeps its flash log: in the partition that board.py names, else in blocks that files own.

`"partition"` is the label of a data partition of a table of one's own; the log takes its first `"sectors"` blocks. A
stock table has none: there the log borrows `"pinned_files"` blocks (as many as `"sectors"` if board.py does not say)
from the file system in partition "vfs", see flashlog.pinned.
`"spi_nor"` names a chip of its own, see ports.spi_nor.
"""

import errno

from esp32 import Partition

from flashlog.pinned import find_blocks
from ports.esp32.flash import SECTOR_BYTES, Flash

_FILES = "vfs"  # label of the partition that MicroPython's own flashbdev.py mounts


def open_flash(settings, root=""):
    """The flash of the board's FLASH entry; root: where the file system is mounted. OSError with one clear line."""
    if "spi_nor" in settings:
        from ports.spi_nor import open_chip

        return open_chip(settings)
    label = settings.get("partition")
    if label and (found := Partition.find(Partition.TYPE_DATA, label=label)):
        return Flash(found[0], range(_sectors_of(found[0], label, settings["sectors"])))
    found = Partition.find(Partition.TYPE_DATA, label=_FILES)
    if not found:
        raise OSError(errno.ENODEV, "flash log: the image has neither a partition %s nor %s" % (label, _FILES))
    from vfs import VfsLfs2

    _refuse_encrypted(found[0], _FILES)
    count = settings.get("pinned_files", settings["sectors"])
    return Flash(found[0], find_blocks(found[0], VfsLfs2, count, root))


def _refuse_encrypted(partition, label):
    if partition.info()[5]:
        raise OSError(
            errno.EINVAL, "flash log: partition %s is encrypted: bits cannot be cleared one after the other" % label
        )


def _sectors_of(partition, label, sectors):
    """`sectors`, if the partition has as many."""
    _refuse_encrypted(partition, label)
    held = partition.info()[3] // SECTOR_BYTES
    if held < sectors:
        raise OSError(
            errno.EINVAL, "flash log: partition %s has %d sectors, board.py asks for %d" % (label, held, sectors)
        )
    return sectors
