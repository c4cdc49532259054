"""umqtt.simple as packet codec: it builds every packet, and memory stands where its socket would be.

Promises: nothing is read from or written to a network here, and nothing of umqtt.simple's module is patched.
Works with micropython-umqtt.simple 1.3.4 (PyPI) and the one of micropython-lib. All strings are passed
as bytes, because umqtt.simple writes len(str) as the length, which is wrong for anything but ASCII.
"""

from umqtt.simple import MQTTClient

# MQTT 3.1.1, 2.2.2 and 2.2.3: remaining length takes 1 byte to 127, 2 to 16383, 3 to 2097151.
# PUBLISH at QoS 1: type byte + remaining length + 2 bytes topic length + 2 bytes packet identifier.
PUBLISH_OVERHEAD_BYTES = 8


class _Memory:
    """The end of umqtt.simple's socket that lies in memory: keeps what is written, answers from a script."""

    def __init__(self):
        self.out = None
        self.end = 0
        self.script = b""

    def write(self, data, nbytes=None):
        if nbytes is not None:
            data = data[:nbytes]
        end = self.end + len(data)
        assert end <= len(self.out)
        self.out[self.end : end] = data
        self.end = end

    def read(self, nbytes):
        answer = self.script[:nbytes]
        self.script = self.script[nbytes:]
        return answer

    def connect(self, address):
        pass

    def setblocking(self, flag):
        pass

    def settimeout(self, seconds):
        pass

    def close(self):
        pass


class Codec(MQTTClient):
    """Builds CONNECT, PUBLISH (QoS 1) and PINGREQ packets into buffers of the caller."""

    def __init__(self, client_id, user, password, keep_alive_s):
        self._memory = _Memory()
        # umqtt.simple resolves its server in connect(): a numeric address, so that nothing is looked up.
        super().__init__(to_bytes(client_id), "127.0.0.1", 1883, to_bytes(user), to_bytes(password or ""), keep_alive_s)

    # umqtt.simple assigns its socket to `sock` and then writes to `sock`: the first goes nowhere, the second to memory.
    @property
    def sock(self):
        return self._memory

    @sock.setter
    def sock(self, real):
        if real is not None:
            real.close()

    def connect_packet(self):
        """The CONNECT packet (MQTT 3.1.1, 3.1) with Clean Session 0, as a new bytearray."""
        memory = self._memory
        parts = (self.client_id, self.lw_topic, self.lw_msg, self.user, self.pswd)
        memory.out = bytearray(16 + sum(2 + len(part) for part in parts if part))
        memory.end = 0
        memory.script = b"\x20\x02\0\0"  # what connect() wants to read; the real CONNACK is the session's business
        self.connect(False)
        packet = memory.out[: memory.end]
        memory.out = None
        return packet

    def publish_into(self, buf, offset, topic, payload, retain, packet_id):
        """Write one PUBLISH at QoS 1 (MQTT 3.1.1, 3.3) to buf[offset:]; returns its end. Topic and payload: bytes.

        buf: a memoryview. At each of its 7 writes MicroPython moves all that lies behind it to where it is already, so
        only the place of the packet is handed on (the rest of 8 KB took 2 ms)."""
        assert 1 <= packet_id <= 65535
        memory = self._memory
        memory.out = buf[offset : offset + PUBLISH_OVERHEAD_BYTES + len(topic) + len(payload)]
        memory.end = 0
        memory.script = bytes((0x40, 2, packet_id >> 8, packet_id & 0xFF))
        self.pid = packet_id - 1  # umqtt.simple adds one, and would never wrap
        self.publish(topic, payload, retain, 1)
        memory.out = None
        return offset + memory.end

    def ping_into(self, buf):
        """Append PINGREQ (MQTT 3.1.1, 3.12) to the bytearray `buf`."""
        memory = self._memory
        memory.end = len(buf)
        buf.extend(b"\0\0")
        memory.out = buf
        self.ping()
        memory.out = None


def to_bytes(text):
    """A str as UTF-8, the rest as it is."""
    return text.encode() if isinstance(text, str) else text
