"""Where the virtual board keeps its flash: the file that the environment or board.py names."""

import os

from ports.linux.flash import Flash


def open_flash(settings):
    """The flash of the board's FLASH entry. Raises OSError or ValueError with one clear line."""
    path = os.getenv(settings["file_env"]) or settings["file"]
    try:
        return Flash(path, settings["sectors"], settings["program_bytes"])
    except OSError as error:
        raise OSError(
            error.errno, "flash: cannot open %s (errno %d): the folder must exist and be writable" % (path, error.errno)
        )
