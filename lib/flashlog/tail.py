"""What was written last, acknowledged or not: for who goes on where the boot before ended. Loaded at the start only."""

from flashlog.layout import DATA, FRAME_BUFFER_BYTES, OPEN, SECTOR_BYTES
from flashlog.reader import Frames


def sectors(log, most):
    """[(sector, its sequence)] of at most `most` sectors written last, the newest first. `log`: a mounted FlashLog."""
    s = log._s
    found = [(s.newest, s.newest_sequence)]
    sector, sequence = s.newest, s.newest_sequence
    for _ in range(s.count - 1):
        if len(found) >= most:
            break
        sector = (sector - 1) % s.count
        if s.load(sector) == OPEN:
            if s.sequence >= sequence:
                break
            sequence = s.sequence
            found.append((sector, sequence))
    return found


def payloads(log, place):
    """Yield the payload of each sound data frame of one of these sectors, valid until the next."""
    frames = Frames(log._s)
    frames.start(place[0], place[1], FRAME_BUFFER_BYTES)
    end = log._off if place[0] == log._s.newest else SECTOR_BYTES
    while True:
        payload = frames.next_frame(end)
        if payload is None:
            return
        if frames.kind == DATA:
            yield payload
