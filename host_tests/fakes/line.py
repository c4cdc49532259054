"""An RS-485 line in virtual time: the port of the client, the wire, the units and their faults.

The wire is computed lazily from the clock: bytes that were sent or answered are due at times, half a bit
before their end, as a UART hands them over; `available` and `receive_into` show what is due by now. Every
frame of the client is recorded with begin, end and the silence before it, so a test can judge gaps and gate.

Faults, each with its physical effect:
  Unit.dead            no answer
  Unit.lose = n        the next n answers are lost
  Unit.corrupt = n     one bit of the next n answers is flipped
  Unit.cut_short = n   the last 3 bytes of the next n answers are missing
  Unit.stray           bytes (0x00, 0xFF..) on the wire right before each answer
  Unit.late_us         answers begin so much later, for the next `late` answers
  Wire.cable_cut       nothing reaches a unit, nothing comes back
  Wire.echo            the client hears its own frames
  Wire.inject(...)     noise at any time
  Wire.broken          the device is gone: OSError
"""

_EIO = 5


def crc16(data):
    """CRC-16/MODBUS, bit by bit (the definition, not the product's code)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def sealed(data):
    """`data` with its CRC behind."""
    crc = crc16(data)
    return bytes(data) + bytes((crc & 0xFF, crc >> 8))


def _keep(records, record):
    """Append to a list that forgets its older half now and then."""
    if len(records) >= 500:
        del records[:250]
    records.append(record)


class Unit:
    """A server: registers as {address: word} for FC 3 and 4, coils as {address: 0 or 1} for FC 1 and 2."""

    def __init__(self, unit_id, registers=None, coils=None, turnaround_us=2000):
        self.unit_id = unit_id
        self.registers = {i: 0x1000 + i for i in range(256)} if registers is None else registers
        self.coils = {i: i & 1 for i in range(64)} if coils is None else coils
        self.turnaround_us = turnaround_us
        self.functions = (1, 2, 3, 4)
        self.dead = False
        self.lose = 0
        self.corrupt = 0
        self.cut_short = 0
        self.stray = b""
        self.late = 0
        self.late_us = 0
        self.requests = 0

    def answer(self, frame):
        """The reply (bytes) to a sound request."""
        function = frame[1]
        address = frame[2] << 8 | frame[3]
        count = frame[4] << 8 | frame[5]
        if function not in self.functions:
            return sealed((self.unit_id, function | 0x80, 1))
        space = self.coils if function <= 2 else self.registers
        if not 1 <= count <= (2000 if function <= 2 else 125):
            return sealed((self.unit_id, function | 0x80, 3))
        for i in range(address, address + count):
            if i not in space:
                return sealed((self.unit_id, function | 0x80, 2))
        if function <= 2:
            data = bytearray((count + 7) // 8)
            for i in range(count):
                data[i // 8] |= space[address + i] << i % 8
        else:
            data = bytearray()
            for i in range(address, address + count):
                data.append(space[i] >> 8)
                data.append(space[i] & 0xFF)
        return sealed(bytes((self.unit_id, function, len(data))) + data)


class Wire:
    """The port seam of the client plus the line behind it.

    char_ns: time of one character. rest_ms: 0 for a board, 1 for an operating system.
    call_us: what one call of the port costs. fifo: the UART shows bytes only in lots of so many
    or after 3 characters of silence (0: at once).
    """

    def __init__(self, clock, baud, char_bits, units, rest_ms=0, call_us=3, fifo=0):
        self.clock = clock
        self.char_ns = char_bits * 1000000000 // baud
        self.early_ns = self.char_ns // (2 * char_bits)  # the middle of a stop bit
        self.t35_ns = 7 * self.char_ns // 2 if baud <= 19200 else 1750000
        self.units = {unit.unit_id: unit for unit in units}
        self.rest_ms = rest_ms
        self.call_us = call_us
        self.fifo = fifo
        self.cable_cut = False
        self.echo = False
        self.broken = False
        self.frames = []  # the last 250 or more: (begin ns, end ns, silence before in ns, bytes) of the client
        self.sent = 0  # frames of the client
        self.replies = []  # (begin ns, end ns, bytes as they were on the wire)
        self.errors = []  # what must not happen: text
        self.wire_ns = 0  # time of all bytes on the wire
        self.collisions = 0  # a request met somebody's bytes
        self._due = []  # (ns, byte) sorted by time
        self._busy = []  # (begin ns, end ns) of what was on the wire lately or will be

    # --- the port seam

    def send(self, frame):
        self._call()
        begin = self.clock.us * 1000
        end = begin + len(frame) * self.char_ns
        frame = bytes(frame)
        silence, hit = self._contend(begin, end)
        if silence < self.t35_ns:
            self.errors.append("gap of %d ns at %d us" % (silence, self.clock.us))
        self.sent += 1
        _keep(self.frames, (begin, end, silence, frame))
        self._busy.append((begin, end))
        self.wire_ns += end - begin
        if self.echo:
            self._put(begin, frame)
        if hit:
            self.collisions += 1
            for i, (ns, byte) in enumerate(self._due):
                if begin < ns + self.early_ns < end + self.char_ns:
                    self._due[i] = (ns, byte ^ 0x55)
        elif not self.cable_cut:
            self._serve(frame, end)

    def _contend(self, begin, end):
        """(silence that the client could see before `begin`, whether somebody transmits meanwhile)."""
        silence = 1000000000
        hit = False
        busy = []
        for others in self._busy:
            if others[0] + self.char_ns <= begin:  # its first byte could be seen
                silence = min(silence, begin - others[1])
            if others[1] > begin - 1000000000:
                busy.append(others)
            hit = hit or others[0] < end and begin < others[1]
        self._busy = busy
        return silence, hit

    def available(self):
        self._call()
        now = self.clock.us * 1000
        n = 0
        for ns, _ in self._due:
            if ns > now:
                break
            n += 1
        if self.fifo and n % self.fifo and now - self._due[n - 1][0] < 3 * self.char_ns:
            n -= n % self.fifo
        return n

    def receive_into(self, buf, n):
        assert 0 < n <= self.available(), "a board's port would wait for more than has arrived"
        for i in range(n):
            buf[i] = self._due[i][1]
        self._due = self._due[n:]
        return n

    def discard(self):
        n = self.available()
        self._due = self._due[n:]
        return n

    def close(self):
        pass

    def _call(self):
        self.clock.us += self.call_us
        if self.broken:
            raise OSError(_EIO)

    # --- the line

    def inject(self, after_us, data):
        """Bytes that begin so many us from now."""
        begin = (self.clock.us + after_us) * 1000
        self._put(begin, data)
        self._busy.append((begin, begin + len(data) * self.char_ns))

    def _put(self, begin, data):
        due = self._due
        for i in range(len(data)):
            ns = begin + (i + 1) * self.char_ns - self.early_ns
            at = len(due)
            while at and due[at - 1][0] > ns:
                at -= 1
            due.insert(at, (ns, data[i]))

    def _serve(self, frame, end):
        if len(frame) < 4 or crc16(frame) != 0:
            self.errors.append("damaged request")
            return
        unit = self.units.get(frame[0])
        if unit is None or unit.dead:
            return
        unit.requests += 1
        reply = unit.answer(frame)
        if unit.lose:
            unit.lose -= 1
            return
        reply = bytearray(reply)
        if unit.corrupt:
            unit.corrupt -= 1
            reply[unit.requests % len(reply)] ^= 1 << unit.requests % 8
        if unit.cut_short:
            unit.cut_short -= 1
            reply = reply[:-3]
        begin = end + max(unit.turnaround_us * 1000, self.t35_ns)
        if unit.late:
            unit.late -= 1
            begin += unit.late_us * 1000
        data = unit.stray + bytes(reply)
        self._put(begin, data)
        done = begin + len(data) * self.char_ns
        _keep(self.replies, (begin, done, data))
        self.wire_ns += done - begin
        self._busy.append((begin, done))
