"""Stand-ins of machine, network, socket and select that behave as MicroPython's documentation and drivers say.

They refuse what the drivers refuse: pins of another UART and watchdogs beyond their range with ValueError, unknown
settings of a WLAN with ValueError, names instead of addresses with OSError. Time is the fake clock's.

    with Modules("rp2", clock) as modules: from ports.rp2.led import Led ...

MicroPython only.
"""

import errno
import sys

FIFO_BYTES = 32


class Namespace:
    """A module's stand-in: names and what they are."""

    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


class WatchdogBite(BaseException):
    """The watchdog has reset the board: nobody may catch it."""


class FakePin:
    IN = 0
    OUT = 1
    edges = []  # (microseconds, pin, level) of all pins; cleared by Modules

    def __init__(self, pin, mode=-1, value=None):
        self.number = pin
        self.mode = mode
        self.level = None
        if value is not None:
            self(value)

    def __call__(self, level):
        self.level = level
        FakePin.edges.append((FakePin.clock.ticks_us(), self.number, level))


class FakeUART:
    """Sends at the speed of the line; what arrives beyond 32 bytes of FIFO and the driver's buffer is lost."""

    def __init__(self, number, baud, bits, parity, stop, tx, rx, timeout, txbuf, rxbuf):
        if FakeUART.port == "rp2" and (tx.number & 3 or (tx.number + 4 & 8) >> 3 != number):
            raise ValueError("bad TX pin")
        assert timeout == 0, "a read must not wait"
        self.char_us = (1 + bits + (parity is not None) + stop) * 1000000 // baud
        self.sent = []
        self._until = FakePin.clock.ticks_us()
        self._got = bytearray()
        self._room = rxbuf + FIFO_BYTES
        self._txbuf = txbuf
        self.lost = 0
        FakeUART.last = self

    def write(self, data):
        assert len(data) <= self._txbuf, "would wait for room"
        self.sent.append((FakePin.clock.ticks_us(), bytes(data)))
        self._until = FakePin.clock.ticks_add(FakePin.clock.ticks_us(), len(data) * self.char_us)
        return len(data)

    def txdone(self):
        return FakePin.clock.ticks_diff(FakePin.clock.ticks_us(), self._until) >= 0

    def arrive(self, data):
        room = self._room - len(self._got)
        self._got += data[:room]
        self.lost += max(0, len(data) - room)

    def any(self):
        return len(self._got)

    def readinto(self, buf, n):
        assert n <= len(self._got), "would wait for more than has arrived"
        buf[:n] = self._got[:n]
        self._got = self._got[n:]
        return n

    def read(self, n):
        data, self._got = self._got[:n], self._got[n:]
        return bytes(data)

    def deinit(self):
        FakeUART.last = None


class ChipReset(BaseException):
    """machine.reset() was called."""


