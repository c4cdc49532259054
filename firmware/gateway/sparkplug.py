"""Publishes as a Sparkplug B Edge Node (Eclipse Sparkplug 3.0.0): the box is the node, every unit on the bus a device.

Promises: reads the log, and nothing else, in order; its cursor moves only over what a PINGRESP covers
(`uplink.sparkplug_session`); nothing goes out before UTC is known, and nothing with another time than its own. The
same seam as `gateway.publisher.Publisher`. lib/uplink/SPARKPLUG.md says what is met.
"""

import json

from flashlog.records import EVENT, SAMPLE, TIME_MARK, Block
from gateway import schema as schemas
from gateway import sparkplug_births as births
from gateway.errors import ConfigError
from gateway.sparkplug_lives import BEAR, BURY, PASS, Lives
from gateway.sparkplug_times import UNKNOWN, Times
from modbus.codes import GOOD, UNIT_SILENT
from uplink import sparkplug as spb
from uplink.points import byte_at, load_words
from uplink.sparkplug import METRIC_BYTES, PayloadWriter

PAYLOAD_BYTES = births.PAYLOAD_BYTES
DATA_BYTES = 1400  # where a data message is split
METRICS_PER_STEP = 4
STEP_US = 2500  # as of Publisher
REBIRTH_MS = 2000  # least time between two that were asked for

_PREFIX = "spBv1.0/"


def make(gateway, base, it):
    """The publisher of `gateway`, which has its session and schema. Raises ConfigError."""
    mistakes = births.too_many(schemas.lines(gateway.schema))
    if mistakes:
        raise ConfigError(mistakes)
    names = it["publish"]["sparkplug"]
    names = (names["group"] or it["place"]["site"], names["node"] or it["box"], names["host"])
    return SparkplugPublisher(gateway.log, gateway.session, gateway.clock, gateway.uptime, gateway.boot, base, names)


