"""Status LED of the rp2 boards; on a Pico W it hangs on the Wi-Fi chip and is named "LED"."""

from machine import Pin


class Led:
    """On or off. pin: what machine.Pin takes."""

    def __init__(self, pin):
        self._pin = Pin(pin, Pin.OUT, value=0)

    def set(self, on):
        """Light it or not."""
        self._pin(1 if on else 0)
