"""DNS messages: answers as servers give them, and bytes that no server should."""

from uplink.dns import NO_SUCH_NAME, SERVER_FAILED, answer, is_address, is_name, query

NAME = "Broker.example"
# RFC 1035, 4.1.2: labels, root, type A, class IN
QUESTION = b"\x06broker\x07example\x00\x00\x01\x00\x01"


def message(answers, count, number=0x1234, flags=b"\x81\x80", question=QUESTION):
    return bytes((number >> 8, number & 255)) + flags + b"\0\1" + bytes((0, count)) + b"\0\0\0\0" + question + answers


def record(owner, kind, ttl, data, cls=1):
    return (owner + bytes((0, kind, 0, cls)) + bytes((ttl >> 24 & 255, ttl >> 16 & 255, ttl >> 8 & 255, ttl & 255))
            + bytes((0, len(data))) + data)


POINTER = b"\xc0\x0c"  # to the question's name
ADDRESS = b"\x0a\x00\x00\x05"


def refused(data):
    try:
        answer(NAME, 0x1234, data)
    except ValueError:
        return True
    return False


def test_query():
    assert query(NAME, 0x1234) == b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + QUESTION


def test_address():
    data = message(record(POINTER, 1, 300, ADDRESS), 1)
    assert answer(NAME, 0x1234, data) == ("10.0.0.5", 300)
    assert answer(NAME, 0x1234, memoryview(data)) == ("10.0.0.5", 300)


def test_server_may_write_the_name_as_it_likes():
    data = message(record(b"\x06BROKER\x07eXample\0", 1, 60, ADDRESS), 1, question=QUESTION.upper())
    assert answer(NAME, 0x1234, data) == ("10.0.0.5", 60)


def test_alias_is_followed_with_the_shortest_lifetime():
    alias = b"\x04host\xc0\x13"  # host.example: the pointer goes to "example" in the question
    answers = record(POINTER, 5, 20, alias) + record(b"\x04host\x07example\0", 1, 300, ADDRESS)
    assert answer(NAME, 0x1234, message(answers, 2)) == ("10.0.0.5", 20)


def test_address_of_another_name_does_not_count():
    answers = record(b"\x04evil\x07example\0", 1, 300, b"\x06\x06\x06\x06")
    assert answer(NAME, 0x1234, message(answers, 1)) == (None, NO_SUCH_NAME)
    assert answer(NAME, 0x1234, message(answers + record(POINTER, 1, 9, ADDRESS), 2)) == ("10.0.0.5", 9)


def test_other_records_are_passed_over():
    answers = record(POINTER, 16, 300, b"\x03abc") + record(POINTER, 28, 300, bytes(16))
    answers += record(POINTER, 1, 1, ADDRESS)
    assert answer(NAME, 0x1234, message(answers, 3)) == ("10.0.0.5", 1)
    assert answer(NAME, 0x1234, message(record(POINTER, 1, 300, ADDRESS, cls=3), 1)) == (None, NO_SUCH_NAME)


def test_lifetimes():
    for ttl, seconds in ((0, 0), (65535, 65535), (86400, 65535), (0x7FFFFFFF, 65535), (0x80000001, 0)):
        assert answer(NAME, 0x1234, message(record(POINTER, 1, ttl, ADDRESS), 1)) == ("10.0.0.5", seconds)


def test_failures():
    assert answer(NAME, 0x1234, message(b"", 0, flags=b"\x81\x83")) == (None, NO_SUCH_NAME)  # NXDOMAIN
    assert answer(NAME, 0x1234, message(b"", 0)) == (None, NO_SUCH_NAME)  # the name has no address
    for code in (1, 2, 4, 5):
        assert answer(NAME, 0x1234, message(b"", 0, flags=bytes((0x81, 0x80 | code)))) == (None, SERVER_FAILED)
    assert answer(NAME, 0x1234, message(b"", 0, flags=b"\x83\x80")) == (None, SERVER_FAILED)  # truncated, nothing in it


def test_not_our_answer():
    good = record(POINTER, 1, 300, ADDRESS)
    assert refused(message(good, 1, number=0x1235))
    assert refused(message(good, 1, flags=b"\x01\x00"))  # a question
    assert refused(message(good, 1, question=b"\x06brokes\x07example\x00\x00\x01\x00\x01"))
    assert refused(message(good, 1, question=b"\x06broker\x07example\x00\x00\x1c\x00\x01"))  # AAAA
    assert refused(b"") and refused(bytes(11))


def test_circles_and_cuts():
    assert refused(message(record(b"\xc0\x20", 1, 300, ADDRESS), 1))  # points at itself
    assert refused(message(record(b"\xff\xff", 1, 300, ADDRESS), 1))
    assert refused(message(record(b"\x80", 1, 300, ADDRESS), 1))  # a label of 128
    assert refused(message(b"", 1))
    data = message(record(POINTER, 1, 300, ADDRESS), 1)
    for i in range(len(data)):
        assert refused(data[:i])


def test_mutated_answers():
    """20,000 damaged messages: an address, a refusal or ValueError, nothing else, and it ends."""
    alias = b"\x04host\xc0\x13"
    data = message(record(POINTER, 5, 20, alias) + record(b"\x04host\xc0\x13", 1, 300, ADDRESS), 2)
    state = 1
    kept = 0
    for _ in range(20000):
        changed = bytearray(data)
        for _ in range(1 + (state >> 20) % 3):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            changed[2 + (state >> 8) % (len(data) - 2)] = state >> 16 & 255
        try:
            address, result = answer(NAME, 0x1234, changed)
        except ValueError:
            continue
        kept += 1
        assert result >= 0 and (address is None or is_address(address))
    assert 100 < kept < 19000


def test_names_and_addresses():
    for text in ("10.0.0.5", "0.0.0.0", "255.255.255.255"):
        assert is_address(text)
    for text in ("10.0.0", "10.0.0.256", "10.0.0.a", "", "1.2.3.4.5", "0001.2.3.4", "-1.2.3.4", "localhost"):
        assert not is_address(text)
    for text in ("broker", "broker.example", "broker.example.", "a" * 63):
        assert is_name(text)
    for text in ("", ".", "a..b", "a" * 64, ".".join(["a" * 60] * 5)):
        assert not is_name(text)
