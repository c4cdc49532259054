"""NOR flash of the virtual board: a file that behaves like the chip.

Promises: a program is one write to the operating system and only clears bits; what `program` or
`erase` returned for survives `kill -9` of the process (the kernel holds it), though not a crash of
the host, for which a file is no model of flash anyway. The file is created blank.
"""

import os

_SECTOR_BYTES = 4096
_BLANK = b"\xff" * _SECTOR_BYTES
_EIO = 5


class Flash:
    """The flash seam of DESIGN.md over the file at `path` with `sectors` sectors of 4096 bytes.

    OSError when the file cannot be opened; ValueError when it exists with another size, which is
    never changed.
    """

    def __init__(self, path, sectors, program_bytes=16):
        self.sectors = sectors
        self.program_bytes = program_bytes
        try:
            size = os.stat(path)[6]
        except OSError:
            size = 0
        if size == 0:
            # A cut in here leaves a short file; it is made under another name, so that cannot be mistaken.
            with open(path + ".new", "wb") as new:
                for _ in range(sectors):
                    new.write(_BLANK)
            os.rename(path + ".new", path)
        elif size != sectors * _SECTOR_BYTES:
            raise ValueError("%s has %d bytes, not %d sectors" % (path, size, sectors))
        self._file = open(path, "r+b", buffering=0)  # noqa: SIM115 (lives as long as the flash)

    def read(self, sector, offset, buf):
        """Fill `buf` from `offset` of `sector`."""
        self._seek(sector, offset, len(buf))
        if self._file.readinto(buf) != len(buf):
            raise OSError(_EIO)

    def program(self, sector, offset, buf):
        """Clear the bits that are 0 in `buf`. Offset and length are multiples of `program_bytes`."""
        size = len(buf)
        assert offset % self.program_bytes == 0 and size % self.program_bytes == 0
        old = bytearray(size)
        self.read(sector, offset, old)
        new = int.from_bytes(old, "little") & int.from_bytes(buf, "little")
        self._write(sector, offset, new.to_bytes(size, "little"))

    def erase(self, sector):
        """Set all bytes of `sector` to 0xFF."""
        self._write(sector, 0, _BLANK)

    def close(self):
        self._file.close()

    def _seek(self, sector, offset, size):
        assert 0 <= sector < self.sectors and 0 <= offset and offset + size <= _SECTOR_BYTES
        self._file.seek(sector * _SECTOR_BYTES + offset)

    def _write(self, sector, offset, data):
        self._seek(sector, offset, len(data))
        if self._file.write(data) != len(data):
            raise OSError(_EIO)
