"""TCP and UDP of the boards: the network seam's connections over MicroPython's sockets on lwIP, for rp2 and esp32.

Promises: no call blocks, nothing is resolved here; one write hands over one packet at once (TCP_NODELAY).

Source: MicroPython's extmod/modlwip.c and ports/esp32/modsocket.c. Both take a numeric address as text and would look
up a name; so what is not numeric is refused. When an attempt to connect fails, lwIP shows the socket as writable and
readable at once, and reading tells the reason; no broker speaks first.
"""

import errno
import select
import socket

_DNS_PORT = 53


def numeric(host):
    """`host` if it is a numeric IPv4 address, 127.0.0.1 for "localhost"; OSError(EINVAL) for anything else."""
    if host == "localhost":
        return "127.0.0.1"
    parts = host.split(".")
    if len(parts) != 4 or not all([part.isdigit() and int(part) < 256 for part in parts]):
        raise OSError(errno.EINVAL)
    return host


def _open(kind, host, port):
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect((host, port))
    except OSError as error:
        if error.errno != errno.EINPROGRESS:
            sock.close()
            raise
    return sock


class Connection:
    """One TCP connection; see "Seam: network" in firmware/DESIGN.md."""

    def __init__(self, host, port):
        self._socket = _open(socket.SOCK_STREAM, host, port)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLOUT)
        self._state = 0

    def state(self):
        """0 connecting, 1 established. Raises OSError when the attempt failed."""
        if not self._state:
            for _, event in self._poll.ipoll(0):
                if event != select.POLLOUT:
                    self._socket.recv(1)  # raises what the attempt failed with
                    raise OSError(errno.ECONNREFUSED)
                self._state = 1
                self._poll = None
                break
        return self._state

    def write(self, data):
        """Bytes taken, 0 when none can be taken now. Raises OSError when the connection is gone."""
        return self._socket.write(data) or 0  # None: would have to wait

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
        try:
            self._socket.close()
        except OSError:
            pass


class Datagram:
    """A UDP socket that sends to and hears one peer only."""

    def __init__(self, host, port):
        self._socket = _open(socket.SOCK_DGRAM, host, port)

    def write(self, data):
        """Send one datagram. Raises OSError."""
        return self._socket.send(data)

    def read_into(self, buf):
        """Bytes of one datagram, cut to the buffer; 0 when none is there. Raises OSError."""
        try:
            data = self._socket.recv(len(buf))  # readinto would go on with the next datagram
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            return 0
        buf[: len(data)] = data
        return len(data)

    def close(self):
        """Give the socket back; never raises."""
        try:
            self._socket.close()
        except OSError:
            pass


class Stack:
    """What all network kinds share. `link` has up(), signal_dbm() and text(); None: a board without network."""

    def __init__(self, link):
        self.link = link
        self.up = link.up if link else self._never

    @staticmethod
    def _never():
        return False

    def connect(self, host, port):
        """Start a TCP connection to a numeric IPv4 address or "localhost". Raises OSError; EINVAL for a name."""
        return Connection(numeric(host), port)

    def datagram(self, host, port):
        """A Datagram for a numeric IPv4 address. Raises OSError."""
        return Datagram(numeric(host), port)

    def listen(self, port):
        """A Listener on all addresses of this board. Raises OSError."""
        if not self.link:
            raise OSError(errno.ENODEV)
        from ports.listening import Listener  # only where it is configured

        return Listener(port)

    @staticmethod
    def dns_servers():
        """The name server that DHCP or the configuration gave: a list of (address, port)."""
        import network

        server = network.ipconfig("dns")
        return [(server, _DNS_PORT)] if server and server != "0.0.0.0" else []


def set_address(nic, address):
    """A fixed address {"ip", "netmask", "gateway", "dns"}; with None the one that a DHCP server gives."""
    if address is not None:
        nic.ifconfig((address["ip"], address["netmask"], address["gateway"], address["dns"]))
