"""A Modbus TCP server of lib/scada on virtual time, its net and its clients played by the test."""

from clock import Clock
from scada.image import GOOD, Image

# (unit name, fc, address, count, period_ms)
BLOCKS = [("meter", 4, 0, 14, 1000), ("meter", 4, 70, 4, 1000), ("plc", 2, 3, 21, 250), ("drive", 3, 8451, 4, 500)]
STARTS = (16, 32, 38, 42)  # by hand: 16, + 2 + 14, + 2 + 4, + 2 + 2 (21 bits take 2 registers)
REGISTERS = 48


class Uptime:
    def __init__(self, clock):
        self._clock = clock

    def ms(self):
        return self._clock.us // 1000


class Unit:
    def __init__(self, name):
        self.name = name


class Read:
    """What scada.image looks at of a modbus.plan.Read."""

    def __init__(self, group, name, fc, address, count, period_ms):
        self.group = group
        self.unit = Unit(name)
        self.fc = fc
        self.address = address
        self.count = count
        self.period_ms = period_ms


READS = [Read(group, *block) for group, block in enumerate(BLOCKS)]


class Wire:
    """One client's connection, seen from the server. inbox: bytes to the server; outbox: its replies; room: bytes that
    it can send before it would have to wait; gone: the client has closed."""

    def __init__(self, address="10.0.0.5"):
        self.address = address
        self.inbox = bytearray()
        self.outbox = bytearray()
        self.room = 1 << 20
        self.gone = False
        self.closed = 0

    def read_into(self, buf):
        if self.gone and not self.inbox:
            raise OSError(104)
        n = min(len(buf), len(self.inbox))
        buf[:n] = self.inbox[:n]
        self.inbox = self.inbox[n:]
        return n

    def write(self, data):
        n = min(len(data), self.room)
        self.room -= n
        self.outbox += bytes(data[:n])
        return n

    def close(self):
        self.closed += 1


class Net:
    """The network seam, listening only: itself the listener, too."""

    def __init__(self):
        self.waiting = []
        self.broken = False

    def listen(self, port):
        if self.broken:
            raise OSError(98)
        return self

    def accept(self):
        if self.broken:
            raise OSError(9)
        if not self.waiting:
            return None, None
        wire = self.waiting.pop(0)
        return wire, wire.address

    def close(self):
        pass


class ImageRig:
    """The register image alone."""

    def __init__(self):
        self.clock = Clock(utc_ms=1795312800000)
        self.image = Image(BLOCKS, b"\x12\x34\x56\x78", self.clock, Uptime(self.clock))
        for read in READS:
            self.image.know(read)

    def sample(self, i, data, quality=GOOD):
        self.take(READS[i], data, quality)

    def take(self, read, data, quality=GOOD):
        """A sample of a read that the image may not know yet."""
        self.image.know(read)
        self.image.note(read.group, quality, self.clock.ticks_ms(), data, len(data))


class Rig(ImageRig):
    """The whole server, on MicroPython only: micropython-modbus needs it."""

    def __init__(self, allowed=("10.0.0.0/24",)):
        from scada.server import Server

        super().__init__()
        self.net = Net()
        self.server = Server(self.net, 502, allowed, self.image, self.clock)
        self.server.step()  # it listens

    def connect(self, address="10.0.0.5"):
        wire = Wire(address)
        self.net.waiting.append(wire)
        self.server.step()
        return wire

    def steps(self, count=20):
        for _ in range(count):
            self.server.step()


def request(fc, address, count, unit_id=1, transaction=7):
    body = bytes((unit_id, fc, address >> 8, address & 255, count >> 8, count & 255))
    return bytes((transaction >> 8, transaction & 255, 0, 0, 0, len(body))) + body


def registers(reply, transaction=7):
    """The registers of a good reply's bytes."""
    assert reply[:4] == bytes((transaction >> 8, transaction & 255, 0, 0)), reply
    assert reply[4] == 0 and reply[5] == len(reply) - 6, reply
    assert reply[7] in (3, 4) and reply[8] == len(reply) - 9, reply
    return [reply[i] << 8 | reply[i + 1] for i in range(9, len(reply), 2)]
