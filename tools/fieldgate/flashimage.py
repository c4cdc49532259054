"""Reads an image of the flash log on the host, with the device's own code from lib/flashlog.

Promises: never writes; shows every frame that is still on flash, acknowledged or not, in order; counts all that does
not fit. Specification: lib/flashlog/FORMAT.md.
"""

from __future__ import annotations

import binascii
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fieldgate.places import ROOT

LIB = ROOT / "lib"
if str(LIB) not in sys.path:
    sys.path.append(str(LIB))

from flashlog import layout  # noqa: E402  (its folder is on the path only now)
from flashlog.layout import LogMismatch  # noqa: E402
from flashlog.log import FlashLog  # noqa: E402
from flashlog.reader import Frames  # noqa: E402
from flashlog.records import EVENT, SAMPLE, TIME_MARK, Block  # noqa: E402

ERASE_CYCLES = 100_000  # what makers of NOR flash promise per sector
TICKS_PER_ERA = 1 << 30
STATE_NAMES = {
    layout.BLANK_SECTOR: "blank",
    layout.STRANGER: "unknown",
    layout.ERASED: "erased",
    layout.OPEN: "old",
    layout.RETIRED: "retired",
}
SECONDS_PER_YEAR = 365.25 * 86400


class ImageError(Exception):
    """The image cannot be read as a flash log; the text says why, in one line."""


class ImageFlash:
    """The flash seam over the bytes of an image; writing raises ImageError."""

    program_bytes = 16

    def __init__(self, content: bytes) -> None:
        self.sectors = len(content) // layout.SECTOR_BYTES
        self._content = content

    def read(self, sector: int, offset: int, buf: bytearray | memoryview) -> None:
        at = sector * layout.SECTOR_BYTES + offset
        buf[:] = self._content[at : at + len(buf)]

    def program(self, sector: int, offset: int, buf: bytes) -> None:
        raise ImageError("an image is never written")

    def erase(self, sector: int) -> None:
        raise ImageError("an image is never written")


@dataclass(frozen=True)
class Sector:
    """One sector as the map shows it. `state`: blank, erased, unknown, retired, old (acknowledged or replaced),
    unread (holds records not acknowledged) or newest."""

    number: int
    state: str
    sequence: int = 0
    erases: int = 0
    frames: int = 0
    records: int = 0
    first: int = 0
    used_bytes: int = 0
    damaged_places: int = 0


@dataclass(frozen=True)
class Frame:
    """One data frame: number of its first record, count, where it lies, and its block's bytes."""

    number: int
    records: int
    sector: int
    offset: int
    acknowledged: bool
    payload: bytes


@dataclass
class Rate:
    """What the samples and events on flash say about the load; zero where nothing can be said."""

    records_per_s: float = 0.0
    bytes_per_s: float = 0.0
    span_s: float = 0.0


