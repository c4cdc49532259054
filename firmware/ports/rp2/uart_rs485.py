"""RS-485 port of the rp2 boards: the seam of DESIGN.md over machine.UART.

Promises: `send`, `receive_into` and `available` never wait and allocate nothing. With a driver
pin the driver is on before the first start bit; a hard timer turns it off after the last stop
bit, so neither garbage collection nor a slow task can hold the line. A transceiver that turns
round by itself has no driver pin (`"de": None`).

Source: MicroPython's ports/rp2/machine_uart.c. `readinto` waits for a millisecond at the least
when asked for more than has arrived, and nobody asks for more. IRQ_TXIDLE is of no use
for the driver pin: it comes while up to five characters are still to be sent.
"""

from machine import UART, Pin, Timer

_TX_BYTES = 256  # the longest frame goes into the driver's buffer at once
_RX_BYTES = 320  # the longest reply, an echo and some noise wait here while another task runs
_PARITY = {"N": None, "E": 0, "O": 1}


class Rs485:
    """A half-duplex line.

    wiring: one entry of the board's RS485 table (uart, tx, rx; de and de_active for a driver
    pin); baud: 1200..921600; serial_format: "8N1", "8E1", "8O1" or "8N2". ValueError from
    machine.UART where a pin does not belong to the UART.
    """

    rest_ms = 0  # bytes are seen when they arrive

    def __init__(self, wiring, baud, serial_format):
        parity, stop = self._frame(baud, serial_format)
        self._driver = None
        if wiring.get("de") is not None:
            self._off = 1 - wiring.get("de_active", 1)
            self._driver = Pin(wiring["de"], Pin.OUT, value=self._off)
            self._timer = Timer(-1)
            self._release = self._driver_off  # bound once: binding allocates
        self._uart = UART(
            wiring["uart"],
            baud,
            bits=8,
            parity=parity,
            stop=stop,
            tx=Pin(wiring["tx"]),
            rx=Pin(wiring["rx"]),
            timeout=0,
            txbuf=_TX_BYTES,
            rxbuf=_RX_BYTES,
        )
        # The driver's own methods: 25 us less than through ours.
        self.available = self._uart.any
        self.receive_into = self._uart.readinto
        if self._driver is None:
            self.send = self._uart.write

    def tune(self, baud, serial_format):
        """Use this setting from now on; what has arrived is lost. Nothing may be on its way out."""
        parity, stop = self._frame(baud, serial_format)
        self._uart.init(baud, bits=8, parity=parity, stop=stop)

    def _frame(self, baud, serial_format):
        stop = int(serial_format[2])
        parity = _PARITY[serial_format[1]]
        # Rounded up, so that the timer never comes before the last stop bit has left.
        self._char_us = -(-(9 + stop + (parity is not None)) * 1000000 // baud)
        return parity, stop

    def send(self, frame):
        """Start to transmit the whole frame (a bytearray of at most 256 bytes)."""
        self._driver(1 - self._off)
        self._uart.write(frame)
        self._timer.init(
            mode=Timer.ONE_SHOT,
            period=len(frame) * self._char_us,
            tick_hz=1000000,
            callback=self._release,
            hard=True,
        )

    def _driver_off(self, timer):
        # Runs as an interrupt. The baud rate is made by a divider and may be a little slower
        # than asked for: a few bits may still be on their way.
        while not self._uart.txdone():
            pass
        self._driver(self._off)

    def discard(self):
        """Throw away what has arrived and return how many bytes that was."""
        count = self._uart.any()
        if count:
            self._uart.read(count)
        return count

    def close(self):
        """Release the line; nothing is driven any more."""
        if self._driver is not None:
            self._timer.deinit()
            self._driver(self._off)
        self._uart.deinit()
