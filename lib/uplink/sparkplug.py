"""Sparkplug B payloads (Eclipse Sparkplug 3.0.0, section 6): protobuf by hand, into a buffer taken once.

Promises: values are the bits that were on the wire, never a float on the way; no big int per metric: a time is two
small ints (`split`), a 32-bit word four bytes. SPARKPLUG.md says which types and properties are used and why.
"""

# Datatypes (6.4.16): those that every decoder tried reads alike, see SPARKPLUG.md.
INT32 = 3
INT64 = 4
UINT16 = 6
UINT64 = 8
FLOAT = 9
DOUBLE = 10
BOOLEAN = 11
STRING = 12

# What a register type becomes; the index is the kind of uplink.points: bool, uint16, int16, uint32, float32, int32.
# The others: gateway.sparkplug_points.
DATATYPES = (BOOLEAN, UINT16, INT32, INT64, FLOAT, INT32)

# Quality property (6.4.15)
BAD = 0
STALE = 500

METRIC_BYTES = 80  # the longest metric of a data message
_TIME_BITS = 28  # of the low half of a time: four whole varint bytes
_TIME_MASK = 0xFFFFFFF

# Protobuf tags (sparkplug_b.proto): field number << 3 | wire type
_TIMESTAMP = b"\x08"  # of Payload
_METRIC = 0x12
_SEQ = 0x18
_NAME = 0x0A
_ALIAS = 0x10
_TIME = b"\x18"  # of Metric
_DATATYPE = 0x20
_HISTORICAL = 0x28
_NULL = 0x38
_PROPERTIES = 0x4A
_INT = 0x50
_LONG = 0x58
_FLOAT = 0x65
_DOUBLE = 0x69
_BOOL = 0x70
_STRING = 0x7A
_KEY = 0x0A  # of PropertySet
_VALUE = 0x12


def split(ms):
    """A time in ms (a big int on small boards) as two small ints, for `later` and the writer."""
    return ms >> _TIME_BITS, ms & _TIME_MASK


def later(time, era, ticks):
    """`time` (as from `split`) plus an uptime."""
    high, low = time
    low += ticks & _TIME_MASK
    return high + (ticks >> _TIME_BITS) + (era << 2) + (low >> _TIME_BITS), low & _TIME_MASK


def put_varint(buf, at, value):
    """A small int of 0 or more; returns the place after it."""
    while value > 127:
        buf[at] = value & 127 | 128
        at += 1
        value >>= 7
    buf[at] = value
    return at + 1


def put_word(buf, at, word):
    """Four big-endian bytes as one varint, unsigned."""
    high = word[0] << 3 | word[1] >> 5
    low = (word[1] & 31) << 16 | word[2] << 8 | word[3]
    if not high:
        return put_varint(buf, at, low)
    for _ in range(3):
        buf[at] = low & 127 | 128
        at += 1
        low >>= 7
    return put_varint(buf, at, high)


def put_long(buf, at, word):
    """Eight big-endian bytes as one varint, unsigned."""
    end = at
    for i in range(10):
        place, shift = 7 - (7 * i >> 3), 7 * i & 7
        part = word[place] >> shift
        if place and shift > 1:
            part |= word[place - 1] << (8 - shift)
        part &= 127
        buf[at + i] = part | 128
        if part or not i:
            end = at + i
    buf[end] &= 127
    return end + 1


def put_time(buf, at, time):
    """A time as from `split`, 1970-01-04 or later, as one varint."""
    high, low = time
    for _ in range(4):
        buf[at] = low & 127 | 128
        at += 1
        low >>= 7
    return put_varint(buf, at, high)


def put_bytes(buf, at, tag, data):
    """A length-delimited field."""
    buf[at] = tag
    at = put_varint(buf, at + 1, len(data))
    buf[at : at + len(data)] = data
    return at + len(data)


def number_property(value):
    """A PropertyValue of type Int32, 0 or more."""
    buf = bytearray(8)
    buf[0] = 8
    buf[1] = INT32
    buf[2] = 0x18
    return buf[: put_varint(buf, 3, value)]


def text_property(text):
    """A PropertyValue of type String."""
    data = text.encode()
    buf = bytearray(len(data) + 5)
    buf[0] = 8
    buf[1] = STRING
    return buf[: put_bytes(buf, 2, 0x42, data)]


