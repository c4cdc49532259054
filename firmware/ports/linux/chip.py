"""What the virtual board says of itself."""


def chip_id():
    """Always the same: the host is not to be identified."""
    return "virtual"


def reset_cause():
    """A process is always started."""
    return "power"
