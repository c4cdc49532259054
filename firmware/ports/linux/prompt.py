"""The Python prompt of the virtual board: MicroPython's own, as after `micropython -i`.

Nothing limits its time here: this port has no timer, and its watchdog has no teeth.
"""

import os
import sys
import termios

AGAIN = 6  # the status that asks whoever started the process to start it again
_OPOST = 1
_ISIG = 1
_VMIN = 6


class Exit:
    """What `exit` is at the prompt: typing it starts the gateway again."""

    def __repr__(self):
        sys.exit(AGAIN)

    def __call__(self):
        sys.exit(AGAIN)


def hold(watchdog_ms, port):
    """Let the prompt follow when main.py ends; returns what is to be `exit` there."""
    try:
        attributes = termios.tcgetattr(0)
        attributes[1] &= ~_OPOST  # mpremote counts every CR
        attributes[3] |= _ISIG
        attributes[6][_VMIN] = 1
        termios.tcsetattr(0, termios.TCSANOW, attributes)
    except OSError:
        pass  # no terminal
    os.putenv("MICROPYINSPECT", "1")
    return Exit()

