"""Time servers in virtual time: what may be believed, what must not, and the floor below which no clock goes."""

import os

from clock import Clock
from gateway import timekeeper
from gateway.timekeeper import FLOOR_FILE, Timekeeper
from uplink import sntp
from uplink.sntp import Sntp

NOW_MS = 1795477297123  # 2026-11-23 23:41:37.123 UTC
A = ("10.0.0.1", 123)
B = ("10.0.0.2", 123)


def stamp(utc_ms):
    """An NTP time stamp (RFC 5905, 6), era 0 or 1."""
    seconds = utc_ms // 1000 + 2208988800
    return (seconds & 0xFFFFFFFF).to_bytes(4, "big") + (((utc_ms % 1000) << 32) // 1000 + 4295).to_bytes(4, "big")


class Server:
    """A time server. `mode`: answer, silent, refuse, or the name of a lie; `ahead_ms` of the true time."""

    def __init__(self, mode="answer", ahead_ms=0, rtt_ms=20):
        self.mode = mode
        self.ahead_ms = ahead_ms
        self.rtt_ms = rtt_ms
        self.asked = 0

    def reply(self, question, utc_ms):
        assert len(question) == 48 and question[0] == 0x23
        packet = bytearray(48)
        packet[0] = 0x24
        packet[1] = 2
        packet[24:32] = question[40:48]
        packet[32:40] = packet[40:48] = stamp(utc_ms + self.ahead_ms)
        mode = self.mode
        if mode == "kiss":
            packet[1] = 0
            packet[12:16] = b"RATE"
        elif mode == "stratum 0":
            packet[1] = 0
        elif mode == "stratum 16":
            packet[1] = 16
        elif mode == "alarm":
            packet[0] = 0xE4
        elif mode == "forged":
            packet[24] ^= 1
        elif mode == "client":
            packet[0] = 0x23
        elif mode == "short":
            return packet[:47]
        elif mode == "vague":
            packet[9] = 20
        elif mode == "backwards":
            packet[32:40] = stamp(utc_ms + 5000)
        elif mode == "zero":
            packet[40:48] = bytes(8)
        return packet


LIES = ("kiss", "stratum 0", "stratum 16", "alarm", "forged", "client", "short", "vague", "backwards", "zero")


class Datagram:
    open = 0

    def __init__(self, world, server):
        self.world = world
        self.server = server
        self.packet = None
        Datagram.open += 1

    def write(self, data):
        world, server = self.world, self.server
        server.asked += 1
        if server.mode not in ("silent", "refuse"):
            self.due_ms = world.true_ms() + server.rtt_ms
            self.packet = server.reply(bytes(data), world.true_ms() + server.rtt_ms // 2)

    def read_into(self, buf):
        if self.server.mode == "refuse":
            raise OSError(111)
        if self.packet is None or self.world.true_ms() < self.due_ms:
            return 0
        packet, self.packet = self.packet, None
        buf[: len(packet)] = packet
        return len(packet)

    def close(self):
        Datagram.open -= 1


class World:
    def __init__(self, servers, utc_ms=None, keep_floor=False):
        if not keep_floor:
            for name in (FLOOR_FILE, FLOOR_FILE + ".new"):
                try:
                    os.remove(name)
                except OSError:
                    pass
        Datagram.open = 0
        self.clock = Clock(utc_ms=utc_ms)
        self.zero_ms = NOW_MS - self.clock.us // 1000
        self.servers = servers
        self.state = 1
        self.lines = []
        self.sntp = Sntp(self, self.clock, self.random, list(servers))
        self.keeper = Timekeeper(self.clock, self.sntp, self.lines.append)

    def random(self, bits):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) & ((1 << bits) - 1)

    def true_ms(self):
        return self.zero_ms + self.clock.us // 1000

    def up(self):
        return True

    def datagram(self, host, port):
        return Datagram(self, self.servers[host, port])

    def run(self, ms):
        end = self.clock.us + ms * 1000
        while self.clock.us < end:
            self.clock.advance_ms(self.keeper.step())
            if self.keeper.floor_due:
                self.keeper.store()
        return self

    def error_ms(self):
        utc_ms = self.keeper.utc_ms()
        return None if utc_ms is None else utc_ms - self.true_ms()


def test_time_is_known_within_half_a_round_trip():
    for rtt_ms in (2, 20, 200, 1400):
        world = World({A: Server(rtt_ms=rtt_ms)}).run(3000)
        assert abs(world.error_ms()) <= rtt_ms // 2 + 11, rtt_ms
        assert world.lines == ["time is known from 10.0.0.1"] and Datagram.open == 0


def test_every_lie_is_refused():
    for mode in LIES:
        world = World({A: Server(mode)}).run(30000)
        assert world.error_ms() is None, mode
        assert world.servers[A].asked >= 1 and len(world.lines) >= 1, mode
        world.run(60000)
        assert Datagram.open <= 1


def test_next_server_when_one_is_of_no_use():
    for mode in LIES + ("silent", "refuse"):
        world = World({A: Server(mode), B: Server()}).run(5000)
        assert world.error_ms() is not None and abs(world.error_ms()) < 25, mode


def test_kiss_of_death_is_obeyed_for_a_day():
    world = World({A: Server("kiss"), B: Server()}).run(3600000 * 20)
    assert world.servers[A].asked == 1 and world.servers[B].asked >= 18
    world.run(3600000 * 6)
    assert world.servers[A].asked == 2
    alone = World({A: Server("kiss")}).run(3600000 * 20)
    assert alone.servers[A].asked == 1 and "RATE" in alone.lines[0]


def test_asking_is_bounded():
    world = World({A: Server("silent")}).run(3600000)
    assert 5 <= world.servers[A].asked <= 12
    assert len(world.lines) == 1 and "no answer" in world.lines[0]
    good = World({A: Server()}).run(3600000 * 10)
    assert 9 <= good.servers[A].asked <= 11


def test_the_year_2036_wraps_the_seconds():
    """2036-02-07 06:28:16 is second 0 of era 1 (RFC 5905, 6)."""
    for utc_ms in (2085978495500, 2085978496000, 2085978497250):
        question = sntp.request(b"12345678")
        server = Server()
        assert abs(sntp.answer(server.reply(bytes(question), utc_ms), b"12345678")[0] - utc_ms) <= 1


def test_below_the_floor_nothing_is_believed():
    world = World({A: Server()}).run(3000)
    world.run(2 * 86400000)
    kept = world.keeper.floor_ms
    assert kept > NOW_MS and int(open(FLOOR_FILE).read()) == kept // 1000
    after = World({A: Server(ahead_ms=-86400000 * 30)}, keep_floor=True)
    assert after.keeper.floor_ms == kept // 1000 * 1000
    after.run(60000)
    assert after.error_ms() is None and "cannot be" in after.lines[0]
    after.servers[A].ahead_ms = 3 * 86400000
    after.run(3600000)
    assert after.error_ms() is not None


def test_a_real_time_clock_below_the_floor_is_no_time():
    old = World({A: Server("silent")}, utc_ms=NOW_MS - 366 * 86400000)
    assert old.keeper.utc_ms() is None
    right = World({A: Server("silent")}, utc_ms=NOW_MS)
    assert right.keeper.utc_ms() == NOW_MS


def test_the_floor_is_written_once_a_day():
    world = World({A: Server()})
    stores = [0]
    store = world.keeper.store

    def counting():
        stores[0] += 1
        store()

    world.keeper.store = counting
    world.run(86400000 * 5)
    assert 4 <= stores[0] <= 6


def test_a_damaged_floor_file_is_no_floor():
    with open(FLOOR_FILE, "w") as file:
        file.write("\x00rubbish")
    world = World({A: Server()}, keep_floor=True).run(3000)
    assert world.error_ms() is not None


def test_a_jump_needs_two_that_agree():
    world = World({A: Server(), B: Server()}).run(3000)
    world.servers[A].ahead_ms = 400 * 86400000  # one server is wrong by a year, or a liar
    world.run(3600000 * 10)
    assert abs(world.error_ms()) < 25
    assert any(["asking again" in line for line in world.lines])
    world.servers[B].ahead_ms = 400 * 86400000
    world.run(3600000 * 4)
    assert abs(world.error_ms() - 400 * 86400000) < 25, "both say so: it is our clock that was wrong"


def test_absurd_times():
    for ahead_ms in (100 * 365 * 86400000, -60 * 365 * 86400000):
        world = World({A: Server(ahead_ms=ahead_ms)}).run(30000)
        assert world.error_ms() is None and world.keeper.floor_ms == timekeeper._BUILT_MS


def test_without_a_server_a_person_is_asked_once():
    lines = []
    clock = Clock()
    keeper = Timekeeper(clock, None, lines.append)
    for _ in range(100):
        keeper.step()
    assert lines == ["clock is not set: set it at the console, or name time_servers in it.json"]
    clock.set_utc_ms(NOW_MS)
    assert keeper.step() == 500 and keeper.utc_ms() == NOW_MS


class Believer(Timekeeper):
    def _judge(self, source):
        self._clock.set_utc_ms(source.utc_ms)


def test_mutant_that_believes_everything_is_caught():
    world = World({A: Server(ahead_ms=-86400000 * 300)})
    world.keeper = Believer(world.clock, world.sntp, world.lines.append)
    world.run(3000)
    assert world.clock.utc_ms() is not None and world.clock.utc_ms() < world.true_ms() - 86400000