class FakeTimer:
    ONE_SHOT = 0
    PERIODIC = 1
    last = None

    def __init__(self, number):
        if FakeUART.port == "rp2":
            assert number == -1, "rp2 has software timers only"
        else:
            assert 0 <= number < 4, "esp32 has four"
        self.callback = None
        FakeTimer.last = self

    def init(self, mode, period, callback, tick_hz=1000, hard=False):
        if hard and FakeUART.port == "esp32":
            raise ValueError("hard Timers are not implemented")
        self._again = (mode, period, callback, tick_hz)
        self.due_us = FakePin.clock.ticks_add(FakePin.clock.ticks_us(), period * 1000000 // tick_hz)
        self.callback = callback

    def deinit(self):
        self.callback = None

    def pass_time(self):
        """Run the callback if it is due, as the interrupt does."""
        if self.callback and FakePin.clock.ticks_diff(FakePin.clock.ticks_us(), self.due_us) >= 0:
            callback, self.callback = self.callback, None
            if self._again[0] == self.PERIODIC:
                self.init(*self._again)
            callback(self)


class FakeWDT:
    """Bites when time passes without feed(); `look` is called by the test for every step of time."""

    def __init__(self, timeout):
        if FakeUART.port == "rp2" and timeout > 8388:
            raise ValueError("timeout exceeds 8388")
        self.timeout_ms = timeout
        self.feed()
        FakeWDT.last = self

    def feed(self):
        self.fed = FakePin.clock.ticks_ms()

    def look(self):
        if FakePin.clock.ticks_diff(FakePin.clock.ticks_ms(), self.fed) > self.timeout_ms:
            raise WatchdogBite()


class FakeWLAN:
    """One radio. `world`: name -> (key, milliseconds until an address is held); others are not found."""

    IF_STA = 0
    PM_PERFORMANCE = 1
    world = {}

    def __init__(self, interface):
        FakeWLAN.last = self
        self.is_active = False
        self.settings = {}
        self.attempts = []
        self._wanted = None
        self.address = "dhcp"

    def active(self, on):
        self.is_active = on

    def config(self, **settings):
        for name in settings:
            if name == "reconnects" and FakeUART.port == "rp2":
                raise ValueError("unknown config param")
        self.settings.update(settings)

    def connect(self, name, key):
        assert self.is_active
        if FakeUART.port == "esp32" and self._wanted is not None:
            raise OSError("Wifi Internal State Error")
        self.attempts.append(name)
        self._wanted = (name, key, FakePin.clock.ticks_ms())

    def disconnect(self):
        if self._wanted is None:
            raise OSError(errno.EIO)
        self._wanted = None

    def status(self, what=None):
        if what == "rssi":
            return -61
        rp2 = FakeUART.port == "rp2"
        if self._wanted is None:
            return 0 if rp2 else 1000
        name, key, began = self._wanted
        if FakePin.clock.ticks_diff(FakePin.clock.ticks_ms(), began) < 3000:
            return 1 if rp2 else 1001
        if name not in self.world:
            return -2 if rp2 else 201
        if self.world[name][0] != key:
            return -3 if rp2 else 202
        return 3 if self.isconnected() else 1

    def isconnected(self):
        if self._wanted is None:
            return False
        name, key, began = self._wanted
        entry = self.world.get(name)
        return bool(entry and entry[0] == key and FakePin.clock.ticks_diff(FakePin.clock.ticks_ms(), began) >= entry[1])

    def ifconfig(self, address=None):
        self.address = address or self.address
        return self.address

    def scan(self):
        near = [(b"plant", b"", 1, -70, 4, 0), (b"plant", b"", 6, -50, 4, 0), (b"guests", b"", 1, -60, 0, 0)]
        return near + [(b"", b"", 1, -30, 4, 1), (b"\xff\xfe", b"", 1, -40, 4, 0)]


class FakeNic:
    """LAN and WIZNET5K: remembers how it was made."""

    def __init__(self, **options):
        self.options = options
        self.cable = False
        self.calls = []
        FakeNic.last = self

    def active(self, on):
        self.calls.append(("active", on))

    def isconnected(self):
        return self.cable

    def ifconfig(self, address):
        self.calls.append(("ifconfig", address))

    def ipconfig(self, **settings):
        self.calls.append(("ipconfig", settings))


class FakeSocket:
    """A socket of lwIP: connecting takes a while, and how it ends stands in `fate`: "open", "refused" or "slow"."""

    fate = "open"
    taken = (80,)  # ports that are in use

    def __init__(self, family, kind):
        self.kind = kind
        self.blocking = True
        self.options = []
        self.inbox = []
        self.outbox = b""
        self.room = 1000
        self.peer_closed = False
        self.closed = 0
        FakeSocket.last = self

    def setblocking(self, on):
        self.blocking = on

    def setsockopt(self, level, option, value):
        self.options.append((level, option, value))

    def connect(self, address):
        assert not self.blocking and isinstance(address[0], str) and address[0][0].isdigit()
        if self.kind == 1:
            raise OSError(errno.EINPROGRESS)

    def bind(self, address):
        assert isinstance(address[0], str) and address[0][0].isdigit()
        if address[1] in self.taken:
            raise OSError(errno.EADDRINUSE)
        self.bound = address

    def listen(self, backlog):
        self.callers = []
        self.broken = False

    def accept(self):
        assert not self.blocking, "would wait for somebody"
        if self.broken:
            raise OSError(errno.EIO)
        return self.callers.pop(0)

    def write(self, data):
        taken = min(len(data), self.room)
        self.outbox += bytes(data[:taken])
        self.room -= taken
        return taken or None

    send = write

    def readinto(self, buf):
        if not self.inbox:
            return 0 if self.peer_closed else None
        data = self.inbox.pop(0)
        buf[: len(data)] = data
        return len(data)

    def recv(self, count):
        if self.fate == "refused":
            raise OSError(errno.ECONNREFUSED)
        if not self.inbox:
            raise OSError(errno.EAGAIN)
        return self.inbox.pop(0)[:count]

    def close(self):
        self.closed += 1
        if self.closed > 1:
            raise OSError(errno.EBADF)


class FakePoll:
    def register(self, sock, events):
        self.sock = sock

    def ipoll(self, timeout):
        if hasattr(self.sock, "callers"):
            return [(self.sock, 1)] if self.sock.callers else []
        events = {"slow": 0, "open": 4, "refused": 1 | 4}[self.sock.fate]
        return [(self.sock, events)] if events else []


class Modules:
    """Puts the stand-ins in place of the modules for the length of a with block; imports of ports happen inside."""

    def __init__(self, port, clock):
        FakeUART.port = port
        FakePin.clock = clock
        FakePin.edges.clear()
        network = Namespace(
            WLAN=FakeWLAN, LAN=FakeNic, WIZNET5K=FakeNic, PHY_LAN8720=42, names=[], dns="10.0.0.53", countries=[]
        )
        network.hostname = network.names.append
        network.country = network.countries.append
        network.ipconfig = lambda what: network.dns
        self.network = network
        self.modules = {
            "machine": Namespace(
                Pin=FakePin,
                UART=FakeUART,
                Timer=FakeTimer,
                WDT=FakeWDT,
                reset=self._reset,
                unique_id=lambda: b"\x24\xd7\xeb\x0f\x12\x34",
                reset_cause=lambda: 3,
                PWRON_RESET=1,
                HARD_RESET=2,
                WDT_RESET=3,
                DEEPSLEEP_RESET=4,
                SOFT_RESET=5,
            ),
            "network": network,
            "rp2": Namespace(country=network.countries.append),
            "socket": Namespace(
                socket=FakeSocket, AF_INET=2, SOCK_STREAM=1, SOCK_DGRAM=2, IPPROTO_TCP=6, TCP_NODELAY=64,
                SOL_SOCKET=4095, SO_REUSEADDR=4
            ),
            "select": Namespace(poll=FakePoll, POLLIN=1, POLLOUT=4),
        }

    def __enter__(self):
        self._before = {name: sys.modules.get(name) for name in self.modules}
        sys.modules.update(self.modules)
        self._drop_ports()
        return self

    def __exit__(self, *exc):
        for name, module in self._before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        self._drop_ports()

    @staticmethod
    def _reset():
        raise ChipReset()

    def _drop_ports(self):
        for name in list(sys.modules):
            if name.startswith("ports."):
                del sys.modules[name]
