"""Runs on the emulated Pico: the whole application, wired as main.py does it, with a broker that lives in the Pico.

The broker stands for the Wi-Fi chip and what is behind it: it accepts everything and takes as long for a write as a
socket of the Pico W did when it was measured in the emulator. RS-485 port, clock and flash are the real ones.
"""

import asyncio
import gc
import sys
import time

import micropython

PINNED_FILES = 16
PORTS = ("clock", "uart_rs485", "storage")  # the board's own; for the others something stands in
START_THRESHOLD_BYTES = 40960  # as main.py has it
WRITE_US = 265  # sending 200 bytes through the emulated Wi-Fi chip


def free():
    gc.collect()
    return gc.mem_free()


def imports(names):
    """Import modules, none of which needs one behind it. Prints for each: name, heap bytes, milliseconds; then the same
    for moving their code to flash."""
    rows = []
    for name in names:
        before = free()
        start = time.ticks_ms()
        __import__(name)
        taken_ms = time.ticks_diff(time.ticks_ms(), start)
        rows.append((name, before - free(), taken_ms))
    from ports.rp2 import inplace

    before = free()
    start = time.ticks_ms()
    inplace.settle()
    taken_ms = time.ticks_diff(time.ticks_ms(), start)
    rows.append(("moved", before - free(), taken_ms))
    for row in rows:
        print(*row)


# What is next of an MQTT packet.
_HEAD, _LENGTH, _TOPIC_HIGH, _TOPIC_LOW, _TOPIC, _ID_HIGH, _ID_LOW, _REST = range(8)


class Connection:
    """A broker that grants every wish, until it is `cut`."""

    cut = False
    on_data = None  # called when a batch has come

    def __init__(self):
        self._out = bytearray()
        self._id = bytearray(2)
        self._step = _HEAD

    def state(self):
        return 1

    def write(self, data):
        start = time.ticks_us()
        at = 0
        while at < len(data):
            at = self._take(data, at)
        while time.ticks_diff(time.ticks_us(), start) < WRITE_US:
            pass
        return len(data)

    def _take(self, data, at):
        """Go on in the packet under way, which is not kept: a socket makes no garbage. Returns the place behind."""
        step = self._step
        if step == _TOPIC or step == _REST:
            k = min(self._left, len(data) - at)
            self._left -= k
            if not self._left:
                if step == _REST:
                    self._answer()
                else:
                    self._step = _ID_HIGH
            return at + k
        byte = data[at]
        if step == _HEAD:
            self._first = byte
            self._length = self._shift = 0
            self._step = _LENGTH
        elif step == _LENGTH:
            self._length |= (byte & 0x7F) << self._shift
            self._shift += 7
            if byte < 0x80:
                if self._first >> 4 == 3 and self._first & 6:  # PUBLISH with QoS 1
                    self._step = _TOPIC_HIGH
                else:
                    self._rest(self._length)
        elif step == _TOPIC_HIGH:
            self._left = byte << 8
            self._step = _TOPIC_LOW
        elif step == _TOPIC_LOW:
            self._left |= byte
            self._length -= self._left + 4
            self._step = _TOPIC
        elif step == _ID_HIGH:
            self._id[0] = byte
            self._step = _ID_LOW
        else:
            self._id[1] = byte
            self._rest(self._length)
        return at + 1

    def _rest(self, count):
        self._left = count
        self._step = _REST
        if not count:
            self._answer()

    def _answer(self):
        """The packet is complete."""
        self._step = _HEAD
        kind = self._first >> 4
        if kind == 1:  # CONNECT
            self._out.extend(b"\x20\x02\x00\x00")
        elif kind == 12:  # PINGREQ
            self._out.extend(b"\xd0\x00")
        elif kind == 3 and self._first & 6:
            if not self._first & 1 and Connection.on_data:  # not retained: records
                Connection.on_data()
            self._out.extend(b"\x40\x02")
            self._out.extend(self._id)

    def read_into(self, buf):
        if Connection.cut:
            Connection.cut = False
            raise OSError(104)  # ECONNRESET
        if not self._out:
            return 0  # a socket makes no garbage then
        n = min(len(buf), len(self._out))
        buf[:n] = self._out[:n]
        self._out = self._out[n:]
        return n

    def close(self):
        pass


class Net:
    link = None

    def up(self):
        return True

    def connect(self, host, port):
        return Connection()


class Watchdog:
    def feed(self):
        pass


class Led:
    def set(self, on):
        pass


