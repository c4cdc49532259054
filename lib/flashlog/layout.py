"""Numbers of the on-flash format and arithmetic on record numbers. FORMAT.md is the specification.

Record numbers are pairs (hi, lo) with number = hi * 2^30 + lo, so that every value the log
computes with is a small int on boards whose small ints have 31 bits. The only larger values are
the log id and CRCs, a fixed few per append.
"""

import binascii
import struct

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):
        return value


VERSION = 1
SECTOR_BYTES = const(4096)
PAGE_BYTES = const(256)  # what the chip programs in one go, and the unit a torn program is confined to
ALIGN_BYTES = const(16)  # frames start on multiples of this

ERASE_AT = const(0)
OPEN_AT = const(32)
OPEN_COPY_AT = const(80)
FRAMES_AT = const(128)

FRAME_HEADER_BYTES = const(10)
MAX_FRAME_BYTES = 480  # payload; with its header a frame touches at most 3 pages
FRAME_BUFFER_BYTES = const(496)
ACK_FRAME_BYTES = const(16)
RESERVE_BYTES = const(32)  # data frames leave this much of a sector to acknowledgements

DATA = const(1)
ACK = const(2)
BOOT = const(3)

BLANK_SECTOR = const(0)
STRANGER = const(1)
ERASED = const(2)
OPEN = const(3)
RETIRED = const(4)

ERASE_MAGIC = b"FgLe"
OPEN_MAGIC = b"FgLo"
FORMAT_MARK = b"Fieldgate format"
HEADER_SEED = 0x002A51EC
ERASE_FORMAT = "<4sBBHHH4sI8sI"
OPEN_FORMAT = "<4sBBHHH4s7II"
FRAME_FORMAT = "<IHBBH"

_LO_MAX = const(0x3FFFFFFF)
LO_MAX = _LO_MAX


class LogMismatch(Exception):
    """The flash holds something else than this log, or a log of a newer version; nothing was changed."""


class LogFull(Exception):
    """No sector is free and the policy is to refuse new records."""


def sector_seed(log_id, sequence):
    """CRC seed of the frames in the sector opened as number `sequence`: old frames never fit a new sector."""
    return binascii.crc32(struct.pack("<4sI", log_id, sequence))


def frame_bytes(payload_bytes):
    """Flash bytes that a frame with this payload takes, padding included."""
    return (FRAME_HEADER_BYTES + payload_bytes + 15) & -16


def outlook(sectors, bytes_a_day):
    """One line for whoever configures a box: what so many flash bytes a day (frames) mean for a log of `sectors`.

    One sector is being written and one is erased ahead, the others hold a backlog; 3 % of a sector is lost at its
    end. Makers promise 100,000 erases of a sector.
    """
    days = (SECTOR_BYTES - FRAMES_AT) * 0.97 / bytes_a_day  # that a sector takes to fill
    minutes = int((sectors - 2) * days * 1440)
    return "%d bytes of flash a day: room for an outage of %d h %d min, %.1f years of wear" % (
        bytes_a_day,
        minutes // 60,
        minutes % 60,
        sectors * days * 100000 / 365.25,
    )


def page_span(offset, length):
    """Number of 256-byte pages touched by `length` bytes at `offset`."""
    return ((offset + length - 1) >> 8) - (offset >> 8) + 1


def number_add(hi, lo, count):
    """(hi, lo) + count, 0 <= count < 2^30, without leaving small ints."""
    room = _LO_MAX - lo
    if count <= room:
        return hi, lo + count
    return hi + 1, count - room - 1


def number_back(hi, lo, count):
    """(hi, lo) - count, 0 <= count < 2^30; not below (0, 0)."""
    if count <= lo:
        return hi, lo - count
    if hi == 0:
        return 0, 0
    return hi - 1, _LO_MAX - (count - lo - 1)


def number_diff(a_hi, a_lo, b_hi, b_lo):
    """a - b, saturated at +-(2^30 - 1)."""
    if a_hi == b_hi:
        return a_lo - b_lo
    if a_hi == b_hi + 1 and a_lo < b_lo:
        return a_lo - b_lo + _LO_MAX + 1
    if b_hi == a_hi + 1 and b_lo < a_lo:
        return a_lo - b_lo - _LO_MAX - 1
    return _LO_MAX if a_hi > b_hi else -_LO_MAX
