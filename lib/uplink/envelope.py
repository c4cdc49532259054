"""The batch: records of one boot and one schema, from the log, as one CBOR payload (FORMAT.md).

Promises: lossless; never more than `max_bytes`, known before a record is taken; memory is taken once, at
construction (events and time marks, which are rare, apart). Encoding can be done in slices, one column each.
"""

import struct
from array import array

from uplink import cbor
from uplink.columns import (
    BOOL,
    ROWS,
    ColumnWriter,
    choose_rows,
    kind_of,
    load_steps,
    load_words,
    put_deltas,
    width_of,
)

FORMAT = 1

# Keys of the top map.
KEY_FORMAT = 0
KEY_LOG = 1
KEY_BOOT = 2
KEY_SCHEMA = 3
KEY_SEQ = 4
KEY_COUNT = 5
KEY_UPTIME_MS = 6
KEY_UTC_MS = 7
KEY_GROUPS = 8
KEY_EVENTS = 9
KEY_TIME_MARKS = 10

# Longest possible sizes; `max_bytes` is kept by adding these up.
_HEADER_BYTES = 80
_GROUP_BYTES = 20  # number, head, times' head, qualities' head
_COLUMN_BYTES = 5  # string head, mode byte, a begun byte of bits
_SAMPLE_BYTES = 7  # time, a quality run of its own
_EVENT_BYTES = 28
_SPAN_MS = 1 << 29  # times in one batch lie less than this apart


def layout_of(points):
    """What the encoder needs of a group's meta `points` (dicts with at, type, order): one int per point."""
    return tuple([point["at"] << 8 | kind_of(point["type"], point["order"]) for point in points])


