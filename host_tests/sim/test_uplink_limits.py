"""The session's limits in virtual time: timers, pauses, texts, the broker list, and what a broker must not do."""

import broker_fuzz
from uplink.session import CONNECTING, LOGGING_IN, UP, WAITING
from uplink_rig import A, B, Rig

TIMEOUT_S = 90


def test_times_out_in_every_state():
    rig = Rig()
    rig.broker.mute_connect = True
    rig.run(2000)
    assert rig.session.state == CONNECTING
    rig.run(4000)
    assert rig.session.last_error == "broker 10.0.0.1:1883: no connection within 5000 ms"
    rig = Rig()
    rig.broker.connack = None
    rig.run(2000)
    assert rig.session.state == LOGGING_IN
    rig.run(4000)
    assert rig.session.last_error == "broker 10.0.0.1:1883: no CONNACK within 5000 ms"
    rig = Rig().up()
    rig.broker.half_open = True
    rig.publish()
    rig.run(9900)
    assert rig.session.state == UP
    rig.run(400)
    assert rig.session.state == WAITING and rig.states[-1][1].startswith("broker 10.0.0.1:1883: no PUBACK for 1")
    rig = Rig(keep_alive_s=20).up()
    rig.broker.half_open = True
    rig.run(19900)
    assert rig.session.state == UP
    rig.run(300)
    assert rig.session.state == WAITING
    assert rig.states[-1][1].startswith("broker 10.0.0.1:1883: no answer to PINGREQ for 100")


def test_a_slow_link_gets_the_time_that_its_packets_need():
    rig = Rig().up()
    rig.broker.half_open = True
    rig.publish(2000)
    rig.run(19900)  # 10 s and 5 ms for each of 2012 bytes
    assert rig.session.state == UP
    rig.run(400)
    assert rig.session.state == WAITING


