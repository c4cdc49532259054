"""Frame reader: walks the frames of the ring in order, over damage, torn places and gaps.

Promises: yields only frames whose CRC fits their sector; a destroyed frame costs exactly its own
records, which are counted in stats.damaged as soon as a later frame shows the gap.
"""

import binascii
import struct

from flashlog.layout import (
    ALIGN_BYTES,
    DATA,
    FRAME_BUFFER_BYTES,
    FRAME_FORMAT,
    FRAME_HEADER_BYTES,
    FRAMES_AT,
    LO_MAX,
    MAX_FRAME_BYTES,
    OPEN,
    PAGE_BYTES,
    SECTOR_BYTES,
    frame_bytes,
    number_add,
    number_diff,
    sector_seed,
)

_BLANK_HEADER = b"\xff" * 10
NOTHING = -1  # no frame at this place


class Frames:
    """Frames of one sector. `next_frame` leaves kind, records, delta, size and payload of the frame found."""

    def __init__(self, sectors):
        self._s = sectors
        self._buffer = bytearray(FRAME_BUFFER_BYTES)
        self.kind = self.records = self.delta = self.size = 0
        self.start(0, 0, FRAME_BUFFER_BYTES)

    def start(self, sector, sequence, window_bytes):
        """Begin with the first frame of `sector`; read `window_bytes` at a time (at least one header)."""
        self.place = sector
        self.offset = FRAMES_AT
        self._window_bytes = window_bytes
        self._at = self._have = 0
        self._resync = False
        self._seed = None
        self._number = sequence

    def next_frame(self, limit):
        """Payload of the next frame that lies before offset `limit`, or None. Moves `offset` past it."""
        if self._seed is None:
            self._seed = sector_seed(self._s.log_id, self._number)
        while self.offset + ALIGN_BYTES <= limit:
            payload = self._frame(limit)
            if payload is not None:
                self._resync = False
                self.offset += self.size
                return payload
            if self._blank and not self._resync:
                # After whole frames blank flash means that a boot resumed at some later page.
                self.offset = (self.offset | (PAGE_BYTES - 1)) + 1
            else:
                # Damage: its length is not to be believed, the next frame may begin anywhere.
                self._resync = True
                self.offset += ALIGN_BYTES
        return None

    def _frame(self, limit):
        view = self._view(FRAME_HEADER_BYTES, limit)
        header = view[:FRAME_HEADER_BYTES]
        self._blank = header == _BLANK_HEADER
        crc, length, self.kind, self.records, self.delta = struct.unpack_from(FRAME_FORMAT, header, 0)
        end = FRAME_HEADER_BYTES + length
        if length > MAX_FRAME_BYTES or self.offset + end > limit:
            return None
        view = self._view(end, limit)
        if binascii.crc32(view[4:end], self._seed) != crc:
            return None
        self.size = frame_bytes(length)
        return view[FRAME_HEADER_BYTES:end]

    def _view(self, length, limit):
        """At least `length` bytes from `offset` on, from the window or read anew."""
        skip = self.offset - self._at
        if skip < 0 or skip + length > self._have:
            self._at = self.offset
            self._have = min(max(length, self._window_bytes), limit - self.offset)
            self._s.flash.read(self.place, self.offset, memoryview(self._buffer)[: self._have])
            skip = 0
        return memoryview(self._buffer)[skip : self._have]


class Reader:
    """The one read cursor. (next_hi, next_lo) is the number of the record expected next."""

    def __init__(self, sectors):
        self._s = sectors
        self._frames = Frames(sectors)
        self.frame_hi = self.frame_lo = self.frame_records = 0
        self._seen_hi = self._seen_lo = 0  # gaps up to here are counted

    def seek(self, sector, sequence, hi, lo):
        """Continue with record (hi, lo), which is in `sector` or the first after it."""
        self.next_hi = hi
        self.next_lo = lo
        self._begin(sector, sequence)

    def _begin(self, sector, sequence):
        self.sector = sector
        self.sequence = sequence
        self._first_known = False
        self._frames.start(sector, sequence, FRAME_BUFFER_BYTES)

    def live_after(self, sector, sequence):
        """The sector opened next after `sector`, which is not the newest; its header is left in the Sectors object."""
        s = self._s
        while True:
            sector = (sector + 1) % s.count
            if sector == s.newest:
                s.sequence = s.newest_sequence
                s.first_hi = s.newest_hi
                s.first_lo = s.newest_lo
                return sector
            if s.load(sector) == OPEN and sequence < s.sequence < s.newest_sequence:
                return sector

    def read(self, end):
        """Payload of the next frame with unread records, or None. `end`: write offset in the newest sector."""
        s = self._s
        frames = self._frames
        while True:
            newest = self.sequence == s.newest_sequence
            if not self._first_known:
                self._read_header(newest)
            payload = frames.next_frame(end if newest else SECTOR_BYTES)
            if payload is None:
                if newest:
                    return None
                sector = self.live_after(self.sector, self.sequence)
                self._begin(sector, s.sequence)
                continue
            if frames.kind != DATA:
                continue
            hi, lo = number_add(self._first_hi, self._first_lo, frames.delta)
            gap = number_diff(hi, lo, self.next_hi, self.next_lo)
            if gap < 0:
                continue  # acknowledged, or written again after its first sector failed
            if gap and number_diff(hi, lo, self._seen_hi, self._seen_lo) > 0:
                s.stats.damaged = min(s.stats.damaged + gap, LO_MAX)
                self._seen_hi = hi
                self._seen_lo = lo
            self.frame_hi = hi
            self.frame_lo = lo
            self.frame_records = frames.records
            self.next_hi, self.next_lo = number_add(hi, lo, frames.records)
            return payload

    def _read_header(self, newest):
        s = self._s
        if newest:
            self._first_hi = s.newest_hi
            self._first_lo = s.newest_lo
        elif s.load(self.sector) == OPEN and s.sequence == self.sequence:
            self._first_hi = s.first_hi
            self._first_lo = s.first_lo
        else:  # both copies of the header rotted away
            self._frames.offset = SECTOR_BYTES
        self._first_known = True
