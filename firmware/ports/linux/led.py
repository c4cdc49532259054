"""Status LED of the virtual board: remembers what it would show."""


class Led:
    """On or off; boards drive a pin."""

    def __init__(self, pin):
        self.pin = pin
        self.on = False

    def set(self, on):
        """Light it or not."""
        self.on = on