def property_set(pairs):
    """A PropertySet from (key, PropertyValue) pairs, in that order."""
    buf = bytearray(sum([len(key) + len(value) + 5 for key, value in pairs]))
    at = 0
    for key, _ in pairs:
        at = put_bytes(buf, at, _KEY, key.encode())
    for _, value in pairs:
        at = put_bytes(buf, at, _VALUE, value)
    return buf[:at]


class PayloadWriter:
    """Writes one payload at a time: begin(), then metrics as far as `fits`, then finish(); `payload` is the result.

    A metric: name (str, or None in data messages), alias (0: none), time, datatype, value: 4 or (INT64, UINT64, DOUBLE)
    8 big-endian bytes, text for STRING, None for null; historical; properties as from `property_set`, or None.
    """

    def __init__(self, max_bytes):
        """max_bytes: 512 or more."""
        self._buf = bytearray(max_bytes)
        self._at = 0
        self.metrics = 0

    def begin(self, time):
        """Start a payload that is sent at `time`; None: without one."""
        self._at = 0
        self.metrics = 0
        if time:
            self._buf[0:1] = _TIMESTAMP
            self._at = put_time(self._buf, 1, time)

    def fits(self, nbytes):
        """True if a metric of that size, and the end, still fit."""
        return self._at + nbytes + 4 <= len(self._buf)

    def metric(self, name, alias, time, datatype, value, historical=False, properties=None):
        """Add one; only when `fits` said so: METRIC_BYTES without name and properties."""
        buf = self._buf
        start = self._at
        buf[start] = _METRIC
        at = body = start + 2  # most metrics have a length of one byte
        if name:
            at = put_bytes(buf, at, _NAME, name.encode())
        if alias:
            buf[at] = _ALIAS
            at = put_varint(buf, at + 1, alias)
        if time:
            buf[at : at + 1] = _TIME
            at = put_time(buf, at + 1, time)
        buf[at] = _DATATYPE
        buf[at + 1] = datatype
        at += 2
        if historical:
            buf[at] = _HISTORICAL
            buf[at + 1] = 1
            at += 2
        if value is None:
            buf[at] = _NULL
            buf[at + 1] = 1
            at += 2
        if properties:
            at = put_bytes(buf, at, _PROPERTIES, properties)
        if value is not None:
            at = self._value(at, datatype, value)
        size = at - body
        if size > 127:
            assert size < 16384
            buf[body + 1 : at + 1] = bytes(buf[body:at])
            at += 1
        put_varint(buf, start + 1, size)
        self._at = at
        self.metrics += 1

    def finish(self, seq):
        """End the payload; seq 0..255, None: without one. Returns it, a memoryview valid until the next `begin`."""
        at = self._at
        if seq is not None:
            self._buf[at] = _SEQ
            at = put_varint(self._buf, at + 1, seq)
        return memoryview(self._buf)[:at]

    def _value(self, at, datatype, value):
        buf = self._buf
        if datatype == STRING:
            return put_bytes(buf, at, _STRING, value.encode())
        if datatype == FLOAT or datatype == DOUBLE:
            buf[at] = _FLOAT if datatype == FLOAT else _DOUBLE
            for byte in reversed(value):
                at += 1
                buf[at] = byte
            return at + 1
        if datatype == BOOLEAN:
            buf[at] = _BOOL
            buf[at + 1] = value[3]
            return at + 2
        buf[at] = _LONG if datatype == INT64 or datatype == UINT64 else _INT
        return put_long(buf, at + 1, value) if len(value) == 8 else put_word(buf, at + 1, value)


def asks_rebirth(payload):
    """True if an NCMD payload sets "Node Control/Rebirth". What is no payload is no request; never raises."""
    try:
        for field, _, body in _fields(payload):
            if field == 2 and body is not None:
                name = value = None
                for inner, number, data in _fields(body):
                    if inner == 1:
                        name = data
                    elif inner == 14:
                        value = number
                if name is not None and value == 1 and bytes(name) == b"Node Control/Rebirth":
                    return True
    except (IndexError, ValueError):
        pass
    return False


def _fields(data):
    """Yield (field number, varint or 0, bytes or None). ValueError, IndexError: not protobuf."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        number, body = 0, None
        if kind == 0:
            number, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            if size > len(data) - at:
                raise ValueError("cut short")
            body = data[at : at + size]
            at += size
        elif kind == 5:
            at += 4
        elif kind == 1:
            at += 8
        else:
            raise ValueError("wire type")
        yield key >> 3, number, body


def _varint(data, at):
    """A varint, cut to its low 28 bits: what we look for is small."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        if shift < 28:
            value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("varint")
