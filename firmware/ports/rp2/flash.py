"""NOR flash of the rp2 boards: the seam of DESIGN.md over rp2.Flash.

Promises: a call returns when the chip has finished. Interrupts are off meanwhile (program about
0.4 ms a page, erase 45 ms, worst 400 ms), so a caller sees to it that no reply can arrive.
rp2.Flash never tells that the chip failed; who needs to know reads back, as the log does.

Source: MicroPython's ports/rp2/rp2_flash.c. `writeblocks` with an offset programs without an
erase. It copies straight from the buffer while the flash cannot be read, so what is programmed
must lie in RAM: never hand a frozen constant to `program`.
"""

SECTOR_BYTES = 4096
_ERASE = 6  # ioctl of the block device protocol


class Flash:
    """`blocks` lists the blocks of `device` (an rp2.Flash) that are ours, in order: a range
    for a region, an array for scattered blocks."""

    program_bytes = 256

    def __init__(self, device, blocks):
        self.sectors = len(blocks)
        self._device = device
        self._blocks = blocks

    def read(self, sector, offset, buf):
        """Fill buf from the given offset; any alignment."""
        assert 0 <= offset and offset + len(buf) <= SECTOR_BYTES
        self._device.readblocks(self._blocks[sector], buf, offset)

    def program(self, sector, offset, buf):
        """Clear bits: cells become cells AND buf. Offset and length are multiples of 256."""
        length = len(buf)
        assert not (offset | length) & 255 and 0 <= offset and offset + length <= SECTOR_BYTES
        self._device.writeblocks(self._blocks[sector], buf, offset)

    def erase(self, sector):
        """Set all 4096 bytes to 0xFF."""
        self._device.ioctl(_ERASE, self._blocks[sector])
