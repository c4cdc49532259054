"""Sectors of the log: verified programs and erases, sector headers, retirement.

Promises: `program` and `erase` return only after what they wrote was read back; a sector that
fails is retired and never used again in this boot. Headers are believed only with a right CRC
and the right place. Knows nothing of the order of sectors; that is log.py.
"""

import binascii
import struct

from flashlog.layout import (
    BLANK_SECTOR,
    ERASE_AT,
    ERASE_FORMAT,
    ERASE_MAGIC,
    ERASED,
    FORMAT_MARK,
    FRAMES_AT,
    HEADER_SEED,
    OPEN,
    OPEN_AT,
    OPEN_COPY_AT,
    OPEN_FORMAT,
    OPEN_MAGIC,
    PAGE_BYTES,
    RETIRED,
    SECTOR_BYTES,
    STRANGER,
    VERSION,
    LogMismatch,
)

_EIO = 5
_BLANK_PAGE = b"\xff" * 256
_FILL = b"\xff" * 8


class Stats:
    """Counters since construction unless noted. Plain ints; read-only for others.

    erases, programs (pages), failures (erases or programs that did not take), starved (erases
    inside append, ack or begin_boot), deferred (acknowledgements that found no room on flash),
    dropped (records given up by drop-oldest; kept over restarts), damaged (records found
    destroyed while reading), retired (sectors out of use), wear_max and wear_sum (erase counts
    over all sectors, over the life of the log).
    """

    def __init__(self):
        self.erases = self.programs = self.failures = self.starved = self.deferred = 0
        self.dropped = self.damaged = self.retired = self.wear_max = self.wear_sum = 0


