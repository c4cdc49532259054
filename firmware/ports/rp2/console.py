"""Console port: the serial REPL's lines."""

from ports.stdio import Console


def open_console():
    """The Console."""
    return Console()