class SlowLink:
    """A connection behind a send buffer from which 200 bytes a second leave."""

    def __init__(self, inner, clock, bytes_per_s, buffer_bytes):
        self._inner = inner
        self._clock = clock
        self._rate = bytes_per_s
        self._room = buffer_bytes
        self._waiting = b""
        self._at = clock.ticks_ms()
        self._credit = 0  # thousandths of a byte
        self.state = inner.state
        self.close = inner.close

    def write(self, data):
        taken = bytes(data[: self._room - len(self._waiting)])
        self._waiting += taken
        return len(taken)

    def read_into(self, buf):
        now = self._clock.ticks_ms()
        self._credit += self._clock.ticks_diff(now, self._at) * self._rate
        self._at = now
        left = min(self._credit // 1000, len(self._waiting))
        self._credit = self._credit - 1000 * left if len(self._waiting) > left else 0
        if left:
            self._inner.write(self._waiting[:left])
            self._inner.broker.writes[:] = []  # thousands of small ones
            self._waiting = self._waiting[left:]
        return self._inner.read_into(buf)


def test_a_link_of_200_bytes_a_second_is_slow_and_not_dead():
    """Batches of 640 B, one after the other, through a send buffer that would take them all at once."""
    rig = Rig()
    connect = rig.net.connect
    rig.net.connect = lambda host, port: SlowLink(connect(host, port), rig.clock, 200, 16384)
    rig.up()
    start = rig.clock.us
    while rig.next < 60:
        rig.run(10)
        if rig.session.can_publish(640):
            rig.publish(640)
    rig.drain()
    took_s = (rig.clock.us - start) // 1000000
    assert rig.session.connects == 1 and rig.session.resent == 0, rig.states
    assert len(rig.broker.received) == 60 and rig.problems() == []
    assert 60 * 640 // 200 <= took_s <= 60 * 700 // 200, took_s
    print("REPORT: link of 200 B/s: 60 messages of 640 B in %d s of virtual time, 1 connect, 0 sent twice" % took_s)


def test_keep_alive_is_kept_when_idle_and_when_only_we_talk():
    rig = Rig(keep_alive_s=20).up()
    rig.run(100000)
    assert rig.broker.pings == 9 and rig.session.connects == 1
    before = rig.broker.pings
    for _ in range(50):
        rig.run(1000, publish=1)
    assert rig.broker.pings == before  # the publishing keeps the session alive


def test_pause_between_attempts_grows_and_is_random():
    rig = Rig()
    rig.broker.refuse = True
    for random, expected in ((0, [250, 500, 1000, 2000, 4000, 5000, 5000]), (1023, [500, 1000, 2000, 4000, 7990])):
        rig = Rig()
        rig.random = random
        rig.broker.refuse = True
        pauses = []
        last = None
        failures = 0
        for ms in range(40000):
            rig.clock.advance_ms(1)
            rig.session.service()
            if rig.session.failures != failures:
                failures = rig.session.failures
                if last is not None:
                    pauses.append(ms - last)
                last = ms
        for pause, about in zip(pauses, expected):
            assert abs(pause - about) <= 10, (pauses, expected)
        assert len(rig.states) == 1, "the same failure is told once"
        assert rig.states[0] == (False, "broker 10.0.0.1:1883: connection refused")


def test_pause_is_short_again_after_a_proven_session_only():
    rig = Rig()
    rig.broker.refuse = True
    rig.run(30000)
    rig.broker.refuse = False
    rig.up()
    rig.session.close()  # nothing was exchanged
    started = rig.clock.us
    rig.up()
    assert rig.clock.us - started > 5000000
    rig.publish()
    rig.drain()
    rig.session.close()
    started = rig.clock.us
    rig.up()
    assert rig.clock.us - started < 600000


def test_refusals_have_clear_texts_and_long_pauses():
    for code, phrase in (
        (1, "does not speak MQTT 3.1.1"),
        (2, "refused the client identifier"),
        (3, "says: service unavailable"),
        (4, "refused the login: bad user name or password"),
        (5, "refused the login: not authorised"),
        (77, "refused the login with code 77"),
    ):
        rig = Rig()
        rig.broker.connack = code
        rig.run(1000)
        assert rig.session.last_error == "broker 10.0.0.1:1883: " + phrase
        attempts = len(rig.broker.connects)
        rig.run(4000)
        assert (len(rig.broker.connects) == attempts) == (code >= 4), "a wrong password is not hammered"


def test_broker_list():
    rig = Rig((A, B))
    first, second = rig.brokers[A], rig.brokers[B]
    first.refuse = True
    rig.up()
    assert len(second.connects) == 1
    rig.publish()
    rig.drain()
    assert rig.states == [
        (False, "broker 10.0.0.1:1883: connection refused"),
        (True, "broker 10.0.0.2:1884: connected"),
    ]
    first.refuse = False
    rig.session.close()
    rig.up()
    assert len(first.connects) == 1, "the first of the list is preferred again"


def test_messages_move_to_the_other_broker():
    rig = Rig((A, B)).up()
    rig.broker.half_open = True
    for _ in range(5):
        rig.publish()
    rig.run(100)
    rig.broker.refuse = True
    rig.session.close()
    rig.up()
    rig.drain()
    assert [message[1] for message in rig.brokers[B].received] == [0] * 5, "no session there: no duplicates"
    assert rig.acks == rig.tokens


def test_network_down():
    rig = Rig()
    rig.net.is_up = False
    rig.run(5000)
    assert rig.states == [(False, "network is down")] and rig.session.failures == 0
    rig.net.is_up = True
    rig.run(1000)
    assert rig.session.ready
    rig.net.is_up = False
    rig.run(1000)
    assert rig.states[-1] == (False, "network is down") and not rig.session.ready
    rig.net.is_up = True
    rig.up()


def test_what_an_old_session_left_is_acknowledged_and_dropped():
    rig = Rig().up()
    big = b"\x32\xf0\xff\x03" + b"\x00\x03abc\x12\x34" + bytes(65520 - 7)  # QoS 1, 65520 bytes, topic abc, id 0x1234
    rig.broker.send(b"\x30\x05\x00\x03abc" + big)
    rig.run(5000)
    assert rig.session.ready and rig.session.strays == 2
    assert rig.broker.writes[-1] == b"\x40\x02\x12\x34"
    rig.publish()
    rig.drain()
    assert rig.problems() == []


def test_protocol_errors_end_the_connection_with_a_text():
    for rubbish, phrase in (
        (b"\x00\x00", "packet type 0"),
        (b"\xf0\x00", "packet type 15"),
        (b"\x40\xff\xff\xff\xff\x01", "packet length of more than 4 bytes"),
        (b"\x40\x03\x00\x01\x00", "packet 0x40 of 3 bytes"),
        (b"\x20\x02\x00\x00", "packet 0x20 of 2 bytes"),
        (b"\x34\x07\x00\x03abc\x00\x01", "PUBLISH 0x34 of 7 bytes"),
        (b"\x32\x05\xff\xff\x00\x00\x00", "PUBLISH with a topic of 65535 bytes"),
    ):
        rig = Rig().up()
        rig.broker.send(rubbish)
        rig.run(20)
        assert rig.session.last_error == "broker 10.0.0.1:1883: protocol error: " + phrase
    rig = Rig()
    rig.broker.mangle = lambda packet: b"\xd0\x00"
    rig.run(100)
    assert "CONNACK expected, packet 0xd0" in rig.session.last_error


def test_fuzzed_broker():
    """20,000 mutated packets: no exception, no growth, and it works again when the broker is sane."""
    sent, connects, grown = broker_fuzz.fuzz(1, 20000)
    print("REPORT: fuzzed broker: %d mutated packets, %d connects, heap grown by %d B" % (sent, connects, grown))
    assert connects > 100
