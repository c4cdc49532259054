"""The broker is gone for an hour, in virtual time, while the box measures on: real log, publisher and session.

Ten samples a second; the clock moves 100 ms at a time. What must come out of the broker afterwards: every sample that
the log still had, once and in order; where the log was too small, exactly as many are missing as it says it dropped,
and they are the oldest. The link breaks now and then while the backlog drains.
"""

from batch_reader import samples
from clock import Clock
from flashlog.log import FlashLog
from gateway.clock import Uptime
from gateway.publisher import Publisher
from gateway.recorder import Recorder
from modbus.codes import GOOD
from nor import Nor
from scripted_broker import Broker, Net
from uplink.session import Session

HEAP_KB = 12288
TIMEOUT_S = 100
ADDRESS = ("10.0.0.1", 1883)
HOUR_MS = 3600000
STEP_MS = 100
SETTINGS = {"batch_records": 64, "batch_age_ms": 1000, "backfill_bytes_per_s": 16384}


class Plant:
    """A box with a log of `sectors` sectors and its broker."""

    def __init__(self, sectors):
        self.clock = Clock(utc_ms=1795312800000)
        self.broker = Broker()
        self.session = Session(Net({ADDRESS: self.broker}), self.clock, lambda bits: 1 << bits >> 1, {
            "client_id": "fg-0001", "brokers": [ADDRESS]})  # fmt: skip
        self.log = FlashLog(Nor(sectors, 16), b"\x01\x02\x03\x04")
        self.log.mount()
        self.uptime = Uptime(self.clock)
        self.recorder = Recorder(self.log, self.clock, self.uptime, self.log.begin_boot(), b"abcd", 1000)
        self.publisher = Publisher(self.log, self.session, self.clock, "base", SETTINGS)
        self.publisher._layouts_schema = b"abcd"  # retained messages are not the point here, nor what samples mean
        self.session.on_state = self.on_state
        self.value = 0
        self.values = []  # as they came out of the broker, resent batches apart
        self.batches = 0
        self.last = None
        self.deepest = 0

    def on_state(self, up, text):
        if up:
            self.publisher._told = (b"abcd",)

    def run(self, ms, measure=True):
        data = bytearray(4)
        for _ in range(ms // STEP_MS):
            self.clock.advance_ms(STEP_MS)
            if measure:
                for at in range(4):
                    data[at] = self.value >> (24 - 8 * at) & 255
                self.recorder.sample(0, GOOD, self.uptime.update(), data, 4)
                self.value += 1
            if self.recorder.due():
                self.recorder.mark_time()
                self.recorder.write()
            while self.log.erase_due():
                if not self.log.idle():
                    break
            for _ in range(40):
                busy = self.session.service()
                if not self.publisher.step() and not busy:
                    break
            position = self.publisher.acknowledged()
            if position is not None:
                self.log.ack(position)
            if self.broker.received:
                self.take()
            self.broker.writes[:] = []
        self.deepest = max(self.deepest, self.log.depth())

    def take(self):
        received, self.broker.received[:] = list(self.broker.received), []
        for _, dup, _, topic, payload in received:
            if topic != b"base/data":
                continue
            top, groups = samples(payload, {0: ["uint32"]})
            for _, quality, row in groups.get(0, ()):
                assert quality == 0
                if self.last is None or row[0] > self.last:
                    self.values.append(row[0])
                    self.last = row[0]
                else:
                    assert dup or self.session.resent, "an old sample in a new batch"
            self.batches += 1

    def drain(self):
        """Go on measuring until live data is published again, then until all of it is."""
        rounds = 0
        while self.log.depth() > 100:
            self.run(60000)
            rounds += 1
            if rounds % 3 == 1:
                self.broker.cut_after = 20000
            assert rounds < 120, "the backlog does not end"
        self.run(10000, measure=False)
        return rounds


def outage(sectors):
    plant = Plant(sectors)
    plant.run(60000)
    assert plant.session.ready and plant.values
    plant.broker.refuse = True
    plant.session.close()
    plant.run(HOUR_MS)
    assert plant.session.connects == 1
    depth = plant.log.depth()
    assert depth > 0.8 * 36000 or plant.log.stats.dropped
    plant.broker.refuse = False
    minutes = plant.drain()
    gaps = [b - a - 1 for a, b in zip(plant.values, plant.values[1:]) if b != a + 1]
    assert plant.values[0] == 0 and plant.values[-1] == plant.value - 1
    print(
        "REPORT: broker gone for an hour (virtual), log of %d sectors: %d records waited, %d dropped as it was full, "
        "%d of %d samples arrived in order, %d connects, backlog gone after %d min"
        % (sectors, depth, plant.log.stats.dropped, len(plant.values), plant.value, plant.session.connects, minutes)
    )
    return plant, gaps


def test_nothing_is_lost_that_the_log_can_hold():
    plant, gaps = outage(96)
    assert gaps == [] and plant.log.stats.dropped == 0
    assert plant.session.connects > 2, "the link was cut while the backlog drained"


def test_a_log_that_is_full_loses_the_oldest_and_says_how_many():
    plant, gaps = outage(12)
    marks = plant.log.stats.dropped - sum(gaps)  # time marks are records too: one a minute
    assert len(gaps) == 1 and 0 <= marks <= 70, (gaps, plant.log.stats.dropped)
    assert plant.log.stats.dropped > 10000
