"""A line on which settings matter: UARTs modelled bit by bit, units with baud and format of their own.

Every frame becomes a wave (times of its level changes); every receiver samples that wave with its own
baud and format in the middle of its own bits, as UARTs do, and finds what it finds. Nothing decides
by comparing settings. Parity and framing errors: a unit drops the whole frame; the port of the
box drops the byte (`passes_errors` False) or hands it over (True): real boards differ.

`World.open` is the factory that a search is given. `World.errors` lists what must not happen.
"""

import line as wire

EVEN = 1
ODD = 2


def parity_of(serial_format):
    """0, EVEN or ODD."""
    return {"N": 0, "E": EVEN, "O": ODD}[serial_format[1]]


def ones(byte):
    """Number of ones."""
    return bin(byte).count("1")


def wave_of(data, baud, serial_format, begin_ns):
    """(level changes as [ns, level, ns, level, ...], end ns) of a frame."""
    parity = parity_of(serial_format)
    stops = int(serial_format[2])
    wave = []
    level = 1
    k = 0
    for byte in data:
        bits = [0]
        for i in range(8):
            bits.append(byte >> i & 1)
        if parity:
            bits.append(ones(byte) & 1 ^ (parity == ODD))
        for _ in range(stops):
            bits.append(1)
        for bit in bits:
            if bit != level:
                wave.append(begin_ns + k * 1000000000 // baud)
                wave.append(bit)
                level = bit
            k += 1
    return wave, begin_ns + k * 1000000000 // baud


def heard(wave, baud, serial_format, strict_stops=False):
    """What a UART with this setting receives of a wave: [(ns, byte, is it right)]."""
    parity = parity_of(serial_format)
    samples = 9 + (1 if parity else 0)  # index of the last sample: the first stop bit
    last = samples + (1 if strict_stops and serial_format[2] == "2" else 0)
    found = []
    i = 0
    n = len(wave)
    while i < n:
        if wave[i + 1]:
            i += 2
            continue
        start = wave[i]
        byte = 0
        right = True
        level = 0
        mark = 0
        at = start
        for k in range(last + 1):
            at = start + (2 * k + 1) * 500000000 // baud
            while i < n and wave[i] <= at:
                level = wave[i + 1]
                i += 2
            if k == 0:
                if level:
                    break
            elif k <= 8:
                byte |= level << k - 1
            elif k == 9 and parity:
                mark = level
            elif not level:
                right = False
        if k == 0:
            continue  # shorter than half a bit
        if parity and mark != ones(byte) & 1 ^ (parity == ODD):
            right = False
        found.append((at, byte, right))
    return found


class Server:
    """A unit at a setting. knows_identity: answers FC 43/14 and FC 17 with `objects`."""

    def __init__(self, unit_id, baud=9600, serial_format="8N1", turnaround_us=20000, strict_stops=False):
        self.unit_id = unit_id
        self.baud = baud
        self.serial_format = serial_format
        self.turnaround_us = turnaround_us
        self.strict_stops = strict_stops
        self.objects = None  # texts by object id
        self.server_id = None
        self.requests = 0
        self._unit = wire.Unit(unit_id)

    def answer(self, frame):
        """The reply to a sound request to this unit."""
        if frame[1] == 17 and self.server_id is not None:
            return wire.sealed(bytes((self.unit_id, 17, len(self.server_id))) + self.server_id)
        if frame[1] == 43 and self.objects is not None:
            return self._device_id(frame[3], frame[4])
        if frame[1] > 4:
            return wire.sealed((self.unit_id, frame[1] | 0x80, 1))
        return self._unit.answer(frame)

    def _device_id(self, level, first):
        """At most two objects per reply, so that a client has to go on."""
        numbers = sorted(i for i in self.objects if i >= first and (i <= 2 or level >= 2))
        more = len(numbers) > 2
        out = bytearray((self.unit_id, 43, 14, level, 0x82, 0xFF if more else 0, numbers[2] if more else 0))
        out.append(min(2, len(numbers)))
        for number in numbers[:2]:
            out.append(number)
            out.append(len(self.objects[number]))
            out.extend(self.objects[number])
        return wire.sealed(out)


class Foreign:
    """Another client that repeats requests (bytes with CRC) every period_ms, from after_ms to until_ms of the world."""

    def __init__(self, requests, baud=9600, serial_format="8N1", period_ms=500, after_ms=0, until_ms=1000000000):
        self.requests = requests
        self.baud = baud
        self.serial_format = serial_format
        self.period_ms = period_ms
        self.next_ms = after_ms
        self.until_ms = until_ms
        self.sent = 0


class Port:
    """The port seam; one setting."""

    rest_ms = 0

    def __init__(self, world, baud, serial_format):
        self.world = world
        self.baud = baud
        self.serial_format = serial_format
        self.due = []
        self.closed = False

    def tune(self, baud, serial_format):
        self.world.look()
        self.baud = baud
        self.serial_format = serial_format
        self.due = []

    def send(self, frame):
        self.world.sent_by_box(self, bytes(frame))

    def available(self):
        now = self.world.look()
        n = 0
        for ns, _ in self.due:
            if ns > now:
                break
            n += 1
        return n

    def receive_into(self, buf, n):
        n = min(n, self.available())
        for i in range(n):
            buf[i] = self.due[i][1]
        self.due = self.due[n:]
        return n

    def discard(self):
        n = self.available()
        self.due = self.due[n:]
        return n

    def close(self):
        self.closed = True


class World:
    """The line with everything on it. frames: (begin ns, end ns, baud, format, bytes) that the box has sent."""

    def __init__(self, clock, servers=(), passes_errors=False, foreign=None, echo=False):
        self.clock = clock
        self.servers = servers
        self.passes_errors = passes_errors
        self.foreign = foreign
        self.echo = echo
        self.broken = False
        self.frames = []
        self.errors = []
        self.collisions = 0
        self.port = None
        self._begin_ns = clock.us * 1000
        self._busy = []  # (begin ns, end ns) of others lately

    def now_ms(self):
        """Since the begin of the world."""
        return (self.clock.us * 1000 - self._begin_ns) // 1000000

    def open(self, baud, serial_format):
        """The factory for a search."""
        if self.port is not None and not self.port.closed:
            self.errors.append("port opened twice")
        self.port = Port(self, baud, serial_format)
        return self.port

    def look(self):
        """Time passes a little; what others have begun by now is on the wire. Returns ns."""
        self.clock.us += 3
        if self.broken:
            raise OSError(5)
        foreign = self.foreign
        while foreign is not None and foreign.next_ms <= min(self.now_ms(), foreign.until_ms):
            begin = self._begin_ns + foreign.next_ms * 1000000
            frame = foreign.requests[foreign.sent % len(foreign.requests)]
            foreign.sent += 1
            foreign.next_ms += foreign.period_ms
            wave, end = wave_of(frame, foreign.baud, foreign.serial_format, begin)
            self._others(wave, begin, end)
            self._serve(wave, end)
        return self.clock.us * 1000

    def sent_by_box(self, port, frame):
        begin = self.look()
        wave, end = wave_of(frame, port.baud, port.serial_format, begin)
        char_ns = (10 if port.serial_format == "8N1" else 11) * 1000000000 // port.baud
        silence = 7 * char_ns // 2 if port.baud <= 19200 else 1750000
        self._busy = [each for each in self._busy if each[1] > begin - 1000000000]
        for each in self._busy:
            if each[0] < end and begin < each[1]:
                self.collisions += 1
                return
            if 0 <= begin - each[1] < silence:
                self.errors.append("gap of %d ns" % (begin - each[1]))
        if self.frames and begin - self.frames[-1][1] < silence:
            self.errors.append("gap of %d ns after our own request" % (begin - self.frames[-1][1]))
        if len(frame) < 4 or wire.crc16(frame) or frame[1] not in (1, 2, 3, 4, 17, 43):
            self.errors.append("not a sound read")
        self.frames.append((begin, end, port.baud, port.serial_format, frame))
        if self.echo:
            self._receive(wave)
        self._serve(wave, end)

    def _others(self, wave, begin, end):
        self._busy.append((begin, end))
        self._receive(wave)

    def _serve(self, wave, end):
        for server in self.servers:
            got = heard(wave, server.baud, server.serial_format, server.strict_stops)
            if len(got) < 4 or got[0][1] != server.unit_id or not all(right for _, _, right in got):
                continue
            frame = bytes(byte for _, byte, _ in got)
            if wire.crc16(frame) != 0:
                continue
            server.requests += 1
            begin = end + max(server.turnaround_us * 1000, 1750000, 38500000000 // server.baud)
            reply, done = wave_of(server.answer(frame), server.baud, server.serial_format, begin)
            self._others(reply, begin, done)

    def _receive(self, wave):
        port = self.port
        if port is not None:
            for ns, byte, right in heard(wave, port.baud, port.serial_format):
                if right or self.passes_errors:
                    port.due.append((ns, byte))
            port.due.sort()


def run(search, clock, limit_ms=1200000, until=None):
    """Step a search in virtual time, with the sleeps of an asyncio task. Returns ms until it was over or `until()`."""
    begin = clock.us
    while not search.over and (until is None or not until()):
        wait = search.step()
        assert 0 <= wait <= 1000000, wait
        clock.us += -(-wait // 1000) * 1000 or 20
        assert clock.us - begin < limit_ms * 1000, "still not over after %d ms" % limit_ms
    return (clock.us - begin) // 1000
