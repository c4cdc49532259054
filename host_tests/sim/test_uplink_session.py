"""The session in virtual time against a strict broker in memory: nothing lost, order kept, whatever breaks."""

import broker_fuzz
from uplink import session as session_module
from uplink.session import Session
from uplink.window import Window
from uplink_rig import A, B, Rig

TIMEOUT_S = 90


def test_connect_packet_will_and_login():
    rig = Rig(user="box", password="secret", keep_alive_s=20)
    rig.session.set_last_will("a/status", '{"state":"offline"}')
    rig.up()
    seen = rig.broker.connects[0]
    # MQTT 3.1.1, 3.1.2.3: user 0x80, password 0x40, will retain 0x20, will QoS 1 0x08, will 0x04, clean session 0
    assert seen["flags"] == 0xEC
    assert seen["keep_alive_s"] == 20 and seen["client"] == b"fg-0001"
    assert seen["user"] == b"box" and seen["password"] == b"secret"
    assert seen["will_topic"] == b"a/status" and seen["will"] == b'{"state":"offline"}'
    assert rig.states == [(True, "broker 10.0.0.1:1883: connected")]


def test_one_packet_per_write_and_acks_in_order():
    rig = Rig().up()
    assert rig.run(5000, publish=200) == 0
    rig.drain()
    assert rig.problems() == []
    assert rig.session.published == rig.session.acked == 200 and rig.session.resent == 0
    for data in rig.broker.writes[1:]:
        assert data[0] in (0x32, 0xC0) and len(data) == 2 + data[1], "one whole packet"


def test_retained_messages_use_the_same_window():
    rig = Rig().up()
    rig.session.publish("a/status", "{}", True)
    rig.tokens.append(1)
    rig.publish()
    rig.drain()
    assert [message[2] for message in rig.broker.received] == [1, 0]
    assert rig.acks == rig.tokens


def test_text_beyond_ascii_has_its_length_in_bytes():
    rig = Rig().up()
    rig.session.publish("werk/münchen/data", "größe")
    rig.drain()
    assert rig.broker.received[0][3:] == ("werk/münchen/data".encode(), "größe".encode())


def test_packet_identifiers_wrap():
    rig = Rig(window=16).up()
    expected = 0
    while expected < 66000:
        while rig.session.can_publish(8):
            rig.publish()
        rig.session.service()
        for message in rig.broker.received:
            assert message[0] == expected % 65535 + 1 and message[4] == b"%08d" % expected
            expected += 1
        told = len(rig.acks)
        assert rig.acks == rig.tokens[:told]
        rig.acks[:] = rig.broker.received[:] = rig.broker.writes[:] = []
        rig.tokens[:] = rig.tokens[told:]
    assert rig.session.acked + rig.session.unacked == rig.next


def test_partial_writes():
    rig = Rig()
    rig.broker.take = 1
    rig.up()
    rig.run(2000, publish=20)
    rig.drain()
    assert rig.problems() == [] and len(rig.broker.received) == 20


def cut_at_every_byte(rig, spacing):
    """Publish 300 messages; the connection dies `spacing` bytes after each reconnect, a prime walks the phase."""
    for _ in range(60):
        spacing = (spacing * 7 + 3) % 211
        rig.broker.cut_after = spacing + 1
        rig.run(500, publish=5)
    rig.broker.cut_after = None
    rig.run(20000, publish=100)
    rig.drain()
    return rig


def test_resets_at_any_byte_lose_nothing():
    for spacing in (1, 5, 17):
        rig = cut_at_every_byte(Rig(), spacing)
        assert rig.problems() == []
        assert rig.session.resent > 10 and rig.session.connects > 20
        # What comes again carries DUP when the broker kept the session (MQTT 3.1.1, 3.3.1.1).
        seen = []
        for message in rig.broker.received:
            assert message[1] == 1 or message[4] not in seen
            seen = seen[-40:] + [message[4]]


class NeverResends(Session):
    def _fail(self, text):
        super()._fail(text)
        while self._waiting.count:
            self._waiting.ack(0)
            self._waiting.pop()


class AcksWhatWasWritten(Session):
    def _next_packet(self, now):
        while self._sent and not self._unfinished:
            self._waiting.ack(0)
            self.on_ack(self._waiting.pop())
            self._sent -= 1
        return super()._next_packet(now)


