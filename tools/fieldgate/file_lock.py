"""A lock on a file that is open for writing; it ends when the file is closed, also when its program dies."""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def take(file: IO[str], wait: bool) -> None:
        """Lock `file`; wait for another holder (10 s), or raise OSError at once."""
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def take(file: IO[str], wait: bool) -> None:
        """Lock `file`; wait for another holder, or raise OSError at once."""
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
