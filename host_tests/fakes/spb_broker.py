"""A broker in memory for one Sparkplug node: strict about MQTT and Sparkplug, cuts connections, answers PINGREQ.

Stands behind the network seam (see scripted_broker). `got` holds every PUBLISH that came whole as (connection number,
topic, payload, retain); `safe` of them were there when the last PINGREQ was answered. Faults are attributes:

    cut_after   bytes that arrive until the line is cut (None: never): what is written then is lost, until `drop`
    hold_pings  PINGREQ is not answered
    retained    {topic: payload} that a subscriber gets at once
"""

import errno


class SpbBroker:
    def __init__(self):
        self.cut_after = None
        self.hold_pings = False
        self.suback = 1
        self.retained = {}
        self.got = []
        self.wills = []  # (topic, payload) published because a connection ended without DISCONNECT
        self.connects = []  # (flags, will topic, will payload)
        self.subscribed = []  # (connection number, topic, QoS)
        self.acks = 0  # PUBACKs for what we published to the node
        self.pings = 0
        self.connection = None
        self.is_up = True

    # The network seam

    def up(self):
        return self.is_up

    def connect(self, host, port):
        self.drop()
        self.connection = _Connection(self)
        return self.connection

    # What a test does

    def drop(self):
        """The connection ends: the will is published."""
        self.cut_after = None
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.end()

    def publish(self, topic, payload, qos=1):
        """To the node, if it has subscribed to that topic."""
        number = len(self.connects)
        assert [1 for one in self.subscribed if one[:2] == (number, topic)], "nobody has subscribed to " + topic
        body = len(topic).to_bytes(2, "big") + topic.encode() + (b"\x12\x34" if qos else b"") + payload
        length = bytes((len(body),)) if len(body) < 128 else bytes((len(body) & 127 | 128, len(body) >> 7))
        self.connection.inbox += bytes((0x30 | qos << 1,)) + length + body


class _Connection:
    def __init__(self, broker):
        self.broker = broker
        self.inbox = b""
        self.outbox = b""
        self.will = None
        self.dead = False

    def state(self):
        return 1

    def write(self, data):
        if self.dead:
            raise OSError(errno.ECONNRESET)
        broker = self.broker
        data = bytes(data)
        arrives = data
        if broker.cut_after is not None:
            arrives = data[: broker.cut_after]
            broker.cut_after -= len(arrives)
        self.outbox += arrives
        while self._packet():
            pass
        return len(data)

    def read_into(self, buf):
        if self.dead:
            raise OSError(errno.ECONNRESET)
        if self.broker.cut_after == 0:
            return 0
        data = self.inbox[: len(buf)]
        self.inbox = self.inbox[len(data) :]
        buf[: len(data)] = data
        return len(data)

    def close(self):
        if self.broker.connection is self:
            self.broker.connection = None
        self.end()

    def end(self):
        if not self.dead and self.will:
            self.broker.wills.append(self.will)
        self.dead = True

    def _packet(self):
        data = self.outbox
        length = shift = 0
        at = 1
        while True:
            if at >= len(data):
                return False
            length |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        if len(data) < at + length:
            return False
        self.outbox = data[at + length :]
        self._act(data[0], data[at : at + length])
        return True

    def _act(self, first, body):
        broker = self.broker
        number = len(broker.connects)
        if first == 0x10:
            flags = body[7]
            assert flags & 0x3E == 0x0E, "Clean Session 1, will at QoS 1, not retained"
            _, rest = _string(body[10:])
            topic, rest = _string(rest)
            payload, rest = _string(rest)
            self.will = (str(topic, "utf-8"), payload)
            broker.connects.append((flags,) + self.will)
            self.inbox += b"\x20\x02\0\0"
        elif first == 0x82:
            topic, rest = _string(body[2:])
            topic = str(topic, "utf-8")
            assert len(rest) == 1
            broker.subscribed.append((number, topic, rest[0]))
            self.inbox += b"\x90\x03" + body[:2] + bytes((broker.suback,))
            if topic in broker.retained and broker.suback < 128:
                broker.publish(topic, broker.retained[topic])
        elif first & 0xFE == 0x30:
            topic, payload = _string(body)
            broker.got.append((number, str(topic, "utf-8"), payload, first & 1))
        elif first == 0x40:
            broker.acks += 1
        else:
            assert first == 0xC0 and not body
            broker.pings += 1
            if not broker.hold_pings:
                self.inbox += b"\xd0\0"


def _string(data):
    size = data[0] << 8 | data[1]
    return data[2 : 2 + size], data[2 + size :]