class TellsAtOnce(Session):
    def _on_puback(self, packet_id):
        self.on_ack(packet_id)


class ResendsBackwards(Session):
    def _on_connack(self, first, body, length):
        super()._on_connack(first, body, length)
        window = self._waiting
        places = [(window._start[window._slot(i)], window._end[window._slot(i)]) for i in range(window.count)]
        for i in range(window.count):
            window._start[window._slot(i)], window._end[window._slot(i)] = places[-1 - i]


def test_mutants_are_caught():
    """The judgement can fail: each wrong session is found out by the same run."""
    for mutant in (NeverResends, AcksWhatWasWritten, TellsAtOnce, ResendsBackwards):
        try:
            found = cut_at_every_byte(Rig(make=mutant), 5).problems()
        except AssertionError as error:
            found = [error]
        assert found, mutant


def test_session_present_decides_on_dup():
    for present in (0, 1):
        rig = Rig().up()
        rig.broker.half_open = True
        for _ in range(3):
            rig.publish()
        rig.run(100)
        rig.session.close()
        rig.broker.half_open = False
        rig.broker.present = present
        rig.up()
        rig.drain()
        dups = [message[1] for message in rig.broker.received]
        # Only two had been sent: the window opens with 2. The third is new in both cases.
        assert dups == ([1, 1, 0] if present else [0, 0, 0])
        assert rig.problems() == []


def test_window_opens_with_the_acknowledgements():
    rig = Rig(window=16, buffer_bytes=16384).up()
    rig.broker.hold_pubacks = True
    rig.run(100, publish=16)
    assert len(rig.broker.received) == 2
    rig.broker.release()
    rig.run(100)
    assert len(rig.broker.received) == 6
    rig.broker.hold_pubacks = False
    rig.broker.release()
    rig.drain()
    assert rig.problems() == []


def test_window_and_buffer_are_bounded():
    rig = Rig(window=4, buffer_bytes=4096, topic_bytes=20).up()
    rig.broker.half_open = True
    taken = 0
    while rig.session.can_publish(8):
        rig.publish()
        taken += 1
    assert taken == 4
    rig = Rig(window=16, buffer_bytes=4000, topic_bytes=20).up()
    rig.broker.half_open = True
    taken = 0
    while rig.session.can_publish(1000):
        rig.publish(1000)
        taken += 1
    assert taken == 3
    assert rig.session.can_publish(100) and not rig.session.can_publish(5000)


def test_puback_lost():
    rig = Rig().up()
    rig.run(200, publish=20)
    rig.broker.drop_pubacks = 1
    rig.run(1000, publish=40)
    rig.drain()
    assert rig.problems() == []
    assert rig.session.connects == 2 and 1 <= rig.session.resent <= 16
    assert "no PUBACK for 1" in rig.states[1][1]


def test_pubacks_out_of_order_are_told_in_order():
    rig = Rig().up()
    rig.run(200, publish=20)
    rig.drain()
    rig.broker.hold_pubacks = True
    rig.run(100, publish=4)
    rig.broker.release([3, 1, 0, 2])
    rig.drain()
    assert rig.problems() == [] and rig.session.connects == 1


def test_pubacks_for_nothing_are_ignored_and_counted():
    rig = Rig().up()
    rig.broker.send(b"\x40\x02\x00\x01\x40\x02\x00\x00\x40\x02\xff\xff")
    rig.run(50)
    assert rig.session.strays == 3 and rig.acks == []
    rig.broker.take = 0
    rig.publish()
    rig.run(50)
    rig.broker.send(b"\x40\x02\x00\x01")  # not even sent
    rig.run(50)
    assert rig.acks == [] and rig.session.strays == 4
    rig.broker.take = None
    rig.drain()
    assert rig.problems() == []


def test_random_cuts():
    """Short reads, short writes, lost PUBACKs, forgotten sessions and cuts at random bytes, all at once."""
    made = duplicates = 0
    for seed in range(10):
        some = broker_fuzz.cuts(seed, 300)
        made += some[0]
        duplicates += some[1]
    print("REPORT: 10 x 300 messages over %d cut connections: 0 lost, order kept, %d duplicates" % (made, duplicates))
    assert made > 300


