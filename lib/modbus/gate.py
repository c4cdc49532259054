"""The gate: the only code that hands bytes to a port. It passes reads and nothing else.

Passed are the function codes 1, 2, 3, 4 (read coils, discrete inputs, holding and input
registers), 17 (report server id) and 43 with MEI type 14 (read device identification), to one
unit (1..247); lengths are those of the standard, so that nothing can ride behind a read.
Anything else is a mistake of ours and raises AssertionError before a byte has left.
"""

from modbus.crc import gate_of


class Gate:
    """Passes read requests to `port` at the right moment.

    send(frame, at_us): wait until ticks_us() has reached `at_us` (the caller sees to it that this
    is soon), then send. Returns 0, with nothing sent, if bytes arrive meanwhile, else 1. Raises
    AssertionError for everything but a read, OSError when the port is gone. It is one function
    (machine code where there is any), which keeps the port's `send` to itself and looks at the
    bytes of every frame right before it hands over these.
    """

    def __init__(self, port, clock):
        self.send = gate_of(port.send, port.available, clock.ticks_us)
