"""Reset of the virtual board: the process ends with a status that asks whoever started it to start it again."""

import sys

AGAIN = 6


def reset():
    """Never returns."""
    sys.exit(AGAIN)
