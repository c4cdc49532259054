"""The session that Sparkplug asks for: Clean Session, QoS 0, a last will of its own for each connection, subscriptions.

Promises as `Session` does, with these differences: a message counts as acknowledged when a PINGRESP has come for a
PINGREQ that left after it (a broker answers in order, so it has read the message); what was not acknowledged when a
connection ends is forgotten, the application reads it from its log again; what the broker publishes to us goes to
`on_message`.
"""

from uplink.codec import PUBLISH_OVERHEAD_BYTES, Codec, to_bytes
from uplink.framing import Framer
from uplink.session import UP, Session, _Lost

COMMAND_BYTES = 512  # of a received message with its topic; longer ones are counted and dropped


class _Codec(Codec):
    """Codec with Clean Session 1, PUBLISH at QoS 0 and SUBSCRIBE."""

    make_will = None

    def connect_packet(self):
        if self.make_will:
            topic, payload = self.make_will()
            self.set_last_will(to_bytes(topic), payload, False, 1)
        packet = super().connect_packet()
        packet[9 if packet[1] < 128 else 10] |= 2  # Clean Session (MQTT 3.1.1, 3.1.2.4)
        return packet

    def publish_into(self, buf, offset, topic, payload, retain, packet_id):
        memory = self._memory
        memory.out = buf[offset : offset + PUBLISH_OVERHEAD_BYTES + len(topic) + len(payload)]  # as in Codec
        memory.end = 0
        self.publish(topic, payload, retain, 0)
        memory.out = None
        return offset + memory.end

    def subscribe_into(self, buf, topic):
        """Append SUBSCRIBE (MQTT 3.1.1, 3.8) at QoS 1 to the bytearray `buf`. topic: at most 122 bytes."""
        memory = self._memory
        memory.end = len(buf)
        buf.extend(bytes(len(topic) + 7))
        memory.out = buf
        self.pid = self.pid % 65535
        following = self.pid + 1
        memory.script = bytes((0x90, 3, following >> 8, following & 0xFF, 0))  # the real SUBACK is the session's
        self.set_callback(len)
        self.subscribe(topic, 1)
        memory.out = None


class SparkplugSession(Session):
    """See Session, and:

    topics                   what to subscribe to (QoS 1) after each CONNACK; at most 122 bytes each
    on_message(topic, body)  bytes and memoryview, valid until it returns; called from `service()`
    """

    def __init__(self, net, clock, rand, settings):
        super().__init__(net, clock, rand, settings)
        self._codec = _Codec(self._client_id, self._user, self._password, self._keep_alive_s)
        self._framer = Framer(self._on_packet, COMMAND_BYTES)
        self.on_message = None
        self.topics = ()

    def set_last_will(self, topic, payload):
        """Not used: see `set_will_maker`."""

    def set_will_maker(self, make_will):
        """make_will() is called for every CONNECT; it returns (topic, payload): sent at QoS 1, not retained."""
        self._codec.make_will = make_will

    def leave(self, text):
        """From `on_message` only: end this connection without DISCONNECT, so that the broker publishes the last will,
        and go to the next broker of the list."""
        self.proven = False
        raise _Lost(text)

    def _exchange(self, now):
        busy = super()._exchange(now)
        covered = self._sent - (1 if self._unfinished else 0)
        if covered and not self.pinging:
            self._codec.ping_into(self._control)
            self.pinging = True
            self._ping_since = now
            self._covered = covered
            return True
        return busy

    def _on_connack(self, first, body, length):
        super()._on_connack(first, body, length)
        self._open = self._window
        for topic in self.topics:
            self._codec.subscribe_into(self._control, to_bytes(topic))

    def _on_packet(self, first, body, length):
        if self.state != UP or first != 0x90:
            super()._on_packet(first, body, length)
        elif length != 3 or body[2] > 1:
            raise _Lost(
                "refused the subscription with code 0x%02x" % body[-1] if length == 3 else "protocol error: SUBACK"
            )
        if first == 0xD0:
            self._on_pingresp()

    def _on_pingresp(self):
        window = self._waiting
        covered, self._covered = self._covered, 0
        for _ in range(covered):
            window.ack(0)
            token = window.pop()
            self._sent -= 1
            self._ack_since = self._now
            self.acked += 1
            if self.on_ack:
                self.on_ack(token)

    def _on_publish(self, first, body, length):
        strays = self.strays
        super()._on_publish(first, body, length)  # acknowledges it
        at = 2 + (body[0] << 8 | body[1])
        if length > len(body) or at > length or not self.on_message:
            return  # too long for us, or no message: stays counted
        self.strays = strays
        topic = bytes(body[2:at])
        self.on_message(topic, body[at + 2 if first & 6 else at :])

    def _clear(self):
        super()._clear()
        self._covered = 0  # packets that went out before the PINGREQ on its way
        window = self._waiting
        while window.count:
            window.ack(0)
            window.pop()