@dataclass
class Image:
    """A parsed image. Raises ImageError from `open`."""

    log: Any
    sectors: list[Sector] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> Image:
        """The image in a file. Raises ImageError, OSError."""
        return cls.parse(str(path), path.read_bytes())

    @classmethod
    def parse(cls, path: str, content: bytes) -> Image:
        """The image in memory; `path` says in messages where it came from. Raises ImageError."""
        size = layout.SECTOR_BYTES
        if len(content) < 4 * size or len(content) % size:
            raise ImageError(f"{path}: {len(content)} bytes are not a whole number (4 or more) of {size}-byte sectors")
        if content == b"\xff" * len(content):
            raise ImageError(f"{path}: all bytes are 0xFF: blank flash, no log yet")
        log = FlashLog(ImageFlash(content), entropy=b"\0\0\0\0")
        try:
            log.mount()
        except LogMismatch as error:
            raise ImageError(f"{path}: {error}") from None
        except ImageError:
            raise ImageError(f"{path}: power was cut during the first format; there is no record yet") from None
        image = cls(log)
        image._walk()
        return image

    @property
    def acknowledged(self) -> int:
        """Number of the first record that is not acknowledged."""
        return (self.log._ack_hi << 30) + self.log._ack_lo

    @property
    def end(self) -> int:
        """Number behind the last record."""
        return (self.log._next_hi << 30) + self.log._next_lo

    def _walk(self) -> None:
        sectors = self.log._s
        opened = []
        for number in range(sectors.count):
            state = sectors.load(number)
            if state == layout.OPEN and sectors.sequence <= sectors.newest_sequence:
                opened.append((sectors.sequence, number))
            erases = sectors.erases if state in (layout.OPEN, layout.ERASED) else 0
            self.sectors.append(Sector(number, STATE_NAMES[state], erases=erases))
        expected = -1
        for sequence, number in sorted(opened):
            expected = self._walk_sector(number, sequence, expected)

    def _walk_sector(self, number: int, sequence: int, expected: int) -> int:
        sectors = self.log._s
        sectors.load(number)
        first = (sectors.first_hi << 30) + sectors.first_lo
        newest = sequence == sectors.newest_sequence
        erases = sectors.erases
        reader = Frames(sectors)
        reader.start(number, sequence, layout.FRAME_BUFFER_BYTES)
        frames = records = used = damaged = 0
        behind = layout.FRAMES_AT
        while (payload := reader.next_frame(layout.SECTOR_BYTES)) is not None:
            start = reader.offset - reader.size
            damaged += self._not_blank(number, behind, start)
            behind = reader.offset
            used += reader.size
            if reader.kind != layout.DATA:
                continue
            frames += 1
            at = first + reader.delta
            if at < expected:
                continue  # written again after its first sector failed
            records += reader.records
            expected = at + reader.records
            self.frames.append(Frame(at, reader.records, number, start, at < self.acknowledged, bytes(payload)))
        damaged += self._not_blank(number, behind, layout.SECTOR_BYTES)
        state = "newest" if newest else "unread" if expected > self.acknowledged else "old"
        self.sectors[number] = Sector(number, state, sequence, erases, frames, records, first, used, damaged)
        return expected

    def _not_blank(self, sector: int, start: int, end: int) -> int:
        """1 if there is something between frames: a torn write or damage."""
        between = bytearray(end - start)
        self.log._s.flash.read(sector, start, between)
        return int(between != b"\xff" * len(between))

    def gaps(self) -> list[tuple[int, int]]:
        """(first missing record, how many) between the frames on flash: damage, or a sector that was replaced."""
        out = []
        for before, after in zip(self.frames, self.frames[1:]):
            missing = after.number - (before.number + before.records)
            if missing > 0:
                out.append((before.number + before.records, missing))
        return out

    def problems(self) -> list[str]:
        """What `fieldgate log verify` reports; empty when every byte is accounted for."""
        out = []
        for first, missing in self.gaps():
            where = "not acknowledged" if first + missing > self.acknowledged else "acknowledged"
            out.append(f"records {first}..{first + missing - 1} are missing ({where})")
        for frame in self.frames:
            try:
                rows = len(list(Block(frame.payload)))
            except ValueError as error:
                out.append(f"sector {frame.sector} offset {frame.offset}: {error}")
                continue
            if rows != frame.records:
                out.append(f"sector {frame.sector} offset {frame.offset}: {rows} rows, frame says {frame.records}")
        for sector in self.sectors:
            out.extend(self._header_problems(sector))
        return out

    def _header_problems(self, sector: Sector) -> list[str]:
        if sector.state not in ("old", "unread", "newest"):
            return [f"sector {sector.number} holds something else than the log"] if sector.state == "unknown" else []
        out = []
        record = bytearray(48)
        for name, offset in (("open record", layout.OPEN_AT), ("copy of the open record", layout.OPEN_COPY_AT)):
            self.log._s.flash.read(sector.number, offset, record)
            (stored,) = struct.unpack_from("<I", record, 44)
            if binascii.crc32(record[:44], layout.HEADER_SEED) != stored:
                out.append(f"sector {sector.number}: {name} is damaged")
        return out

    def rate(self) -> Rate:
        """Load while the box ran: bytes and records of each boot over the time between its first and last row."""
        spans: dict[int, tuple[int, int]] = {}
        size = count = 0
        for frame in self.frames:
            try:
                block = Block(frame.payload)
                times = [row[3] * TICKS_PER_ERA + row[4] for row in block]
            except ValueError:
                continue
            if not times:
                continue
            first, last = spans.get(block.boot, (min(times), max(times)))
            spans[block.boot] = (min(first, *times), max(last, *times))
            size += layout.frame_bytes(len(frame.payload))
            count += frame.records
        span_s = sum(last - first for first, last in spans.values()) / 1000
        return Rate(count / span_s, size / span_s, span_s) if span_s else Rate()


def forecast(sectors: int, bytes_per_s: float, mean_erases: float = 0.0) -> tuple[float, float]:
    """(years until the mean sector has its 100,000 erases, hours of outage that fit) at this many frame bytes a second.

    One sector is being written and one is erased ahead, so `sectors` - 2 hold a backlog; a sector takes 3968 bytes
    less 3 % for what does not fit at its end.
    """
    usable = (layout.SECTOR_BYTES - layout.FRAMES_AT) * 0.97
    sectors_per_s = bytes_per_s / usable
    if not sectors_per_s:
        return float("inf"), float("inf")
    years = max(ERASE_CYCLES - mean_erases, 0) * sectors / sectors_per_s / SECONDS_PER_YEAR
    return years, (sectors - 2) / sectors_per_s / 3600


def rows(frame: Frame) -> Iterator[dict[str, Any]]:
    """The frame's records as JSON-ready dicts. Raises ValueError for a block that no builder makes."""
    block = Block(frame.payload)
    for index, (kind, name, quality, era, ticks, data) in enumerate(block):
        row: dict[str, Any] = {
            "seq": frame.number + index,
            "acked": frame.acknowledged,
            "boot": block.boot,
            "schema": block.schema.hex(),
            "uptime_ms": era * TICKS_PER_ERA + ticks,
        }
        if kind == SAMPLE:
            row |= {"kind": "sample", "group": name, "quality": quality, "data": bytes(data or b"").hex()}
        elif kind == EVENT:
            row |= {"kind": "event", "code": name, "what": list(data)}
        else:
            assert kind == TIME_MARK
            row |= {"kind": "time", "utc_ms": data}
        yield row
