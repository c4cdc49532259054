"""Console port of the virtual board: standard input and output, raw when they are a terminal.

Raw: keys come one by one and Ctrl-C is a byte like others. Ctrl-\\ ends the virtual box, as pulling the plug does.
There is no console when standard input is no terminal, unless FIELDGATE_CONSOLE says so.
"""

import os
import select
import sys
import termios

_QUIT = 28  # Ctrl-\
_OPOST_ONLCR = 1 | 4  # the terminal puts a CR before each LF, as boards do for what is printed
_VTIME = 5
_VMIN = 6


def open_console():
    """The Console, None when nobody can type."""
    try:
        termios.tcgetattr(0)
    except OSError:
        return Console(False) if os.getenv("FIELDGATE_CONSOLE") else None
    return Console(True)


class Console:
    """Standard input and output without waiting."""

    def __init__(self, terminal):
        if terminal:
            termios.setraw(0)
            attributes = termios.tcgetattr(0)
            attributes[1] |= _OPOST_ONLCR
            attributes[6][_VMIN] = attributes[6][_VTIME] = 0
            termios.tcsetattr(0, termios.TCSANOW, attributes)
        self._terminal = terminal
        self._in = sys.stdin.buffer
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._out = select.poll()
        self._out.register(sys.stdout, select.POLLOUT)
        self._put = sys.stdout.buffer.write

    def read_into(self, buf):
        """Bytes read, 0 when nothing was typed."""
        for _, event in self._poll.ipoll(0):
            if event & select.POLLIN:
                count = self._in.readinto(buf) or 0
                if count and buf[0] == _QUIT:
                    raise KeyboardInterrupt
                return count
        return 0

    def write(self, data):
        """Bytes taken; 0 while the terminal does not take what is there already.

        A terminal that says it has room may have it for one byte only and hold the process for the rest (Linux 6.1, a
        pseudo-terminal that nobody reads): so byte by byte."""
        for count in range(len(data)):
            if not self._out.poll(0):
                return count
            if data[count] != 13 or not self._terminal:
                self._put(data[count : count + 1])
        return len(data)
