"""An external SPI NOR chip (W25Q, GD25Q, MX25L and others that speak the same) for the flash log: DESIGN.md's seam.

Promises: a call returns when the chip has finished; a chip that does not finish in time is OSError(EIO). Nothing is
written until it has answered with an id, is large enough and is not write-protected. On the chip's board only; board.py
names it by `"spi_nor": {"spi": 0, "sck": 18, "mosi": 19, "miso": 16, "cs": 17, "baud": 20000000}`.

Source: Winbond W25Q16JV data sheet, section 8 "Instructions", and its limits in 9.6; JEDEC JESD216 for the id.
"""

import errno
import time

SECTOR_BYTES = 4096
_PAGE_BYTES = 256
_PROGRAM = 0x02
_READ = 0x03
_READ_STATUS = 0x05
_WRITE_ENABLE = 0x06
_ERASE_SECTOR = 0x20
_READ_ID = 0x9F
_WAKE = 0xAB
_BUSY = 0x01
_PROTECTED = 0x1C  # status bits BP0 to BP2
_PROGRAM_MS = 20  # 3 ms at most
_ERASE_MS = 1500  # 400 ms at most; an old chip may take longer
_LARGEST = 24  # 2^24 bytes: what three bytes of address reach


def open_chip(settings):
    """The flash of a board's FLASH entry that names `spi_nor`. OSError with one clear line."""
    from machine import SPI, Pin

    pins = settings["spi_nor"]
    select = Pin(pins["cs"], Pin.OUT, value=1)
    spi = SPI(pins["spi"], baudrate=pins["baud"], sck=Pin(pins["sck"]), mosi=Pin(pins["mosi"]), miso=Pin(pins["miso"]))
    return SpiNor(spi, select, settings["sectors"])


class SpiNor:
    """The first `sectors` sectors of the chip. spi: write(buf) and readinto(buf); select(level): the chip select."""

    program_bytes = 16

    def __init__(self, spi, select, sectors):
        self.sectors = sectors
        self._spi = spi
        self._select = select
        self._head = bytearray(4)
        self._status = bytearray(1)
        self._command(_WAKE)
        time.sleep_us(50)  # tRES1: 3 us
        self._wait(_ERASE_MS)  # an erase that a reset has left behind
        found = bytearray(3)
        self._exchange(_READ_ID, 1, found)
        if found in (b"\0\0\0", b"\xff\xff\xff"):
            _refuse(errno.ENODEV, "no SPI flash answers at the pins of board.py")
        held = (1 << min(found[2], _LARGEST)) // SECTOR_BYTES
        if held < sectors:
            _refuse(errno.EINVAL, "the SPI flash has %d sectors, board.py asks for %d" % (held, sectors))
        self._exchange(_READ_STATUS, 1, self._status)
        if self._status[0] & _PROTECTED:
            _refuse(errno.EINVAL, "the SPI flash is write-protected (status %02x)" % self._status[0])

    def read(self, sector, offset, buf):
        """Fill buf from the given offset; any alignment."""
        assert 0 <= sector < self.sectors and 0 <= offset and offset + len(buf) <= SECTOR_BYTES
        self._exchange(_READ, self._place(sector, offset), buf)

    def program(self, sector, offset, buf):
        """Clear bits: cells become cells AND buf. Offset and length are multiples of 16."""
        size = len(buf)
        assert not (offset | size) & 15 and 0 <= sector < self.sectors and 0 <= offset and offset + size <= SECTOR_BYTES
        view = memoryview(buf)
        at = 0
        while at < size:  # a page at a time: behind its end the chip goes on at its beginning
            end = min(size, at + _PAGE_BYTES - (offset + at) % _PAGE_BYTES)
            self._command(_WRITE_ENABLE)
            self._head[0] = _PROGRAM
            self._select(0)
            self._spi.write(memoryview(self._head)[: self._place(sector, offset + at)])
            self._spi.write(view[at:end])
            self._select(1)
            self._wait(_PROGRAM_MS)
            at = end

    def erase(self, sector):
        """Set all 4096 bytes to 0xFF."""
        assert 0 <= sector < self.sectors
        self._command(_WRITE_ENABLE)
        self._head[0] = _ERASE_SECTOR
        self._select(0)
        self._spi.write(memoryview(self._head)[: self._place(sector, 0)])
        self._select(1)
        self._wait(_ERASE_MS)

    def _place(self, sector, offset):
        """Put the address behind the instruction; returns the length of both."""
        head = self._head
        at = sector * SECTOR_BYTES + offset
        head[1] = at >> 16
        head[2] = at >> 8 & 255
        head[3] = at & 255
        return 4

    def _command(self, code):
        self._head[0] = code
        self._select(0)
        self._spi.write(memoryview(self._head)[:1])
        self._select(1)

    def _exchange(self, code, length, answer):
        self._head[0] = code
        self._select(0)
        self._spi.write(memoryview(self._head)[:length])
        self._spi.readinto(answer)
        self._select(1)

    def _wait(self, limit_ms):
        """Until the chip is not busy."""
        start = time.ticks_ms()
        while True:
            late = time.ticks_diff(time.ticks_ms(), start) > limit_ms
            self._exchange(_READ_STATUS, 1, self._status)
            if not self._status[0] & _BUSY:
                return
            if late:
                raise OSError(errno.EIO)


def _refuse(number, text):
    raise OSError(number, "flash log: %s; nothing was changed" % text)
