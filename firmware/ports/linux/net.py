"""Network port of the virtual board: the network seam over the Unix port's non-blocking sockets.

Promises: no call blocks; nothing is resolved here (numeric IPv4 and "localhost"; names are uplink.resolver's
business); one write hands over one packet at once (TCP_NODELAY). With FIELDGATE_NET in the environment a stand-in
(`net_faults`) can cut, delay and stall what goes through here.
"""

import errno
import os
import select
import socket
import sys

_IPPROTO_TCP = 6  # RFC 9293; the constants are the same on every Linux
_TCP_NODELAY = 1
_DNS_PORT = 53


def prepare(sock):
    """Make a TCP socket as the seam wants it: it never waits, and sends at once."""
    sock.setblocking(False)
    sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)


class Connection:
    """One TCP connection; see "Seam: network" in firmware/DESIGN.md."""

    def __init__(self, address):
        self._socket = socket.socket()
        prepare(self._socket)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLOUT)
        self._state = 0
        try:
            self._socket.connect(address)
        except OSError as error:
            if error.args[0] != errno.EINPROGRESS:
                self._socket.close()
                raise

    def state(self):
        """0 connecting, 1 established. Raises OSError when the attempt failed."""
        if not self._state:
            for _, event in self._poll.ipoll(0):
                if event & (select.POLLERR | select.POLLHUP):
                    self._socket.recv(1)  # raises what the attempt failed with
                    raise OSError(errno.ECONNREFUSED)
                self._state = 1
        return self._state

    def write(self, data):
        """Bytes taken, 0 when none can be taken now. Raises OSError when the connection is gone."""
        try:
            return self._socket.send(data)
        except OSError as error:
            if error.args[0] != errno.EAGAIN:
                raise
            return 0

    def read_into(self, buf):
        """Bytes read, 0 when none are there. Raises OSError, ECONNRESET also when the peer closed in good order."""
        count = self._socket.readinto(buf)
        if count is None:
            return 0
        if not count:
            raise OSError(errno.ECONNRESET)
        return count

    def close(self):
        """Give the socket back; never raises."""
        self._socket.close()


class Datagram:
    """A UDP socket that sends to and hears one peer only."""

    def __init__(self, address):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(address)
        except OSError:
            self._socket.close()
            raise

    def write(self, data):
        """Send one datagram. Raises OSError."""
        return self._socket.send(data)

    def read_into(self, buf):
        """Bytes of one datagram, cut to the buffer; 0 when none is there. Raises OSError when nobody listens there."""
        try:
            data = self._socket.recv(len(buf))
        except OSError as error:
            if error.args[0] != errno.EAGAIN:
                raise
            return 0
        buf[: len(data)] = data
        return len(data)

    def close(self):
        """Give the socket back; never raises."""
        self._socket.close()


class Net:
    """The host's network: always up, but for the stand-in's faults. settings, it: those of the boards' ports."""

    def __init__(self, settings=None, it=None, clock=None):
        self.link = None
        path = os.getenv("FIELDGATE_NET")
        if path and clock:
            from ports.linux import net_faults

            self._faults = net_faults
            self.link = net_faults.Link(path, clock)

    def up(self):
        """True while an address is held."""
        return self.link is None or self.link.up()

    def connect(self, host, port):
        """Start a TCP connection to a numeric IPv4 address or "localhost". Raises OSError; EINVAL for a name."""
        address = address_of("127.0.0.1" if host == "localhost" else host, port)
        if self.link is None:
            return Connection(address)
        self.link.check()
        return self._faults.Connection(self.link, Connection(address))

    def datagram(self, host, port):
        """A Datagram for a numeric IPv4 address. Raises OSError."""
        if self.link is None:
            return Datagram(address_of(host, port))
        self.link.check()
        return self._faults.Datagram(self.link, Datagram(address_of(host, port)))

    def listen(self, port):
        """A Listener on all addresses of this host. Raises OSError."""
        from ports.linux.listening import Listener  # only where it is configured

        return Listener(port)

    def dns_servers(self):
        """The host's name servers with IPv4 addresses: a list of (address, port)."""
        try:
            with open("/etc/resolv.conf") as file:
                words = [line.split() for line in file if line.startswith("nameserver")]
        except OSError:
            return []
        return [(word[1], _DNS_PORT) for word in words if len(word) > 1 and ":" not in word[1]]


def address_of(host, port):
    """struct sockaddr_in: family in host order, port and address in network order, 8 bytes of padding."""
    try:
        packed = socket.inet_pton(socket.AF_INET, host)
    except OSError:
        raise OSError(errno.EINVAL)
    return socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + packed + bytes(8)
