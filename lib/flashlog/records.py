"""Record blocks: what one log frame carries. FORMAT.md "Record blocks" specifies every byte.

`BlockBuilder` packs samples, events and time marks of one boot and schema; `Block` takes a
payload apart again, on the box and on the host. A sample that repeats its group within a block is
stored as the words that changed since, where that is shorter.
"""

import struct

try:
    from flashlog.native import move, put_changes
except (ImportError, NameError, SyntaxError, ValueError, AttributeError):
    # CPython has no viper; some ports cannot emit or load machine code
    from flashlog.plain import move, put_changes

VERSION = 1
HEADER_BYTES = 15
MAX_DATA_BYTES = 252  # a Modbus PDU's 253 bytes less the function code
MAX_TEXT_BYTES = 40
_HEADER = "<BI4sHI"

# Kinds that Block yields.
SAMPLE = 1
EVENT = 2
TIME_MARK = 3

# Row tags.
_WHOLE = 1
_CHANGED = 2
_FAILED = 3
_EVENT = 4
_TEXT = 5
_TIME = 6

_TICKS_MASK = 0x3FFFFFFF  # ticks_ms wraps at 2^30
_HALF = 0x20000000
_PLACE_BITS = 11
_PLACE_MASK = (1 << _PLACE_BITS) - 1


class BlockBuilder:
    """Fills one block of at most `max_bytes`. `records` rows are in it; `payload()` is the block.

    `sample`, `event` and `time_mark` return False, and change nothing, when the row does not fit.
    Times are ticks_ms within 2^29 ms of the row before. Allocates nothing in `sample` after the
    first block.
    """

    def __init__(self, max_bytes):
        self.max_bytes = max_bytes
        # A row is written first and measured then, so there is room for one behind the end. Behind that
        # lies the last data of each group (size, bytes); that takes less than the groups' whole rows did.
        self._last_data = max_bytes + MAX_DATA_BYTES + 32
        self._buf = bytearray(self._last_data + max_bytes)
        assert len(self._buf) <= 1 << _PLACE_BITS
        self._keys = {}  # group: generation << 11 | place of its last data
        self._generation = 0
        self.records = 0
        self._end = self._at = HEADER_BYTES
        self._last = 0

    def reset(self, boot_id, schema, era, ticks):
        """Begin a block. schema: 4 bytes; (era, ticks): uptime that the rows' times count from."""
        struct.pack_into(_HEADER, self._buf, 0, VERSION, boot_id, schema, era, ticks & _TICKS_MASK)
        self._end = self._at = HEADER_BYTES
        self._last = ticks & _TICKS_MASK
        self._free = self._last_data
        self._generation = (self._generation + 1) & 0x3FFFF
        if not self._generation:
            self._keys = {}
        self.records = 0

    def sample(self, group, quality, ticks_ms, data, nbytes):
        """Add one read's outcome: data[0:nbytes] as on the wire if quality is 0, else no data."""
        buf = self._buf
        self._begin(_WHOLE, group)
        if quality:
            buf[self._end] = _FAILED
            buf[self._at] = quality
            self._at += 1
            return self._finish(ticks_ms)
        assert nbytes <= MAX_DATA_BYTES
        self._put_time(ticks_ms)
        start = self._at
        known = self._keys.get(group, 0)
        place = known & _PLACE_MASK
        if known >> _PLACE_BITS != self._generation or buf[place - 1] != nbytes:
            place = 0
        if place:
            buf[self._end] = _CHANGED
            self._at = put_changes(buf, start << 16 | place, data, nbytes)
        if not place or self._at > start + nbytes:
            buf[self._end] = _WHOLE
            buf[start] = nbytes
            move(buf, start + 1, data, nbytes)
            self._at = start + 1 + nbytes
        if not self._finish():
            return False
        if not place:
            place = self._free + 1
            self._free = place + nbytes
            buf[place - 1] = nbytes
            self._keys[group] = self._generation << _PLACE_BITS | place
        move(buf, place, data, nbytes)
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
            self._buf[self._at] = size
            self._buf[self._at + 1 : self._at + 1 + size] = data[:size]
            self._at += 1 + size
        return self._finish()

    def time_mark(self, ticks_ms, utc_ms):
        """Add: at uptime `ticks_ms` it was `utc_ms` (ms since 1970-01-01 UTC)."""
        self._begin(_TIME, 0)
        self._at -= 1
        self._put_time(ticks_ms)
        struct.pack_into("<Q", self._buf, self._at, utc_ms)
        self._at += 8
        return self._finish()

    def payload(self):
        """The block: a memoryview that is valid until the next `reset`."""
        return memoryview(self._buf)[: self._end]

    def _begin(self, tag, name):
        self._buf[self._end] = tag
        self._buf[self._end + 1] = name
        self._at = self._end + 2

    def _put_time(self, ticks_ms):
        self._now = ticks_ms & _TICKS_MASK
        self._put_int(((self._now - self._last + _HALF) & _TICKS_MASK) - _HALF)

    def _put_int(self, value):
        """Zigzag and varint, 5 bytes at most; the first byte takes the sign, so that all stays a small int."""
        sign = 0
        if value < 0:
            sign = 1
            value = -1 - value
        buf = self._buf
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

    def _finish(self, ticks_ms=None):
        if ticks_ms is not None:
            self._put_time(ticks_ms)
        if self._at > self.max_bytes or self.records == 255:
            return False
        self._end = self._at
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
        if len(payload) < HEADER_BYTES or payload[0] != VERSION:
            raise ValueError("record block: not of version %d" % VERSION)
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
        keys = {}
        while self._at < end:
            tag = payload[self._at]
            self._at += 1
            name = 0
            if tag != _TIME:
                name = payload[self._at]
                self._at += 1
            quality = 0
            if tag == _FAILED:
                quality = payload[self._at]
                self._at += 1
            self._take_time()
            kind = SAMPLE
            if tag == _WHOLE:
                size = payload[self._at]
                keys[name] = data = self._take(self._at + 1, size)
            elif tag == _CHANGED:
                if name not in keys:
                    raise ValueError("record block: change of nothing")
                keys[name] = data = self._changed(keys[name])
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
