"""The listener on generated conversations: exact pairs from sound ones, nothing false or raised from damaged ones.

`fuzz` is for longer runs, too. What may be reported is judged by the conversation that was made, not by the parser.
"""

from line import crc16, sealed
from modbus import listener as module
from modbus.listener import MAX_READS, Listener
from rig import Rand
from scan_talk import damaged, exchange

HEAP_KB = 16000  # for the conversation that is compared with what was heard
FRAMES = 50000


class Ticks:
    """A clock that is moved by hand."""

    now = 0

    def ticks_ms(self):
        return self.now & 0x3FFFFFFF

    def ticks_diff(self, a, b):
        return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000


class Heard:
    """Collects pairs: (request, quality, data)."""

    def __init__(self):
        self.pairs = []
        self.listener = Listener(Ticks(), self.on_pair)

    def on_pair(self, request, quality, ticks_ms, buf, start, nbytes):
        self.pairs.append((request, quality, bytes(buf[start : start + nbytes])))

    def feed_in_lots(self, rand, data):
        at = 0
        while at < len(data):
            n = 1 + rand(70)
            self.listener.feed(data[at : at + n], len(data[at : at + n]))
            at += n


def outcome(request, reply):
    """What a sound exchange must be reported as; None for functions that carry no points."""
    if request[1] > 4:
        return None
    if reply[1] & 0x80:
        return request, 16 + reply[2], b""
    return request, 0, reply[3:-2]


def test_sound_conversations_are_heard_exactly_in_any_lots():
    rand = Rand(5)
    heard = Heard()
    expected = []
    for _ in range(3000):
        request, reply = exchange(rand)
        heard.feed_in_lots(rand, request + reply)
        if outcome(request, reply) is not None:
            expected.append(outcome(request, reply))
    heard.listener.rest()
    assert heard.pairs == expected
    assert heard.listener.pairs == 3000 and heard.listener.frames == 6000
    assert heard.listener.stray_bytes == 0 and heard.listener.orphans == 0
    assert len(heard.listener.reads) == MAX_READS and heard.listener.unlearned > 0


def test_unanswered_requests_are_timeouts():
    heard = Heard()
    first = sealed((1, 3, 0, 0, 0, 2))
    second = sealed((2, 3, 0, 0, 0, 2))
    heard.listener.feed(first + second, 16)
    assert heard.pairs == [(first, 1, b"")]
    heard.listener.lost()
    assert heard.pairs[1:] == [(second, 1, b"")]
    assert heard.listener.units == {1: [1, 0, 0, 1], 2: [1, 0, 0, 1]}


def test_a_reply_to_another_question_is_no_reply():
    request = sealed((1, 3, 0, 0, 0, 2))
    for wrong in (b"\x02\x03\x04abcd", b"\x01\x04\x04abcd", b"\x01\x03\x02ab", b"\x02\x83\x02"):
        heard = Heard()
        data = request + sealed(wrong)
        heard.listener.feed(data, len(data))
        assert heard.pairs == [] and heard.listener.orphans == 1, wrong


def test_broadcasts_wait_for_no_reply():
    heard = Heard()
    data = sealed((0, 6, 0, 1, 0, 2)) + sealed((3, 4, 0, 0, 0, 1)) + sealed((3, 4, 2, 8, 9))
    heard.listener.feed(data, len(data))
    assert [pair[1:] for pair in heard.pairs] == [(0, b"\x08\x09")] and list(heard.listener.units) == [3]


def test_periods_are_learned():
    heard = Heard()
    clock = heard.listener._clock
    clock.now = 0x3FFFFFFF - 1500  # over the wrap
    request = sealed((1, 3, 0, 16, 0, 1))
    for _ in range(4):
        heard.listener.feed(request + sealed((1, 3, 2, 0, 9)), 15)
        clock.now += 1000
    read = heard.listener.reads[request]
    assert (read.unit_id, read.fc, read.address, read.count, read.replies, read.period_ms) == (1, 3, 16, 1, 4, 1000)


def fuzz(seed, frames):
    """Damages a part of the frames. Returns (heard, sent sound and undisturbed, false, CRC checks)."""
    rand = Rand(seed)
    heard = Heard()
    listener = heard.listener
    checks = [0]
    sound = module.sound

    def counted(buf, start, n):
        checks[0] += 1
        result = sound(buf, start, n)
        assert not result or crc16(buf[start : start + n]) == 0
        return result

    module.sound = counted
    good = sent = false = 0
    lately = []
    try:
        for k in range(frames // 2):
            request, reply = exchange(rand)
            clean = rand(3) == 0
            data = request + reply
            if not clean:
                data = damaged(rand, request) + reply if rand(2) else request + damaged(rand, reply)
            heard.pairs.clear()
            heard.feed_in_lots(rand, data)
            if rand(4) or clean:
                listener.rest()
                listener.lost()
            assert listener._n < 520
            lately = [outcome(request, reply)] + lately[:60]  # without silence it is told when the buffer must be used
            for pair in heard.pairs:
                if pair in lately:
                    good += 1
                elif pair[1] != 1:  # that a request got no reply is true, or follows from the damage
                    false += 1
            sent += clean and lately[0] is not None
    finally:
        module.sound = sound
    return good, sent, false, checks[0]


def test_damaged_conversations():
    good, sent, false, checks = fuzz(9, FRAMES)
    print("REPORT: listener, %d frames, two thirds of the exchanges damaged: %d CRC checks," % (FRAMES, checks))
    print(
        "REPORT: %d reads heard (%d undamaged were sent), %d false; expected of the CRC alone: %d"
        % (good, sent, false, checks // 65536)
    )
    assert good >= sent * 99 // 100, (good, sent)
    assert false <= 4 + 3 * checks // 65536, (false, checks)


def test_rubbish_alone_gives_nothing():
    rand = Rand(21)
    heard = Heard()
    total = 0
    for _ in range(1000):
        data = bytes((1, 3, 4, 16, 2, rand(256))[rand(6)] for _ in range(rand(200)))
        total += len(data)
        heard.feed_in_lots(rand, data)
        if rand(2):
            heard.listener.rest()
    heard.listener.rest()
    assert heard.listener.frames <= 20 and heard.listener._n == 0
    assert heard.listener.stray_bytes >= total * 99 // 100


def test_mutant_without_crc_is_caught():
    # The control: the fuzz test must fail when the listener takes damaged frames.
    sound = module.sound
    caught = False
    module.sound = lambda buf, start, n: True
    try:
        fuzz(9, 400)
    except AssertionError:
        caught = True
    finally:
        module.sound = sound
    assert caught
