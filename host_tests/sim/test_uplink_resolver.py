"""Names in virtual time: servers that fail in every way, the cache, and the session on top."""

import errno

from clock import Clock
from scripted_broker import Broker, Net
from uplink import dns
from uplink.resolver import Names
from uplink.session import Session

S1 = ("10.0.0.53", 53)
S2 = ("10.0.1.53", 53)
BROKER = ("10.0.0.1", 1883)


class Server:
    """A name server: `names` is what it knows; `mode` is answer, silent, refuse (nobody listens), fail or forge."""

    def __init__(self, names=None, mode="answer", ttl=300):
        self.names = names or {}
        self.mode = mode
        self.ttl = ttl
        self.asked = 0


class Datagram:
    open = 0

    def __init__(self, server):
        self.server = server
        self.inbox = []
        Datagram.open += 1

    def write(self, data):
        server = self.server
        server.asked += 1
        if server.mode == "silent":
            return
        name = b".".join(dns._name(data, 12)[0]).decode()
        head = bytes(data[:2]) + b"\x81"
        address = server.names.get(name)
        if server.mode == "forge":  # wrong ids first, with an address of the forger
            for i in range(1, 4):
                forged = bytes((data[0], data[1] ^ i)) + b"\x81\x80\0\1\0\1\0\0\0\0" + bytes(data[12:])
                self.inbox.append(forged + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\6\6\6\6")
        if server.mode == "fail":
            self.inbox.append(head + b"\x82\0\1\0\0\0\0\0\0" + bytes(data[12:]))
        elif address is None:
            self.inbox.append(head + b"\x83\0\1\0\0\0\0\0\0" + bytes(data[12:]))
        else:
            numbers = bytes([int(part) for part in address.split(".")])
            record = b"\xc0\x0c\0\1\0\1" + bytes((0, 0, server.ttl >> 8, server.ttl & 255)) + b"\0\4" + numbers
            self.inbox.append(head + b"\x80\0\1\0\1\0\0\0\0" + bytes(data[12:]) + record)

    def read_into(self, buf):
        if self.server.mode == "refuse":
            raise OSError(errno.ECONNREFUSED)
        if not self.inbox:
            return 0
        data = self.inbox.pop(0)
        buf[: len(data)] = data
        return len(data)

    def close(self):
        Datagram.open -= 1


class NamedNet(Net):
    def __init__(self, brokers, servers):
        super().__init__(brokers)
        self.servers = servers
        self.dialled = []

    def connect(self, host, port):
        self.dialled.append(host)
        return super().connect(host, port)

    def dns_servers(self):
        return list(self.servers)

    def datagram(self, host, port):
        return Datagram(self.servers[host, port])


class Rig:
    def __init__(self, servers, host="broker.example"):
        self.clock = Clock()
        self.broker = Broker()
        self.net = NamedNet({BROKER: self.broker}, servers)
        self.names = Names(self.net, self.clock, lambda bits: 0x4321 & ((1 << bits) - 1))
        self.session = Session(self.names, self.clock, lambda bits: 0, {"client_id": "a", "brokers": [(host, 1883)]})
        self.texts = []
        self.session.on_state = lambda up, text: self.texts.append(text)

    def run(self, ms):
        for _ in range(ms // 10):
            self.clock.advance_ms(10)
            self.session.service()
        return self


def test_name_is_looked_up_once_and_kept():
    server = Server({"broker.example": "10.0.0.1"})
    rig = Rig({S1: server}).run(500)
    assert rig.session.ready and server.asked == 1 and rig.texts == ["broker broker.example:1883: connected"]
    rig.session.publish("a", "b")
    rig.run(100)
    for _ in range(3):
        rig.session.close()
        rig.run(1000)
        assert rig.session.ready
        rig.session.publish("a", "b")
        rig.run(100)
    assert server.asked == 1 and Datagram.open == 0


def test_expired_name_is_asked_again():
    server = Server({"broker.example": "10.0.0.1"}, ttl=60)
    rig = Rig({S1: server}).run(500)
    rig.run(70000)
    rig.session.close()
    rig.run(12000)
    assert rig.session.ready and server.asked == 2


def test_numeric_addresses_are_never_asked():
    server = Server()
    rig = Rig({S1: server}, "10.0.0.1").run(500)
    assert rig.session.ready and server.asked == 0


def test_next_server_when_one_is_silent_refuses_or_fails():
    for mode in ("silent", "refuse", "fail"):
        first, second = Server(mode=mode), Server({"broker.example": "10.0.0.1"})
        rig = Rig({S1: first, S2: second}).run(3000)
        if rig.session.state == 0:  # the order of the servers is the port's
            rig.run(3000)
        assert rig.session.ready and second.asked == 1, mode
        assert Datagram.open == 0


def test_forged_answers_are_not_believed():
    server = Server({"broker.example": "10.0.0.1"}, "forge")
    rig = Rig({S1: server}).run(500)
    assert rig.session.ready and rig.net.dialled == ["10.0.0.1"]


def test_unknown_name():
    rig = Rig({S1: Server()}).run(500)
    assert rig.texts == ["broker broker.example:1883: the name servers do not know broker.example"]
    assert not rig.session.ready and rig.names.failures >= 1
    rig.session.close()
    assert Datagram.open == 0


def test_no_server_answers():
    rig = Rig({S1: Server(mode="silent")}).run(5500)
    assert rig.texts == ["broker broker.example:1883: no answer from a name server for broker.example"]
    assert Datagram.open == 0
    rig = Rig({}).run(500)
    assert rig.texts == ["broker broker.example:1883: no answer from a name server for broker.example"]


def test_expired_address_is_used_when_nobody_answers():
    server = Server({"broker.example": "10.0.0.1"}, ttl=60)
    rig = Rig({S1: server}).run(500)
    server.mode = "silent"
    rig.run(70000)
    rig.session.close()
    rig.run(15000)
    assert rig.session.ready and server.asked > 1 and rig.net.dialled == ["10.0.0.1"] * 2


def test_address_that_does_not_work_is_asked_again():
    server = Server({"broker.example": "10.0.0.1"})
    rig = Rig({S1: server}).run(500)
    rig.broker.refuse = True
    rig.session.close()
    rig.run(3000)
    asked = server.asked
    assert asked >= 2
    rig.broker.refuse = False
    rig.run(20000)
    assert rig.session.ready


def test_text_that_is_no_name():
    rig = Rig({S1: Server()}, "a..b").run(500)
    assert rig.texts == ["broker a..b:1883: a..b is not a name"]


def test_at_most_four_names_are_kept():
    server = Server({"b%d" % i: "10.0.0.1" for i in range(9)})
    rig = Rig({S1: server})
    for i in range(9):
        connection = rig.names.connect("b%d" % i, 1883)
        while not connection.state():
            pass
    assert len(rig.names._kept) == 4 and server.asked == 9
    assert rig.names.connect("b8", 1883).state() == 1 and server.asked == 9
