"""Measures this engine and micropython-modbus's Serial on the same line in virtual time (MicroPython only).

Prints one line of `key=value` words per case. Every look at the clock costs 4 us and every call of the UART 3 us,
for both; other processor time does not exist here, so what shows is the structure: sleeps, rounding, waits.
CPU per transaction is measured apart on real time, against a UART that answers at once.

Used by `fieldgate.bench_bus`. CYCLES in the environment: transactions per case.
"""

import os
import sys
import time

import line as wire
from clock import Clock, VirtualLoop
from line import Wire, sealed
from modbus.bus import Bus
from modbus.line import Line
from modbus.plan import Plan
from rig import Rand, unit

CYCLES = int(os.getenv("CYCLES") or "40")
BAUDS = (9600, 19200, 115200)
FORMATS = ("8N1", "8E1")
REGISTERS = (1, 10, 60, 125)
TURNAROUND_US = 2000
DECODE_US = 1900  # decoding of ten points in plain bytecode, measured on an RP2040


def saturated(line, registers):
    """A plan of one read that is due again at once."""
    plan = Plan(line, [unit(1, ((0, registers, 60000),), max_registers=125)])
    plan.reads[0].period_ms = 1
    return plan


def port_on(clock, line):
    """The modelled line with one unit; the stand-ins of `machine` belong to it."""
    cable = Wire(clock, line.baud, line.char_bits, [wire.Unit(1, turnaround_us=TURNAROUND_US)])
    Uart.wire = cable
    Pin.clock = clock
    Pin.fell.clear()
    return cable


def ours(line, registers, driver=0):
    """Engine and its event loop, decoding included. Returns the wire, and when results were decoded."""
    clock = Clock(look_us=4)
    cable = port_on(clock, line)
    port = our_port(line) if driver else cable
    loop = VirtualLoop(clock)
    decoded = []

    def result(read, quality, ticks_ms, buf, nbytes):
        assert quality == 0 and nbytes == 2 * registers
        decoded.append((clock.us, clock.us + DECODE_US))
        clock.advance_us(DECODE_US)

    bus = Bus(port, clock, line, saturated(line, registers), result, print, Rand(1))
    loop.spawn(bus.run(loop.sleep_ms))
    while len(cable.frames) < CYCLES:
        loop.run_ms(200)
    return cable, decoded


def our_port(line):
    """The rp2 boards' own port with a driver pin, over the modelled line."""
    from ports.rp2.uart_rs485 import Rs485

    return Rs485({"uart": 0, "tx": 0, "rx": 1, "de": 2}, line.baud, line.serial_format)


