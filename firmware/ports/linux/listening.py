"""A listening TCP socket of the virtual board; loaded only where a server is configured."""

import select
import socket

from ports.linux.net import Connection, address_of, prepare


class Listener:
    """See "Seam: network" in firmware/DESIGN.md."""

    def __init__(self, port):
        self._socket = sock = socket.socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address_of("0.0.0.0", port))
            sock.listen(1)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def accept(self):
        """(Connection, address as text) of somebody who wants to connect, or (None, None). Raises OSError."""
        for _ in self._poll.ipoll(0):
            sock, address = self._socket.accept()
            try:
                return Accepted(sock), "%d.%d.%d.%d" % tuple(address[4:8])
            except OSError:  # gone already
                sock.close()
        return None, None

    def close(self):
        """Never raises."""
        self._socket.close()


class Accepted(Connection):
    """A connection that somebody else began."""

    def __init__(self, sock):
        self._socket = sock
        self._poll = None
        self._state = 1
        prepare(sock)
