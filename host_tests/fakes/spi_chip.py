"""A W25Q flash chip at an SPI bus, by its data sheet, and stand-ins of machine.SPI and machine.Pin. Portable.

Cells are a Nor's, so its faults work here too. What the chip ignores is ignored: programs and erases without write
enable, everything but the status while it is busy; a program that passes the end of its page goes on at its beginning.
"""

from nor import PAGE_BYTES, SECTOR_BYTES

BUSY = 1
ENABLED = 2


class Chip:
    """nor: its cells. identity: what 9Fh answers. busy_polls: how often the status says busy after a write."""

    def __init__(self, nor, identity=b"\xef\x40\x15", busy_polls=3):
        self.nor = nor
        self.identity = identity
        self.busy_polls = busy_polls
        self.protection = 0
        self.awake = False
        self.ignored = 0  # instructions that the data sheet says are ignored
        self._busy = 0
        self._enabled = False
        self._selected = False
        self._taken = bytearray()

    # -- machine.Pin and machine.SPI ----------------------------------------------------------

    def select(self, level):
        if level == 0:
            assert not self._selected
            self._selected = True
            self._taken = bytearray()
        else:
            if self._selected and self._taken:
                self._execute()
            self._selected = False

    def write(self, buf):
        assert self._selected
        self._taken += buf

    def readinto(self, buf):
        assert self._selected
        code = self._taken[0]
        if code == 0x05:
            answer = bytes([self._status()]) * len(buf)
            self._busy = max(0, self._busy - 1)
        elif self._busy or not self.awake:
            self.ignored += 1
            answer = b"\xff" * len(buf)
        elif code == 0x9F:
            answer = self.identity[: len(buf)]
        else:
            assert code == 0x03 and len(self._taken) == 4
            at = self._address()
            assert at + len(buf) <= len(self.nor.memory)
            answer = bytes(memoryview(self.nor.memory)[at : at + len(buf)])
            self.nor.reads += 1
        buf[:] = answer

    # -- inside -------------------------------------------------------------------------------

    def _status(self):
        return (BUSY if self._busy else 0) | (ENABLED if self._enabled else 0) | self.protection

    def _address(self):
        return int.from_bytes(self._taken[1:4], "big")

    def _execute(self):
        code = self._taken[0]
        if code == 0xAB:
            self.awake = True
        elif code in (0x03, 0x05, 0x9F):
            pass
        elif self._busy or not self.awake:
            self.ignored += 1
        elif code == 0x06:
            self._enabled = True
        elif not self._enabled or self.protection:
            self.ignored += 1
        elif code == 0x20:
            assert len(self._taken) == 4
            self._enabled = False
            self._busy = self.busy_polls
            self.nor.erase(self._address() // SECTOR_BYTES)
        else:
            assert code == 0x02 and len(self._taken) > 4
            self._enabled = False
            self._busy = self.busy_polls
            self._program(self._address(), self._taken[4:])

    def _program(self, at, data):
        page = at - at % PAGE_BYTES
        cells = bytearray(b"\xff" * PAGE_BYTES)
        for i, byte in enumerate(data):
            cells[(at + i) % PAGE_BYTES] = byte
        self.nor.program(page // SECTOR_BYTES, page % SECTOR_BYTES, cells)
