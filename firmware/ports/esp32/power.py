"""Reset of the chip, as at power-on."""

import machine


def reset():
    """Never returns."""
    machine.reset()
