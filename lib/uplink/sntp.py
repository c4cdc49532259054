"""The time from a time server, without ever blocking: SNTP (RFC 4330, RFC 5905) over the network seam's datagrams.

Promises: an answer counts only if it repeats the random number of our question, comes from the address that was asked,
within RTT_MS, from a server that says it is synchronised; a kiss of death (RFC 4330, 8) is obeyed: that server is left
alone for a day. At most 4 servers. What the answer is worth is the caller's judgement (gateway.timekeeper).

Loaded only where a time server is configured.
"""

from uplink import dns

_PACKET_BYTES = 48
_1900_TO_1970_S = 2208988800
RTT_MS = 1500  # longest way to the server and back; half of it is the worst error
_ROUND_MS = 3600000  # between two looks at the time once it is known
_FIRST_MS = 15000  # pause after a round in which nobody answered, doubled ...
_LAST_MS = 960000  # ... up to this
_DAY_MS = 86400000


def request(number):
    """The question; `number`: 8 random bytes in the place of our time, so that nobody can guess the answer."""
    packet = bytearray(_PACKET_BYTES)
    packet[0] = 0x23  # version 4, client (RFC 5905, 7.3)
    packet[40:48] = number
    return packet


def answer(packet, number):
    """(UTC in ms when the server sent this, ms that it took to answer). Raises ValueError with the reason to refuse;
    its second argument is True for a kiss of death."""
    if len(packet) < _PACKET_BYTES or packet[0] & 7 != 4 or bytes(packet[24:32]) != bytes(number):
        raise ValueError("not an answer to our question", False)
    stratum = packet[1]
    if not stratum:
        code = bytes(packet[12:16])
        if all([0x41 <= byte <= 0x5A for byte in code]):
            raise ValueError("server says " + str(code, "ascii"), True)
        raise ValueError("server is not synchronised", False)
    if packet[0] >> 6 == 3 or stratum > 15:
        raise ValueError("server is not synchronised", False)
    if packet[8] or packet[9] or packet[4] or packet[5]:  # root dispersion and root delay: whole seconds
        raise ValueError("server does not know the time well", False)
    sent_ms = _utc_ms(packet, 40)
    took_ms = sent_ms - _utc_ms(packet, 32)
    if not 0 <= took_ms <= RTT_MS:
        raise ValueError("server contradicts itself", False)
    return sent_ms, int(took_ms)


def _utc_ms(packet, at):
    """A time stamp of NTP: seconds since 1900, with the highest bit clear since 2036 (RFC 4330, 3), and a fraction."""
    seconds = 0
    for i in range(4):
        seconds = seconds << 8 | packet[at + i]
    if packet[at] < 0x80:
        seconds += 1 << 32
    return (seconds - _1900_TO_1970_S) * 1000 + ((packet[at + 4] << 8 | packet[at + 5]) * 1000 >> 16)


class Sntp:
    """`net`: uplink.resolver.Names, or any network seam with numeric servers. `rand(n)`: n random bits.

    `servers`: list of (host, port). After `step` returned True: `utc_ms` at `at_ms` (ticks_ms) from `server`."""

    def __init__(self, net, clock, rand, servers):
        self._net = net
        self._clock = clock
        self._rand = rand
        self._servers = servers
        self._number = b""
        self._turn = 0  # the server that is asked next
        self._lookup = None
        self._socket = None
        self._buffer = bytearray(_PACKET_BYTES)
        self._pause_ms = 0
        self._paused_at = clock.ticks_ms()
        self._next_ms = _FIRST_MS
        self._silenced = [None] * len(servers)  # ticks_ms of each one's kiss of death
        self.utc_ms = None
        self.at_ms = 0
        self.server = ""
        self.problem = ""  # why the last server of a round was of no use; empty while all is well
        self.answers = 0
        self.refused = 0

    def step(self):
        """One slice of work, every 10 to 1000 ms. True when there is a time, once for each."""
        now = self._clock.ticks_ms()
        if self._socket is not None:
            return self._listen(now)
        if self._pause_ms:
            if self._clock.ticks_diff(now, self._paused_at) < self._pause_ms:
                return False
            self._pause_ms = 0
        if self._net.up():
            self._ask(now)
        return False

    def busy(self):
        """True while an answer is awaited: then `step` should run every 10 ms, for what it is late the time is off."""
        return self._socket is not None

    def again(self):
        """The caller does not believe it yet: ask the next server soon."""
        self._rest(2000)

    def close(self):
        """Give the socket back."""
        if self._lookup:
            self._lookup.close()
            self._lookup = None
        if self._socket:
            self._socket.close()
            self._socket = None

    def _ask(self, now):
        host, port = self._servers[self._turn]
        silenced_at = self._silenced[self._turn]
        if silenced_at is not None:
            if self._clock.ticks_diff(now, silenced_at) < _DAY_MS:
                return self._on("does not want to be asked today")
            self._silenced[self._turn] = None
        try:
            if not dns.is_address(host):
                if self._lookup is None:
                    self._lookup = self._net.find(host)
                host = self._lookup.step()
                if host is None:
                    return None
                self._lookup = None
            self._number = bytes([self._rand(8) for _ in range(8)])
            self._socket = self._net.datagram(host, port)
            self._at_ms = self._clock.ticks_ms()
            self._socket.write(request(self._number))
        except OSError as error:
            code = error.args[0] if error.args else 0
            return self._on(code if isinstance(code, str) else "cannot be reached")

    def _listen(self, now):
        try:
            count = self._socket.read_into(self._buffer)
        except OSError:
            return self._on("nobody there")
        now = self._clock.ticks_ms()
        trip_ms = self._clock.ticks_diff(now, self._at_ms)
        if not count:
            return self._on("no answer") if trip_ms > RTT_MS else False
        try:
            sent_ms, took_ms = answer(memoryview(self._buffer)[:count], self._number)
        except ValueError as error:
            text, kiss = error.args
            if text[:3] == "not":
                return False  # somebody else's: keep listening
            self.refused += 1
            if kiss:
                self._silenced[self._turn] = now
            return self._on(text)
        self.utc_ms = sent_ms + max(0, trip_ms - took_ms) // 2
        self.at_ms = now
        self.server = self._servers[self._turn][0]
        self.answers += 1
        self.problem = ""
        self._next_ms = _FIRST_MS
        self.close()
        self._next()
        self._rest(_ROUND_MS)
        return True

    def _on(self, problem):
        """This server was of no use: the next one, or a pause after the last. Returns False."""
        problem = "time server %s: %s" % (self._servers[self._turn][0], problem)
        self.close()
        if self._next() == 0:
            self.problem = problem
            self._rest(_ROUND_MS if None not in self._silenced else self._next_ms)
            self._next_ms = min(2 * self._next_ms, _LAST_MS)
        return False

    def _next(self):
        self._turn = (self._turn + 1) % len(self._servers)
        return self._turn

    def _rest(self, ms):
        self._pause_ms = ms
        self._paused_at = self._clock.ticks_ms()
