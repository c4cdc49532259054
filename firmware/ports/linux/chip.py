"""What the virtual board says of itself, and its reset."""

import sys

AGAIN = 6


def chip_id():
    """Always the same: the host is not to be identified."""
    return "virtual"


def reset_cause():
    """A process is always started."""
    return "power"


def reset():
    """End with a status that asks whoever started the process to start it again; never returns."""
    sys.exit(AGAIN)
