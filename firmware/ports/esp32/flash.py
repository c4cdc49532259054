"""NOR flash of the esp32 boards: the seam of DESIGN.md over esp32.Partition.

Promises: a call returns when the chip has finished; a failure that the chip's driver reports is OSError(EIO).

Source: MicroPython's ports/esp32/esp32_partition.c. `writeblocks` with an offset programs without an erase, at any
alignment; 16 bytes are the log's own unit (and the least that an encrypted partition would take). The driver copies a
buffer that lies in external RAM or flash by itself.
"""

import errno

SECTOR_BYTES = 4096
_ERASE = 6  # ioctl of the block device protocol


class Flash:
    """`blocks` lists the blocks of `device` (an esp32.Partition) that are ours, in order: a range for a whole
    partition, an array for scattered blocks."""

    program_bytes = 16

    def __init__(self, device, blocks):
        self.sectors = len(blocks)
        self._device = device
        self._blocks = blocks

    def read(self, sector, offset, buf):
        """Fill buf from the given offset; any alignment."""
        assert 0 <= offset and offset + len(buf) <= SECTOR_BYTES
        self._device.readblocks(self._blocks[sector], buf, offset)

    def program(self, sector, offset, buf):
        """Clear bits: cells become cells AND buf. Offset and length are multiples of 16."""
        length = len(buf)
        assert not (offset | length) & 15 and 0 <= offset and offset + length <= SECTOR_BYTES
        try:
            self._device.writeblocks(self._blocks[sector], buf, offset)
        except OSError:  # the driver's own numbers, which nobody above could read
            raise OSError(errno.EIO)

    def erase(self, sector):
        """Set all 4096 bytes to 0xFF."""
        try:
            self._device.ioctl(_ERASE, self._blocks[sector])
        except OSError:
            raise OSError(errno.EIO)
