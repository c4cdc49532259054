"""A box's memory and flash without bus and broker, for the tests of recorder and publisher."""

import os

from batch_reader import samples
from clock import Clock
from flashlog.log import FlashLog
from flashlog.records import Block
from gateway import schema, schema_store
from gateway.clock import Uptime
from gateway.publisher import Publisher
from gateway.recorder import Recorder
from modbus import codes
from nor import Nor
from paperboy import Paperboy

UTC_MS = 1795312800000
SETTINGS = {"batch_records": 64, "batch_age_ms": 1000}
POINTS = [
    {"name": "p%d" % i, "address": 10 + i, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""}
    for i in range(3)
]
KINDS = {0: ["uint16"] * 3, 1: ["uint16"] * 3}


class Box:
    """A box's memory and flash; `restart` is a power cut: only flash and files remain."""

    def __init__(self, flush_ms=1000, period_ms=1000, sectors=8):
        clear_schemas()
        self.flash = Nor(sectors, 16)
        self.clock = Clock(utc_ms=UTC_MS)
        self.flush_ms = flush_ms
        self.restart(period_ms)

    def restart(self, period_ms=1000, settings=SETTINGS):
        self.log = FlashLog(self.flash, b"\x01\x02\x03\x04")
        self.log.mount()
        self.boot = self.log.begin_boot()
        self.uptime = Uptime(self.clock)
        self.schema = schema_store.store(lambda: _texts(period_ms))
        self.recorder = Recorder(self.log, self.clock, self.uptime, self.boot, self.schema, self.flush_ms)
        self.session = Paperboy()
        self.publisher = Publisher(self.log, self.session, self.clock, "base", settings)
        self.session.known = self.publisher._taught = True  # the glossary is not the point here
        self.publisher.greet("{}", self.schema)

    def sample(self, value, group=0, after_ms=100):
        self.clock.advance_ms(after_ms)
        data = bytearray(8)
        for i in range(3):
            data[2 * i] = value >> 8
            data[2 * i + 1] = value & 255
        self.recorder.sample(group, codes.GOOD, self.uptime.update(), data, 6)

    def settle(self):
        """Publish until there is nothing to do even when time passes, as far as the window lets."""
        for _ in range(3):
            while self.publisher.step():
                pass
            self.clock.advance_ms(1100)

    def values(self):
        """(boot, value) of every sample in the batches, in order of arrival; all three points must agree."""
        out = []
        for payload in self.session.batches():
            top, groups = samples(payload, KINDS)
            for group in sorted(groups):
                for _, quality, row in groups[group]:
                    assert quality == 0 and row[0] == row[1] == row[2]
                    out.append((top[2], row[0]))
        return out


def _texts(period_ms):
    return [schema_store.group_text("line1", "plc", 4, group, 3, 10, 3, period_ms, POINTS) for group in (0, 1)]


def clear_schemas():
    if schema.FOLDER in os.listdir():
        for name in os.listdir(schema.FOLDER):
            os.remove(schema.FOLDER + "/" + name)


def frames_of(log):
    log.rewind()
    frames = []
    while True:
        payload = log.read()
        if payload is None:
            return frames
        frames.append(list(Block(bytes(payload))))
