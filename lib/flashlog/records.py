"""Record blocks: what one log frame carries. FORMAT.md "Record blocks" specifies every byte.

`BlockBuilder` packs samples, events and time marks of one boot and schema; `Block` takes a
payload apart again, on the box and on the host. Samples of one group within a block are stored as
columns: how each value differs from the one before, a few bits each, where that is shorter.
"""

import struct
from array import array

from flashlog.columns import (
    AFTER_WHOLE,
    FIRST,
    MASK,
    MAX_DATA_BYTES,
    NEXT,
    WHOLE,
    load_values,
    move,
    plan_of,
    read_plan,
    store_values,
    take_values,
)
from flashlog.workspace import Workspace

VERSION = 2  # Block reads 1 as well
HEADER_BYTES = 15
MAX_TEXT_BYTES = 40
_HEADER = "<BI4sHI"

# Kinds that Block yields.
SAMPLE = 1
EVENT = 2
TIME_MARK = 3

# Row tags; others are in flashlog.columns.
_CHANGED = 2  # in blocks of version 1 only
_FAILED = 3
_EVENT = 4
_TEXT = 5
_TIME = 6
_SHORT = 128  # and more: NEXT of group tag - 128

_TICKS_MASK = 0x3FFFFFFF  # ticks_ms wraps at 2^30
_HALF = 0x20000000
_NOTHING = (None, None)


class BlockBuilder:
    """Fills one block of at most `max_bytes`. `records` rows are in it; `payload()` is the block.

    `sample`, `event` and `time_mark` return False, and change nothing, when the row does not fit. Times are ticks_ms
    within 2^29 ms of the row before. Allocates nothing in `sample` but once for each group.
    """

    def __init__(self, max_bytes, workspace=None):
        self.max_bytes = max_bytes
        self._work = workspace or Workspace()
        self._row = self._work.row  # a row is written there first, so that it is in the block whole or not at all
        self._buf = bytearray(max_bytes)
        self.records = 0
        self._end = HEADER_BYTES
        self._at = self._last = 0

    def reset(self, boot_id, schema, era, ticks):
        """Begin a block. schema: 4 bytes; (era, ticks): uptime that the rows' times count from."""
        struct.pack_into(_HEADER, self._buf, 0, VERSION, boot_id, schema, era, ticks & _TICKS_MASK)
        self._end = HEADER_BYTES
        self._last = ticks & _TICKS_MASK
        if self._work.owner is self:
            self._work.owner = None
        self.records = 0

    def sample(self, group, quality, ticks_ms, data, nbytes):
        """Add one read's outcome: data[0:nbytes] as on the wire if quality is 0, else no data."""
        self._begin(_FAILED, group)
        if quality:
            self._row[2] = quality
            self._at = 3
            self._put_time(ticks_ms)
            return self._finish()
        assert nbytes <= MAX_DATA_BYTES
        self._put_time(ticks_ms)
        work = self._work
        if work.owner is not self:
            work.begin(self)
        self._at = work.put(self._at, group, data, nbytes)
        if not self._finish():
            return False
        work.keep()
        return True

    def event(self, code, ticks_ms, a=0, b=0, text=None):
        """Add an event with two ints (-2^30..2^30 - 1) or with a text, cut at 40 bytes of UTF-8."""
        self._begin(_EVENT if text is None else _TEXT, code)
        self._put_time(ticks_ms)
        if text is None:
            self._put_int(a)
            self._put_int(b)
        else:
            data = text.encode()
            size = min(len(data), MAX_TEXT_BYTES)
            while size < len(data) and data[size] & 0xC0 == 0x80:  # not within a character
                size -= 1
            self._row[self._at] = size
            move(self._row, self._at + 1, data, 0, size)
            self._at += 1 + size
        return self._finish()

    def time_mark(self, ticks_ms, utc_ms):
        """Add: at uptime `ticks_ms` it was `utc_ms` (ms since 1970-01-01 UTC)."""
        self._begin(_TIME, 0)
        self._at -= 1
        self._put_time(ticks_ms)
        struct.pack_into("<Q", self._row, self._at, utc_ms)
        self._at += 8
        return self._finish()

    def payload(self):
        """The block: a memoryview that is valid until the next `reset`."""
        return memoryview(self._buf)[: self._end]

    def _begin(self, tag, name):
        self._row[0] = tag
        self._row[1] = name
        self._at = 2

    def _put_time(self, ticks_ms):
        self._now = ticks_ms & _TICKS_MASK
        self._put_int(((self._now - self._last + _HALF) & _TICKS_MASK) - _HALF)

    def _put_int(self, value):
        """Zigzag and varint, 5 bytes at most; the first byte takes the sign, so that all stays a small int."""
        sign = 0
        if value < 0:
            sign = 1
            value = -1 - value
        buf = self._row
        at = self._at
        byte = (value & 63) << 1 | sign
        value >>= 6
        while value:
            buf[at] = byte | 0x80
            at += 1
            byte = value & 127
            value >>= 7
        buf[at] = byte
        self._at = at + 1

    def _finish(self):
        row = self._row
        start = 0
        if row[0] == NEXT and row[1] < _SHORT:  # tag and group in one byte
            row[1] += _SHORT
            start = 1
        end = self._end + self._at - start
        if end > self.max_bytes or self.records == 255:
            return False
        move(self._buf, self._end, row, start, self._at - start)
        self._end = end
        self._last = self._now
        self.records += 1
        return True


