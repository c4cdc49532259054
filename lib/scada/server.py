"""Modbus TCP for a few readers: framing, refusals and the loop over the sockets, one small step at a time.

Promises: a step waits for nothing and serves at most one request; two clients at most, each with one buffer of one
frame; who is silent, or does not take its reply, for IDLE_MS is cut off; anything but a read of registers is refused.
What it knows of the box is an image (scada.image): there is no way from here to the bus.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (MBAP header) and 4.4 (server); MODBUS
Application Protocol V1.1b3, 6.3, 6.4, 7. micropython-modbus builds the reply PDUs.
"""

from umodbus import functions

CLIENTS = 2
IDLE_MS = 60000
AGAIN_MS = 10000  # between attempts to listen
LOOK_MS = 20
ADU_BYTES = 260
MBAP_BYTES = 7
READ_BYTES = 12  # of a request to read registers
ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
NO_PATH = 10  # gateway path unavailable: this is no gateway to the units


class Garbage(Exception):
    """What came is not Modbus TCP: the connection cannot be used any more."""


def frame_bytes(buf, n):
    """Length of the frame that begins in buf[0:n]; 0: not known yet. Raises Garbage."""
    for i in range(2, min(n, 5)):
        if buf[i]:  # protocol identifier 0, and a length below 256
            raise Garbage
    if n < 6:
        return 0
    if not 2 <= buf[5] <= 254:
        raise Garbage
    return 6 + buf[5]


def answer(buf, n, image):
    """The reply PDU to the frame buf[0:n], bytes. Raises Garbage when it is no request."""
    fc = buf[7]
    if fc > 127:
        raise Garbage
    wrong = 0
    values = None
    if buf[6] > 1 and buf[6] != 255:  # guide, 4.4.2.3: a device of TCP/IP itself is 255 or 0; many clients say 1
        wrong = NO_PATH
    elif fc != 3 and fc != 4:
        wrong = ILLEGAL_FUNCTION
    elif n != READ_BYTES:
        wrong = ILLEGAL_VALUE
    else:
        address, count = buf[8] << 8 | buf[9], buf[10] << 8 | buf[11]
        if 1 <= count <= 125:
            values = image.values(address, count)
            wrong = ILLEGAL_ADDRESS
        else:
            wrong = ILLEGAL_VALUE
    if values is None:
        return functions.exception_response(fc, wrong)
    return functions.response(fc, address, count, None, values, False)


class _Client:
    def __init__(self):
        self.buf = bytearray(ADU_BYTES)
        self.view = memoryview(self.buf)
        self.take(None, 0)

    def take(self, connection, now):
        self.connection = connection
        self.n = 0  # bytes of requests in buf
        self.out = None  # what of a reply is still to go
        self.since = now  # the last whole request, or the begin


class Server:
    """net: the network seam; allowed: addresses and networks as texts ("10.0.0.5", "10.0.0.0/24")."""

    def __init__(self, net, port, allowed, image, clock):
        self._net = net
        self._port = port
        self._allowed = [_network(text) for text in allowed]
        self._image = image
        self._clock = clock
        self._socket = None
        self._due = clock.ticks_ms()
        self._clients = [_Client() for _ in range(CLIENTS)]
        self._turn = 0
        self._steps = 0  # modulo 256
        self.connects = 0
        self.requests = 0
        self.exceptions = 0  # requests that were answered with one
        self.refused = 0  # connections: not allowed, or one too many
        self.cut = 0  # connections: silent, slow, or garbage
        self.short = 0  # steps that the heap had no room for
        self.trouble = None  # why it does not listen

    async def run(self, room, sleep_ms):
        """Until the program ends. room: awaited before each step, see gateway.app."""
        while True:
            await room(sleep_ms)
            try:
                busy = self.step()
            except MemoryError:  # the same again when others have given back what they had
                busy = False
                self.short += 1
            await sleep_ms(0 if busy else LOOK_MS)

    def step(self):
        """One piece of work; True if there may be more at once."""
        now = self._clock.ticks_ms()
        self._steps = (self._steps + 1) & 255
        if not self._steps:
            self._image.sweep()
        if self._socket is None:
            return self._open(now)
        # Who knocks and who is served take turns, so that neither a flood of connections nor one of requests shuts the
        # others out. With all places taken a new client waits until one is seen to be free, or all are quiet.
        if self._steps & 1 and self._free() and self._accept(now):
            return True
        for _ in range(CLIENTS):
            self._turn = (self._turn + 1) % CLIENTS
            client = self._clients[self._turn]
            if client.connection and self._serve(client, now):
                return True
        return self._socket is not None and self._accept(now)

    def _open(self, now):
        if self._clock.ticks_diff(now, self._due) < 0:
            return False
        try:
            self._socket = self._net.listen(self._port)
            self.trouble = None
        except OSError as error:
            self._due = self._clock.ticks_add(now, AGAIN_MS)
            if self.trouble is None:
                self.trouble = "modbus tcp: cannot listen (errno %s), tried again every %d s" % (
                    error.args[0],
                    AGAIN_MS // 1000,
                )
                print(self.trouble)
        return False

    def _free(self):
        for client in self._clients:
            if client.connection is None:
                return client
        return None

    def _accept(self, now):
        try:
            connection, address = self._socket.accept()
        except OSError:
            self._socket.close()
            self._socket = None
            self._due = self._clock.ticks_add(now, AGAIN_MS)
            return False
        if connection is None:
            return False
        client = self._free()
        if client and self._may(address):
            client.take(connection, now)
            self.connects += 1
            return True
        connection.close()
        self.refused += 1
        return True

    def _may(self, address):
        number = _number(address)
        for network, mask in self._allowed:
            if number & mask == network:
                return True
        return False

    def _serve(self, client, now):
        # True if something moved.
        try:
            if client.out:
                moved = self._send(client)
            else:  # a whole request is answered in the step after its last byte came
                moved = self._answer(client)
                if moved:
                    client.since = now
                else:
                    moved = self._receive(client)
            if not moved and self._clock.ticks_diff(now, client.since) > IDLE_MS:
                raise Garbage
            return moved
        except Garbage:
            self.cut += 1
        except OSError:  # the client has gone
            pass
        client.connection.close()
        client.take(None, now)
        return True

    def _send(self, client):
        sent = client.connection.write(client.out)
        client.out = client.out[sent:] or None
        return sent > 0

    def _receive(self, client):
        n = client.n
        if n == ADU_BYTES:
            return False
        got = client.connection.read_into(client.view[n:] if n else client.buf)
        client.n = n + got
        return got > 0

    def _answer(self, client):
        buf, n = client.buf, client.n
        size = frame_bytes(buf, n)
        if not size or n < size:
            return False
        pdu = answer(buf, size, self._image)
        self.requests += 1
        if pdu[0] > 127:
            self.exceptions += 1
        head = bytes((buf[0], buf[1], 0, 0, 0, len(pdu) + 1, buf[6]))
        for i in range(size, n):  # what a client in a hurry has sent behind it
            buf[i - size] = buf[i]
        client.n = n - size
        client.out = head + pdu
        return True


def _network(text):
    """(network, mask) of "10.0.0.5" or "10.0.0.0/24"."""
    address, _, bits = text.partition("/")
    mask = 0xFFFFFFFF << 32 - int(bits or 32) & 0xFFFFFFFF
    return _number(address) & mask, mask


def _number(address):
    number = 0
    for part in address.split("."):
        number = number << 8 | int(part)
    return number
