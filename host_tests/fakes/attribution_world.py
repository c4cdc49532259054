"""A box in virtual time whose faults are switched by name: real bus engine, session and machine, and who judges them.

Three units on a line at 19200 baud, the third is the PLC that reports the machine's faults; a broker in memory. What is
told of faults is kept in `told`: (cause, reason, subject) in the order of their begin.
"""

import line as wire
from production import attribution, oee
from production.calendar import Calendar, Zone
from production.signals import Condition, Source, Value
from production.state import Machine
from rig import Rig, unit
from scripted_broker import Broker, Net
from uplink.session import Session

ADDRESS = ("10.0.0.1", 1883)
PLC = 3
ROUND_MS = 1000


class Time:
    """Uptime of a clock that begins below the wrap."""

    def __init__(self, clock):
        self._clock = clock

    def now(self):
        return self._clock.us // 1000

    def when(self, ticks_ms):
        return self.now() - ((self.now() - ticks_ms) & 0x3FFFFFFF)


class World:
    """reset_cause: None for a box that has been running for long."""

    def __init__(self, reset_cause=None, seed=1):
        self.units = [wire.Unit(k, {0: 0, 1: 7}) for k in (1, 2, PLC)]
        configs = [unit(k, ((0, 2, 700 + 100 * k),), first_byte_timeout_ms=100) for k in (1, 2, PLC)]
        self.rig = Rig(self.units, configs, look_us=60, seed=seed)
        self.rig.on_result = self._on_result
        self.clock = self.rig.clock
        self.bus = self.rig.bus
        self.broker = Broker()
        self.net = Net({ADDRESS: self.broker})
        settings = {"client_id": "fg-0001", "brokers": [ADDRESS], "ack_timeout_ms": 2500, "connect_timeout_ms": 2500}
        settings["connack_timeout_ms"] = 2500
        settings["backoff_max_ms"] = 1000
        settings["keep_alive_s"] = 5
        self.session = Session(self.net, self.clock, lambda bits: 1 << bits >> 1, settings)
        self._machine()
        self.told = []
        self.ended = []
        self.faults = attribution.Faults(self._tell)
        self.line = attribution.Line(self.bus, 0)
        self.uplink = attribution.Uplink(self.session)
        self.dropped = 0
        self.box = attribution.Box(self.clock, reset_cause or "power", lambda: self.dropped)
        if reset_cause is None:
            self.box._rounds = attribution.CLEAR_ROUNDS
        self.busy_ms = 0  # so long something holds the loop, with 300 ms between
        self._random = seed
        self.noise = self.foreign = False
        loop = self.rig.loop
        for task in (self._serve, self._judge, self._hog, self._meddle):
            loop.spawn(task(loop.sleep_ms))

    def _machine(self):
        group = self.bus.plan.reads[-1].group
        source = Source(group, 1000, 4)
        source.states = True
        signal = Value(source, {"type": "uint16", "order": "ABCD", "at": 0, "scale": 1, "offset": 0})
        self.source = source
        rules = [(oee.FAULT, Condition([(signal, "&", 1, False)]))]
        account = oee.Account(Calendar(Zone(0, 0, None), [], [], 0))
        self.machine = Machine([source], rules, oee.RUNNING, {}, None, None, account, Time(self.clock))

    def _on_result(self, read, quality, ticks_ms, buf, nbytes):
        if read.group == self.source.group:
            self.machine.sample(self.source, quality, ticks_ms, buf, nbytes)

    def _tell(self, begins, cause, reason, subject, value):
        (self.told if begins else self.ended).append((cause, reason, subject, value))

    async def _serve(self, sleep_ms):
        session = self.session
        while True:
            await sleep_ms(100)
            if session.can_publish(4) and session.unacked < 2:
                session.publish("a/data", b"data")
            for _ in range(6):
                if not session.service():
                    break
            self.broker.received[:] = []
            self.broker.writes[:] = []

    async def _judge(self, sleep_ms):
        while True:
            await sleep_ms(ROUND_MS)
            self.machine.step(0)
            self.round()

    def round(self):
        faults = self.faults
        self.line.look(faults)
        self.uplink.look(faults)
        self.box.look(faults, ROUND_MS)
        if self.machine.state == oee.FAULT:
            faults.see(attribution.EQUIPMENT, 1, 0, 95)
        faults.end_round()

    async def _hog(self, sleep_ms):
        while True:
            await sleep_ms(300)
            self.clock.us += 1000 * self.busy_ms

    async def _meddle(self, sleep_ms):
        """Noise, and another client, as long as they are on."""
        asked_us = self.clock.us
        while True:
            await sleep_ms(70)
            if self.noise:
                self._random = (self._random * 1103515245 + 12345) & 0x7FFFFFFF
                data = bytes([(self._random >> 8) & 255, (self._random >> 16) & 255])[: 1 + (self._random >> 20 & 1)]
                self.rig.wire.inject((self._random >> 12) % 60000, data)
            if self.foreign and self.clock.us - asked_us > 1300000:
                asked_us = self.clock.us
                self.rig.wire.inject(5000, wire.sealed(bytes((9, 3, 0, 0, 0, 1))))

    def run_ms(self, ms):
        self.rig.run_ms(ms)
