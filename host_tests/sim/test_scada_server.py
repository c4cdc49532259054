"""The Modbus TCP server: answers, refusals, and clients that are slow, silent, too many, strangers or mad."""

from clock import VirtualLoop
from rig import Rand
from scada import server
from scada.server import CLIENTS, IDLE_MS, Garbage, answer, frame_bytes
from scada_rig import REGISTERS, Rig, registers, request

FRAMES = 50000


def test_a_read_is_answered_with_the_image():
    rig = Rig()
    rig.sample(3, b"\x13\x88\x01\x47\x15\x24\x0f\x92")
    wire = rig.connect()
    for fc in (3, 4):
        for unit_id in (0, 1, 255):
            wire.inbox += request(fc, 42, 6, unit_id, 0xBEEF)
            rig.steps()
            assert registers(wire.outbox, 0xBEEF) == [0, 0, 0x1388, 0x0147, 0x1524, 0x0F92]
            assert wire.outbox[6] == unit_id
            wire.outbox = bytearray()
    assert rig.server.requests == 6 and rig.server.exceptions == 0 and rig.server.connects == 1


def test_writes_and_all_other_functions_are_refused_with_exception_1():
    rig = Rig()
    wire = rig.connect()
    before = rig.image.values(16, 32)
    write = bytes((0, 1, 0, 0, 0, 11, 1, 16, 0, 16, 0, 2, 4, 1, 2, 3, 4))
    for fc in range(128):
        if fc in (3, 4):
            continue
        frame = bytearray(write if fc in (15, 16, 23) else request(fc, 16, 1))
        frame[7] = fc
        wire.inbox += frame
        rig.steps()
        assert wire.outbox[7:] == bytes((fc | 0x80, 1)), fc
        wire.outbox = bytearray()
    assert rig.image.values(16, 32) == before and not wire.closed


def test_what_a_read_asks_wrongly_has_its_own_exception():
    rig = Rig()
    wire = rig.connect()
    longer = request(3, 0, 1)[:5] + b"\x07" + request(3, 0, 1)[6:] + b"\0"
    for frame, code in (
        (request(3, 0, 0), 3), (request(3, 0, 126), 3), (request(4, 0, 65535), 3), (longer, 3),
        (request(3, REGISTERS, 1), 2), (request(3, REGISTERS - 1, 2), 2), (request(3, 65535, 125), 2),
        (request(3, 0, 1, 17), 10), (request(16, 0, 1, 17), 10),
    ):  # fmt: skip
        wire.inbox += frame
        rig.steps()
        assert wire.outbox[8] == code and len(wire.outbox) == 9, (frame, wire.outbox)
        wire.outbox = bytearray()
    assert rig.server.exceptions == 9


def test_requests_in_pieces_and_in_a_row_are_answered_in_order():
    rig = Rig()
    wire = rig.connect()
    stream = b"".join([request(3, n, 1, 1, n) for n in range(40)])
    rand = Rand(3)
    while stream:
        n = 1 + rand(30)
        wire.inbox += stream[:n]
        stream = stream[n:]
        rig.steps(rand(4))
    rig.steps(200)
    assert [wire.outbox[11 * n + 1] for n in range(40)] == list(range(40)) and len(wire.outbox) == 440


def test_a_slow_client_gets_its_reply_in_pieces_and_others_are_served_meanwhile():
    rig = Rig()
    slow, quick = rig.connect(), rig.connect()
    slow.room = 0
    slow.inbox += request(3, 0, 40)
    replies = b""
    for _ in range(30):
        quick.inbox += request(3, 1, 1)
        rig.steps(12)
        assert registers(quick.outbox) == [4]
        quick.outbox = bytearray()
        slow.room = 3
        rig.steps(3)
        replies += bytes(slow.outbox)
        slow.outbox = bytearray()
    assert len(registers(replies)) == 40


def test_who_takes_nothing_or_says_nothing_is_cut_off():
    rig = Rig()
    silent, deaf = rig.connect(), rig.connect()
    deaf.room = 5
    deaf.inbox += request(3, 0, 40)
    rig.steps()
    rig.clock.advance_ms(IDLE_MS)
    rig.steps()
    assert not silent.closed and not deaf.closed
    silent.inbox += request(3, 0, 1)[:7]  # a begin is no request
    rig.steps()
    rig.clock.advance_ms(1)
    rig.steps()
    assert silent.closed == 1 and deaf.closed == 1 and rig.server.cut == 2
    again = rig.connect()
    again.inbox += request(3, 1, 1)
    rig.steps()
    assert registers(again.outbox) == [4]


def test_who_asks_now_and_then_stays():
    rig = Rig()
    wire = rig.connect()
    for _ in range(20):
        rig.clock.advance_ms(IDLE_MS - 1000)
        wire.inbox += request(3, 1, 1)
        rig.steps()
    assert not wire.closed and len(wire.outbox) == 20 * 11


def test_one_too_many_and_strangers_are_refused():
    rig = Rig(("10.0.0.5", "192.168.7.0/25"))
    first, second = rig.connect("10.0.0.5"), rig.connect("192.168.7.127")
    third = rig.connect("10.0.0.5")
    assert (first.closed, second.closed, third.closed) == (0, 0, 1) and rig.server.refused == 1
    first.gone = True
    rig.steps()
    assert first.closed == 1 and rig.server.cut == 0
    for address in ("10.0.0.6", "192.168.7.128", "192.168.6.1", "255.255.255.255"):
        assert rig.connect(address).closed == 1, address
    assert rig.server.refused == 5 and not rig.connect("10.0.0.5").closed
    assert CLIENTS == 2


def test_who_comes_as_another_leaves_gets_the_place():
    rig = Rig()
    first, second = rig.connect(), rig.connect()
    first.gone = True
    third = rig.connect()
    rig.steps()
    assert first.closed and not second.closed and not third.closed and rig.server.refused == 0