def test_ring_of_bytes_never_overwrites():
    """Packets of many sizes through a small ring: what goes in comes out, in order, whatever wraps."""
    window = Window(8, 100)
    inside = []
    state = 1
    number = 0
    for _ in range(5000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        size = 1 + (state >> 8) % 40
        start = window.room(size)
        if start >= 0 and state >> 16 & 3:
            for i in range(size):
                window.buf[start + i] = number & 255
            inside.append((window.next_id(), bytes([number & 255] * size)))
            window.add(start, start + size)
            number += 1
        elif inside:
            packet_id, data = inside.pop(0)
            assert bytes(window.packet(0)) == data and window.index_of(packet_id) == 0
            window.ack(0)
            assert window.pop() == packet_id
        for i, (packet_id, data) in enumerate(inside):
            assert bytes(window.packet(i)) == data and window.index_of(packet_id) == i
    assert number > 1000


def test_defaults_leave_room_for_the_largest_batch():
    settings = session_module.DEFAULTS
    assert settings["buffer_bytes"] >= 2 * (2048 + settings["topic_bytes"] + 8)


class SecureNet:
    """In front of the brokers: connections are in a TLS handshake for 300 ms after they are made, or for ever."""

    def __init__(self, net, clock):
        self.net = net
        self.clock = clock
        self.ever = False
        self.begun = []
        self.times = []

    def up(self):
        return True

    def connect(self, host, port):
        connection = self.net.connect(host, port)
        plain = connection.state
        began = self.clock.ticks_ms()

        def state():
            if plain() == 0:
                return 0
            if not self.begun or self.begun[-1] is not connection:
                self.begun.append(connection)
                self.times.append(self.clock.ticks_ms())
            done = self.clock.ticks_diff(self.clock.ticks_ms(), began) >= 300
            return 1 if done and not self.ever else 2

        connection.state = state
        return connection


def secure(rig):
    net = SecureNet(rig.net, rig.clock)
    rig.session._net = net
    return net


def gaps_of(net, clock):
    return [clock.ticks_diff(b, a) for a, b in zip(net.times, net.times[1:])]


def test_tls_handshakes_are_30_s_apart():
    rig = Rig((A, B), tls_brokers=(0, 1))
    net = secure(rig)
    net.ever = True
    rig.run(300000)
    gaps = gaps_of(net, rig.clock)
    assert "no TLS within 20000 ms" in rig.states[0][1]
    assert len(gaps) >= 6 and min(gaps) >= 30000 and max(gaps) < 45000, gaps
    net.ever = False
    rig.run(60000)
    assert rig.session.ready
    for _ in range(5):
        rig.session.close()
        rig.run(60000)
        assert rig.session.ready
    assert min(gaps_of(net, rig.clock)) >= 30000
    rig.publish()
    rig.drain()
    rig.session.close()
    rig.run(2000)
    assert rig.session.ready, "the last handshake was long ago: no need to wait"


def test_a_plain_broker_need_not_wait_for_the_gap():
    rig = Rig((A, B), tls_brokers=(0,), handshake_timeout_ms=1000)
    net = secure(rig)
    net.ever = True
    rig.run(1500)
    net.ever = False
    rig.run(3000)
    assert rig.session.ready and rig.brokers[B].current and len(net.times) == 2


def test_an_old_gap_does_not_hold_after_the_ticks_have_wrapped():
    rig = Rig(tls_brokers=(0,))
    secure(rig)
    rig.up()
    rig.session.close()
    gap_until = rig.session._gap_until
    rig.up()
    for days in range(5, 9):
        rig.session._gap_until = gap_until
        rig.clock.advance_ms(days * 86400000)
        rig.session.service()
        rig.session.close()
        rig.session._gap_until = gap_until
        rig.run(40000)
        assert rig.session.ready, days


def test_a_refused_connection_is_no_handshake():
    rig = Rig(tls_brokers=(0,))
    net = secure(rig)
    rig.broker.refuse = True
    rig.run(20000)
    rig.broker.refuse = False
    rig.run(12000)
    assert rig.session.ready and len(net.times) == 1