class Block:
    """A payload taken apart: boot, schema (4 bytes), era, ticks; iterating yields its rows in order.

    A row is (kind, name, quality, era, ticks, data):
    SAMPLE: name is the group; data the reply's bytes, or None if quality is not 0;
    EVENT: name is the code; data is (a, b) or (text,);
    TIME_MARK: data is UTC in ms. Uptime of the row in ms = era * 2^30 + ticks.
    ValueError on bytes that no builder makes.
    """

    def __init__(self, payload):
        if len(payload) < HEADER_BYTES or not 0 < payload[0] <= VERSION:
            raise ValueError("record block: not of version 1 to %d" % VERSION)
        self._payload = payload
        _, self.boot, schema, self.era, self.ticks = struct.unpack_from(_HEADER, payload, 0)
        self.schema = bytes(schema)

    def __iter__(self):
        try:
            for row in self._rows():
                yield row
        except IndexError:
            raise ValueError("record block: cut short")

    def _rows(self):
        payload = self._payload
        end = len(payload)
        self._at = HEADER_BYTES
        self._era = self.era
        self._now = self.ticks
        keys = {}  # group: (plan or None: whole so far, its last values)
        while self._at < end:
            tag = payload[self._at]
            self._at += 1
            name = 0
            if tag >= _SHORT:
                name = tag - _SHORT
                tag = NEXT
            elif tag != _TIME:
                name = payload[self._at]
                self._at += 1
            quality = 0
            if tag == _FAILED:
                quality = payload[self._at]
                self._at += 1
            self._take_time()
            kind = SAMPLE
            if tag == WHOLE:
                data = self._take(self._at + 1, payload[self._at])
                keys[name] = None, data
            elif tag == FIRST:
                plan = read_plan(payload, self._at + 1, payload[self._at])
                keys[name] = plan, array("I", bytes(4 * plan[3]))
                data = self._columns(2 * self._at + 3 + plan[2], *keys[name])
            elif tag == NEXT or tag == AFTER_WHOLE or tag == _CHANGED:
                data = self._following(tag, keys, name)
            elif tag == _FAILED:
                data = None
            elif tag == _EVENT:
                kind = EVENT
                data = (self._take_int(), self._take_int())
            elif tag == _TEXT:
                kind = EVENT
                data = (str(bytes(self._take(self._at + 1, payload[self._at])), "utf-8"),)
            elif tag == _TIME:
                kind = TIME_MARK
                (data,) = struct.unpack("<Q", self._take(self._at, 8))
            else:
                raise ValueError("record block: row tag %d" % tag)
            yield kind, name, quality, self._era, self._now, data

    def _take(self, start, size):
        if start + size > len(self._payload):
            raise ValueError("record block: cut short")
        self._at = start + size
        return self._payload[start : start + size]

    def _following(self, tag, keys, group):
        """Data of a sample that refers to the group's sample before it."""
        plan, values = keys.get(group, _NOTHING)
        if values is None or (plan and tag != NEXT):
            raise ValueError("record block: refers to nothing")
        if tag == _CHANGED:
            data = self._changed(values)
            keys[group] = None, data
            return data
        nibble = 2 * self._at
        if plan is None:
            data = values
            if tag == AFTER_WHOLE:
                plan = read_plan(self._payload, self._at, len(data))
                nibble += 1 + plan[2]
            else:
                plan = plan_of(len(data))
            values = array("I", bytes(4 * plan[3]))
            if load_values(data, plan, values, 0, MASK):
                raise ValueError("record block: numbers refer to words")
            keys[group] = plan, values
        return self._columns(nibble, plan, values)

    def _columns(self, nibble, plan, values):
        data = bytearray(plan[0])
        self._at = take_values(self._payload, nibble, len(self._payload), values, plan[3], MASK)
        if not self._at:
            raise ValueError("record block: cut short")
        store_values(values, plan, data, MASK)
        return data

    def _changed(self, last):
        data = bytearray(last)
        size = len(data)
        units = (size + 1) // 2
        mask = self._take(self._at, (units + 7) // 8)
        for unit in range(units):
            if mask[unit >> 3] >> (unit & 7) & 1:
                width = 2 if 2 * unit + 1 < size else 1
                data[2 * unit : 2 * unit + width] = self._take(self._at, width)
        return data

    def _take_int(self):
        payload = self._payload
        byte = payload[self._at]
        sign = byte & 1
        value = (byte & 127) >> 1
        shift = 6
        while byte & 128:
            self._at += 1
            if shift > 27:
                raise ValueError("record block: number too long")
            byte = payload[self._at]
            value |= (byte & 127) << shift
            shift += 7
        self._at += 1
        return -1 - value if sign else value

    def _take_time(self):
        step = self._take_int()
        if step < 0:
            now = self._now + step
            if now < 0:
                self._era -= 1
                now = now + _TICKS_MASK + 1
        else:
            room = _TICKS_MASK - self._now
            if step > room:
                self._era += 1
                now = step - room - 1
            else:
                now = self._now + step
        self._now = now
