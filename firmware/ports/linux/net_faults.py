"""A network that can be cut, delayed and stalled: the virtual board's stand-in for a radio and what lies behind it.

Loaded only where the environment variable FIELDGATE_NET names a file. The file is JSON and may be replaced at any time
(by renaming another over it); within LOOK_MS it acts:

    up          false: no address; connections that stand go silent, new ones fail
    cut         a number; each change resets every connection that stands
    delay_ms    what is sent or received arrives so much later, each way
    stall       true: nothing arrives any more, either way, and nobody says so; what is sent waits, as in TCP
    signal_dbm  what the radio says about its signal

What it leaves out is as in DEFAULTS; a file that cannot be read changes nothing.
"""

import errno
import json

LOOK_MS = 50
HELD_BYTES = 16384  # so much of what is sent waits, then no more is taken: a TCP's send buffer
DEFAULTS = {"up": True, "cut": 0, "delay_ms": 0, "stall": False, "signal_dbm": None}


class Link:
    """The stand-in's radio, see "Seam: network" in firmware/DESIGN.md. path: the file."""

    def __init__(self, path, clock):
        self._path = path
        self.clock = clock
        self.wanted = DEFAULTS
        self._looked = clock.ticks_add(clock.ticks_ms(), -LOOK_MS)
        self.look()

    def look(self):
        """What the file says now."""
        now = self.clock.ticks_ms()
        if self.clock.ticks_diff(now, self._looked) >= LOOK_MS:
            self._looked = now
            try:
                with open(self._path) as file:
                    told = json.load(file)
            except (OSError, ValueError):
                return self.wanted
            self.wanted = {name: told.get(name, DEFAULTS[name]) for name in DEFAULTS}
        return self.wanted

    def up(self):
        """True while an address is held."""
        return self.look()["up"]

    def signal_dbm(self):
        """Strength of the signal, None without one."""
        wanted = self.look()
        return wanted["signal_dbm"] if wanted["up"] else None

    def check(self):
        """Raises OSError where nothing can be reached."""
        if not self.up():
            raise OSError(errno.EHOSTUNREACH)

    def text(self):
        """A few words for a person."""
        return "stand-in (%s), %s dBm" % ("up" if self.up() else "down", self.signal_dbm())


class Path:
    """One direction: pieces with the time at which they arrive."""

    def __init__(self, link):
        self._link = link
        self._pieces = []
        self.size = 0

    def put(self, data):
        """Bytes or a datagram that set out now."""
        clock = self._link.clock
        self._pieces.append((clock.ticks_add(clock.ticks_ms(), self._link.wanted["delay_ms"]), bytes(data)))
        self.size += len(data)

    def due(self):
        """True when a piece has arrived."""
        wanted, clock = self._link.look(), self._link.clock
        if not self._pieces or wanted["stall"] or not wanted["up"]:
            return False
        return clock.ticks_diff(clock.ticks_ms(), self._pieces[0][0]) >= 0

    def take(self, nbytes, whole=False):
        """Up to nbytes of the piece that has arrived; whole: the rest of it is lost, as of a datagram."""
        at, data = self._pieces.pop(0)
        self.size -= len(data)
        if len(data) > nbytes and not whole:
            self._pieces.insert(0, (at, data[nbytes:]))
            self.size += len(data) - nbytes
        return data[:nbytes]

    def give_back(self, data):
        """Bytes of `take` that the next one did not want."""
        self._pieces.insert(0, (self._link.clock.ticks_ms(), data))
        self.size += len(data)


class Connection:
    """A TCP connection of the port behind the stand-in."""

    def __init__(self, link, inner):
        self._link = link
        self._inner = inner
        self._cut = link.wanted["cut"]
        self._began = link.clock.ticks_ms()
        self._out = Path(link)
        self._in = Path(link)
        self._piece = bytearray(1024)
        self._ended = None  # what the peer's side ended with; what was on its way arrives first

    def state(self):
        """As in the seam."""
        wanted, clock = self._look(), self._link.clock
        if wanted["stall"] or not wanted["up"]:
            return 0
        if clock.ticks_diff(clock.ticks_ms(), self._began) < 2 * wanted["delay_ms"]:
            return 0
        return self._inner.state()

    def write(self, data):
        """As in the seam."""
        self._look()
        count = min(len(data), HELD_BYTES - self._out.size)
        if count:
            self._out.put(memoryview(data)[:count])
        self._flush()
        return count

    def read_into(self, buf):
        """As in the seam."""
        self._look()
        self._flush()
        while self._ended is None and self._in.size < HELD_BYTES:
            try:
                count = self._inner.read_into(self._piece)
            except OSError as error:
                self._ended = error
                self._in.put(b"")
                break
            if not count:
                break
            self._in.put(memoryview(self._piece)[:count])
        if not self._in.due():
            return 0
        data = self._in.take(len(buf))
        if not data:
            raise self._ended
        buf[: len(data)] = data
        return len(data)

    def close(self):
        """As in the seam."""
        self._inner.close()

    def _look(self):
        wanted = self._link.look()
        if wanted["cut"] != self._cut:
            raise OSError(errno.ECONNRESET)
        return wanted

    def _flush(self):
        while self._out.due():
            data = self._out.take(HELD_BYTES)
            count = self._inner.write(data)
            if count < len(data):
                self._out.give_back(data[count:])
                return


class Datagram:
    """A UDP socket of the port behind the stand-in: what is sent into a cut or a stall is lost."""

    def __init__(self, link, inner):
        self._link = link
        self._inner = inner
        self._out = Path(link)
        self._in = Path(link)

    def write(self, data):
        """As in the seam."""
        wanted = self._link.look()
        if wanted["up"] and not wanted["stall"]:
            self._out.put(data)
        self._flush()
        return len(data)

    def read_into(self, buf):
        """As in the seam."""
        self._flush()
        count = self._inner.read_into(buf)
        if count:
            self._in.put(memoryview(buf)[:count])
        if not self._in.due():
            return 0
        data = self._in.take(len(buf), True)
        buf[: len(data)] = data
        return len(data)

    def close(self):
        """As in the seam."""
        self._inner.close()

    def _flush(self):
        while self._out.due():
            self._inner.write(self._out.take(HELD_BYTES, True))
