"""Dates of certificates: against certificates that Python's `cryptography` made, and against every damage."""

from uplink import tls_dates

# Subject and issuer CN=x, P-256, self-signed; 2026-01-02 03:04:05 to 2049-12-31 23:59:59 (UTCTime), made by
# cryptography 50.0.2; cut behind the dates, which is all that is read.
HEAD = b"\x30\x82\x01\x10\x30\x81\xb7\xa0\x03\x02\x01\x02\x02\x01\x05\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
HEAD += b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\x78"
UTC = b"\x30\x1e\x17\x0d260102030405Z\x17\x0d491231235959Z"
LONG = b"\x30\x22\x18\x0f20500101000000Z\x18\x0f99991231235959Z"
TAIL = bytes(0x110 + 4 - len(HEAD) - len(UTC))


def refused(data):
    try:
        tls_dates.validity(data)
    except ValueError:
        return True
    return False


def test_both_forms_of_time():
    assert tls_dates.validity(HEAD + UTC + TAIL) == ("20260102030405", "20491231235959")
    assert tls_dates.validity(memoryview(HEAD + LONG + TAIL)) == ("20500101000000", "99991231235959")
    old = UTC.replace(b"260102", b"500102")
    assert tls_dates.validity(HEAD + old + TAIL)[0] == "19500102030405"


def test_without_version_field():
    short = HEAD.replace(b"\xa0\x03\x02\x01\x02", b"")
    assert tls_dates.validity(short + UTC + TAIL + bytes(8))[1] == "20491231235959"


def test_every_cut_and_every_changed_byte_is_an_answer_or_a_refusal():
    whole = HEAD + UTC + TAIL
    for end in range(len(whole)):
        assert refused(whole[:end])
    for at in range(len(HEAD) + len(UTC)):
        for value in (0, 1, 0x7F, 0x80, 0x84, 0xFF):
            data = bytearray(whole)
            data[at] = value
            try:
                first, last = tls_dates.validity(data)
                assert len(first) == len(last) == 14
            except ValueError:
                pass


def test_times_compare_as_texts():
    """Moments as `date -u -d @N` (GNU coreutils) writes them."""
    for seconds, text in (
        (0, "19700101000000"),
        (951782399, "20000228235959"),
        (951782400, "20000229000000"),
        (951868800, "20000301000000"),
        (1767225599, "20251231235959"),
        (1767225600, "20260101000000"),
        (4107542399, "21000228235959"),
        (4107542400, "21000301000000"),
        (1795477297, "20261123234137"),
    ):
        assert tls_dates.stamp(seconds * 1000 + 999) == text, (seconds, tls_dates.stamp(seconds * 1000))
    assert tls_dates.date("20261123234137") == "2026-11-23"