class Parts:
    """The hardware of wiring.Parts, where it exists in the emulator."""

    def __init__(self, ot, it):
        import board

        from ports.rp2.clock import Clock
        from ports.rp2.storage import open_flash
        from ports.rp2.uart_rs485 import Rs485

        self.clock = Clock()
        self.led = Led()
        self.net = Net()
        self.console = None
        self.rs485 = len(board.RS485)
        self.reset_cause = "power"
        self.flash = open_flash({"pinned_files": PINNED_FILES})
        self.ports = [Rs485(board.RS485[bus["port"]], bus["baud"], bus["serial_format"]) for bus in ot["buses"]]
        self.watchdog = Watchdog()
        self.reset_cause = "power"


def started(figures, make, took, ports=PORTS, watch=None):
    """The application as main.py starts it, on parts that `make` makes; `took(name)` notes the time of a step.

    ports: those of the board that are loaded; watch: called when the start has left memory."""
    from ports.rp2 import names

    figures["names"] = names.take()
    del names
    import wiring
    from gateway import unload

    def make_parts(ot, it):
        took("at_plans_ms")
        parts = make(ot, it)
        took("at_parts_ms")
        return parts

    gc.threshold(START_THRESHOLD_BYTES)
    moved = (0, 0, 0)
    for found in wiring.start(make_parts, ports):
        if found is None:
            took("at_loaded_ms")
            settle = wiring.settler()
            moved = settle()  # no function of the bundle is under way: this file lies beside it
            del settle
            took("at_settled_ms")
    gateway, status = found
    if gateway is None:
        raise RuntimeError("the start ended with status %d" % status)
    del wiring, found
    unload.starters()
    gc.collect()
    took("at_start_ms")
    figures["functions"], figures["functions_moved"], figures["moved_bytes"] = moved
    gc.threshold(-1)
    if watch:
        watch()
    figures["started"] = free()
    return gateway


def run(seconds, saturated, cut_after_s=None, watch=None, polls=0):
    """Start the application and let it work for `seconds`; after `cut_after_s` the broker breaks the connection. With
    `polls` it ends after so many of them, if that is sooner, and the connection breaks half-way.

    watch: called when the start has left memory. Prints name and number of each figure, then the state of the heap.
    """
    figures = {"boot": free()}
    start = time.ticks_ms()

    def took(name):
        if name not in figures:
            figures[name] = time.ticks_diff(time.ticks_ms(), start)

    gateway = started(figures, Parts, took, PORTS, watch)
    bus = gateway.buses[0]
    begin = time.ticks_ms()
    if saturated:
        from modbus.cells import DEADLINE_MS, PERIOD_MS, READ_CELLS, READY_MS

        table = bus.scheduler.table
        for row in range(0, len(table), READ_CELLS):
            table[row + PERIOD_MS] = 1  # no plan would allow that
            table[row + DEADLINE_MS] = time.ticks_add(table[row + READY_MS], 1)
    gateway.tap = lambda read, quality, data, nbytes: took("first_poll_ms")
    Connection.on_data = lambda: took("first_publish_ms")

    async def wait(end_s, end_polls):
        while time.ticks_diff(time.ticks_ms(), begin) < end_s * 1000:
            if polls and gateway.buses[0].stats()["requests"] >= end_polls:
                break
            await asyncio.sleep_ms(200)

    async def limited():
        task = asyncio.create_task(gateway.run())
        if polls or cut_after_s is not None:
            await wait(seconds if polls else cut_after_s, polls // 2)
            figures["before_cut"] = free()
            Connection.cut = True
        await wait(seconds, polls)
        figures["running_low"] = gc.mem_free()
        figures["running"] = free()
        micropython.mem_info()
        task.cancel()

    asyncio.run(limited())
    stats = bus.stats()
    for name in ("requests", "replies", "timeouts", "crc_errors", "efficiency_permille", "skipped"):
        figures[name] = stats[name]
    for name in stats["pause_ms"]:
        figures["pause_%s_ms" % name] = stats["pause_ms"][name]
        figures["pauses_%s" % name] = bus.pauses[list(stats["pause_ms"]).index(name)]
    figures["hold_max_ms"] = gateway.keeper.hold_max_ms
    figures["acked"] = gateway.session.acked
    figures["connects"] = gateway.session.connects
    figures["log_depth"] = gateway.log.depth()
    figures["erases"] = gateway.log.stats.erases
    for name in figures:
        print(name, figures[name])
    for name in sorted(sys.modules):
        print("loaded", name)
