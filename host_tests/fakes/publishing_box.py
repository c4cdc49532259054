"""A box without a bus: recorder, flash log, publisher and reports on virtual time; the broker is a Paperboy.

`run` lets time pass: samples come at their period, the keeper's work is done at once, the broker acknowledges so many
messages a second as it is told. `box.messages` holds (ms since the start, topic, payload) of everything published.
"""

from clock import Clock, VirtualLoop
from flashlog.log import FlashLog
from gateway.clock import Uptime
from gateway.latest import Latest
from gateway.publisher import Publisher
from gateway.recorder import Recorder
from gateway.reports import Reports
from nor import Nor
from paperboy import Paperboy

SETTINGS = {
    "batch_records": 64,
    "batch_age_ms": 1000,
    "telemetry_s": 3600,
    "latest_s": 1,
    "assets_s": 0,
    "homeassistant": None,
    "backfill_bytes_per_s": 2048,
}
UTC_MS = 1795312800000
POINT = {"name": "count", "address": 0, "type": "uint32", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""}
META = (
    '{"format":1,"schema":"%s","group":0,"bus":"line1","unit":"plc","unit_id":4,"fc":3,"address":0,"count":2,'
    '"period_ms":1000,"points":[{"name":"count","at":0,"type":"uint32","order":"ABCD","scale":1,"offset":0,"unit":""}]}'
)


class Box:
    """Also what Reports takes for the Gateway. period_ms: of the samples, whose value counts up."""

    buses = ()
    edge = None

    def __init__(self, sectors=64, period_ms=1000, acks_per_s=50, **settings):
        self.settings = dict(SETTINGS)
        self.settings.update(settings)
        self.clock = Clock(utc_ms=UTC_MS)
        self.started_us = self.clock.us
        self.log = FlashLog(Nor(sectors, 16), b"\x01\x02\x03\x04")
        self.log.mount()
        self.uptime = Uptime(self.clock)
        self.schema = b"abcd"
        self.recorder = Recorder(self.log, self.clock, self.uptime, self.log.begin_boot(), self.schema, 1000)
        self.session = Paperboy()
        self.session.connects = 0
        self.session.ready = False
        self.publisher = Publisher(self.log, self.session, self.clock, "base", self.settings)
        self.latest = Latest([META % "61626364"]) if self.settings["latest_s"] else None
        self.reports = Reports(self, self.settings)
        self.reports._telemetry = _nothing  # this box has little of what it tells
        self.messages = []
        self.value = 0
        self._period_ms = period_ms
        self._ack_ms = 1000 // acks_per_s
        self.loop = VirtualLoop(self.clock)
        self.recorder.mark_time()
        for task in (self._sample, self._keep, self._publish, self._acknowledge, self.reports.run):
            self.loop.spawn(task(self.loop.sleep_ms))

    async def room(self, sleep_ms):
        await sleep_ms(0)

    def connect(self):
        self.session.ready = True
        self.session.connects += 1
        self.session.known = self.publisher._taught = True  # the glossary is not the point here
        self.publisher.greet("{}", self.schema)

    def run(self, ms):
        self.loop.run_ms(ms)

    def now_ms(self):
        return (self.clock.us - self.started_us) // 1000

    def tell_losses(self):
        pass

    async def _sample(self, sleep_ms):
        while True:
            await sleep_ms(self._period_ms)
            self.value += 1
            data = bytearray(self.value.to_bytes(4, "big"))
            ticks = self.uptime.update()
            self.recorder.sample(0, 0, ticks, data, 4)
            if self.latest:
                self.latest.note(0, 0, ticks, data, 4)

    async def _keep(self, sleep_ms):
        while True:
            await sleep_ms(20)
            self.uptime.update()
            if self.recorder.due():
                self.recorder.write()
            position = self.publisher.acknowledged()
            if position is not None:
                self.log.ack(position)
            while self.log.erase_due():
                if not self.log.idle():
                    break

    async def _publish(self, sleep_ms):
        while True:
            before = len(self.session.sent)
            busy = self.publisher.step()
            for _, topic, payload, _ in self.session.sent[before:]:
                self.messages.append((self.now_ms(), topic[5:], payload))
            await sleep_ms(0 if busy else 10)

    async def _acknowledge(self, sleep_ms):
        while True:
            await sleep_ms(self._ack_ms)
            if self.session.ready:
                self.session.deliver(1)


async def _nothing(sleep_ms):
    pass
