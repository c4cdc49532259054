"""The payload for any CBOR library: the same batch with names for keys and typed arrays (RFC 8746) for columns.

Promises: lossless like the default payload, four times as large, readable without our own decoder: times, qualities
and values are arrays of numbers, values in the order of the meta's points. FORMAT.md specifies it.
"""

from uplink import cbor
from uplink.batch import FORMAT, Batch
from uplink.points import GOES_ON, INT16, INT32, UINT16, UINT32, micropython, ptr8, width_of

# Tags of RFC 8746, 2: little-endian, which most libraries turn into a view without copying.
UINT8_ARRAY = 64
UINT16_ARRAY = 69
UINT32_ARRAY = 70
INT16_ARRAY = 77
INT32_ARRAY = 78
FLOAT32_ARRAY = 85
UINT64_ARRAY = 71
INT64_ARRAY = 79
FLOAT64_ARRAY = 86
TEXT = 3  # what points.parts calls strings


@micropython.viper
def count_of_group(groups: ptr8, count: int, group: int) -> int:
    """How many of `count` samples are of a group."""
    found = 0
    for i in range(count):
        if int(groups[i]) == group:
            found += 1
    return found


@micropython.viper
def put_of_group(groups: ptr8, source: ptr8, count: int, group: int, width: int, out: ptr8, at: int) -> int:
    """Of `count` big-endian values in `source`, `width` bytes each, those of a group, little-endian. Returns the
    place after them."""
    for i in range(count):
        if int(groups[i]) == group:
            first = i * width
            for b in range(width):
                out[at + b] = source[first + width - 1 - b]
            at += width
    return at


@micropython.viper
def put_words(words: ptr8, count: int, width: int, out: ptr8, at: int, step: int, text: int):
    """The low `width` bytes of big-endian 32-bit words, little-endian, or as they are with `text`; from one to the next
    the place moves by `step`."""
    for i in range(count):
        for b in range(width):
            if text:
                out[at + b] = words[4 * i + 4 - width + b]
            else:
                out[at + b] = words[4 * i + 3 - b]
        at += step


def tag_of(kind):
    """The typed array that holds points of this kind, that of their first column."""
    wide = kind >> 6 & 3
    kind &= 7
    if wide:  # see points.parts
        if wide == TEXT:
            return UINT8_ARRAY
        return UINT64_ARRAY if wide == 1 else FLOAT64_ARRAY if kind == INT32 else INT64_ARRAY
    if kind == UINT16:
        return UINT16_ARRAY
    if kind == INT16:
        return INT16_ARRAY
    if kind == UINT32:
        return UINT32_ARRAY
    if kind == INT32:
        return INT32_ARRAY
    return FLOAT32_ARRAY if kind else UINT8_ARRAY


class TypedEncoder(Batch):
    """Writes typed arrays. See Batch."""

    HEADER_BYTES = 136
    GROUP_BYTES = 48  # keys and heads
    COLUMN_BYTES = 5  # tag, string head
    SAMPLE_BYTES = 5  # time, quality
    BOOL_BYTES = 1

    def steps(self, utc_ms):
        """The same as a generator that stops after every column, so that the caller can let others run."""
        out = self._out
        at = cbor.put_head(out, 0, cbor.MAP, 9 + (1 if self._events else 0) + (1 if self._marks else 0))
        for key, value in (
            ("format", FORMAT),
            ("log", _hex(self._log)),
            ("boot", self._boot),
            ("schema", _hex(self._schema)),
            ("seq", self._seq),
            ("n", self.records),
            ("uptime_ms", self._uptime_ms()),
            ("utc_ms", utc_ms),
        ):
            at = cbor.put_string(out, at, key)
            at = cbor.put_string(out, at, value) if isinstance(value, str) else cbor.put_int(out, at, value)
        at = cbor.put_string(out, at, "groups")
        at = cbor.put_head(out, at, cbor.ARRAY, len(self._groups))
        yield
        for group in sorted(self._groups):
            layout = self._groups[group][2]
            good = self._load(group)
            at = cbor.put_head(out, at, cbor.MAP, 4 if good else 3)
            at = cbor.put_string(out, at, "group")
            at = cbor.put_int(out, at, group)
            at = self._put_of_group(at, group, "times_ms", INT32_ARRAY, self._time, 4)
            at = self._put_of_group(at, group, "quality", UINT8_ARRAY, self._quality, 1)
            yield
            if not good:
                continue
            if layout is None:
                at = cbor.put_string(out, at, "rows")
                at = self._put_rows(at, group, ())
                continue
            at = cbor.put_string(out, at, "values")
            at = cbor.put_head(out, at, cbor.ARRAY, sum([not point & GOES_ON for point in layout]))
            first = step = start = place = 0
            for i, point in enumerate(layout):
                width = width_of(point) or 1
                if not point & GOES_ON:
                    first = point
                    step = width
                    while i + 1 < len(layout) and layout[i + 1] & GOES_ON:
                        i += 1
                        step += width_of(layout[i])
                    at = cbor.put_head(out, at, cbor.TAG, tag_of(point))
                    start = cbor.put_head(out, at, cbor.BYTES, good * step)
                    at = start + good * step
                    place = 0
                text = first >> 6 & 3 == TEXT
                self._load_column(point, good)
                put_words(self._words, good, width, out, start + (place if text else step - place - width), step, text)
                place += width
                yield
        for key, items in (("events", self._events), ("time_marks", self._marks)):
            if items:
                at = self._put_items(cbor.put_string(out, at, key), items)
        self.payload = memoryview(out)[:at]

    def _put_of_group(self, at, group, key, tag, source, width):
        """The typed array `key` of a group, times or qualities."""
        out = self._out
        count = count_of_group(self._group, self._samples, group)
        at = cbor.put_string(out, at, key)
        at = cbor.put_head(out, at, cbor.TAG, tag)
        at = cbor.put_head(out, at, cbor.BYTES, count * width)
        return put_of_group(self._group, source, self._samples, group, width, out, at)


def _hex(data):
    return "".join(["%02x" % byte for byte in data])
