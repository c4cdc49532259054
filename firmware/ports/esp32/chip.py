"""What the chip knows of itself: its id, and why it started. Source: MicroPython's ports/esp32/modmachine.c."""

import machine

_CAUSES = {
    machine.PWRON_RESET: "power",
    machine.HARD_RESET: "reset",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep sleep",
    machine.SOFT_RESET: "soft reset",
}


def chip_id():
    """The base MAC address: 12 hex digits."""
    return machine.unique_id().hex()


def reset_cause():
    """One of the words above; `other` for a brown-out and what else the port does not name."""
    return _CAUSES.get(machine.reset_cause(), "other")


def reset():
    """Start anew, as at power-on; never returns."""
    machine.reset()
