"""Console port of chips: the serial REPL's own lines (USB or UART 0), shared with what the program prints.

While the console runs, Ctrl-C is a byte like others; it comes back as an interrupt when the gateway has ended.
"""

import select
import sys

import micropython


class Console:
    """Standard input and output without waiting."""

    def __init__(self):
        micropython.kbd_intr(-1)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def read_into(self, buf):
        """Bytes read, 0 when nothing was typed."""
        count = 0
        while count < len(buf) and self._poll.poll(0):
            buf[count] = sys.stdin.buffer.read(1)[0]
            count += 1
        return count

    def write(self, data):
        """Bytes taken: all of them; at 115200 baud 32 bytes take 3 ms."""
        sys.stdout.buffer.write(data)
        return len(data)
