"""Reads what is still in the log, published or not, without touching the cursor: for people who look back.

Loaded for one look and dropped. The log may go on being written meanwhile: a sector that is erased under the reader
ends its frames early.
"""

from flashlog.layout import DATA, FRAME_BUFFER_BYTES, OPEN, SECTOR_BYTES
from flashlog.reader import Frames


def sectors(log, most):
    """Up to `most` sectors with frames as (place, sequence), newest first."""
    s = log._s
    found = [(s.newest, s.newest_sequence)]
    place = s.newest
    for _ in range(s.count - 1):
        if len(found) >= most:
            break
        place = (place - 1) % s.count
        if s.load(place) == OPEN and s.sequence < found[-1][1]:
            found.append((place, s.sequence))
    return found


def payloads(log, place, sequence):
    """Yield the record block of each frame of a sector, oldest first; valid until the next one is asked for."""
    s = log._s
    limit = log._off if sequence == s.newest_sequence else SECTOR_BYTES
    frames = Frames(s)
    frames.start(place, sequence, FRAME_BUFFER_BYTES)
    while True:
        payload = frames.next_frame(limit)
        if payload is None:
            return
        if frames.kind == DATA:
            yield payload
