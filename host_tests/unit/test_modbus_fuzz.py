"""Generated and mutated bytes into the reply parser: nothing escapes, nothing wrong is accepted.

`fuzz` is used by the soak program with a million frames. What may be accepted is judged by the frame's definition,
not by the parser: unit, function (or its exception), length, and a CRC computed bit by bit.
"""

from line import crc16, sealed
from modbus import reply
from modbus.crc import sound
from rig import Rand

FRAMES = 50000
_BUF = 280


def make(rand, buf):
    """One case in buf: (n, request, need, the true reply or None if it was changed)."""
    unit = 1 + rand(247)
    function = 1 + rand(4)
    count = 1 + rand(40)
    request = sealed((unit, function, rand(256), rand(256), 0, count))
    nbytes = (count + 7) // 8 if function <= 2 else 2 * count
    need = nbytes + 5
    kind = rand(10)
    if kind == 0:  # rubbish
        n = rand(_BUF)
        for i in range(n):
            buf[i] = rand(256)
        return n, request, need, None
    if kind == 1:  # rubbish with the right head everywhere
        n = rand(60)
        for i in range(n):
            buf[i] = (unit, function, nbytes, function | 0x80, rand(256))[rand(5)]
        return n, request, need, None
    data = bytearray((unit, function, nbytes))
    for _ in range(nbytes):
        data.append(rand(256))
    if kind == 2:
        data = bytearray((unit, function | 0x80, rand(12)))
    frame = bytearray(sealed(data))
    true = bytes(frame)
    if kind >= 5:  # 1 to 3 flipped bits: the CRC's polynomial finds all of them in frames of this length
        for _ in range(1 + rand(3)):
            frame[rand(len(frame))] ^= 1 << rand(8)
        if frame != true:
            true = None
    if kind == 9:
        frame = frame[: rand(len(frame))]
        true = None
    head = bytes(rand(256) for _ in range(rand(4))) if kind in (3, 6) else b""
    if kind == 4:
        head = request
    frame = head + bytes(frame)
    buf[: len(frame)] = frame
    return len(frame), request, need, true


def fuzz(seed, frames):
    """Returns (accepted as it was sent, accepted although changed). Raises AssertionError where the parser is wrong."""
    rand = Rand(seed)
    buf = bytearray(_BUF)
    right = wrong = 0
    for k in range(frames):
        n, request, need, true = make(rand, buf)
        at = reply.find(buf, n, request, need, bool(rand(2)))
        assert 0 <= reply.verdict(buf, n, request) <= 3, (seed, k)
        if at < 0:
            assert at >= -1000 - need, (seed, k, at)
            if true is not None:  # it was there: only a false head before it may hide it, until `final`
                at = reply.find(buf, n, request, need, True)
                assert at >= 0, (seed, k, at)
            else:
                continue
        length = 5 if buf[at + 1] & 0x80 else need
        assert at + length <= n, (seed, k)
        assert buf[at] == request[0] and buf[at + 1] & 0x7F == request[1], (seed, k)
        frame = bytes(buf[at : at + length])
        assert crc16(frame) == 0, (seed, k)
        if true == frame:
            right += 1
        else:
            wrong += 1
    return right, wrong


def test_no_generated_frame_is_wrongly_accepted():
    right, wrong = fuzz(1, FRAMES)
    print("REPORT: reply parser: %d generated frames, %d answers accepted, %d wrong ones" % (FRAMES, right, wrong))
    assert right > FRAMES // 5
    assert wrong <= 2, wrong  # 2^-16 for each place at which a head matches: 0.1 expected


def test_a_parser_that_does_not_check_the_crc_is_caught():
    reply.sound = lambda buf, start, n: True  # the mutant
    caught = False
    try:
        fuzz(1, 2000)
    except AssertionError:
        caught = True
    finally:
        reply.sound = sound
    assert caught