class SparkplugPublisher:
    """Publishes below spBv1.0/<group>/.../<node>.

    session: a SparkplugSession; boot: this boot's id; uptime: gateway.clock.Uptime; base: topic of notices;
    names: (group, node, primary host or None).
    """

    def __init__(self, log, session, clock, uptime, boot, base, names):
        self._log = log
        self._session = session
        self._clock = clock
        self._times = Times(log, clock, uptime, boot)
        self._base = base
        self._group, self._node, self._host = names
        self._writer = PayloadWriter(PAYLOAD_BYTES)
        self._word = bytearray(4)
        self._place = memoryview(bytes(2))  # load_words asks for the place of each row
        self.need_us = STEP_US
        self.notice = None  # (topic, text), retained, as of Publisher
        self.skipped = 0  # records of a boot that never learned the time, or of a schema that is not kept any more
        self.unreadable = None  # why the log's next block cannot be read
        self.births = 0
        self._bd_seq = -1
        self._seq = 0
        self._schema = None  # of this boot
        self._born = None  # schema of the births that stand
        self._shape = None  # schema that the next four are of
        self._host_time = -1
        self._host_online = not self._host
        self._birth_wanted = False
        self._birth_at = clock.ticks_ms()
        self._units = {}  # group: (unit name, unit id)
        self._layouts = {}
        self._last = {}  # group: (time, quality, data) of its newest sample
        self._lives = Lives(self._units)
        self._work = None  # generator of messages
        self._message = None  # (topic, payload, position, number) that waits for room
        self._in_flight = []  # (token, position or None, number) of each message
        self._acked = None
        self._next = 0  # records below this number are safe, or on their way in this session
        self._safe = 0  # records below this number are safe
        self._rows = self._row = None
        session.on_ack = self._on_ack
        session.on_message = self._on_message
        session.set_will_maker(self._make_will)
        session.topics = [self._topic("NCMD", None)]
        if self._host:
            session.topics.append(_PREFIX + "STATE/" + self._host)

    # The seam of Publisher

    def greet(self, _status, schema):
        """At every connect and change of schema. After a connect everything unsafe is read again."""
        self._schema = schema
        if self._born is None:
            self._work = self._message = self._rows = None
            self._in_flight = []
            self._next = self._safe
            self._log.rewind()
            self._host_time = -1  # each broker has its own
            self._host_online = not self._host
            self._birth_wanted = True

    def step(self):
        """One slice of work. True if there may be more to do at once."""
        if not self._session.ready:
            self._born = None
            return False
        if self._message is not None:
            return self._send()
        if self._work is not None:
            self._message = next(self._work, self)
            if self._message is self:
                self._work = self._message = None
            return True
        if not self._host_online or not self._times.known():
            return False
        if self._birth_wanted and self._may_be_born():
            self._birth_wanted = False
            self._work = self._bear(self._born or self._schema)
            return True
        if self._born is None:
            return False
        if self.notice is not None and self._session.can_publish(len(self.notice[1].encode())):
            topic, text = self.notice
            self.notice = None
            self._in_flight.append((self._session.publish(self._base + "/" + topic, text, True), None, None))
            return True
        return self._collect()

    @property
    def acked(self):
        """True when more is safe than `acknowledged` has told."""
        return self._acked is not None

    def acknowledged(self):
        """Log position up to which a PINGRESP covers everything; None if it has not moved."""
        position, self._acked = self._acked, None
        return position

    # The session

    def _topic(self, kind, device):
        topic = "%s%s/%s/%s" % (_PREFIX, self._group, kind, self._node)
        return topic if device is None else topic + "/" + device

    def _make_will(self):
        self._born = None
        self._bd_seq = (self._bd_seq + 1) & 255
        writer = PayloadWriter(64)
        writer.begin(self._times.now() if self._times.known() else None)
        births.put_bd_seq(writer, None, self._bd_seq)
        return self._topic("NDEATH", None), bytes(writer.finish(None))

    def _on_ack(self, token):
        expected, position, number = self._in_flight.pop(0)
        assert token == expected
        if number is not None:
            self._safe = number
        if position is not None:
            self._acked = position

    def _on_message(self, topic, body):
        if topic == self._topic("NCMD", None).encode():
            if spb.asks_rebirth(body):
                self._birth_wanted = True
            return
        try:
            state = json.loads(bytes(body))
            online, time = state["online"], state["timestamp"]
        except (ValueError, KeyError, TypeError):
            return
        if type(time) is not int or time < self._host_time:
            return  # 5.4: an older message changes nothing
        if online is True:
            self._host_time = time
            self._host_online = True
        elif online is False and self._host_online:
            self._host_online = False
            self._born = None
            self._session.leave("primary host is offline")  # the broker publishes our NDEATH

    def _send(self):
        topic, payload, position, number = self._message
        if not self._session.can_publish(len(payload)):
            return False
        self._message = None
        self._in_flight.append((self._session.publish(topic, payload), position, number))
        return True

    # Births

    def _may_be_born(self):
        if self._born is None:
            return True
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._birth_at) >= REBIRTH_MS

    def _bear(self, schema):
        """NBIRTH, then one DBIRTH for each unit of that schema that is not silent; the sequence starts again at 0."""
        if schema != self._shape:
            self._shape = schema
            self._last = {}
            self._layouts = births.layouts_of(schemas.lines(schema))
            self._units = births.units_of(schemas.lines(schema))
            self._lives = Lives(self._units)
        self._seq = 0
        self._birth_at = self._clock.ticks_ms()
        self._born = schema
        self.births += 1
        writer = self._writer
        now = self._times.now()
        writer.begin(now)
        births.put_node(writer, now, self._bd_seq)
        yield self._finish("NBIRTH", None)
        told = set(self._lives.dead)
        for group in sorted(self._units):
            unit = self._units[group][0]
            if unit not in told:
                told.add(unit)
                for message in self._bear_device(unit):
                    yield message

    def _bear_device(self, unit):
        now = self._times.now()
        self._writer.begin(now)
        lines = schemas.lines
        for _ in births.put_device(self._writer, now, unit, lambda: lines(self._shape), self._last, self._read):
            yield None
        yield self._finish("DBIRTH", unit)

    def _bury(self, unit, position=None, number=None):
        self._writer.begin(self._times.now())
        return self._finish("DDEATH", unit, position, number)  # seq and time are all that it says

    def _finish(self, kind, device, position=None, number=None):
        payload = self._writer.finish(self._seq)
        self._seq = (self._seq + 1) & 255
        return self._topic(kind, device), payload, position, number

    def _read(self, data, point):
        # (value, quality) of a point of a layout in a good sample
        if isinstance(point, int):
            load_words(data, self._place, 1, byte_at(point), point & 0xFF, self._word)
            return self._word, GOOD
        from gateway import sparkplug_points as special

        return special.value_of(point, data)

    # Records

    def _collect(self):
        """Begin with the next record of the log."""
        if self._rows is None and not self._next_frame():
            return False
        if self._number < self._next:
            self._advance()
            return True
        block = self._block
        kind, name, quality, era, ticks, data = self._row
        if kind == TIME_MARK:
            self._times.mark(block.boot, era, ticks, data)
            self._pass()
            return True
        time = self._times.of(block.boot, era, ticks)
        if time == UNKNOWN:
            self._work = self._times.look_ahead(block.boot, block)
            self._rows = None
            return True
        if kind == SAMPLE and block.schema != self._born and time:
            self._work = self._bear(block.schema)  # what the births that stand do not name
            return True
        if not time:
            self.skipped += 1
            self._pass()
        elif kind == EVENT:
            self._work = self._event(time, not self._times.is_live(block.boot, era, ticks), name, data)
        elif name in self._layouts:
            self._work = self._sample(time, not self._times.is_live(block.boot, era, ticks), name, quality, data)
        else:
            self.skipped += 1
            self._pass()
        return True

    def _next_frame(self):
        payload = None if self.unreadable else self._log.read()
        if payload is None:
            return False
        try:
            self._block = Block(payload)
        except ValueError as error:  # newer firmware wrote it and was taken back: as in Publisher
            self.unreadable = str(error)
            print("flash log: %s; nothing from there on is published until the firmware is as new" % error)
            return False
        self._rows = iter(self._block)
        self._number = (self._log.frame_seq_hi << 30) + self._log.frame_seq_lo
        self._position = self._log.position()
        self._row = next(self._rows)
        return True

    def _advance(self):
        """Go to the next row. Returns (position, number) up to which the log is done with."""
        self._number += 1
        self._next = max(self._next, self._number)
        self._row = next(self._rows, None)
        if self._row is None:
            self._rows = None
            return self._position, self._number
        return None, self._number

    def _pass(self):
        """A row that carries no message: the last message takes its place in the log along."""
        position, number = self._advance()
        if position is None:
            return
        if self._in_flight:
            token = self._in_flight[-1][0]
            self._in_flight[-1] = (token, position, number)
        else:
            self._acked = position
            self._safe = number

    def _sample(self, time, historical, group, quality, data):
        data = None if quality else bytes(data)
        unit = self._units[group][0]
        if not historical:
            self._last[group] = (time, quality, data)
        what = self._lives.read(group, quality, historical)
        if what == PASS:
            self._pass()
            return
        if what == BURY:
            position, number = self._advance()
            yield self._bury(unit, position, number)
            return
        if what == BEAR:
            for message in self._bear_device(unit):
                yield message
        writer = self._writer
        writer.begin(self._times.now())
        bad = births.quality_properties(quality) if quality else None
        for index, point in enumerate(self._layouts[group]):
            if index and not (writer.metrics * METRIC_BYTES < DATA_BYTES and writer.fits(births.metric_bytes(point))):
                yield self._finish("DDATA", unit)
                writer.begin(self._times.now())
            elif index and not index % METRICS_PER_STEP:
                yield None
            word, good = (None, quality) if quality else self._read(data, point)
            properties = bad if good == quality else births.quality_properties(good)
            kind = births.datatype_of(point)
            writer.metric(None, births.alias_of(group, index), time, kind, word, historical, properties)
        position, number = self._advance()
        yield self._finish("DDATA", unit, position, number)

    def _event(self, time, historical, code, what):
        self._writer.begin(self._times.now())
        text = json.dumps([code] + list(what))
        self._writer.metric(None, births.EVENT_ALIAS, time, spb.STRING, text, historical)
        position, number = self._advance()
        yield self._finish("NDATA", None, position, number)
        if code == UNIT_SILENT and not historical:
            for unit in self._lives.silent(what[0]):
                self._lives.bury(unit)
                yield self._bury(unit)
