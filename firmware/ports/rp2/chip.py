"""What the chip knows of itself: its id, and why it started. Source: MicroPython's ports/rp2/modmachine.c."""

import machine


def chip_id():
    """The flash chip's unique id: 16 hex digits."""
    return machine.unique_id().hex()


def reset_cause():
    """`power` (also the RUN pin and a reset by software, which this port cannot tell apart) or `watchdog`."""
    return "watchdog" if machine.reset_cause() == machine.WDT_RESET else "power"


def reset():
    """Start anew, as at power-on; never returns."""
    machine.reset()
