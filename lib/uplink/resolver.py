"""Names for the network seam: looks them up over UDP without ever blocking, and remembers them.

Promises: `Names` is a network seam in front of another one and takes host names as well; connecting to a name gives a
connection that is "connecting" while the name is looked up. No call blocks (getaddrinfo does, for seconds per dead
server). At most `_MAX_KEPT` names are kept; an address that has expired is still used when no server answers
(RFC 8767), so a plant without its name server keeps running.

The port's Net has two more members: `dns_servers()`, a list of (numeric address, port), and `datagram(host, port)`,
which returns a socket that sends to and hears that peer only, with `write`, `read_into` (0: nothing there) and `close`.
"""

from uplink import dns

_TRY_MS = 700  # wait for one server
_ROUNDS = 2  # through the list of servers
_MAX_SERVERS = 3
_MAX_KEPT = 4
_SHORTEST_S = 30  # lifetimes below are raised, so that a reconnect does not always ask
_LONGEST_S = 3600
_MESSAGE_BYTES = 512  # RFC 1035, 4.2.1


class Names:
    """`net`: the port's network seam. `rand(n)`: n random bits, for the message ids."""

    def __init__(self, net, clock, rand):
        self._net = net
        self._clock = clock
        self._rand = rand
        self._kept = []  # [name, address, expires at (ticks_ms), fresh], the most recently used last
        self.lookups = 0
        self.failures = 0  # lookups that ended without an address from a server

    def up(self):
        """True when an address is held."""
        return self._net.up()

    def connect(self, host, port):
        """Start a connection to a numeric address, "localhost" or a name. Raises OSError."""
        if host == "localhost" or dns.is_address(host):
            return self._net.connect(host, port)
        if not dns.is_name(host):
            raise OSError("%s is not a name" % host)
        return _Connection(self, host, port)

    def find(self, name):
        """A lookup: step() returns the address or None while it is not known, and raises OSError; close() ends it."""
        return _Lookup(self, name)

    def dns_servers(self):
        """As in the seam."""
        return self._net.dns_servers()

    def datagram(self, host, port):
        """As in the seam."""
        return self._net.datagram(host, port)

    # For _Connection

    def _fresh(self, name):
        """The address of a name if it is known and has not expired."""
        for entry in self._kept:
            if entry[0] == name and entry[3]:
                # After 6 days without a look the difference wraps and an old address may pass for a fresh one: if
                # it does not work any more it comes into doubt, and the next attempt asks.
                if self._clock.ticks_diff(entry[2], self._clock.ticks_ms()) > 0:
                    return entry[1]
                entry[3] = False
        return None

    def _stale(self, name):
        for entry in self._kept:
            if entry[0] == name:
                return entry[1]
        return None

    def _keep(self, name, address, lifetime_s):
        self._kept = [entry for entry in self._kept if entry[0] != name][1 - _MAX_KEPT :]
        lifetime_ms = 1000 * max(_SHORTEST_S, min(_LONGEST_S, lifetime_s))
        self._kept.append([name, address, self._clock.ticks_add(self._clock.ticks_ms(), lifetime_ms), True])

    def _doubt(self, name):
        """The address did not work: ask again next time, but do not forget it."""
        for entry in self._kept:
            if entry[0] == name:
                entry[3] = False


class _Lookup:
    """One question, asked of one server after the other."""

    def __init__(self, names, name):
        self._names = names
        self._name = name
        self._servers = names._net.dns_servers()[:_MAX_SERVERS] * _ROUNDS
        self._socket = None
        self._buffer = bytearray(_MESSAGE_BYTES)
        names.lookups += 1

    def step(self):
        """The address, or None while it is not known. Raises OSError when nobody knows it."""
        if self._socket is None:
            address = self._names._fresh(self._name)
            if address:
                return address
        clock = self._names._clock
        now = clock.ticks_ms()
        if self._socket is None:
            if not self._servers:
                return self._give_up("no answer from a name server for %s")
            self._ask(self._servers.pop(0), now)
            return None
        try:
            count = self._socket.read_into(self._buffer)
        except OSError:
            self.close()  # nobody listens there
            return None
        if count:
            return self._hear(memoryview(self._buffer)[:count])
        if clock.ticks_diff(now, self._asked_at) > _TRY_MS:
            self.close()
        return None

    def close(self):
        """Give the socket back."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _ask(self, server, now):
        self._asked_at = now
        self._number = self._names._rand(16)
        try:
            self._socket = self._names._net.datagram(*server)
            self._socket.write(dns.query(self._name, self._number))
        except OSError:
            self.close()

    def _hear(self, message):
        try:
            address, result = dns.answer(self._name, self._number, message)
        except ValueError:
            return None  # somebody else's, or damaged: keep listening
        self.close()
        if address:
            self._names._keep(self._name, address, result)
            return address
        if result == dns.NO_SUCH_NAME:
            return self._give_up("the name servers do not know %s")
        return None  # that server has failed: the next

    def _give_up(self, text):
        self._names.failures += 1
        address = self._names._stale(self._name)
        if address is None:
            raise OSError(text % self._name)
        return address


class _Connection:
    """A connection to a name: the lookup first, then the port's connection."""

    def __init__(self, names, host, port):
        self._names = names
        self._host = host
        self._port = port
        self._lookup = None
        self._inner = None
        self._made = False
        address = names._fresh(host)
        if address:
            self._inner = names._net.connect(address, port)
        else:
            self._lookup = _Lookup(names, host)

    def state(self):
        """0 while the name is looked up or the connection is being made, 1 established. Raises OSError."""
        if self._lookup:
            address = self._lookup.step()
            if address is None:
                return 0
            self._lookup = None
            self._inner = self._names._net.connect(address, self._port)
        self._made = self._inner.state() == 1
        return int(self._made)

    def write(self, data):
        """As in the seam."""
        return self._inner.write(data)

    def read_into(self, buf):
        """As in the seam."""
        return self._inner.read_into(buf)

    def close(self):
        """As in the seam. A connection that was never made puts the address in doubt: the next one asks again."""
        if self._lookup:
            self._lookup.close()
        if self._inner:
            self._inner.close()
            if not self._made:
                self._names._doubt(self._host)
