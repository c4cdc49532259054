"""No allocation per transaction: the bus runs with the heap locked, in good times and with faults."""

import micropython

from line import sealed
from modbus.bus import Bus
from modbus.line import Line
from modbus.plan import Plan
from rig import Rand, unit

TRANSACTIONS = 400


class Clock:
    """A clock that moves 50 us with every look and allocates nothing; below 2^30 as on a board."""

    def __init__(self):
        self.us = 0x40000000 * 1000 - 200000  # a small int on the 64-bit port

    def ticks_us(self):
        self.us += 50
        return self.us & 0x3FFFFFFF

    def ticks_ms(self):
        self.us += 50
        return (self.us // 1000) & 0x3FFFFFFF

    def ticks_diff(self, a, b):
        return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def ticks_add(self, a, d):
        assert -0x20000000 < d < 0x20000000
        return (a + d) & 0x3FFFFFFF


class Port:
    """Answers every request with the next of its prepared answers, 4 ms after the request was sent."""

    rest_ms = 0

    def __init__(self, answers, clock):
        self.answers = answers
        self.clock = clock
        self.sent_us = 0
        self.at = 0
        self.there = 0
        self.sent = 0

    def send(self, frame):
        self.sent += 1
        self.sent_us = self.clock.us
        self.at = (self.at + 1) % len(self.answers)
        self.there = len(self.answers[self.at])

    def available(self):
        if self.clock.us - self.sent_us < 4000:
            return 0
        return self.there

    def receive_into(self, buf, n):
        answer = self.answers[self.at]
        for i in range(self.there):
            buf[i] = answer[i]
        n = self.there
        self.there = 0
        return n


class Sleep:
    """Awaitable without allocation, like asyncio's own; moves the clock."""

    def __init__(self, clock):
        self.clock = clock
        self.waits = False

    def __call__(self, ms):
        self.clock.us += 1000 * ms
        self.waits = True
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.waits:
            self.waits = False
            return None
        raise StopIteration


class Recorder:
    def __init__(self):
        self.good = 0
        self.bad = 0
        self.sum = 0

    def result(self, read, quality, ticks_ms, buf, nbytes):
        if quality == 0:
            self.good += 1
            self.sum += buf[nbytes - 1]
        else:
            self.bad += 1

    def event(self, code, a, b):
        raise RuntimeError("no event is due: %d" % code)


def run(answers, retries, leak=None, share_permille=1000):
    clock = Clock()
    port = Port(answers, clock)
    recorder = Recorder()
    line = Line("x", 115200, "8N1", share_permille)
    plan = Plan(line, [unit(1, ((0, 3, 1000),), retries=retries, first_byte_timeout_ms=5)])
    plan.reads[0].period_ms = 1
    result = recorder.result
    if leak:

        def result(read, quality, ticks_ms, buf, nbytes):
            leak.append(bytes(buf[:nbytes]))
            leak.clear()

    bus = Bus(port, clock, line, plan, result, recorder.event, Rand(1))
    task = bus.run(Sleep(clock))
    for _ in range(60):  # what is made once is made now
        task.send(None)
    start = port.sent
    error = None
    micropython.heap_lock()
    try:
        for _ in range(40 * TRANSACTIONS):
            if port.sent >= start + TRANSACTIONS:
                break
            task.send(None)
    except MemoryError as caught:
        error = caught
    finally:
        micropython.heap_unlock()
    return error, recorder


GOOD = sealed((1, 3, 6, 0, 1, 0, 2, 0, 3))


def test_good_transactions_allocate_nothing():
    error, recorder = run([GOOD], 1)
    assert error is None and recorder.good >= TRANSACTIONS and recorder.bad == 0
    assert recorder.sum == 3 * recorder.good


def test_capped_share_allocates_nothing():
    error, recorder = run([GOOD], 1, None, 500)
    assert error is None and recorder.good >= TRANSACTIONS


def test_faulty_transactions_allocate_nothing():
    damaged = bytearray(GOOD)
    damaged[4] ^= 1
    other = sealed((2, 3, 6, 0, 1, 0, 2, 0, 3))
    refusal = sealed((1, 0x83, 4))
    for faulty in (b"", damaged, GOOD[:-3], b"\0" + GOOD, other, refusal, b"\xff" * 40):
        for retries in (0, 1):
            error, recorder = run([GOOD, GOOD, faulty], retries)
            assert error is None, (faulty, retries)
            assert recorder.good >= TRANSACTIONS // 2 - 20, (faulty, retries, recorder.good)


def test_an_allocation_would_be_seen():
    error, _ = run([GOOD], 1, [1])
    assert error is not None
