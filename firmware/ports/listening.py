"""A listening TCP socket of the boards, over MicroPython's sockets on lwIP; loaded only where a server is configured.

Source: MicroPython's extmod/modlwip.c and ports/esp32/modsocket.c: a listening socket can be read when somebody knocks.
"""

import select
import socket

from ports.sockets import Connection


class Listener:
    """See "Seam: network" in firmware/DESIGN.md."""

    def __init__(self, port):
        self._socket = sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("0.0.0.0", port))
            sock.listen(1)
            sock.setblocking(False)
        except OSError:
            sock.close()
            raise
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def accept(self):
        """(Connection, address as text) of somebody who wants to connect, or (None, None). Raises OSError."""
        for _ in self._poll.ipoll(0):  # accept would say with an exception, which is garbage, that nobody knocks
            sock, address = self._socket.accept()
            try:
                return Accepted(sock), address[0]
            except OSError:  # gone already
                sock.close()
        return None, None

    def close(self):
        """Never raises."""
        try:
            self._socket.close()
        except OSError:
            pass


class Accepted(Connection):
    """A connection that somebody else began."""

    def __init__(self, sock):
        self._socket = sock
        self._poll = None
        self._state = 1
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
