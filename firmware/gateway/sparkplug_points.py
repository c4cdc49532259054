"""Points of a Sparkplug node that are more than a word: wide types, strings, BCD, bits, what is not available.

A host of Sparkplug knows nothing of our meta, so BCD and bits travel as the numbers that they are. An *entry* is
(kind of points.numbers, place in bytes, described text of gateway.meaning or ""). Loaded only where there is such a
point; lib/uplink/SPARKPLUG.md has the datatypes.
"""

from gateway import meaning
from modbus.codes import GOOD, NOT_AVAILABLE
from points import exact
from points.numbers import BOOL, FLOAT64, INT64, STRING, UINT64, kind_of, number, raw, whole, width_of
from uplink import sparkplug as spb
from uplink.points import KINDS

_JUDGED = ("na", "low", "high", "scale_from")
_SINGLE_BIT = 1 << 19
_STRING_EXTRA = 2  # times its bytes: Latin-1 as UTF-8


def is_special(point):
    """True if `point` of a meta needs an entry."""
    return point["type"] not in KINDS or any([key in point for key in ("bit", "bits") + _JUDGED])


def entry_of(point, points):
    """points: all of its group."""
    text = ""
    if any([key in point for key in _JUDGED]):
        text = meaning.text_of(point, points)
    return kind_of(point), point["at"] if point["type"] == "bool" else 2 * point["at"], text


def datatype_of(entry):
    """The Sparkplug datatype of an entry."""
    kind = entry[0]
    what = kind & 15
    if what == STRING:
        return spb.STRING
    if what >= UINT64:
        return {UINT64: spb.UINT64, INT64: spb.INT64, FLOAT64: spb.DOUBLE}[what]
    if kind & _SINGLE_BIT:
        return spb.BOOLEAN
    if kind > 255:
        return spb.UINT16 if kind >> 13 & 63 <= 16 else spb.INT64
    if what > 5:  # BCD
        return spb.UINT16 if width_of(kind) == 2 else spb.INT64
    return spb.DATATYPES[what]


def metric_bytes(entry):
    """What its metric in a data message may take."""
    kind = entry[0]
    return spb.METRIC_BYTES + (_STRING_EXTRA * width_of(kind) if kind & 15 == STRING else 16)


def value_of(entry, data):
    """(value as PayloadWriter takes it, or None; quality)."""
    kind, at, text = entry
    quality = GOOD
    if text:
        quality = meaning.value(text.split(",", 9), data)[1]
        if quality == NOT_AVAILABLE:
            return None, quality
    what = kind & 15
    if what == STRING:
        return exact.text(kind, data, at), quality
    if what == BOOL:
        return bytes((0, 0, 0, number(kind, data, at))), quality
    word = raw(kind, data, at)
    if what >= UINT64:
        return (word, quality) if what != FLOAT64 or exact.decimal(kind, data, at) else (None, NOT_AVAILABLE)
    if kind > 255 or what > 5:
        value = whole(kind, word)
        return (None, NOT_AVAILABLE) if value is None else (value.to_bytes(4, "big"), quality)
    if len(word) == 2:
        word = (b"\xff\xff" if what == 2 and word[0] > 127 else b"\0\0") + word
    return word, quality
