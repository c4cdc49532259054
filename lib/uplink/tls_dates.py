"""From when until when a certificate is valid: a reader of just that part of X.509 (RFC 5280, 4.1).

Why: Mbed TLS checks dates where it was built with a clock (rp2, Unix port); the ESP32 images' was built without.
Promises: whatever the bytes are, `validity` returns or raises ValueError; no big ints (times are texts that compare).
"""

_INTEGER = 0x02
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_SEQUENCE = 0x30
_VERSION = 0xA0


def validity(certificate):
    """(first moment, last moment) of a certificate in DER, as "YYYYMMDDHHMMSS" in UTC. Raises ValueError."""
    at, end = _open(certificate, 0, len(certificate), _SEQUENCE)  # Certificate
    at, end = _open(certificate, at, end, _SEQUENCE)  # TBSCertificate
    if at < end and certificate[at] == _VERSION:
        at = _open(certificate, at, end, _VERSION)[1]
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):  # serialNumber, signature, issuer
        at = _open(certificate, at, end, tag)[1]
    at, end = _open(certificate, at, end, _SEQUENCE)  # Validity
    first, at = _time(certificate, at, end)
    return first, _time(certificate, at, end)[0]


def stamp(utc_ms):
    """A time in ms since 1970 in the same form. Civil date from days: era of 400 years, March first."""
    seconds = utc_ms // 1000
    days = seconds // 86400
    seconds = int(seconds - days * 86400)
    days = int(days) + 719468  # from 0000-03-01
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    year += era * 400 + month // 10
    month = month + 3 if month < 10 else month - 9
    return "%04d%02d%02d%02d%02d%02d" % (year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60)


def date(text):
    """The day of such a text for people: 2026-01-31."""
    return "%s-%s-%s" % (text[:4], text[4:6], text[6:8])


def _open(data, at, end, tag):
    """(begin, end) of the contents of the element at `at`, which must have that tag."""
    if at + 2 > end or data[at] != tag:
        raise ValueError("not a certificate")
    length = data[at + 1]
    at += 2
    if length >= 0x80:
        count = length & 0x7F
        if not 0 < count <= 3 or at + count > end:
            raise ValueError("not a certificate")
        length = 0
        for _ in range(count):
            length = length << 8 | data[at]
            at += 1
    if at + length > end:
        raise ValueError("certificate is cut short")
    return at, at + length


def _time(data, at, end):
    """(text, place behind it). UTCTime has two digits of the year: 50 and above are 19.. (RFC 5280, 4.1.2.5.1)."""
    if at >= end:
        raise ValueError("certificate without dates")
    tag = data[at]
    begin, behind = _open(data, at, end, _UTC_TIME if tag == _UTC_TIME else _GENERALIZED_TIME)
    try:
        text = str(bytes(data[begin:behind]), "ascii")
    except ValueError:
        raise ValueError("certificate with damaged dates")
    if tag == _UTC_TIME:
        text = ("19" if text >= "5" else "20") + text
    if len(text) != 15 or text[14] != "Z" or not text[:14].isdigit():
        raise ValueError("certificate with damaged dates")
    return text[:14], behind
