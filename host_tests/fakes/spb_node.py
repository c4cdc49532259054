"""A box that publishes as a Sparkplug node, without bus: recorder, log on simulated flash, session, broker in memory.

`Judge` plays the host application: it follows sequence numbers, births and deaths and says what is wrong.
"""

import os

from clock import Clock
from flashlog.log import FlashLog
from gateway import schema, schema_store
from gateway.clock import Uptime
from gateway.recorder import Recorder
from gateway.sparkplug import SparkplugPublisher
from modbus import codes
from nor import Nor
from spb_broker import SpbBroker
from spb_reader import read
from uplink import sparkplug as spb
from uplink.sparkplug_session import SparkplugSession

UTC_MS = 1795312800000
NODE = "spBv1.0/lyon/%s/fg-1"
POINTS = [
    {"name": "count", "address": 10, "type": "uint32", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""},
    {"name": "level", "address": 12, "type": "int16", "order": "ABCD", "scale": 0.1, "offset": 5, "unit": "m"},
    {"name": "power", "address": 13, "type": "float32", "order": "ABCD", "scale": 1, "offset": 0, "unit": "W"},
]
ROW_BYTES = 10


def texts(period_ms, units=("plc", "meter"), points=POINTS, count=5):
    return [
        schema_store.group_text("line1", unit, 4 + group, group, 3, 10, count, period_ms, points)
        for group, unit in enumerate(units)
    ]


def rebirth_request():
    """What a host asks with."""
    writer = spb.PayloadWriter(512)
    writer.begin(spb.split(UTC_MS))
    writer.metric("Node Control/Rebirth", 0, spb.split(UTC_MS), spb.BOOLEAN, b"\0\0\0\x01")
    return bytes(writer.finish(None))


