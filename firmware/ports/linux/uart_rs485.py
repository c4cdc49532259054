"""RS-485 port of the virtual board: the seam of DESIGN.md over a serial device or pseudo-terminal.

Raw mode with VMIN = VTIME = 0, so a read returns at once with what is there. Direction is the
adaptor's business. A device that cannot be used gives an OSError with one clear text; after
that every `send` tries to open it again, so an adaptor may be pulled and plugged.

Numbers are Linux's (asm-generic/termbits.h), as MicroPython's termios names few of them.
"""

import errno
import os
import termios

_SPEEDS = {
    300: 7,
    600: 8,
    1200: 9,
    1800: 10,
    2400: 11,
    4800: 12,
    9600: 13,
    19200: 14,
    38400: 15,
    57600: 0x1001,
    115200: 0x1002,
    230400: 0x1003,
    460800: 0x1004,
    921600: 0x1007,
    1000000: 0x1008,
}
_FORMATS = {"8N1": 0x000, "8E1": 0x100, "8O1": 0x300, "8N2": 0x040}  # PARENB, PARODD, CSTOPB
_PARITY = 0x300
_KEPT = 0x30 | 0x80 | 0x040  # CSIZE, CREAD, CSTOPB
_CS8_CREAD_CLOCAL = 0x30 | 0x80 | 0x800
_ENOTTY = 25
_VTIME = 5
_VMIN = 6
_BUF_BYTES = 512
_REASONS = {  # MicroPython has no name for EBUSY (16) and ENOTTY (25)
    errno.ENOENT: "does not exist",
    errno.EACCES: "is not permitted for this user",
    16: "is in use by another program",
    errno.EIO: "is gone",
}


class Rs485:
    """A half-duplex line.

    wiring: one entry of the board's RS485 table: {"device": path} or {"device_env": name of the
    environment variable that holds the path}. baud: one of 300..1000000 that Linux knows;
    serial_format: "8N1", "8E1", "8O1" or "8N2". Raises OSError, ValueError for a baud rate.
    """

    rest_ms = 1  # bytes are seen when the operating system gets round to it

    def __init__(self, wiring, baud, serial_format):
        _check(baud)
        self.path = wiring.get("device") or os.getenv(wiring["device_env"])
        if not self.path:
            raise OSError(errno.ENOENT, "RS-485 port: %s names no device" % wiring["device_env"])
        self._speed = _SPEEDS[baud]
        self._format = _FORMATS[serial_format]
        self._buf = bytearray(_BUF_BYTES)
        self._at = 0
        self._end = 0
        self._file = None
        self._open()

    def tune(self, baud, serial_format):
        """Use this setting from now on; the device is opened anew. OSError, ValueError for a baud rate."""
        _check(baud)
        self.close()
        self._speed = _SPEEDS[baud]
        self._format = _FORMATS[serial_format]
        self._open()

    def _open(self):
        try:
            self._file = open(self.path, "r+b", 0)
            fd = self._file.fileno()
            termios.setraw(fd)
            attributes = termios.tcgetattr(fd)
            attributes[2] = self._format | _CS8_CREAD_CLOCAL | self._speed
            attributes[4] = attributes[5] = self._speed
            attributes[6][_VMIN] = attributes[6][_VTIME] = 0
            try:
                termios.tcsetattr(fd, termios.TCSANOW, attributes)
            except OSError as error:
                # EINVAL: nothing of what was asked could be changed. A pseudo-terminal has no parity and says so
                # when all else was set already (glibc 2.36 tells it or not, by what was set before).
                attributes[2] &= ~_PARITY
                if error.errno != errno.EINVAL or termios.tcgetattr(fd)[2] & _KEPT != attributes[2] & _KEPT:
                    raise
        except OSError as error:
            self._fail(error.errno)
        self._at = self._end = 0

    def _fail(self, number):
        """Close and raise: the one place that words an error."""
        self.close()
        reason = "is no serial device" if number == _ENOTTY else _REASONS.get(number, "failed (errno %d)" % number)
        raise OSError(number, "RS-485 port %s %s" % (self.path, reason))

    def send(self, frame):
        """Start to transmit the whole frame (bytearray, at most 256 bytes). OSError when the device is gone."""
        if self._file is None:
            self._open()
        try:
            sent = self._file.write(frame)
        except OSError as error:
            self._fail(error.errno)
        if sent != len(frame):
            self._fail(errno.EIO)

    def available(self):
        """Number of bytes that can be read now; there may be more behind them."""
        if self._at == self._end:
            self._fill()
        return self._end - self._at

    def _fill(self):
        self._at = 0
        self._end = 0
        if self._file is not None:
            try:
                self._end = self._file.readinto(self._buf) or 0
            except OSError as error:
                self._fail(error.errno)

    def receive_into(self, buf, n):
        """Put at most n bytes that have arrived into buf[0:n] and return how many; 0: none."""
        n = min(n, self.available())
        at = self._at
        source = self._buf
        for i in range(n):
            buf[i] = source[at + i]
        self._at = at + n
        return n

    def discard(self):
        """Throw away what has arrived and return how many bytes that was."""
        total = 0
        for _ in range(8):
            n = self.available()
            if not n:
                break
            total += n
            self._at = self._end
        return total

    def close(self):
        """Give the device back. `send` would open it again."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _check(baud):
    if baud not in _SPEEDS:
        raise ValueError("baud: found %s, allowed %s" % (baud, " ".join(str(b) for b in sorted(_SPEEDS))))