class Sectors:
    """Sector access for one log. `load` leaves what it read in the attributes named below."""

    def __init__(self, flash):
        assert flash.sectors >= 4 and flash.program_bytes in (16, 256)
        self.flash = flash
        self.count = flash.sectors
        self.stats = Stats()
        self.log_id = None  # 4 bytes once known
        self._bad = bytearray((self.count + 7) // 8)
        self._page = bytearray(PAGE_BYTES)
        self._view = memoryview(self._page)
        # the newest sector, kept by log.py and mount.py; its header need not be readable any more
        self.newest = self.newest_sequence = self.newest_hi = self.newest_lo = 0
        # filled by load():
        self.sequence = self.first_hi = self.first_lo = 0
        self.behind = self.back = self.dropped = self.boot = self.erases = 0

    # -- retirement -------------------------------------------------------------------------

    def is_bad(self, sector):
        return self._bad[sector >> 3] >> (sector & 7) & 1

    def mark_bad(self, sector):
        """A program or erase of this sector failed: use it no more in this boot. What it holds stays readable."""
        self.stats.failures += 1
        self.note_retired(sector)

    def note_retired(self, sector):
        if not self.is_bad(sector):
            self._bad[sector >> 3] |= 1 << (sector & 7)
            self.stats.retired += 1

    def retire(self, sector):
        """Take a sector without live records out of use, for good where it can still be written."""
        self.mark_bad(sector)
        try:
            self.program(sector, ERASE_AT, bytes(FRAMES_AT))
        except OSError:
            pass  # it is tried, and found bad, again after the next start

    # -- flash operations -------------------------------------------------------------------

    def program(self, sector, offset, body, head=b""):
        """Program `head` and `body` in a row, padded with 0xFF to a multiple of 16, and read them back.

        offset: multiple of 16; the head does not cross a page. Page by page. OSError if it did not take.
        """
        flash = self.flash
        page = self._page
        view = self._view
        whole = flash.program_bytes == PAGE_BYTES
        body = memoryview(body)
        length = len(body)
        at = offset & 255
        offset -= at  # of the page
        start = len(head)
        done = 0
        while True:
            size = min(PAGE_BYTES - at - start, length - done)
            part = body[done : done + size]
            end = at + start + size
            place = view[at + start : end]
            page[:] = _BLANK_PAGE
            place[:] = part
            if start:
                head_place = view[at : at + start]
                head_place[:] = head
            if whole:
                flash.program(sector, offset, page)
            else:
                flash.program(sector, offset + at, view[at : (end + 15) & -16])
            self.stats.programs += 1
            flash.read(sector, offset, page)
            if place != part or (start and head_place != head):
                raise OSError(_EIO)
            done += size
            if done == length:
                return
            offset += PAGE_BYTES
            at = start = 0

    def blank(self, sector, offset=0):
        """True if every byte from `offset` (multiple of 256) to the sector's end is 0xFF."""
        while offset < SECTOR_BYTES:
            self.flash.read(sector, offset, self._page)
            if self._page != _BLANK_PAGE:
                return False
            offset += PAGE_BYTES
        return True

    def last_page(self, sector):
        """Number of the last page that is not blank, -1 if all are."""
        number = SECTOR_BYTES // PAGE_BYTES - 1
        while number >= 0:
            self.flash.read(sector, number * PAGE_BYTES, self._page)
            if self._page != _BLANK_PAGE:
                break
            number -= 1
        return number

    def erase(self, sector, wear_guess):
        """Erase, check, leave the erase mark. Returns the sector's erase count; OSError after retiring it.

        Where there is no old count, because the sector is new or a power cut destroyed it, the count
        is `wear_guess`: that of the newest sector, with which an evenly worn ring now draws level.
        """
        state = self.load(sector)
        count = self.erases + 1 if state in (OPEN, ERASED) else wear_guess
        stats = self.stats
        stats.erases += 1
        stats.wear_sum += 1
        if count > stats.wear_max:
            stats.wear_max = count
        try:
            self.flash.erase(sector)
            if not self.blank(sector):
                raise OSError(_EIO)
            mark = bytearray(
                struct.pack(
                    ERASE_FORMAT, ERASE_MAGIC, VERSION, 255, self.count, sector, 0xFFFF, self.log_id, count, _FILL, 0
                )
            )
            struct.pack_into("<I", mark, 28, binascii.crc32(memoryview(mark)[:28], HEADER_SEED))
            self.program(sector, ERASE_AT, mark)
        except OSError:
            self.retire(sector)
            raise
        return count

    def open(self, sector, sequence, first_hi, first_lo, behind, back, boot, erases):
        """Write the open record and its copy into an erased sector. OSError after retiring it."""
        record = bytearray(FRAMES_AT - OPEN_AT)
        dropped = self.stats.dropped
        struct.pack_into(
            OPEN_FORMAT, record, 0, OPEN_MAGIC, VERSION, 255, self.count, sector, back, self.log_id,
            sequence, first_lo, first_hi, behind, dropped, boot, erases, 0,
        )  # fmt: skip
        struct.pack_into("<I", record, 44, binascii.crc32(memoryview(record)[:44], HEADER_SEED))
        record[48:96] = record[0:48]
        try:
            self.program(sector, OPEN_AT, record)
        except OSError:
            self.retire(sector)
            raise

    # -- headers ----------------------------------------------------------------------------

    def load(self, sector):
        """Read a sector's header; returns its state. LogMismatch if it belongs to another log or place."""
        record = self._view[:48]
        blank = True
        for offset in (OPEN_AT, OPEN_COPY_AT):
            self.flash.read(sector, offset, record)
            if self._valid(record, OPEN_MAGIC, sector):
                (self.back,) = struct.unpack_from("<H", record, 10)
                fields = struct.unpack_from("<7I", record, 16)
                self.sequence, self.first_lo, self.first_hi, self.behind, self.dropped, self.boot, self.erases = fields
                return OPEN
            blank = blank and record == _BLANK_PAGE[:48]
        record = record[:32]
        self.flash.read(sector, ERASE_AT, record)
        if self._valid(record, ERASE_MAGIC, sector):
            (self.erases,) = struct.unpack_from("<I", record, 16)
            return ERASED
        if blank and (record == _BLANK_PAGE[:32] or record[:16] == FORMAT_MARK):
            return BLANK_SECTOR
        return RETIRED if record == bytes(32) else STRANGER

    def _valid(self, record, magic, sector):
        size = len(record) - 4
        if record[:4] != magic:
            return False
        if struct.unpack_from("<I", record, size)[0] != binascii.crc32(record[:size], HEADER_SEED):
            return False
        version, _, count, place, _ = struct.unpack_from("<BBHHH", record, 4)
        log_id = bytes(record[12:16])
        if version > VERSION:
            raise LogMismatch("flash log of version %d, this firmware reads up to %d" % (version, VERSION))
        if count != self.count or place != sector:
            raise LogMismatch(
                "flash log of %d sectors has its sector %d at place %d of %d" % (count, place, sector, self.count)
            )
        if self.log_id is None:
            self.log_id = log_id
        elif log_id != self.log_id:
            raise LogMismatch("sectors of two flash logs are mixed (sector %d)" % sector)
        return True