class Box:
    """`restart` is a power cut: only flash and files remain."""

    def __init__(self, utc_ms=UTC_MS, host=None, sectors=16, points=POINTS, count=ROW_BYTES // 2):
        if schema.FOLDER in os.listdir():
            for name in os.listdir(schema.FOLDER):
                os.remove(schema.FOLDER + "/" + name)
        self.flash = Nor(sectors, 16)
        self.clock = Clock(utc_ms=utc_ms)
        self.broker = SpbBroker()
        self.host = host
        self.points = points
        self.count = count  # registers of each read
        self.restart()

    def restart(self, period_ms=1000):
        self.broker.drop()
        self.log = FlashLog(self.flash, b"\x01\x02\x03\x04")
        self.log.mount()
        self.boot = self.log.begin_boot()
        self.uptime = Uptime(self.clock)
        self.schema = schema_store.store(lambda: texts(period_ms, points=self.points, count=self.count))
        self.recorder = Recorder(self.log, self.clock, self.uptime, self.boot, self.schema, 1000)
        brokers = [("10.0.0.1", 1883), ("10.0.0.2", 1883)]
        settings = {"client_id": "fg-1", "brokers": brokers}
        self.session = SparkplugSession(self.broker, self.clock, lambda bits: 0, settings)
        names = ("lyon", "fg-1", self.host)
        self.publisher = SparkplugPublisher(self.log, self.session, self.clock, self.uptime, self.boot, "base", names)
        self.session.on_state = self._on_state

    def _on_state(self, up, text):
        if up:
            self.publisher.greet("{}", self.schema)

    def sample(self, value, group=0, quality=codes.GOOD, after_ms=100):
        """One read: count is `value`, level -value, power the bits of value."""
        self.clock.advance_ms(after_ms)
        low = -value & 0xFFFF
        data = bytearray(value.to_bytes(4, "big") + low.to_bytes(2, "big") + value.to_bytes(4, "big"))
        self.recorder.sample(group, quality, self.uptime.update(), data, ROW_BYTES)

    def flush(self):
        self.clock.advance_ms(10)
        self.uptime.update()
        while self.recorder.due() or self.recorder._open.records:
            self.recorder.write()

    def run(self, ms=500):
        """Let time pass with keeper and uplink at work."""
        for _ in range(ms // 10):
            self.clock.advance_ms(10)
            for _ in range(30):
                busy = self.session.service()
                busy = self.publisher.step() or busy
                if self.publisher.acked:
                    self.log.ack(self.publisher.acknowledged())
                if not busy:
                    break


class Judge:
    """Reads what the broker got, as a host application does. `problems`: broken rules; `values`: (boot's topic, alias
    name, timestamp, value, historical, quality) in order of arrival, duplicates too."""

    def __init__(self, broker):
        self.problems = []
        self.values = []
        self.events = []
        self.births = []  # (bdSeq, [devices])
        self.lives = []  # (kind, device) of each DBIRTH and DDEATH, in order
        alive = set()
        seq = number = None
        names = {}
        for connection, topic, payload, retain in broker.got:
            if not topic.startswith("spBv1.0/"):
                continue
            kind = topic.split("/")[2]
            device = topic.split("/")[4] if kind[0] == "D" else None
            self._expect(topic == NODE % kind + ("/" + device if device else ""), "topic " + topic)
            self._expect(not retain, "retained")
            top = read(payload)
            self._expect(top["timestamp"] and top["timestamp"] > UTC_MS - 10**9, "timestamp of the payload")
            metrics = top["metrics"]
            if kind == "NBIRTH":
                seq, number, names = -1, connection, {}
                alive = set()
                told = {metric["name"]: metric["value"] for metric in metrics}
                self._expect(told["Node Control/Rebirth"] == 0, "Rebirth metric")
                will = read(broker.connects[connection - 1][2])
                self._expect(will["seq"] is None and len(will["metrics"]) == 1, "NDEATH has bdSeq only")
                self._expect(will["metrics"][0]["value"] == told["bdSeq"], "bdSeq of will and birth")
                self._expect(broker.connects[connection - 1][1] == NODE % "NDEATH", "topic of the will")
                self.births.append((told["bdSeq"], []))
            self._expect(connection == number, "data before the birth of this connection")
            self._expect(top["seq"] == (seq + 1) & 255, "seq %s after %s" % (top["seq"], seq))
            seq = top["seq"]
            if device:
                self._expect((device in alive) == (kind != "DBIRTH"), "%s of a device that is %s" % (kind, alive))
            if kind == "DBIRTH":
                self.births[-1][1].append(device)
                alive.add(device)
                names = {alias: names[alias] for alias in names if names[alias][0] != device}
            if kind == "DDEATH":
                alive.discard(device)
                self._expect(not metrics, "a death has no metrics")
            if kind in ("DBIRTH", "DDEATH"):
                self.lives.append((kind, device))
            if kind in ("NBIRTH", "DBIRTH"):
                for metric in metrics:
                    self._expect(metric["name"] and metric["timestamp"], "birth names its metrics")
                    self._expect(not metric["historical"], "birth is not historical")
                    if metric["alias"] is not None:
                        self._expect(metric["alias"] not in names, "alias twice")
                        names[metric["alias"]] = (device, metric["name"], metric["datatype"])
                continue
            for metric in metrics:
                self._expect(metric["name"] is None, "data uses aliases")
                owner, name, datatype = names.get(metric["alias"], (None, None, None))
                self._expect(owner == device and name, "alias %s of %s" % (metric["alias"], device))
                self._expect(datatype == metric["datatype"], "datatype as in the birth")
                self._expect(metric["timestamp"] > UTC_MS - 10**9, "timestamp of a metric")
                found = (device, name, metric["timestamp"], metric["value"], metric["historical"])
                if device:
                    self.values.append(found + (metric["properties"].get("quality_code", 0),))
                else:
                    self.events.append(found)

    def _expect(self, fine, what):
        if not fine:
            self.problems.append(what)

    def counts(self, device="plc"):
        """Values of the point `count` of a device, first arrivals only, in order."""
        out = []
        for one in self.values:
            if one[0] == device and one[1] == "count" and one[3] is not None and one[3] not in out[-200:]:
                out.append(one[3])
        return out
