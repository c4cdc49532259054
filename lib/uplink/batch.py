"""A batch: records of one boot and one schema, taken from the log until the payload is full. One format is loaded.

Every payload format is a subclass of `Batch` that writes what was taken: `envelope` (columns), `typed` (typed
arrays). Promises: never more than `max_bytes`, known before a record is taken; memory is taken once, at construction
(events and time marks, which are rare, apart). Writing can be done in slices, one column each.

Whoever publishes needs this and no more: `begin`, `sample`, `event`, `time_mark`, `steps`, `payload`, `records`.
"""

import struct
from array import array

from uplink import cbor
from uplink.points import byte_at, choose_rows, load_words, width_of

FORMAT = 1
_EVENT_BYTES = 28
_SPAN_MS = 1 << 29  # times in one batch lie less than this apart


class Batch:
    """Collects records; a subclass writes them.

    begin(...), then sample(), event(), time_mark() in the order of the log until one says False (full: finish this
    batch, begin the next with the same record), then finish() or steps(). `records` counts what was taken; add to it
    for records of the log that carry nothing to publish, so that `seq` + `n` stays without a gap.
    """

    # Longest possible sizes; `max_bytes` is kept by adding these up. A subclass says its own.
    HEADER_BYTES = GROUP_BYTES = COLUMN_BYTES = SAMPLE_BYTES = 0
    BOOL_BYTES = 0  # of one bool in a column; 0: a bit

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
        self._words = bytearray(4 * max_records)  # one column
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
        self._bound = self.HEADER_BYTES
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
        bound = self._bound + self.SAMPLE_BYTES
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
        raise NotImplementedError

    # Taking records

    def _since(self, era, ticks):
        """Milliseconds since the base, None if too far from it."""
        time = ticks - self._ticks + ((era - self._era) << 30)
        return time if -_SPAN_MS < time < _SPAN_MS else None

    def _plan(self, group):
        """(bytes that a new group adds, bytes of one sample's values, layout or None for whole rows): upper bounds."""
        layout = self._layouts.get(group)
        if layout is not None:
            overhead = self.GROUP_BYTES + self.COLUMN_BYTES * len(layout)
            row_bytes = bits = 0
            for point in layout:
                width = width_of(point)
                row_bytes += width or self.BOOL_BYTES
                bits += not width and not self.BOOL_BYTES
            row_bytes += (bits + 7) // 8
            # So many points that a single sample might not fit: whole rows, which always do.
            if overhead + row_bytes <= len(self._out) - self.HEADER_BYTES - self.SAMPLE_BYTES:
                return overhead, row_bytes, layout
        return self.GROUP_BYTES + self.COLUMN_BYTES, 0, None

    def _add(self, items, before, era, ticks, after, cost):
        time = self._since(era, ticks)
        if time is None or self._bound + cost > len(self._out):
            return False
        self._bound += cost
        items.append(before + (time,) + after)
        self.records += 1
        return True

    # Writing, for subclasses

    def _load(self, group):
        """Find the good samples of a group; returns how many. `_load_column` takes their points out."""
        return choose_rows(self._group, self._quality, self._samples, group, self._place, self._chosen)

    def _load_column(self, point, count):
        """The point's value in every good sample becomes `_words`."""
        load_words(self._rows, self._chosen, count, byte_at(point), point & 0xFF, self._words)

    def _uptime_ms(self):
        return (self._era << 30) + self._ticks

    def _put_rows(self, at, group, mode):
        """A byte string of the group's rows as they came, for one whose points are not known here; before them `mode`,
        a few bytes."""
        out = self._out
        good = [i for i in range(self._samples) if self._group[i] == group and not self._quality[i]]
        ends = [self._place[i + 1] if i + 1 < self._samples else self._used for i in good]
        at = cbor.put_head(out, at, cbor.BYTES, len(mode) + sum(ends) - sum([self._place[i] for i in good]))
        for byte in mode:
            out[at] = byte
            at += 1
        for i, end in zip(good, ends):
            start = self._place[i]
            out[at : at + end - start] = self._rows[start:end]
            at += end - start
        return at

    def _put_items(self, at, items):
        """An array of short arrays: events or time marks."""
        out = self._out
        at = cbor.put_head(out, at, cbor.ARRAY, len(items))
        for item in items:
            at = cbor.put_head(out, at, cbor.ARRAY, len(item))
            for value in item:
                at = cbor.put_string(out, at, value) if isinstance(value, str) else cbor.put_int(out, at, value)
        return at
