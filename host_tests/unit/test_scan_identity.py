"""Identity and the search's requests: exact bytes, parity of every dual request, any bytes into the parser."""

from line import crc16, sealed
from modbus import identity, probe, ways
from modbus.crc import gate_of
from rig import Rand

# Modbus Application Protocol V1.1b3, 6.21: the example of a Read Device ID transaction
EXAMPLE_REQUEST = sealed(b"\x01\x2b\x0e\x01\x00")
EXAMPLE_REPLY = sealed(
    b"\x01\x2b\x0e\x01\x01\x00\x00\x03\x00\x16Company identification\x01\x0dProduct code \x02\x05V2.11"
)


def test_example_of_the_standard():
    assert bytes(identity.device_id_request(1)) == EXAMPLE_REQUEST
    assert identity.locate(EXAMPLE_REPLY, len(EXAMPLE_REPLY), EXAMPLE_REQUEST) == 0
    objects = {}
    assert identity.take_device_id(EXAMPLE_REPLY, 0, objects) == (1, None)
    assert objects == {"vendor": "Company identification", "product_code": "Product code", "revision": "V2.11"}


def test_found_behind_stray_bytes_and_echo_and_not_before_it_is_complete():
    for head in (b"", b"\x00\xff", EXAMPLE_REQUEST, b"\x01", b"\x01\x2b"):
        data = head + EXAMPLE_REPLY
        assert identity.locate(data, len(data), EXAMPLE_REQUEST) == len(head), head
        for n in range(len(data)):
            assert identity.locate(data, n, EXAMPLE_REQUEST) == -1
    assert identity.locate(EXAMPLE_REPLY, len(EXAMPLE_REPLY), identity.device_id_request(2)) == -1


def test_exceptions_are_replies():
    refusal = sealed(b"\x01\xab\x01")
    assert identity.locate(refusal, 5, EXAMPLE_REQUEST) == 0
    assert identity.locate(sealed(b"\x01\x91\x01"), 5, EXAMPLE_REQUEST) == -1


def test_server_id():
    request = identity.server_id_request(9)
    assert bytes(request) == sealed(b"\x09\x11")
    reply = sealed(b"\x09\x11\x06\x42\xffPump")
    assert identity.locate(reply, len(reply), request) == 0
    objects = {}
    identity.take_server_id(reply, 0, objects)
    assert objects == {"server_id": "B\\xffPump", "running": "yes"}, objects


def test_texts_fit_any_terminal():
    assert identity.text(b"\x1b[2Jx\\") == "\\x1b[2Jx\\x5c"
    assert len(identity.text(b"\x00" * 200)) == identity.MAX_TEXT
    data = bytearray(b"\x01\x2b\x0e\x01\x01\x00\x00\x28")
    for i in range(40):
        data.append(i)
        data.append(1)
        data.append(65 + i)
    objects = {}
    reply = sealed(data)
    identity.take_device_id(reply, 0, objects)
    assert len(objects) == identity.MAX_OBJECTS and objects["object_9"] == "J"


def test_any_bytes_into_the_identity_parser():
    rand = Rand(11)
    accepted = checks = 0
    for k in range(8000):
        request = (EXAMPLE_REQUEST, sealed(b"\x01\x11"))[k % 2]
        if k % 4 < 2:
            data = bytearray(
                (1, request[1], 14, 1, 1, 0, 0, 3)[rand(8)] if rand(2) else rand(256) for _ in range(rand(280))
            )
        else:
            data = bytearray(EXAMPLE_REPLY if k % 2 == 0 else sealed(b"\x01\x11\x06\x42\xffPump"))
            for _ in range(1 + rand(3)):
                data[rand(len(data))] ^= 1 << rand(8)
        at = identity.locate(data, len(data), request)
        checks += len(data)
        if at >= 0:
            size = 5 if data[at + 1] & 0x80 else identity.reply_bytes(data, at, len(data))
            assert crc16(data[at : at + size]) == 0 and data[at] == 1
            accepted += 1
            if size > 5 and data[at + 1] == 43:
                identity.take_device_id(data, at, {})
            elif size > 5:
                identity.take_server_id(data, at, {})
    assert accepted <= 8 + 4 * checks // 65536, (accepted, checks)


def test_every_unit_id_has_a_dual_request():
    odd_ids = 0
    for unit_id in range(1, 248):
        frame = probe.dual(unit_id)
        parities = [bin(byte).count("1") % 2 for byte in frame]
        assert parities == [parities[0]] * 8, (unit_id, frame)
        assert crc16(frame) == 0 and frame[0] == unit_id
        assert gate_of(len, lambda: 0, lambda: 0)(frame, 0) == 1  # AssertionError if it is none of the reads
        count = frame[4] << 8 | frame[5]
        assert (frame[1], count) == ((1, 257) if parities[0] else (3, 3))
        assert probe.parity_format(unit_id) == ("8E1" if parities[0] else "8O1")
        assert {probe.parity_format(unit_id), probe.other_format(unit_id)} == {"8E1", "8O1"}
        odd_ids += parities[0]
    assert odd_ids == 124  # of 247, as computed by hand in the design


def test_plain_requests_have_no_such_property():
    # The control: it must be possible to fail the test above.
    plain = [[bin(byte).count("1") % 2 for byte in probe.plain(i)] for i in range(1, 248)]
    assert not any(len(set(each)) == 1 for each in plain)


def asked(way):
    """The settings that a way asks, expanded: (baud, format, unit id)."""
    space = []
    requests = 0
    for baud, serial_format, unit_id, dual in way.steps:
        requests += 1
        if dual:
            assert serial_format == "8N2"
            space += [(baud, each, unit_id) for each in ("8N1", "8N2", probe.parity_format(unit_id))]
        else:
            space.append((baud, serial_format, unit_id))
    assert requests == way.total
    return space


def test_ways_ask_everything_once():
    for way, bauds, formats, ids in (
        (ways.common(), (9600, 19200, 115200), 4, 16),
        (ways.whole(), ways.BAUDS, 4, 247),
        (ways.known(2400, "8O1"), (2400,), 1, 247),
    ):
        space = asked(way)
        assert len(space) == len(set(space)) == len(bauds) * formats * ids
        assert {each[0] for each in space} == set(bauds)
        assert {each[2] for each in space} == set(range(1, ids + 1))
