"""Runs on the emulated Pico: a TLS handshake with a server in the same chip, step by step, and what it costs.

The server's share of the time and of the memory is not counted: it runs between the steps, and stands before the first
measurement of memory.
"""

import gc
import io
import time

import tls

from uplink.tls_link import Room, TlsNet

HOST = "broker.plant.example"


class Pipe:
    """Bytes on their way. It neither grows nor gives memory back: where the heap gets a new hole within a step, each
    of the thousands of pieces that Mbed TLS takes is looked for from there on, and no socket of a board does that."""

    def __init__(self):
        self.view = memoryview(bytearray(6144))
        self.begin = self.end = 0

    def put(self, data):
        self.view[self.end : self.end + len(data)] = data
        self.end += len(data)
        return len(data)

    def take(self, buf):
        count = min(len(buf), self.end - self.begin)
        buf[:count] = self.view[self.begin : self.begin + count]
        self.begin += count
        if self.begin == self.end:
            self.begin = self.end = 0
        return count

    def waiting(self):
        return self.end > self.begin


class End(io.IOBase):
    """The server's end of the wire."""

    def __init__(self, inbox, outbox):
        self.inbox = inbox
        self.outbox = outbox

    def readinto(self, buf):
        return self.inbox.take(buf) or None

    def write(self, buf):
        return self.outbox.put(buf)

    def ioctl(self, request, argument):
        return 0


class Wire:
    """The client's end: the network seam, a pause that is always granted."""

    def __init__(self):
        self.to_server = Pipe()
        self.to_client = Pipe()

    def connect(self, host, port):
        return self

    def state(self):
        return 1

    def write(self, data):
        return self.to_server.put(data)

    def read_into(self, buf):
        return self.to_client.take(buf)

    def close(self):
        pass

    def ask(self):
        return True

    def done(self):
        pass


def read(name):
    with open(name, "rb") as file:
        return file.read()


def occupy(nbytes):
    """So much of the heap in small pieces, with a hole after every second: as after some hours of running."""
    kept = []
    dropped = []
    for i in range(nbytes // 96):
        kept.append(bytes(30 + i % 3 * 16))
        dropped.append(bytes(14 + i % 4 * 16))
    return kept


def handshake(kind, mutual, clock, occupied_bytes):
    """Prints: steps, us of the longest step, us of all, bytes that the session keeps, bytes left after its close beside
    the room for the next, us to write a record of 256 B and one as large as they become, us to read one of 4 B; then
    the us of each step."""
    ballast = occupy(occupied_bytes)
    gc.collect()
    wire = Wire()
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(read(kind + ".der"), read(kind + "-key.der"))
    if mutual:
        context.verify_mode = tls.CERT_REQUIRED
        context.load_verify_locations(read("ca-" + kind + ".der"))
    server = context.wrap_socket(End(wire.to_server, wire.to_client), server_side=True, do_handshake_on_connect=False)
    settings = {"ca": "ca-" + kind + ".der", "cert": None, "key": None, "server_name": HOST}
    if mutual:
        settings["cert"] = kind + "-box.der"
        settings["key"] = kind + "-box-key.der"
    room = Room()
    link = TlsNet(wire, clock, {("10.0.0.1", 8883): settings}, clock.utc_ms, wire, tls, room)
    byte = bytearray(1)
    payload = bytearray(2048)
    times = []
    gc.collect()
    before = gc.mem_alloc()
    connection = link.connect("10.0.0.1", 8883)
    while True:
        began = time.ticks_us()
        state = connection.state()
        took = time.ticks_diff(time.ticks_us(), began)
        if took > 2000:
            times.append(took)
        if state == 1:
            break
        if wire.to_server.waiting():
            server.readinto(byte)
    gc.collect()
    kept = gc.mem_alloc() - before
    server.readinto(byte)  # the rest of its handshake
    marks = [time.ticks_us()]
    connection.write(memoryview(payload)[:256])
    marks.append(time.ticks_us())
    wrote = connection.write(payload)
    marks.append(time.ticks_us())
    server.write(b"\x40\x02\0\1")
    marks.append(time.ticks_us())
    got = connection.read_into(payload)
    marks.append(time.ticks_us())
    connection.close()
    connection = None
    room.give(0, 3)  # what is held for the next one is not what stays of this
    left = gc.mem_alloc() - before
    spans = [time.ticks_diff(b, a) for a, b in zip(marks, marks[1:])]
    print(len(times), max(times), sum(times), kept, left, spans[0], spans[1], spans[3])
    print(*times)
    print(len(ballast), got, wrote)
