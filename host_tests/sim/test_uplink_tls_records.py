"""The stream under Mbed TLS by itself: one message per step whatever the server packs together, in any pieces."""

from uplink.tls_records import NO_TLS, Records


class Wire:
    """A connection that hands over `piece` bytes at a time; `full` takes no output."""

    def __init__(self, data, piece=1000):
        self.data = data
        self.piece = piece
        self.sent = b""
        self.full = False
        self.dead = False

    def read_into(self, buf):
        if self.dead:
            raise OSError(104)
        count = min(len(buf), self.piece, len(self.data))
        buf[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

    def write(self, data):
        if self.dead:
            raise OSError(104)
        if self.full:
            return 0
        taken = bytes(data[: self.piece])
        self.sent += taken
        return len(taken)


class Mbed:
    """Reads as Mbed TLS does: five bytes, then as many as they say, from the start again after "not now"."""

    def __init__(self, records):
        self.records = records
        self.buf = bytearray(40000)
        self.got = 0
        self.pieces = []  # whole records as they were handed over

    def turn(self):
        """Until "not now"; returns how many records became whole."""
        count = 0
        while True:
            want = 5 if self.got < 5 else 5 + (self.buf[3] << 8 | self.buf[4])
            while self.got < want:
                n = self.records.readinto(memoryview(self.buf)[self.got : want])
                if n is None or n < 0:
                    return count
                self.got += n
            if want > 5 or not (self.buf[3] or self.buf[4]):
                self.pieces.append(bytes(self.buf[: self.got]))
                self.got = 0
                count += 1


def message(kind, length):
    return bytes((kind, 0, length >> 8, length & 255)) + bytes((i * 7 + kind) & 255 for i in range(length))


def record(kind, body):
    return bytes((kind, 3, 3, len(body) >> 8, len(body) & 255)) + body


HELLO, CERT, KEYS, DONE = message(2, 80), message(11, 700), message(12, 150), message(14, 0)
CCS = record(20, b"\x01")
FINISHED = record(22, bytes(40))
DATA = record(23, bytes(range(60)))


def play(data, piece):
    """A whole handshake; returns (wire, records, mbed, messages per step)."""
    wire = Wire(data, piece)
    records = Records(wire)
    mbed = Mbed(records)
    steps = []
    for _ in range(20000):
        if records.finished or records.error:
            break
        records.pull()
        assert mbed.turn() == 0, "computed without a pause"
        if records.due():
            records.step()
            steps.append(mbed.turn())
    return wire, records, mbed, steps


def test_one_message_per_step_whatever_is_in_a_record():
    apart = record(22, HELLO) + record(22, CERT) + record(22, KEYS) + record(22, DONE)
    together = record(22, HELLO + CERT + KEYS + DONE)
    some = record(22, HELLO + CERT) + record(22, KEYS + DONE)
    for flight in (apart, together, some):
        for piece in (1, 2, 3, 5, 7, 64, 5000):
            wire, records, mbed, steps = play(flight + CCS + FINISHED + DATA, piece)
            assert steps == [1] * 6, (piece, steps)
            assert [p[5:] for p in mbed.pieces] == [HELLO, CERT, KEYS, DONE, b"\x01", bytes(40)]
            assert records.finished and not records.error
            records.open()
            mbed.turn()
            for _ in range(100):
                mbed.turn()
            assert mbed.pieces[-1] == DATA and wire.data == b""


def test_a_message_over_two_records():
    long = message(11, 900)
    data = record(22, HELLO + long[:300]) + record(22, long[300:] + DONE) + CCS + FINISHED
    for piece in (1, 11, 5000):
        _, records, mbed, steps = play(data, piece)
        assert max(steps) == 1 and records.finished
        assert b"".join([p[5:] for p in mbed.pieces[:-2]]) == HELLO + long + DONE


def test_output_waits_for_its_step_and_leaves_one_record_at_a_time():
    wire = Wire(b"")
    records = Records(wire)
    first, second = record(22, b"a" * 50), record(20, b"\x01")
    records.pull()
    assert records.write(first) is None and records.due() and wire.sent == b""
    records.step()
    assert records.write(first) == len(first) and not records.due()
    assert records.write(second) is None and records.due()
    records.step()
    assert records.write(second) == 6 and wire.sent == first + second


def test_output_that_tcp_does_not_take_is_kept_in_order():
    wire = Wire(b"", piece=7)
    records = Records(wire)
    records.open()
    wire.full = True
    assert records.write(b"x" * 20) == 20 and not records.flush()
    wire.full = False
    while not records.flush():
        pass
    assert wire.sent == b"x" * 20


def test_alerts_are_understood_and_may_always_leave():
    _, records, _, _ = play(record(22, HELLO) + record(21, b"\x02\x30"), 3)
    assert records.alert == 48
    wire = Wire(b"")
    records = Records(wire)
    assert records.write(record(21, b"\x02\x2a")) == 7 and wire.sent


def test_what_is_no_tls_is_said_at_the_first_byte():
    for data in (b"\x20\x02\0\0", b"HTTP/1.1", b"\x16\x02\x00\x00\x05", b"\x16\x03\x03\xff\xff"):
        _, records, mbed, _ = play(data, 1)
        assert records.error.args[0] == NO_TLS and mbed.pieces == []


def test_a_dead_connection_is_an_error_and_never_an_exception():
    for piece in range(1, 9):
        wire = Wire(record(22, HELLO), piece)
        records = Records(wire)
        mbed = Mbed(records)
        records.pull()
        mbed.turn()
        wire.dead = True
        records.step()
        mbed.turn()
        records.step()
        assert records.write(b"\x16abc") < 0 or records.error
        assert records.readinto(bytearray(5)) < 0 and records.error.args[0] == 104


def test_random_bytes_never_raise_and_never_compute_unasked():
    state = 5
    for _ in range(300):
        data = bytearray(record(22, HELLO + CERT) + record(22, DONE) + CCS + FINISHED)
        for _ in range(3):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            data[(state >> 8) % len(data)] = state >> 20 & 255
        wire = Wire(bytes(data), 1 + state % 50)
        records = Records(wire)
        mbed = Mbed(records)
        for _ in range(400):
            records.pull()
            assert mbed.turn() == 0 or mbed.pieces[-1][3:5] == b"\0\0"
            if records.due():
                records.step()
                mbed.turn()
