"""The virtual board's network stand-in over real sockets of this machine, in virtual time: cut, delayed, stalled."""

import errno
import json
import os
import select
import socket

from clock import Clock
from ports.linux import net as port
from ports.linux.net_faults import HELD_BYTES, LOOK_MS

FILE = "net.json"


class Rig:
    """A peer behind the stand-in. `faults` writes the file and lets it act."""

    def __init__(self):
        self.clock = Clock()
        self.put("")
        os.putenv("FIELDGATE_NET", FILE)
        self.net = port.Net({}, {}, self.clock)
        os.unsetenv("FIELDGATE_NET")
        self.server = socket.socket()
        self.port = bind(self.server)
        self.server.listen(1)
        self.connection = self.net.connect("127.0.0.1", self.port)
        self.peer = self.server.accept()[0]

    def put(self, text):
        with open(FILE + ".new", "w") as file:
            file.write(text)
        os.rename(FILE + ".new", FILE)

    def faults(self, **wanted):
        self.put(json.dumps(wanted))
        self.clock.advance_ms(LOOK_MS)
        self.net.up()

    def hears(self):
        """What the peer has."""
        self.connection.read_into(bytearray(8))
        poll = select.poll()
        poll.register(self.peer, select.POLLIN)
        return self.peer.recv(100000) if poll.poll(20) else b""

    def says(self, data):
        """The peer says it; returns once it is there."""
        self.peer.send(data)
        poll = select.poll()
        poll.register(self.connection._inner._socket, select.POLLIN)
        assert poll.poll(1000)

    def reads(self, nbytes=64):
        buf = bytearray(nbytes)
        return bytes(buf[: self.connection.read_into(buf)])

    def close(self):
        self.connection.close()
        self.peer.close()
        self.server.close()


def bind(sock):
    """A port of this machine that is free; the Unix port cannot ask the system which one it gave."""
    for _ in range(50):
        one, two = os.urandom(2)
        port = 10000 + (one << 6) + (two & 63)
        try:
            sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            return port
        except OSError:
            pass  # taken: another one
    raise OSError(errno.EADDRINUSE)


def with_rig(test):
    rig = Rig()
    try:
        test(rig)
    finally:
        rig.close()


def code_of(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno
    raise AssertionError("nothing was raised")


def test_without_a_fault_it_is_the_port():
    def test(rig):
        assert rig.connection.state() == 1 and rig.net.up()
        assert rig.connection.write(b"hello") == 5 and rig.hears() == b"hello"
        rig.says(b"world")
        assert rig.reads(3) == b"wor" and rig.reads() == b"ld" and rig.reads() == b""
        assert rig.net.link.signal_dbm() is None

    with_rig(test)


def test_delayed_each_way():
    def test(rig):
        rig.faults(delay_ms=300)
        assert rig.connection.write(b"late") == 4
        rig.clock.advance_ms(299)
        assert rig.hears() == b""
        rig.clock.advance_ms(1)
        assert rig.hears() == b"late"
        rig.says(b"answer")
        assert rig.reads() == b""
        rig.clock.advance_ms(300)
        assert rig.reads() == b"answer"
        connection = rig.net.connect("127.0.0.1", rig.port)
        rig.clock.advance_ms(599)
        assert connection.state() == 0
        rig.clock.advance_ms(1)
        assert connection.state() == 1
        connection.close()

    with_rig(test)


def test_stalled_nothing_arrives_and_nobody_says_so():
    def test(rig):
        rig.faults(stall=True)
        assert rig.connection.write(b"a" * 100) == 100
        rig.says(b"unheard")
        for _ in range(10):
            rig.clock.advance_ms(1000)
            assert rig.reads() == b"" and rig.hears() == b""
        taken = sum([rig.connection.write(b"b" * 1000) for _ in range(100)])
        assert taken == HELD_BYTES - 100, "a send buffer has an end"
        rig.faults()
        assert rig.reads() == b"unheard"
        assert rig.hears() == b"a" * 100 + b"b" * taken

    with_rig(test)


def test_cut_resets_what_stands_and_nothing_else():
    def test(rig):
        rig.faults(cut=1)
        assert code_of(rig.connection.write, b"x") == errno.ECONNRESET
        assert code_of(rig.connection.read_into, bytearray(4)) == errno.ECONNRESET
        connection = rig.net.connect("127.0.0.1", rig.port)
        assert connection.state() == 1
        rig.faults(cut=2)
        assert code_of(connection.state) == errno.ECONNRESET
        connection.close()

    with_rig(test)


def test_without_an_address_nothing_goes():
    def test(rig):
        rig.faults(signal_dbm=-61)
        assert rig.net.link.signal_dbm() == -61
        rig.faults(up=False, signal_dbm=-90)
        assert not rig.net.up() and rig.net.link.signal_dbm() is None
        assert code_of(rig.net.connect, "127.0.0.1", rig.port) == errno.EHOSTUNREACH
        assert code_of(rig.net.datagram, "127.0.0.1", rig.port) == errno.EHOSTUNREACH
        rig.says(b"unheard")
        assert rig.reads() == b""
        rig.put("{")  # half written: nothing changes
        rig.clock.advance_ms(LOOK_MS)
        assert not rig.net.up()
        rig.faults()
        assert rig.net.up() and rig.reads() == b"unheard"

    with_rig(test)


def test_what_was_on_its_way_arrives_before_the_end():
    def test(rig):
        rig.faults(delay_ms=100)
        rig.says(b"bye")
        rig.peer.close()
        assert rig.reads() == b""
        rig.clock.advance_ms(100)
        assert rig.reads() == b"bye"
        while True:
            rig.clock.advance_ms(100)
            try:
                assert rig.reads() == b""
            except OSError as error:
                assert error.errno == errno.ECONNRESET
                break

    with_rig(test)


def test_a_datagram_into_a_stall_is_lost_and_a_delayed_one_is_late():
    def test(rig):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.setblocking(False)
        one = rig.net.datagram("127.0.0.1", bind(server))
        rig.faults(stall=True)
        one.write(b"lost")
        rig.faults(delay_ms=50)
        one.write(b"late")
        assert one.read_into(bytearray(8)) == 0 and code_of(server.recv, 8) == errno.EAGAIN
        rig.clock.advance_ms(50)
        assert one.read_into(bytearray(8)) == 0 and server.recv(8) == b"late"
        one.close()
        server.close()

    with_rig(test)
