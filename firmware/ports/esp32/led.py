"""Status LED of the esp32 boards; a board may have none (`pin` None)."""

from machine import Pin


class Led:
    """On or off. pin: a GPIO number or None."""

    def __init__(self, pin):
        self._pin = None if pin is None else Pin(pin, Pin.OUT, value=0)

    def set(self, on):
        """Light it or not."""
        if self._pin is not None:
            self._pin(1 if on else 0)
