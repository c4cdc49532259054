"""The gate: the only code that hands bytes to a port. It passes reads and nothing else.

Passed are the function codes 1, 2, 3, 4 (read coils, discrete inputs, holding and input
registers), 17 (report server id) and 43 with MEI type 14 (read device identification);
lengths are those of the standard, so that nothing can ride behind a read. Anything else is a
mistake of ours and raises AssertionError before a byte has left.
"""


class Gate:
    """Passes read requests to `port` at the right moment."""

    def __init__(self, port, clock):
        self._send = port.send
        self._available = port.available
        self._us = clock.ticks_us
        self._diff = clock.ticks_diff
        self.passed = 0  # frames, modulo 2^30

    def send(self, frame, at_us):
        """Wait until ticks_us() has reached `at_us` (the caller sees to it that this is soon), then send.

        Returns False, with nothing sent, if bytes arrive meanwhile. Raises AssertionError for
        everything but a read, OSError when the port is gone.
        """
        if not allowed(frame):
            raise AssertionError("the gate passes reads only")
        us = self._us
        diff = self._diff
        available = self._available
        while True:
            if available():
                return False
            if diff(us(), at_us) >= 0:
                break
        self._send(frame)
        self.passed = (self.passed + 1) & 0x3FFFFFFF
        return True


def allowed(frame):
    """True if `frame` is a read request of the right length to one unit (1..247)."""
    n = len(frame)
    if n < 4 or not 1 <= frame[0] <= 247:
        return False
    function = frame[1]
    if 1 <= function <= 4:
        return n == 8
    if function == 17:
        return n == 4
    return function == 43 and n == 7 and frame[2] == 14
