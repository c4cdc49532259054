"""The default payload: records of one boot and one schema as CBOR with delta columns (FORMAT.md).

Promises: lossless, and the shortest of a few forms for every column; the rest is `batch`'s.
"""

from uplink import cbor
from uplink.batch import FORMAT, Batch
from uplink.columns import ROWS, ColumnWriter, load_steps, put_deltas
from uplink.points import layout_of  # noqa: F401 (for importers)

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


class BatchEncoder(Batch):
    """Writes columns. See Batch."""

    HEADER_BYTES = 80
    GROUP_BYTES = 20  # number, head, times' head, qualities' head
    COLUMN_BYTES = 5  # string head, mode byte, a begun byte of bits
    SAMPLE_BYTES = 7  # time, a quality run of its own

    def __init__(self, log_id, max_bytes=2048, max_records=64):
        """As Batch."""
        Batch.__init__(self, log_id, max_bytes, max_records)
        self._column = ColumnWriter(self._words)

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
        at = self._put_number(at, KEY_UPTIME_MS, self._uptime_ms())
        at = self._put_number(at, KEY_UTC_MS, utc_ms)
        at = cbor.put_head(out, at, cbor.UINT, KEY_GROUPS)
        at = cbor.put_head(out, at, cbor.MAP, len(self._groups))
        for group in sorted(self._groups):
            layout = self._groups[group][2]
            good = self._load(group)
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
                at = self._put_rows(at, group, (ROWS,))
                continue
            for point in layout:
                self._load_column(point, good)
                at = cbor.put_head(out, at, cbor.BYTES, self._column.choose(good, point & 0xFF))
                at = self._column.put(out, at)
                yield
        at = self._put_list(at, KEY_EVENTS, self._events)
        at = self._put_list(at, KEY_TIME_MARKS, self._marks)
        self.payload = memoryview(out)[:at]

    def _put_number(self, at, key, value):
        return cbor.put_int(self._out, cbor.put_head(self._out, at, cbor.UINT, key), value)

    def _put_bytes(self, at, key, data):
        return cbor.put_string(self._out, cbor.put_head(self._out, at, cbor.UINT, key), data)

    def _put_times(self, at, group):
        """Steps from sample to sample (the first from 0), coded like a column of deltas: second differences."""
        words = self._words
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

    def _put_list(self, at, key, items):
        return self._put_items(cbor.put_head(self._out, at, cbor.UINT, key), items) if items else at


def _put_run(runs, quality, count):
    if count:
        runs.append(quality)
        while count > 127:
            runs.append(count & 127 | 128)
            count >>= 7
        runs.append(count)
