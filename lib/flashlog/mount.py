"""Mount of a flash log: find the newest sector, its end, the head and the acknowledged place; first format.

Writes nothing unless the flash is blank or holds a first format that a power cut ended.
"""

import struct

from flashlog.layout import (
    ACK,
    BLANK_SECTOR,
    BOOT,
    DATA,
    FORMAT_MARK,
    FRAME_HEADER_BYTES,
    FRAMES_AT,
    OPEN,
    PAGE_BYTES,
    RETIRED,
    SECTOR_BYTES,
    STRANGER,
    LogMismatch,
    number_add,
    number_back,
    number_diff,
    sector_seed,
)
from flashlog.reader import Frames

_TORN_PAGES = 3  # a frame touches at most 3 pages, in order, and the first is not blank


def mount(log):
    """Set the state of `log` (a FlashLog) from its flash."""
    newest, sequence = _survey(log)
    if newest < 0:
        _format(log)
        newest, sequence = _survey(log)
    _read_newest(log, newest, sequence)
    _find_head(log)


def _survey(log):
    """Look at all headers; returns (newest sector, its sequence), or (-1, 0) if none is open."""
    s = log._s
    stats = log.stats
    newest = -1
    sequence = strangers = stats.wear_sum = stats.wear_max = 0
    for sector in range(s.count):
        state = s.load(sector)
        if state == OPEN and s.sequence > sequence:
            newest = sector
            sequence = s.sequence
        if state == RETIRED:
            s.note_retired(sector)
        elif state == STRANGER:
            strangers += 1
        elif state != BLANK_SECTOR:
            stats.wear_sum += s.erases
            stats.wear_max = max(stats.wear_max, s.erases)
    if newest >= 0 and strangers > 1 + s.count // 4:
        raise LogMismatch("%d of %d sectors hold something else than the flash log" % (strangers, s.count))
    return newest, sequence


def _read_newest(log, newest, sequence):
    """Take over header and frames of the newest sector; decide where writing resumes."""
    s = log._s
    s.load(newest)
    s.newest = newest
    s.newest_sequence = sequence
    log._erases = s.erases
    log._boot = s.boot
    log._seed = sector_seed(s.log_id, sequence)
    log._dropped_on_flash = log.stats.dropped = s.dropped
    first_hi = s.newest_hi = s.first_hi
    first_lo = s.newest_lo = s.first_lo
    ack_hi, ack_lo = number_back(first_hi, first_lo, s.behind)
    head_sequence = sequence - s.back
    delta = 0
    end = FRAMES_AT
    frames = Frames(s)
    frames.start(newest, sequence, FRAME_HEADER_BYTES)
    while True:
        body = frames.next_frame(SECTOR_BYTES)
        if body is None:
            break
        end = frames.offset
        delta = frames.delta
        if frames.kind == DATA:
            delta += frames.records
        elif frames.kind == BOOT:
            (log._boot,) = struct.unpack("<I", body)
        elif frames.kind == ACK:
            behind, back = struct.unpack_from("<IH", body, 0)
            ack_hi, ack_lo = number_add(first_hi, first_lo, delta)
            ack_hi, ack_lo = number_back(ack_hi, ack_lo, behind)
            head_sequence = sequence - back
            if len(body) > 6:
                (log.stats.dropped,) = struct.unpack_from("<I", body, 6)
                log._dropped_on_flash = log.stats.dropped
    log._delta = delta
    log._next_hi, log._next_lo = number_add(first_hi, first_lo, delta)
    log._ack_hi = ack_hi
    log._ack_lo = ack_lo
    log._head_sequence = head_sequence
    log._off = _resume(s, end)


def _resume(s, end):
    """Offset behind every page that a torn program may have touched, visibly or not. FORMAT.md "Resume"."""
    page = end // PAGE_BYTES
    last_page = s.last_page(s.newest)
    if last_page > page or (last_page == page and not _blank_page_from(s, s.newest, page, end % PAGE_BYTES)):
        page = last_page + _TORN_PAGES - 1
    return min((page + 1) * PAGE_BYTES, SECTOR_BYTES)


def _find_head(log):
    """The oldest sector that is still needed: the one that holds the acknowledged place, or the next there is."""
    s = log._s
    wanted = log._head_sequence
    best = s.newest_sequence + 1
    for sector in range(s.count):
        if s.load(sector) == OPEN and wanted <= s.sequence < best:
            best = s.sequence
            log._head = sector
            first_hi = s.first_hi
            first_lo = s.first_lo
    log._head_sequence = best
    missing = number_diff(first_hi, first_lo, log._ack_hi, log._ack_lo)
    if missing > 0:
        # Its sector was erased and the power went before that was written down: it had been dropped, or (rarely,
        # when there was no room left for an acknowledgement; and always if nothing may be dropped) acknowledged.
        if log._drop_oldest:
            log.stats.dropped += missing
        log._ack_hi = first_hi
        log._ack_lo = first_lo


def _format(log):
    """Make an empty log on blank flash.

    The mark in the last sector (the one before if that fails) goes first. It is constant, so a torn
    or blank looking mark is finished by programming it again, and once it is whole the first sector
    may hold anything.
    """
    s = log._s
    assert log._entropy is not None and len(log._entropy) == 4
    last = s.count - 1
    mark = bytearray(16)
    whole = False
    used = []
    for sector in range(s.count):
        s.flash.read(sector, 0, mark)
        skip = 0
        if sector >= last - 1 and all([have & want == want for have, want in zip(mark, FORMAT_MARK)]):
            skip = 16
            whole = whole or mark == FORMAT_MARK
        if not (s.blank(sector, PAGE_BYTES) and _blank_page_from(s, sector, 0, skip)):
            used.append(sector)
    if used and (not whole or used[-1] >= last - 1 or len(used) > 2):
        raise LogMismatch("flash is not blank and holds no log (sector %d)" % used[0])
    try:
        s.program(last, 0, FORMAT_MARK)
    except OSError:
        s.program(last - 1, 0, FORMAT_MARK)
    if s.log_id is None:  # else the cut came between erase mark and open record
        s.log_id = bytes(log._entropy)
    for sector in range(last - 1):
        try:
            s.open(sector, 1, 0, 0, 0, 0, 0, s.erase(sector, 1))
            return
        except OSError:
            pass  # retired; the next one
    raise OSError(5)


def _blank_page_from(s, sector, page, offset):
    """True if `page` of `sector` is blank from `offset` (within the page) on."""
    rest = bytearray(PAGE_BYTES - offset)
    s.flash.read(sector, page * PAGE_BYTES + offset, rest)
    return rest == b"\xff" * len(rest)