def test_neither_connections_nor_requests_shut_the_others_out():
    rig = Rig()
    busy = rig.connect()
    for _ in range(40):
        busy.inbox += request(3, 0, 1)
    rig.net.waiting += [busy.__class__("99.0.0.1") for _ in range(20)]
    late = busy.__class__()
    rig.net.waiting.append(late)
    late.inbox += request(3, 1, 1)
    rig.steps(120)
    assert rig.server.refused == 20 and registers(late.outbox) == [4]
    assert len(busy.outbox) >= 15 * 11


def test_garbage_ends_the_connection_at_once():
    for junk in (b"GET / HTTP/1.1\r\n", b"\0\1\0\1\0\6\1\3\0\0\0\1", b"\0\1\0\0\1\6", b"\0\1\0\0\0\1",
                 b"\0\1\0\0\0\xff", b"\0\1\0\0\0\6\1\x83\0\0\0\1"):  # fmt: skip
        rig = Rig()
        wire = rig.connect()
        wire.inbox += junk
        rig.steps()
        assert wire.closed == 1 and not wire.outbox and rig.server.cut == 1, junk


def test_a_port_that_cannot_be_had_is_tried_again():
    rig = Rig()
    rig.net.broken = True
    rig.connect()
    assert rig.server._socket is None
    rig.net.broken = False
    rig.steps()
    assert rig.server._socket is None, "not at once"
    rig.clock.advance_ms(server.AGAIN_MS)
    rig.steps()
    assert registers_of(rig) == [4]


def registers_of(rig):
    rig.net.waiting.clear()
    wire = rig.connect()
    wire.inbox += request(3, 1, 1)
    rig.steps()
    return registers(wire.outbox)


def test_a_full_heap_delays_an_answer_and_ends_nothing():
    rig = Rig()
    wire = rig.connect()
    wire.inbox += request(3, 1, 1)
    values = rig.image.values
    times = [3]

    def none_free(address, count):
        times[0] -= 1
        if times[0] >= 0:
            raise MemoryError
        return values(address, count)

    async def room(sleep_ms):
        pass

    rig.image.values = none_free
    loop = VirtualLoop(rig.clock)
    loop.spawn(rig.server.run(room, loop.sleep_ms))
    loop.run_ms(500)
    assert registers(wire.outbox) == [4] and rig.server.short == 3 and not wire.closed


def make(rand):
    """One case: rubbish, a request with changed bytes, or a sound one; often several in a row."""
    kind = rand(6)
    if kind == 0:
        return bytes([rand(256) for _ in range(rand(300))])
    frame = bytearray(request(rand(128) if kind == 1 else 3 + rand(2), rand(60), rand(130), rand(3), rand(65536)))
    if kind == 2:
        for _ in range(1 + rand(3)):
            frame[rand(len(frame))] = rand(256)
    elif kind == 3:
        frame = frame[: rand(len(frame))]
    elif kind == 4:
        frame[5] = rand(256)
        frame += bytes([rand(256) for _ in range(rand(260))])
    return bytes(frame)


def check_frame(data, image):
    """What must hold of any bytes as one frame; returns "garbage", "short", "refused" or "answered"."""
    buf = bytearray(260)
    n = min(len(data), 260)
    buf[:n] = data[:n]
    try:
        size = frame_bytes(buf, n)
        assert size <= 260 and (size or n < 6)
        if not size or size > n:
            return "short"
        pdu = answer(buf, size, image)
    except Garbage:
        assert n < 8 or any(buf[2:5]) or not 2 <= buf[5] <= 254 or buf[7] > 127
        return "garbage"
    assert not any(buf[2:5])
    if pdu[0] > 127:
        assert len(pdu) == 2 and pdu[0] == buf[7] | 0x80 and pdu[1] in (1, 2, 3, 10)
        return "refused"
    address, count = buf[8] << 8 | buf[9], buf[10] << 8 | buf[11]
    assert size == 12 and buf[7] in (3, 4) and pdu[0] == buf[7]
    assert address + count <= REGISTERS and pdu[1] == 2 * count and len(pdu) == 2 + 2 * count
    return "answered"


def test_fuzzed_frames():
    rand = Rand(20)
    rig = Rig()
    seen = {}
    before = rig.image.values(8, 40)
    for _ in range(FRAMES):
        outcome = check_frame(make(rand), rig.image)
        seen[outcome] = seen.get(outcome, 0) + 1
    assert rig.image.values(8, 40) == before, "nothing that came has changed a register"
    assert all([seen.get(outcome, 0) > FRAMES // 100 for outcome in ("garbage", "short", "refused", "answered")]), seen
    print("REPORT: modbus tcp, fuzzed frames: %d: %s" % (FRAMES, seen))


def test_fuzzed_streams_never_hold_a_step_and_leave_the_server_sound():
    rand = Rand(21)
    rig = Rig()
    wires = []
    for _ in range(3000):
        if rand(5) == 0:
            wires.append(rig.connect("10.0.0.%d" % rand(256)))
        for wire in wires[-3:]:
            wire.inbox += make(rand)
            wire.room = rand(300)
            wire.gone = rand(10) == 0
        requests = rig.server.requests
        rig.server.step()
        assert rig.server.requests - requests <= 1, "more than one request in a step"
        rig.clock.advance_ms(rand(2000))
    assert rig.server.requests > 500 and rig.server.cut > 50, (rig.server.requests, rig.server.cut)
    assert all([wire.closed <= 1 for wire in wires])
    for wire in wires:
        wire.gone = True
        wire.inbox = bytearray()
    rig.steps(100)
    assert registers_of(rig) == [4], "still serving"
