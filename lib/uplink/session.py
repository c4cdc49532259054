"""The MQTT 3.1.1 session (OASIS, 2014): publishes at QoS 1 over a connection that may break at any byte.

Promises: `service()` never blocks and does one small slice; what `publish` has taken is kept until the broker has
acknowledged it and is sent again, in order, after every reconnect; `on_ack` reports in the order of publishing;
memory is taken once, at construction (CONNECT apart). Nothing that the broker sends can make it grow, hang or raise.
DESIGN.md draws the states. The loop that calls `service()` decides how fast it runs.
"""

from uplink.codec import PUBLISH_OVERHEAD_BYTES, Codec, to_bytes
from uplink.defaults import DEFAULTS
from uplink.framing import Framer
from uplink.reasons import reason_of, refusal
from uplink.window import Window

WAITING = 0  # no connection; the next attempt comes when the pause is over
CONNECTING = 1  # TCP is being set up
SECURING = 2  # TLS handshake
LOGGING_IN = 3  # CONNECT sent or being sent, CONNACK not here yet
UP = 4

_SLOWEST_MS_PER_BYTE = 5  # 200 B/s: the slowest link that must still drain
_READ_BYTES = 256
_WRITES_PER_SLICE = 4
_CONTROL_BYTES = 64  # PINGREQ and PUBACK that may wait before we stop reading
_WATCH_MS = 50  # how often a session that stands looks at its timers


class _Lost(Exception):
    """The connection is over; the text says why."""