class Uart:
    """machine.UART as micropython-modbus and our port use it, over the modelled line."""

    wire = None

    def __init__(self, *_, **__):
        pass

    def any(self):
        return self.wire.available()

    def read(self):
        buf = bytearray(300)
        n = self.wire.available()
        return bytes(buf[: self.wire.receive_into(buf, n)]) if n else None

    def readinto(self, buf, n):
        return self.wire.receive_into(buf, n)

    def write(self, data):
        self.wire.send(data)

    def flush(self):
        """Blocks until the last byte has left, as the driver does."""
        self.wire.clock.us = max(self.wire.clock.us, self.wire.frames[-1][1] // 1000)

    def txdone(self):
        self.wire.clock.us += 1
        return self.wire.clock.us * 1000 >= self.wire.frames[-1][1]


class Pin:
    """The driver pin; remembers when it fell."""

    OUT = 1
    fell = []
    clock = None

    def __init__(self, *_, **__):
        pass

    def __call__(self, level):
        if not level:
            self.off()

    def on(self):
        pass

    def off(self):
        self.fell.append(self.clock.us)


class Timer:
    """A hard timer: its callback runs at its time to the microsecond and costs the code that it interrupts nothing."""

    ONE_SHOT = 0

    def __init__(self, _):
        pass

    def init(self, mode, period, tick_hz, callback, hard):
        clock = Pin.clock
        now = clock.us
        clock.us = now + period * 1000000 // tick_hz
        callback(self)
        clock.us = now


class Time:
    """The parts of `time` that micropython-modbus uses."""

    def __init__(self, clock):
        self.clock = clock
        self.ticks_us = clock.ticks_us
        self.ticks_diff = clock.ticks_diff

    def sleep_us(self, us):
        self.clock.us += max(0, us)


class Machine:
    UART = Uart
    Pin = Pin
    Timer = Timer


sys.modules["machine"] = Machine  # for what is imported from now on: ports and umodbus


def their_serial(clock, line, driver):
    from umodbus import serial

    serial.time = Time(clock)
    parity = None if line.serial_format[1] == "N" else 0
    return serial.Serial(1, line.baud, parity=parity, pins=(1, 2), ctrl_pin=3 if driver else None)


def theirs(line, registers, driver):
    """micropython-modbus's Serial asked again and again; decoding included."""
    clock = Clock(look_us=4)
    port = port_on(clock, line)
    host = their_serial(clock, line, driver)
    for _ in range(CYCLES):
        assert len(host.read_holding_registers(1, 0, registers)) == registers
        clock.advance_us(DECODE_US)
    return port


def report(who, line, registers, driver, port):
    """Efficiency, gaps before requests, spread of the cycle."""
    frames = port.frames[2:]
    begins = [frame[0] // 1000 for frame in frames]
    cycles = sorted(b - a for a, b in zip(begins, begins[1:]))
    gaps = sorted(frame[2] // 1000 for frame in frames)
    mean = (begins[-1] - begins[0]) / (len(begins) - 1)
    t35 = line.t35_us
    ideal = line.chars_us(8) + line.chars_us(5 + 2 * registers) + max(TURNAROUND_US, t35) + t35
    late = 0
    if driver:
        late = max(fell - frame[1] // 1000 for fell, frame in zip(Pin.fell[2:], frames))
    values = (who, line.baud, line.serial_format, registers, driver, ideal, mean, ideal / mean, t35)
    print(
        "%s baud=%d format=%s registers=%d driver=%d ideal_us=%d mean_us=%.0f efficiency=%.4f t35_us=%d" % values,
        end=" ",
    )
    values = (gaps[0], gaps[-1], cycles[-1] - cycles[0], len([1 for e in port.errors if "gap" in e]), late)
    print("gap_min_us=%d gap_max_us=%d spread_us=%d short_gaps=%d driver_late_us=%d" % values)


class Instant:
    """A port and UART that answers at once: for CPU time only."""

    rest_ms = 1
    reply = sealed(bytes((1, 3, 20)) + bytes(20))

    def __init__(self):
        self.there = 0

    def send(self, frame):
        self.there = 25

    write = send

    def available(self):
        return self.there

    any = available

    def receive_into(self, buf, n):
        buf[0:25] = self.reply
        self.there = 0
        return 25

    def read(self):
        there, self.there = self.there, 0
        return self.reply if there else None

    def flush(self):
        pass


def processor():
    """CPU time of one transaction of ten registers on this machine, waits left out."""
    rounds = 3000
    line = Line("x", 115200, "8N1")
    for _ in range(2):
        clock = Clock(look_us=1200)  # no wait lasts longer than one look
        port = Instant()
        bus = Bus(port, clock, line, saturated(line, 10), lambda *_: None, print, Rand(1))
        start = time.ticks_us()
        counts = bus.evidence.tallies[0].counts
        while counts[1] < rounds:
            clock.us += bus.step()
        own = time.ticks_diff(time.ticks_us(), start) / rounds
    clock = Clock(look_us=0)
    host = their_serial(clock, line, False)
    host._uart = Instant()
    start = time.ticks_us()
    for _ in range(rounds):
        host.read_holding_registers(1, 0, 10)
    print("cpu ours_us=%.1f theirs_us=%.1f" % (own, time.ticks_diff(time.ticks_us(), start) / rounds))


def diagram():
    """Two cycles of ours at 19200 8E1: every interval in us from the first request."""
    line = Line("x", 19200, "8E1")
    port, decoded = ours(line, 10)
    frames = port.frames[10:13]
    zero = frames[0][0]
    for frame in frames:
        print("part kind=request from_us=%d to_us=%d" % ((frame[0] - zero) // 1000, (frame[1] - zero) // 1000))
    for begin, end, _ in port.replies:
        if zero <= begin < frames[2][1]:
            print("part kind=reply from_us=%d to_us=%d" % ((begin - zero) // 1000, (end - zero) // 1000))
    for begin, end in decoded:
        if zero <= begin * 1000 < frames[2][1] + 2000000:
            print("part kind=decode from_us=%d to_us=%d" % (begin - zero // 1000, end - zero // 1000))


def main():
    for baud in BAUDS:
        for serial_format in FORMATS:
            line = Line("x", baud, serial_format)
            for registers in REGISTERS:
                for driver in (0, 1):
                    report("ours", line, registers, driver, ours(line, registers, driver)[0])
                    report("theirs", line, registers, driver, theirs(line, registers, driver))
    processor()
    diagram()


if __name__ == "__main__":
    main()
