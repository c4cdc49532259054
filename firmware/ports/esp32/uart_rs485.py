"""RS-485 port of the esp32 boards: the seam of DESIGN.md over machine.UART.

Promises: `send`, `receive_into` and `available` never wait and allocate nothing. With a driver pin the driver is on
before the first start bit and off after the last stop bit: `available`, which the bus engine calls
all the time while it waits for a reply, turns it off as soon as the UART has sent everything, and a timer does so
when nobody calls in time. A transceiver that turns by itself has no driver pin (`"de": None`).

Source: MicroPython's ports/esp32/machine_uart.c. Hardware RS-485 of the chip is not to be had there. `txdone` asks the
driver whether FIFO and shift register are empty. `machine.Timer(hard=True)` does not exist on this port, so the timer's
callback waits for the interpreter: at most as long as the longest hold of the loop. The receive buffer of the driver is
filled by an interrupt that also runs while flash is erased.
"""

from machine import UART, Pin, Timer

_TX_BYTES = 1024  # the driver takes at most half of it in one piece, and waits for room when it is asked for more
_RX_BYTES = 1024  # what arrives in 45 ms at 115200 baud while a sector is erased, and more
_PARITY = {"N": None, "E": 0, "O": 1}


class Rs485:
    """A half-duplex line.

    wiring: one entry of the board's RS485 table (uart, tx, rx; de and de_active for a driver pin; high: pins that must
    be high for the transceiver to work); baud: 1200..921600; serial_format: "8N1", "8E1", "8O1" or "8N2". ValueError
    from machine.UART where a pin cannot be used.
    """

    rest_ms = 0  # bytes are seen when they arrive

    def __init__(self, wiring, baud, serial_format):
        parity, stop = self._frame(baud, serial_format)
        for pin in wiring.get("high", ()):
            Pin(pin, Pin.OUT, value=1)
        self._driver = None
        if wiring.get("de") is not None:
            self._off = 1 - wiring.get("de_active", 1)
            self._driver = Pin(wiring["de"], Pin.OUT, value=self._off)
            self._timer = Timer(wiring["uart"])
            self._release = self._timer_came  # bound once: binding allocates
        self._sending = False
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
        if self._driver is None:
            self.send = self._uart.write
            self.available = self._uart.any
        self.receive_into = self._uart.readinto

    def tune(self, baud, serial_format):
        """Use this setting from now on; what has arrived is lost. Nothing may be on its way out."""
        parity, stop = self._frame(baud, serial_format)
        self._uart.init(baud, bits=8, parity=parity, stop=stop)
        self.discard()

    def _frame(self, baud, serial_format):
        stop = int(serial_format[2])
        parity = _PARITY[serial_format[1]]
        self._char_us = -(-(9 + stop + (parity is not None)) * 1000000 // baud)
        return parity, stop

    def send(self, frame):
        """Start to transmit the whole frame (a bytearray of at most 256 bytes)."""
        self._driver(1 - self._off)
        self._sending = True
        self._uart.write(frame)
        # Whole milliseconds, and one more: late rather than early, as it mostly finds nothing to do.
        wait_ms = (len(frame) * self._char_us + 1999) // 1000
        self._timer.init(mode=Timer.ONE_SHOT, period=wait_ms, callback=self._release)

    def _timer_came(self, timer):
        while self._sending and not self._uart.txdone():
            pass
        self._turn_off()

    def _turn_off(self):
        self._sending = False
        self._driver(self._off)

    def available(self):
        """Number of bytes that can be read now."""
        if self._sending and self._uart.txdone():
            self._turn_off()
        return self._uart.any()

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
            self._turn_off()
        self._uart.deinit()