class Session:
    """MQTT session of one client id with the first broker of a list that answers.
    `net`: the network seam. `clock`: ticks_ms, ticks_diff, ticks_add. `rand(n)`: n random bits (jitter).
    `settings`: dict with `client_id`, `brokers` (list of (host, port), hosts as `net` takes them), and any of
    DEFAULTS. Two callbacks, both called from `service()` only, neither may call `service()`:

    on_state(up, text)  up True: connected (at each reconnect: publish the birth now); False: the connection was lost,
                        or an attempt failed in another way than the last one. The text names the broker.
    on_ack(token)       the broker has this message. In order of publishing, each token once.
    """

    def __init__(self, net, clock, rand, settings):
        assert all(name in DEFAULTS or name in ("client_id", "brokers") for name in settings)
        for values in (DEFAULTS, settings):
            for name, value in values.items():
                setattr(self, "_" + name, value)
        self._net = net
        self._clock = clock
        self._rand = rand
        self._codec = Codec(self._client_id, self._user, self._password, self._keep_alive_s)
        self._waiting = Window(self._window, self._buffer_bytes)
        self._framer = Framer(self._on_packet)
        self._input = memoryview(bytearray(_READ_BYTES))
        self._control = bytearray()  # CONNECT, PINGREQ, PUBACK that wait to be written
        self._connection = None
        self._steps = (self._wait, self._connect, self._connect, self._log_in, self._exchange)
        self.on_state = None
        self.on_ack = None
        self.state = WAITING
        self.last_error = ""  # why there is no session, or why the last one ended before this one
        self.connects = 0  # sessions established
        self.known = False  # the broker of the last one had kept our session, so its retained messages too
        self.failures = 0  # attempts that failed and connections that were lost
        self.published = self.acked = 0  # messages taken, messages acknowledged
        self.resent = 0  # packets sent again
        self.strays = 0  # packets that we did not expect and could ignore
        self._broker = 0
        self._backoff_ms = self._backoff_min_ms
        self._reported = ""  # the last text given to on_state(False, ...)
        self.proven = False  # this connection has carried an answer since CONNACK
        self._retry_at = self._gap_until = clock.ticks_ms()
        self._clear()

    @property
    def ready(self):
        """True while a session with a broker stands."""
        return self.state == UP

    @property
    def unacked(self):
        """Messages taken and not acknowledged yet."""
        return self._waiting.count

    def set_last_will(self, topic, payload):
        """What the broker publishes, retained and at QoS 1, when we vanish. From the next connection on."""
        self._codec.set_last_will(to_bytes(topic), to_bytes(payload), True, 1)

    def can_publish(self, nbytes):
        """True if a payload of `nbytes` can be taken now: connected, window not full, buffer not full."""
        return self.state == UP and self._room(nbytes) >= 0

    def publish(self, topic, payload, retain=False):
        """Take a message for QoS 1; only after `can_publish(len(payload))` said True. The payload is copied.
        Returns its token, an int in 1..65535, unique among the messages not acknowledged yet."""
        topic, payload = to_bytes(topic), to_bytes(payload)
        assert 0 < len(topic) <= self._topic_bytes
        window = self._waiting
        start = self._room(len(payload))
        assert start >= 0, "can_publish was not asked"
        token = window.next_id()
        window.add(start, self._codec.publish_into(window.view, start, topic, payload, retain, token))
        self.published += 1
        return token

    def service(self):
        """One slice of work, at most one read and four writes. Returns True if there may be more to do at once."""
        try:
            return self._steps[self.state](self._clock.ticks_ms())
        except _Lost as lost:
            self._fail(str(lost))
            return False

    def ping(self):
        """Ask the broker for a sign of life: `pinging` until it has answered. Only while a session stands."""
        if not self.pinging:
            self._codec.ping_into(self._control)
            self.pinging = True
            self._ping_since = self._clock.ticks_ms()

    def close(self):
        """Drop the connection without DISCONNECT: the broker publishes the last will, `service()` connects again."""
        if self.state != WAITING:
            self._fail("closed by the gateway")

    # The states, one step each. They return True if calling again at once may bring more.
    def _wait(self, now):
        if self._clock.ticks_diff(now, self._retry_at) < 0:
            return False
        if self._broker in self._tls_brokers:  # ticks wrap, so a gap that is too long is a very old one
            if 0 < self._clock.ticks_diff(self._gap_until, now) <= self._handshake_gap_ms + 2048:
                return False
        if not self._net.up():
            self._retry_at = self._clock.ticks_add(now, self._backoff_min_ms)
            self._report("network is down")
            return False
        self.state = CONNECTING
        self._since = now
        try:
            self._connection = self._net.connect(*self._brokers[self._broker])
        except OSError as error:
            raise _Lost(reason_of(error))
        return False

    def _connect(self, now):
        try:
            established = self._connection.state()
        except OSError as error:
            raise _Lost(reason_of(error))
        if established == 1:
            self._control = self._codec.connect_packet()
            self.state = LOGGING_IN
            self._since = now
            return True
        if established and self.state == CONNECTING:
            self.state = SECURING
            self._since = self._secured_at = now
            self._secured = True
        if self.state == SECURING:
            if self._elapsed(now, self._since, self._handshake_timeout_ms):
                raise _Lost("no TLS within %d ms" % self._handshake_timeout_ms)
        elif self._elapsed(now, self._since, self._connect_timeout_ms):
            raise _Lost("no connection within %d ms" % self._connect_timeout_ms)
        return False

    def _log_in(self, now):
        self._write(now)
        self._read(now)
        if self.state == LOGGING_IN and self._elapsed(now, self._since, self._connack_timeout_ms):
            raise _Lost("no CONNACK within %d ms" % self._connack_timeout_ms)
        return self.state == UP

    def _exchange(self, now):
        wrote = self._write(now)
        got = self._read(now)
        if self._clock.ticks_diff(now, self._watched_at) >= _WATCH_MS:
            self._watched_at = now
            self._watch(now)
        return wrote or got

    # Time
    def _watch(self, now):
        if not self._net.up():
            raise _Lost("network is down")
        self._keep_alive(now)
        if self._sent and self._elapsed(
            now, self._ack_since, self._ack_timeout_ms + _SLOWEST_MS_PER_BYTE * self._waiting.size(0)
        ):
            raise _Lost("no PUBACK for %d ms" % self._clock.ticks_diff(now, self._ack_since))

    def _elapsed(self, now, since, limit_ms):
        return self._clock.ticks_diff(now, since) > limit_ms

    def _keep_alive(self, now):
        """MQTT 3.1.1, 3.1.2.10: something must leave within the keep alive time. We ask at half of it, also when
        nothing has arrived for that long, so that a half-open connection shows."""
        half_ms = self._keep_alive_s * 500
        if self.pinging:
            since = self._ping_since
            if self._clock.ticks_diff(self._rx_at, since) > 0:
                since = self._rx_at
            if self._elapsed(now, since, self._ack_timeout_ms):
                raise _Lost("no answer to PINGREQ for %d ms" % self._clock.ticks_diff(now, since))
        elif self._elapsed(now, self._tx_at, half_ms) or self._elapsed(now, self._rx_at, half_ms):
            self.ping()

    # Sending: one packet per write. Control packets go between PUBLISH packets, never inside one.

    def _room(self, payload_bytes):
        return self._waiting.room(self._topic_bytes + payload_bytes + PUBLISH_OVERHEAD_BYTES)

    def _write(self, now):
        """Hand packets to the connection as long as it takes them whole; returns True if it took anything."""
        if not self._control and not self._unfinished and self._sent >= min(self._open, self._waiting.count):
            return False
        took = False
        for _ in range(_WRITES_PER_SLICE):
            if self._control and not self._offset:
                count = self._hand_over(self._control)
                self._control = self._control[count:]
                whole = not self._control
            elif self.state == UP and self._next_packet(now):
                packet = self._waiting.packet(self._sent - 1)
                count = self._hand_over(packet[self._offset :])
                self._offset += count
                whole = self._offset == len(packet)
                if whole:
                    self._offset, self._unfinished = 0, False
            else:
                break
            if count:
                took = True
                self._tx_at = now
            if not whole:
                return False  # the connection is full: come back later
        return took

    def _hand_over(self, data):
        try:
            return self._connection.write(data)
        except OSError as error:
            raise _Lost(reason_of(error))

    def _next_packet(self, now):
        """True if packet `_sent - 1` is to be written: the one begun, or the next that the window lets go."""
        if self._unfinished:
            return True
        window = self._waiting
        while self._sent < window.count and self._sent < self._open:
            index = self._sent
            self._sent += 1
            if window.acked(index):
                continue
            if index == 0:
                self._ack_since = now
            if window.tried(index):
                self.resent += 1
            self._unfinished = True
            return True
        return False

    # Receiving

    def _read(self, now):
        """Take what has arrived, at most _READ_BYTES; returns True if there may be more."""
        if len(self._control) > _CONTROL_BYTES and self.state == UP:
            return False
        try:
            nbytes = self._connection.read_into(self._input)
        except OSError as error:
            plain_login = self.state == LOGGING_IN and not self._secured
            raise _Lost("closed without CONNACK (TLS port?)" if plain_login else reason_of(error))
        if not nbytes:
            return False
        self._rx_at = self._now = now
        try:
            self._framer.feed(self._input, nbytes)
        except ValueError as error:
            raise _Lost("protocol error: %s" % error)
        return True

    def _on_packet(self, first, body, length):
        if self.state == LOGGING_IN:
            self._on_connack(first, body, length)
        elif first == 0x40 and length == 2:
            self._on_puback(body[0] << 8 | body[1])
        elif first == 0xD0 and not length:
            self.pinging = False
            self._prove()
        elif first & 0xF0 == 0x30:
            self._on_publish(first, body, length)
        else:
            raise _Lost("protocol error: packet 0x%02x of %d bytes" % (first, length))

    def _on_connack(self, first, body, length):
        """MQTT 3.1.1, 3.2. Session Present decides whether what we send again is a duplicate."""
        if first == 0x15:  # a TLS alert, whose second byte is the version
            raise _Lost("answers with TLS: needs tls")
        if first != 0x20 or length != 2 or body[0] > 1:
            raise _Lost("protocol error: CONNACK expected, packet 0x%02x of %d bytes" % (first, length))
        code = body[1]
        if code:
            if code >= 4:
                self._backoff_ms = self._backoff_max_ms  # a wrong password does not heal by hurry
            raise _Lost(refusal(code))
        self._waiting.mark_duplicates(body[0])
        self.known = body[0] == 1
        self.state = UP
        self.connects += 1
        self._tx_at = self._now
        self._reported = ""
        if self.on_state:
            self.on_state(True, self.name() + "connected")

    def _on_puback(self, packet_id):
        window = self._waiting
        index = window.index_of(packet_id)
        if index < 0 or index >= self._sent or (self._unfinished and index == self._sent - 1) or not window.ack(index):
            self.strays += 1  # acknowledges nothing that we have sent on this connection
            return
        self._prove()
        if self._open < self._window:
            self._open += 1
        token = window.pop()
        while token:
            self._sent -= 1
            self._ack_since = self._now
            self.acked += 1
            if self.on_ack:
                self.on_ack(token)
            token = window.pop()

    def _on_publish(self, first, body, length):
        """We subscribe to nothing. What an older session of our client id left is acknowledged, so that the broker
        forgets it, and dropped."""
        self.strays += 1
        qos = first >> 1 & 3
        if qos > 1 or length < 2:
            raise _Lost("protocol error: PUBLISH 0x%02x of %d bytes" % (first, length))
        if qos:
            at = 2 + (body[0] << 8 | body[1])
            if at + 2 > len(body):
                raise _Lost("protocol error: PUBLISH with a topic of %d bytes" % (at - 2))
            self._control.extend(b"\x40\x02" + bytes(body[at : at + 2]))

    def _prove(self):
        self.proven = True
        self._backoff_ms = self._backoff_min_ms

    # The end of a connection

    def _clear(self):
        """Forget what belongs to one connection; the window keeps its packets."""
        self._framer.reset()
        self._control = bytearray()
        self._offset = 0  # bytes written of packet _sent - 1
        self._unfinished = False  # packet _sent - 1 is not written whole yet
        self._sent = 0  # packets of the window that were begun on this connection
        self._open = min(2, self._window)  # grows by one with every PUBACK: a slow link is not flooded
        self.pinging = False
        self._secured = False  # a TLS handshake was begun
        self._ping_since = self._ack_since = self._since = self._secured_at = 0
        self._now = self._tx_at = self._rx_at = self._watched_at = self._clock.ticks_ms()

    def _fail(self, text):
        text = self.name() + text
        self.failures += 1
        if self._connection:
            self._connection.close()
            self._connection = None
        pause_ms = self._backoff_ms
        if self.state == UP:
            self._reported = ""
        if self.state == UP and self.proven:
            self._broker = 0  # the first of the list is preferred again
        else:
            self._broker = (self._broker + 1) % len(self._brokers)
            if self._broker == 0:
                self._backoff_ms = min(2 * pause_ms, self._backoff_max_ms)
        self.state = WAITING
        self.proven = False
        if self._secured:
            gap_ms = self._handshake_gap_ms  # and up to a sixteenth more, so that boxes do not stay in step
            self._gap_until = self._clock.ticks_add(self._secured_at, gap_ms + (self._rand(10) * gap_ms >> 14))
        self._clear()
        # Half of the pause is random, so that the boxes of a plant do not come back all at once.
        pause_ms = pause_ms // 2 + (self._rand(10) * (pause_ms // 2) >> 10)
        self._retry_at = self._clock.ticks_add(self._now, pause_ms)
        self._report(text)

    def _report(self, text):
        self.last_error = text
        changed, self._reported = text != self._reported, text
        if changed and self.on_state:
            self.on_state(False, text)

    def name(self):
        """The broker in use, as a text begins with it."""
        return "broker %s:%d: " % self._brokers[self._broker]
