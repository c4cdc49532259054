"""A broker that sends mutated packets, and cuts at random bytes: both from a seed, both in virtual time.

Promises: the same seed gives the same run on every runtime. `fuzz` and `cuts` raise AssertionError when the session
breaks a promise; any other exception is one that the session let out.
"""

import gc

from clock import Clock
from scripted_broker import Broker, Net
from uplink.session import Session

ADDRESS = ("10.0.0.1", 1883)
SEEDS = (
    b"\x20\x02\x00\x00", b"\x20\x02\x01\x00", b"\x40\x02\x00\x01", b"\xd0\x00", b"\x30\x06\x00\x03abcd",
    b"\x32\x08\x00\x03abc\x00\x01d", b"\x90\x03\x00\x01\x01", b"\x32\x80\x01\x00\x03abc\x00\x01" + bytes(121),
)  # fmt: skip


class Dice:
    """A linear congruential generator: `dice(n)` is 0..n-1."""

    def __init__(self, seed):
        self.state = seed & 0x7FFFFFFF

    def __call__(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % n

    def bits(self, n):
        return self(1 << n)


class World:
    """A session and its broker on a virtual clock."""

    def __init__(self, seed):
        self.dice = Dice(seed)
        self.clock = Clock()
        self.broker = Broker()
        self.expected = []
        self.acked = 0
        self.next = 0
        self.session = Session(Net({ADDRESS: self.broker}), self.clock, self.dice.bits, {
            "client_id": "fuzz", "brokers": [ADDRESS], "backoff_min_ms": 10, "backoff_max_ms": 20,
            "connack_timeout_ms": 100, "connect_timeout_ms": 100, "ack_timeout_ms": 200,
        })  # fmt: skip
        self.session.on_ack = self._on_ack

    def _on_ack(self, token):
        assert self.expected.pop(0) == token, "told out of order"
        self.acked += 1

    def publish(self):
        """Publish the next number, if the session takes it."""
        if self.session.can_publish(8):
            self.expected.append(self.session.publish("a/b", b"%08d" % self.next))
            self.next += 1

    def turn(self, ms=10):
        """Let time pass."""
        self.clock.advance_ms(ms)
        for _ in range(20):
            if not self.session.service():
                return
        raise AssertionError("service() always wants more")

    def drain(self):
        """Until everything is acknowledged by a broker that behaves."""
        for _ in range(20000):
            if self.session.ready and not self.session.unacked:
                assert not self.expected
                return
            self.turn()
        raise AssertionError("does not work any more: " + self.session.last_error)


def mutate(dice, packet):
    """The packet, or one of SEEDS, with one to three random changes."""
    data = bytearray(packet if dice(2) else SEEDS[dice(len(SEEDS))])
    for _ in range(1 + dice(3)):
        what = dice(4)
        if what == 0 and data:
            data[dice(len(data))] ^= 1 << dice(8)
        elif what == 1 and data:
            data[dice(len(data))] = dice(256)
        elif what == 2:
            data = data[: dice(len(data) + 1)]
        else:
            data += bytes([dice(256) for _ in range(dice(9))])
    return bytes(data)


def fuzz(seed, packets):
    """Send at least that many mutated packets; then the broker behaves and everything must get through.

    Returns (packets, connects, bytes that the heap has grown)."""
    world = World(seed)
    dice = world.dice
    sent = [0]

    def mangle(packet):
        if dice(4) == 0:
            return packet  # so that it gets past CONNACK
        sent[0] += 1
        return mutate(dice, packet)

    world.broker.mangle = mangle
    gc.collect()
    before = gc.mem_alloc()
    while sent[0] < packets:
        world.publish()
        world.publish()
        world.turn()
        if world.broker.current and dice(2):
            world.broker.send(mangle(SEEDS[dice(len(SEEDS))]))
        world.broker.received[:] = world.broker.writes[:] = world.broker.connects[:] = []
    gc.collect()
    grown = gc.mem_alloc() - before
    assert grown < 8192, "the heap grew by %d bytes" % grown
    world.broker.mangle = None
    world.session.close()
    world.drain()
    start = world.acked
    for _ in range(20):
        world.publish()
        world.turn()
    world.drain()
    assert world.acked >= start + 16
    return sent[0], world.session.connects, grown


def cuts(seed, messages):
    """Publish that many messages over connections that die at random bytes; returns (cuts, duplicates).

    Everything must arrive, first arrivals in order, and be told once, in order."""
    world = World(seed)
    dice = world.dice
    broker = world.broker
    wanted = made = duplicates = 0
    while world.next < messages or world.session.unacked:
        if broker.cut_after is None and world.next < messages:
            broker.cut_after = 1 + dice(1 + dice(600))
            made += 1
        broker.take = 1 + dice(40) if dice(4) == 0 else None
        broker.drop_pubacks = 1 if dice(40) == 0 else 0
        broker.present = dice(2) if dice(3) == 0 else None
        for _ in range(dice(4)):
            if world.next < messages:
                world.publish()
        world.turn()
        for message in broker.received:
            number = int(message[4])
            assert number <= wanted, "lost or reordered"
            duplicates += number < wanted
            wanted = max(wanted, number + 1)
        assert world.acked <= wanted, "told before it was there"
        broker.received[:] = broker.writes[:] = broker.connects[:] = []
        if world.next == messages:
            broker.cut_after = None
    assert wanted == messages == world.acked
    return made, duplicates
