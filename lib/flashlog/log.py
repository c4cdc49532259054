"""FlashLog: append-only ring log on NOR sectors. FORMAT.md specifies bytes, mount and recovery.

Promises: what `append` returned for survives any power cut, in order, until it is acknowledged
(or dropped as the oldest, which is counted). Nothing that was not appended is ever read. Nothing
acknowledged is read again after `ack` returned True. All work per call is bounded; the cost of an
append does not depend on how much the log holds.
"""

import binascii
import struct

from flashlog import layout
from flashlog.layout import (
    ACK,
    ACK_FRAME_BYTES,
    BOOT,
    DATA,
    FRAME_FORMAT,
    FRAME_HEADER_BYTES,
    FRAMES_AT,
    MAX_FRAME_BYTES,
    RESERVE_BYTES,
    SECTOR_BYTES,
    LogFull,
    LogMismatch,  # noqa: F401 (for importers)
    frame_bytes,
    number_add,
    number_diff,
    page_span,
)
from flashlog.reader import Reader
from flashlog.sectors import Sectors

_DROP_AHEAD_BYTES = 1024  # idle() gives the oldest sector up only when less than this is left in the newest


class FlashLog:
    """One writer, one reader. Call `mount()` and `begin_boot()` first, in this order.

    flash: see DESIGN.md, seam "NOR flash". entropy: 4 random bytes, used only when blank flash is
    formatted. drop_oldest: what to do when full; False refuses new records with LogFull.
    OSError from any call that writes means that no usable sector is left.
    """

    def __init__(self, flash, entropy=None, drop_oldest=True):
        self._s = Sectors(flash)
        self._entropy = entropy
        self._drop_oldest = drop_oldest
        self._frame_head = bytearray(FRAME_HEADER_BYTES)
        self.stats = self._s.stats
        self.sectors = self._s.count
        self._writable = False
        self._ahead = -1  # sector erased in this boot and ready to open; those of earlier boots are not trusted
        self._ahead_erases = 0
        self._blocked = None  # whether the sector after the newest holds records not acknowledged; None: look
        self._boot = 0
        self.frame_seq_hi = self.frame_seq_lo = self.frame_records = 0

    # -- start ------------------------------------------------------------------------------

    def mount(self):
        """Find newest sector, head and acknowledged place; format blank flash. LogMismatch changes nothing."""
        from flashlog.mount import mount  # needed once per boot

        mount(self)
        self._reader = Reader(self._s)
        self.rewind()

    @property
    def log_id(self):
        """32 bit number that names this log for consumers, drawn when the flash was formatted."""
        return struct.unpack("<I", self._s.log_id)[0]

    def begin_boot(self):
        """Write the boot mark; returns the boot id, 1 larger than the last. Must precede any other write.

        The mark is the first thing written after a mount and its bytes follow from what the mount
        saw. So if a cut leaves it torn but looking blank, the next boot writes the same bytes to
        the same place, and nothing else is ever programmed over a torn, blank looking place.
        """
        self._boot += 1
        self._writable = True
        body = struct.pack("<I", self._boot)
        if self._off + 2 * ACK_FRAME_BYTES > SECTOR_BYTES:
            self._off = SECTOR_BYTES  # the id goes to flash with the next open record
            try:
                self._advance()
            except LogFull:
                pass  # ... which will precede the next append
            return self._boot
        if not self._write(BOOT, 0, body):
            self._advance()
        return self._boot

    # -- writing ----------------------------------------------------------------------------

    def append(self, payload, records):
        """Write one frame with `records` records (1..255) in `payload` (1..480 bytes). Durable on return."""
        assert self._writable and 0 < records < 256 and 0 < len(payload) <= MAX_FRAME_BYTES
        size = frame_bytes(len(payload))
        while True:
            if self._off + size + RESERVE_BYTES > SECTOR_BYTES:
                self._advance()
            if self._write(DATA, records, payload):
                break
        self._delta += records
        self._next_hi, self._next_lo = number_add(self._next_hi, self._next_lo, records)

    def cost(self, nbytes):
        """(page programs, erases) of the next append of `nbytes`, should no sector fail."""
        size = frame_bytes(nbytes)
        if self._off + size + RESERVE_BYTES <= SECTOR_BYTES:
            return page_span(self._off, size), 0
        pages = 1 + page_span(FRAMES_AT, size)
        return (pages, 0) if self._ahead >= 0 else (pages + 1, 1)

    def room(self):
        """Largest payload in bytes (0..480) that still fits the newest sector; a caller can fill it up."""
        room = SECTOR_BYTES - self._off - RESERVE_BYTES - FRAME_HEADER_BYTES
        return 0 if room < 0 else min(room, MAX_FRAME_BYTES)

    def erase_due(self):
        """What idle() is for now: 0 nothing, 1 an erase when it suits, 2 an erase soon (the newest sector is nearly
        full, and an append would have to erase otherwise). Cheap: reads flash only after an ack or a new sector."""
        if self._ahead >= 0:
            return 0
        soon = SECTOR_BYTES - self._off < _DROP_AHEAD_BYTES
        if self._blocked is None:
            self._blocked = self._candidate(False) < 0
        if self._blocked:
            return 2 if soon and self._drop_oldest else 0
        return 2 if soon else 1

    def idle(self):
        """At most one erase, ahead of need. True if it erased (it may then be called again)."""
        assert self._writable
        if self._ahead >= 0:
            return False
        drop = self._drop_oldest and SECTOR_BYTES - self._off < _DROP_AHEAD_BYTES
        sector = self._candidate(drop)
        if sector < 0:
            return False
        self._erase_ahead(sector)
        return True

    def _write(self, kind, records, body):
        """Program a frame at the end of the newest sector. False: the sector failed and is closed."""
        head = self._frame_head
        struct.pack_into(FRAME_FORMAT, head, 0, 0, len(body), kind, records, self._delta)
        crc = binascii.crc32(memoryview(head)[4:], self._seed)
        struct.pack_into("<I", head, 0, binascii.crc32(body, crc))
        if kind == BOOT:  # twice, so that one rotten bit cannot bring an old boot id back
            body = body + b"\xff\xff" + bytes(head) + body
        try:
            self._s.program(self._s.newest, self._off, body, head)
        except OSError:
            self._s.mark_bad(self._s.newest)
            self._off = SECTOR_BYTES
            return False
        self._off += frame_bytes(len(body))
        return True

    def _advance(self):
        """Open the next sector. LogFull, or OSError when no sector works."""
        for _ in range(self.sectors):
            if self._ahead < 0:
                sector = self._candidate(self._drop_oldest)
                if sector < 0:
                    if self._drop_oldest:
                        raise OSError(5)
                    raise LogFull
                self.stats.starved += 1
                if not self._erase_ahead(sector):
                    continue
            sector = self._ahead
            self._ahead = -1
            try:
                self._open(sector)
                return
            except OSError:
                pass  # retired; the next one
        raise OSError(5)

    def _open(self, sector):
        """Make the erased `sector` the newest one. Its header carries the acknowledged place and the boot id."""
        s = self._s
        sequence = s.newest_sequence + 1
        behind = self.depth()
        back = sequence - self._head_sequence
        s.open(sector, sequence, self._next_hi, self._next_lo, behind, back, self._boot, self._ahead_erases)
        s.newest = sector
        s.newest_sequence = sequence
        s.newest_hi = self._next_hi
        s.newest_lo = self._next_lo
        self._off = FRAMES_AT
        self._delta = 0
        self._blocked = None
        self._erases = self._ahead_erases
        self._dropped_on_flash = self.stats.dropped
        self._seed = layout.sector_seed(s.log_id, sequence)

    def _erase_ahead(self, sector):
        try:
            first_lap = self._s.newest_sequence < self.sectors
            self._ahead_erases = self._s.erase(sector, 1 if first_lap else self._erases)
        except OSError:
            return False
        self._ahead = sector
        return True

    def _candidate(self, drop):
        """The sector to erase next, freed from old records; -1 if there is none or it must not be dropped."""
        s = self._s
        sector = s.newest
        for _ in range(self.sectors - 1):
            sector = (sector + 1) % self.sectors
            if sector == self._head:
                self._move_head()
                if sector == self._head:
                    if not drop:
                        return -1
                    self._move_head(True)
            if not s.is_bad(sector):
                return sector
        return -1

    # -- head and acknowledgement -------------------------------------------------------------

    def _move_head(self, drop=False):
        """Move the head over sectors whose records are all acknowledged; with `drop`, one further, and count."""
        s = self._s
        while self._head_sequence != s.newest_sequence:
            sector = self._reader.live_after(self._head, self._head_sequence)
            unread = number_diff(s.first_hi, s.first_lo, self._ack_hi, self._ack_lo)
            if unread > 0:
                if not drop:
                    break
                drop = False
                self.stats.dropped = min(self.stats.dropped + unread, layout.LO_MAX)
                self._ack_hi = s.first_hi
                self._ack_lo = s.first_lo
            self._head = sector
            self._head_sequence = s.sequence
        if self._reader.sequence < self._head_sequence:
            self.rewind()

    def depth(self):
        """Records not yet acknowledged."""
        return number_diff(self._next_hi, self._next_lo, self._ack_hi, self._ack_lo)

    def position(self):
        """Opaque place after the last frame read, for `ack`."""
        reader = self._reader
        return (reader.next_hi, reader.next_lo, reader.sector, reader.sequence)

    def ack(self, position):
        """Acknowledge up to `position`. True when that is on flash; False if full flash has no room for it yet
        (it is in RAM, counted as deferred, and goes out with the next chance). Older positions change nothing.
        Costs one page, or what opening a sector costs when the newest has no room left."""
        assert self._writable
        hi, lo, sector, sequence = position
        if number_diff(hi, lo, self._ack_hi, self._ack_lo) <= 0:
            return True
        self._ack_hi = hi
        self._ack_lo = lo
        self._blocked = None
        self._head = sector
        self._head_sequence = sequence
        if self._off + 2 * ACK_FRAME_BYTES <= SECTOR_BYTES or (
            self._off + ACK_FRAME_BYTES <= SECTOR_BYTES and self.stats.dropped == self._dropped_on_flash
        ):
            if self._write(ACK, 0, self._ack_body()):
                self._dropped_on_flash = self.stats.dropped
                return True
        self._off = SECTOR_BYTES
        try:
            if self._ahead >= 0 or self._candidate(False) >= 0:
                self._advance()  # the open record carries it
                return True
        except LogFull:
            pass  # the free sector failed, the next one is needed
        self.stats.deferred += 1
        return False

    def _ack_body(self):
        body = struct.pack("<IH", self.depth(), self._s.newest_sequence - self._head_sequence)
        if self.stats.dropped != self._dropped_on_flash:
            body += struct.pack("<I", self.stats.dropped)
        return body

    # -- reading ------------------------------------------------------------------------------

    def rewind(self):
        """Read again from the acknowledged place."""
        self._reader.seek(self._head, self._head_sequence, self._ack_hi, self._ack_lo)

    def read(self):
        """Payload of the next unread frame (memoryview, valid until the next call) or None.

        Sets frame_seq_hi, frame_seq_lo (number of the frame's first record = hi * 2^30 + lo) and
        frame_records.
        """
        reader = self._reader
        if number_diff(self._next_hi, self._next_lo, reader.next_hi, reader.next_lo) <= 0:
            return None
        payload = reader.read(self._off)
        self.frame_seq_hi = reader.frame_hi
        self.frame_seq_lo = reader.frame_lo
        self.frame_records = reader.frame_records
        return payload