class BatchEncoder:
    """Collects records, then writes the batch.

    begin(...), then sample(), event(), time_mark() in the order of the log until one says False (full: finish this
    batch, begin the next with the same record), then finish() or steps(). `records` counts what was taken; add to it
    for records of the log that carry nothing to publish, so that `seq` + `n` stays without a gap.
    """

    def __init__(self, log_id, max_bytes=2048, max_records=64):
        """log_id: u32 of the log. max_bytes: 512 or more; a sample has at most 252 bytes of data."""
        assert max_bytes >= 512 and 1 <= max_records <= 255
        self._log = log_id.to_bytes(4, "big")
        self._out = bytearray(max_bytes)
        self._rows = bytearray(max_bytes)  # data of the good samples, one after the other
        self._group = bytearray(max_records)
        self._quality = bytearray(max_records)
        self._time = bytearray(4 * max_records)  # ms since the base, big-endian
        self._place = array("H", bytes(2 * max_records))  # in _rows
        self._chosen = array("H", bytes(2 * max_records))  # places of one group's good samples
        self._column = ColumnWriter(max_records)
        self.payload = None

    def begin(self, boot, schema, layouts, seq, era, ticks):
        """Start a batch. boot: boot id. schema: 4 bytes. layouts: {group: layout_of(points)}; a group that is not in
        it is published as whole rows. seq: sequence number of the first record (its log's count, u64).
        era, ticks: uptime of the first record; the batch's time base."""
        self._boot = boot
        self._schema = bytes(schema)
        self._layouts = layouts
        self._seq = seq
        self._era = era
        self._ticks = ticks
        self._groups = {}  # group: see _plan
        self._events = []
        self._marks = []
        self._bound = _HEADER_BYTES
        self._used = 0
        self._samples = 0
        self.records = 0
        self.payload = None

    def sample(self, group, quality, era, ticks, data):
        """Take one sample; `data`: the reply's data bytes if quality is 0 (good), else ignored. False: full."""
        index = self._samples
        time = self._since(era, ticks)
        if index == len(self._quality) or time is None:
            return False
        size = 0 if quality else len(data)
        known = self._groups.get(group)
        overhead, row_bytes, layout = known or self._plan(group)
        bound = self._bound + _SAMPLE_BYTES
        if not known:
            bound += overhead
        if not quality:
            bound += size if layout is None else row_bytes
        if bound > len(self._out) or self._used + size > len(self._rows):
            return False
        if not known:
            self._groups[group] = (overhead, row_bytes, layout)
        self._bound = bound
        self._group[index] = group
        self._quality[index] = quality
        struct.pack_into(">i", self._time, 4 * index, time)
        self._place[index] = self._used
        if size:
            self._rows[self._used : self._used + size] = data
            self._used += size
        self._samples += 1
        self.records += 1
        return True

    def event(self, code, era, ticks, *what):
        """Take an event: `what` is up to two ints or one text (at most 40 bytes). False: full."""
        text_bytes = len(what[0].encode()) if what and isinstance(what[0], str) else 0
        return self._add(self._events, (code,), era, ticks, what, _EVENT_BYTES + text_bytes)

    def time_mark(self, era, ticks, utc_ms):
        """Take a mark that says what UTC it was at that uptime. False: full."""
        return self._add(self._marks, (), era, ticks, (utc_ms,), _EVENT_BYTES)

    def finish(self, utc_ms):
        """Write the batch in one go; returns the payload, a memoryview that is valid until the next `begin`.

        utc_ms: UTC of the base, None while it is not known."""
        for _ in self.steps(utc_ms):
            pass
        return self.payload

    def steps(self, utc_ms):
        """The same as a generator that stops after every column, so that the caller can let others run."""
        out = self._out
        at = cbor.put_head(out, 0, cbor.MAP, 9 + (1 if self._events else 0) + (1 if self._marks else 0))
        at = self._put_number(at, KEY_FORMAT, FORMAT)
        at = self._put_bytes(at, KEY_LOG, self._log)
        at = self._put_number(at, KEY_BOOT, self._boot)
        at = self._put_bytes(at, KEY_SCHEMA, self._schema)
        at = self._put_number(at, KEY_SEQ, self._seq)
        at = self._put_number(at, KEY_COUNT, self.records)
        at = self._put_number(at, KEY_UPTIME_MS, (self._era << 30) + self._ticks)
        at = self._put_number(at, KEY_UTC_MS, utc_ms)
        at = cbor.put_head(out, at, cbor.UINT, KEY_GROUPS)
        at = cbor.put_head(out, at, cbor.MAP, len(self._groups))
        for group in sorted(self._groups):
            layout = self._groups[group][2]
            good = choose_rows(self._group, self._quality, self._samples, group, self._place, self._chosen)
            columns = 0 if not good else 1 if layout is None else len(layout)
            at = cbor.put_head(out, at, cbor.UINT, group)
            at = cbor.put_head(out, at, cbor.ARRAY, 2 + columns)
            at = self._put_times(at, group)
            yield
            at = self._put_qualities(at, group)
            yield
            if not columns:
                continue
            if layout is None:
                at = self._put_rows(at, group)
                continue
            for point in layout:
                load_words(self._rows, self._chosen, good, self._byte_at(point), point & 0xFF, self._column.words)
                at = cbor.put_head(out, at, cbor.BYTES, self._column.choose(good, point & 0xFF))
                at = self._column.put(out, at)
                yield
        at = self._put_list(at, KEY_EVENTS, self._events)
        at = self._put_list(at, KEY_TIME_MARKS, self._marks)
        self.payload = memoryview(out)[:at]

    # Taking records

    def _since(self, era, ticks):
        """Milliseconds since the base, None if too far from it."""
        time = ticks - self._ticks + ((era - self._era) << 30)
        return time if -_SPAN_MS < time < _SPAN_MS else None

    def _plan(self, group):
        """(bytes that a new group adds, bytes of one sample's values, layout or None for whole rows): upper bounds."""
        layout = self._layouts.get(group)
        if layout is not None:
            overhead = _GROUP_BYTES + _COLUMN_BYTES * len(layout)
            row_bytes = bits = 0
            for point in layout:
                width = width_of(point)
                row_bytes += width
                bits += not width
            row_bytes += (bits + 7) // 8
            # So many points that a single sample might not fit: whole rows, which always do.
            if overhead + row_bytes <= len(self._out) - _HEADER_BYTES - _SAMPLE_BYTES:
                return overhead, row_bytes, layout
        return _GROUP_BYTES + _COLUMN_BYTES, 0, None

    def _add(self, items, before, era, ticks, after, cost):
        time = self._since(era, ticks)
        if time is None or self._bound + cost > len(self._out):
            return False
        self._bound += cost
        items.append(before + (time,) + after)
        self.records += 1
        return True

    # Writing

    def _put_number(self, at, key, value):
        return cbor.put_int(self._out, cbor.put_head(self._out, at, cbor.UINT, key), value)

    def _put_bytes(self, at, key, data):
        return cbor.put_string(self._out, cbor.put_head(self._out, at, cbor.UINT, key), data)

    def _put_times(self, at, group):
        """Steps from sample to sample (the first from 0), coded like a column of deltas: second differences."""
        words = self._column.words
        count = load_steps(self._group, self._time, self._samples, group, words)
        at = cbor.put_head(self._out, at, cbor.BYTES, put_deltas(words, count, words, 0, 0))
        return put_deltas(words, count, self._out, at, 1)

    def _put_qualities(self, at, group):
        """Runs: quality byte, number of samples as a varint."""
        runs = bytearray()
        run = 0
        quality = -1
        for i in range(self._samples):
            if self._group[i] != group:
                continue
            if self._quality[i] != quality:
                _put_run(runs, quality, run)
                quality = self._quality[i]
                run = 0
            run += 1
        _put_run(runs, quality, run)
        return cbor.put_string(self._out, at, runs)

    def _put_rows(self, at, group):
        """A group whose points are not known here: its rows, as they came."""
        out = self._out
        good = [i for i in range(self._samples) if self._group[i] == group and not self._quality[i]]
        ends = [self._place[i + 1] if i + 1 < self._samples else self._used for i in good]
        at = cbor.put_head(out, at, cbor.BYTES, 1 + sum(ends) - sum(self._place[i] for i in good))
        out[at] = ROWS
        at += 1
        for i, end in zip(good, ends):
            start = self._place[i]
            out[at : at + end - start] = self._rows[start:end]
            at += end - start
        return at

    def _put_list(self, at, key, items):
        if not items:
            return at
        out = self._out
        at = cbor.put_head(out, at, cbor.UINT, key)
        at = cbor.put_head(out, at, cbor.ARRAY, len(items))
        for item in items:
            at = cbor.put_head(out, at, cbor.ARRAY, len(item))
            for value in item:
                at = cbor.put_string(out, at, value) if isinstance(value, str) else cbor.put_int(out, at, value)
        return at

    @staticmethod
    def _byte_at(point):
        """Offset in the row: meta counts registers, which are 2 bytes; bools stay bits."""
        at = point >> 8
        return at if point & 7 == BOOL else 2 * at


def _put_run(runs, quality, count):
    if count:
        runs.append(quality)
        while count > 127:
            runs.append(count & 127 | 128)
            count >>= 7
        runs.append(count)
