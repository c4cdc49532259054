"""The TLS link with a stand-in for the runtime's module: memory, pauses, the clock, what is withdrawn at the end."""

import errno
import gc

from clock import Clock
from uplink.tls_link import Room, TlsNet, _fill_holes

BROKER = ("10.0.0.1", 8883)
PLAIN = ("10.0.0.1", 1883)
SETTINGS = {"ca": "ca.der", "cert": None, "key": None, "server_name": None}


class Tls:
    """Stands for `tls`. `trouble`: what making a socket raises."""

    PROTOCOL_TLS_CLIENT = 0
    CERT_REQUIRED = 2

    def __init__(self, trouble=None):
        self.trouble = trouble
        self.contexts = []

    def SSLContext(self, protocol):
        self.contexts.append(self)
        return self

    def set_ciphers(self, names):
        self.ciphers = names

    def load_verify_locations(self, data):
        assert data == b"ca"

    def wrap_socket(self, records, server_hostname, do_handshake_on_connect):
        assert self.verify_mode == self.CERT_REQUIRED and server_hostname == BROKER[0] and not do_handshake_on_connect
        if self.trouble:
            raise self.trouble
        self.records = records
        self.said = False
        return self

    def readinto(self, buf):
        if not self.said:
            self.said = self.records.write(b"\x16hello") is not None
        self.records.readinto(bytearray(5))

    def close(self):
        pass


class Net:
    """The seam behind, and the bus: `free` is whether a pause is granted."""

    def __init__(self):
        self.free = True
        self.asked = self.running = 0
        self.log = []
        self.dialled = []
        self.sent = b""

    def up(self):
        return True

    def connect(self, host, port):
        self.dialled.append(port)
        return self

    def state(self):
        return 1

    def write(self, data):
        assert self.running, "sent outside of a pause"
        self.sent += bytes(data)
        return len(data)

    def read_into(self, buf):
        return 0

    def close(self):
        self.log.append("closed")

    def ask(self):
        self.asked = 1
        self.running = self.free
        return self.free

    def done(self):
        self.asked = self.running = 0


def make(tls, utc_ms=1795477297000, room=None):
    with open("ca.der", "wb") as file:
        file.write(b"ca")
    net = Net()
    return net, TlsNet(net, Clock(), {BROKER: SETTINGS}, lambda: utc_ms, net, tls, room)


def text_of(call):
    try:
        call()
    except OSError as error:
        return error.args[0]
    return None


def test_plain_brokers_pass_through():
    net, link = make(Tls())
    assert link.connect(*PLAIN) is net and link.up()


def test_without_a_clock_nothing_is_dialled():
    net, link = make(Tls(), None)
    assert text_of(lambda: link.connect(*BROKER)) == "clock is not set, no TLS without" and net.dialled == []


def test_nothing_happens_without_a_pause_and_the_wish_is_withdrawn():
    tls = Tls()
    net, link = make(tls)
    net.free = False
    connection = link.connect(*BROKER)
    for _ in range(50):
        assert connection.state() == 2
    assert net.asked and not tls.contexts and net.sent == b""
    connection.close()
    assert not net.asked and net.log == ["closed"]


def test_each_step_ends_its_pause():
    tls = Tls()
    net, link = make(tls)
    connection = link.connect(*BROKER)
    assert connection.state() == 2 and net.sent == b"\x16hello" and not net.asked
    for _ in range(20):
        assert connection.state() == 2 and not net.asked, "no pause while the server is silent"
    connection.close()
    connection.close()


def test_no_memory_is_said():
    for trouble in (MemoryError(), OSError(errno.ENOMEM)):
        net, link = make(Tls(trouble))
        connection = link.connect(*BROKER)
        assert text_of(connection.state) == "not enough memory for TLS"
        connection.close()
        assert not net.asked


def test_an_unknown_trouble_is_said_and_not_raised_as_another():
    net, link = make(Tls(OSError(-0x7F00)))
    assert text_of(link.connect(*BROKER).state) == "TLS error -0x7f00" and not net.asked


class Hungry(Tls):
    """Takes for a socket what Mbed TLS takes (sizes and order of an RP2040), and gives it back with its close."""

    pieces = None

    def wrap_socket(self, records, server_hostname, do_handshake_on_connect):
        self.pieces = [bytearray(nbytes) for nbytes in (296, 16725, 4437, 216, 128, 592)]
        return super().wrap_socket(records, server_hostname, do_handshake_on_connect)

    def close(self):
        self.pieces = None
        gc.collect()  # Mbed TLS frees at once


def in_pieces():
    """Fill the heap with pieces of 4 KB, and leave a hole after each."""
    kept = []
    try:
        while True:
            kept.append(bytearray(4096))
    except MemoryError:
        for i in range(0, len(kept), 2):
            kept[i] = None
    gc.collect()
    return kept


def connects(kept_room):
    """True for each of three connections that finds its memory, while the heap lies in pieces."""
    room = Room()
    _, link = make(Hungry(), room=room)
    small = [bytes(900) for _ in range(16)]
    if kept_room:
        room.keep()
    ballast = in_pieces()
    for i in range(0, 16, 2):  # holes for what is small, as every heap in use has them: below the room, not for others
        small[i] = None
    found = []
    for _ in range(3):
        connection = link.connect(*BROKER)
        try:
            found.append(connection.state() == 2)
        except OSError as error:
            assert error.args[0] == "not enough memory for TLS"
            found.append(False)
        ballast.append([bytes(1000) for _ in range(50)])
        connection.close()
        ballast.append([bytes(1000) for _ in range(50)])
    return found


def test_the_room_that_is_kept_is_there_for_every_connection():
    found = connects(True)
    assert found == [True, True, True], found


def test_the_control_without_it_there_is_none():
    assert connects(False) == [False, False, False]


def test_a_rest_on_the_stack_keeps_few_of_the_cells():
    lengths = []
    for cell in _fill_holes():
        lengths.append(0)
        while cell:
            cell = cell[0]
            lengths[-1] += 1
    assert max(lengths) <= 32 and sum(lengths) > 64, lengths
