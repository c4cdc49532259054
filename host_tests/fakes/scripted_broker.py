"""An MQTT 3.1.1 broker in memory behind the network seam, strict about what it gets, faulty by name.

Promises: it understands CONNECT, PUBLISH at QoS 1, PUBACK and PINGREQ and asserts that what the client sends is legal;
nothing happens behind the test's back: no threads, no time of its own. Faults are attributes, switched by the test:

    refuse          connections are refused
    mute_connect    connections stay in the state "connecting"
    connack         return code of CONNACK (None: CONNACK is held back)
    present         Session Present: None as it is in truth, else 0 or 1
    take            most bytes that one write takes (None: all)
    cut_after       bytes that arrive until the connection is reset (None: never)
    half_open       takes bytes, never answers, never closes
    drop_pubacks    number of PUBACKs that get lost
    hold_pubacks    PUBACKs wait until `release` is called
    mangle          function that gets each answer and returns what is sent instead
"""

import errno


class Broker:
    """One broker at one address."""

    def __init__(self):
        self.refuse = self.mute_connect = self.half_open = self.hold_pubacks = False
        self.connack = 0
        self.present = self.take = self.cut_after = self.mangle = None
        self.drop_pubacks = 0
        self.sessions = set()  # client ids with a stored session
        self.received = []  # (packet id, DUP, retain, topic, payload) of every PUBLISH that came whole
        self.wills = []
        self.connects = []  # one dict per CONNECT
        self.pings = 0
        self.writes = []  # bytes of each write, for the rule "one packet per write"
        self.held = []
        self.current = None

    def release(self, order=None):
        """Send the PUBACKs that were held, in the order of the indices given."""
        held, self.held = self.held, []
        for index in order or range(len(held)):
            self.current.answer(held[index])

    def send(self, data):
        """Let the broker say something of its own."""
        self.current.inbox += data


class Net:
    """The network seam. `brokers`: {(host, port): Broker}."""

    def __init__(self, brokers):
        self.brokers = brokers
        self.is_up = True

    def up(self):
        return self.is_up

    def connect(self, host, port):
        broker = self.brokers[host, port]
        broker.current = Connection(broker)
        return broker.current


class Connection:
    """One connection to a Broker, as the client holds it."""

    def __init__(self, broker):
        self.broker = broker
        self.inbox = b""  # to the client
        self.outbox = b""  # from the client, not a whole packet yet
        self.client = None
        self.dead = False

    def state(self):
        if self.broker.refuse:
            raise OSError(errno.ECONNREFUSED)
        return 0 if self.broker.mute_connect else 1

    def write(self, data):
        broker = self.broker
        if self.dead:
            raise OSError(errno.ECONNRESET)
        data = bytes(data)
        assert data, "empty write"
        if broker.take is not None:
            data = data[: broker.take]
        broker.writes.append(data)
        arrives = data
        if broker.cut_after is not None:
            arrives = data[: broker.cut_after]
            broker.cut_after -= len(arrives)
            if not broker.cut_after:
                self.dead = True  # shows at the next call only: what was taken may be lost on the way
                broker.cut_after = None
        if not broker.half_open:
            self.outbox += arrives
            while self._packet():
                pass
        return len(data)

    def read_into(self, buf):
        if self.dead:
            raise OSError(errno.ECONNRESET)
        data = self.inbox[: len(buf)]
        self.inbox = self.inbox[len(data) :]
        buf[: len(data)] = data
        return len(data)

    def close(self):
        if self.broker.current is self:
            self.broker.current = None
            self.broker.held = []
        self.dead = True

    def answer(self, packet):
        if self.broker.mangle:
            packet = self.broker.mangle(packet)
        self.inbox += packet

    def _packet(self):
        """Take one whole packet off the outbox and act on it; False if there is none."""
        data = self.outbox
        length = shift = 0
        at = 1
        while True:
            if at >= len(data):
                return False
            byte = data[at]
            length |= (byte & 127) << shift
            shift += 7
            at += 1
            if byte < 128:
                break
        if len(data) < at + length:
            return False
        self.outbox = data[at + length :]
        self._act(data[0], data[at : at + length])
        return True

    def _act(self, first, body):
        broker = self.broker
        if self.client is None:
            assert first == 0x10, "the first packet is CONNECT"
            self._connect(body)
        elif first & 0xF6 == 0x32 or first & 0xF6 == 0x30:
            assert first & 6 == 2, "QoS 1"
            topic, rest = _string(body)
            packet_id = rest[0] << 8 | rest[1]
            assert packet_id, "MQTT-2.3.1-1: packet identifiers are not 0"
            broker.received.append((packet_id, first >> 3 & 1, first & 1, topic, rest[2:]))
            if broker.drop_pubacks:
                broker.drop_pubacks -= 1
            elif broker.hold_pubacks:
                broker.held.append(bytes((0x40, 2, packet_id >> 8, packet_id & 255)))
            else:
                self.answer(bytes((0x40, 2, packet_id >> 8, packet_id & 255)))
        elif first == 0x40:
            assert len(body) == 2
        else:
            assert first == 0xC0 and not body
            broker.pings += 1
            self.answer(b"\xd0\0")

    def _connect(self, body):
        broker = self.broker
        assert body[:7] == b"\0\x04MQTT\x04"
        flags = body[7]
        seen = {"flags": flags, "keep_alive_s": body[8] << 8 | body[9]}
        seen["client"], rest = _string(body[10:])
        if flags & 4:
            seen["will_topic"], rest = _string(rest)
            seen["will"], rest = _string(rest)
        if flags & 0x80:
            seen["user"], rest = _string(rest)
        if flags & 0x40:
            seen["password"], rest = _string(rest)
        assert not rest
        broker.connects.append(seen)
        self.client = seen["client"]
        if broker.connack is None:
            return
        present = self.client in broker.sessions if broker.present is None else broker.present
        if not broker.connack:
            broker.sessions.add(self.client)
        self.answer(bytes((0x20, 2, 1 if present and not broker.connack else 0, broker.connack)))


def _string(data):
    end = 2 + (data[0] << 8 | data[1])
    assert end <= len(data)
    return data[2:end], data[end:]
