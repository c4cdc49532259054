"""Runs on the emulated Pico: polls of a saturated line, by our engine and by micropython-modbus.

Every function prints one line of words that the test on the host reads.
"""

import asyncio
import gc
import io
import random
import time

from machine import Pin

from modbus.bus import Bus
from modbus.line import Line
from modbus.plan import Plan
from ports.rp2.clock import Clock
from ports.rp2.uart_rs485 import Rs485

UART = 1
TX = 4
RX = 5
REGISTERS = 10


def saturated(line, registers=REGISTERS):
    """A plan of one read of so many registers that is due again at once."""
    point = {"name": "p", "fc": 3, "address": 0, "type": "uint16", "period_ms": 60000}
    points = [dict(point, name="p%d" % i, address=i) for i in range(registers)]
    plan = Plan(line, [{"name": "unit", "unit_id": 1, "points": points, "max_registers": 125}])
    plan.reads[0].period_ms = 1  # no plan would allow that
    return plan


class Poller:
    """A saturated line."""

    def __init__(self, port, clock, baud, serial_format, polls, registers=REGISTERS):
        self.registers = registers
        self.good = 0
        self.events = 0
        self.polls = polls
        line = Line("line1", baud, serial_format)
        self.bus = Bus(port, clock, line, saturated(line, registers), self.result, self.event, random.randrange)

    def result(self, read, quality, ticks_ms, buf, nbytes):
        """Count a reply whose first and last registers are the right ones (register i holds i)."""
        if quality == 0 and nbytes == 2 * self.registers and buf[1] == 0 and buf[nbytes - 1] == self.registers - 1:
            self.good += 1
        if self.polls and self.good == self.polls:
            self.bus.stop()

    def event(self, code, a, b):
        """No event is due."""
        self.events += 1


def wiring(driver):
    return {"uart": UART, "tx": TX, "rx": RX, "de": driver}


def ours(baud, serial_format, driver, polls, registers=REGISTERS):
    """Engine alone. Prints: good replies, events, what the engine thinks of its efficiency in permille."""
    port = Rs485(wiring(driver), baud, serial_format)
    poller = Poller(port, Clock(), baud, serial_format, polls, registers)
    gc.collect()
    asyncio.run(poller.bus.run(asyncio.sleep_ms))
    port.close()
    print(poller.good, poller.events, poller.bus.stats()["efficiency_permille"])


def their_serial(baud, serial_format="8N1", driver=None):
    """micropython-modbus's client."""
    from umodbus.serial import Serial

    parity = None if serial_format[1] == "N" else 0
    return Serial(uart_id=UART, baudrate=baud, parity=parity, pins=(Pin(TX), Pin(RX)), ctrl_pin=driver)


def theirs(baud, serial_format, driver, polls, registers=REGISTERS):
    """micropython-modbus's Serial on the same line. Prints: good replies."""
    host = their_serial(baud, serial_format, driver)
    gc.collect()
    good = 0
    for _ in range(polls):
        try:
            good += tuple(host.read_holding_registers(1, 0, registers, False)) == tuple(range(registers))
        except (OSError, ValueError):
            pass  # its driver was on when the reply began
    print(good)


async def _hog(bus, hold_ms, rest_ms, turns, clock):
    """Another task: holds the loop, makes garbage and collects it; stops the bus after its turns."""
    for _ in range(turns):
        start = clock.ticks_ms()
        while clock.ticks_diff(clock.ticks_ms(), start) < hold_ms:
            bytearray(64)
        gc.collect()
        await asyncio.sleep_ms(rest_ms)
    bus.stop()


async def _with_hog(bus, hold_ms, rest_ms, turns, clock):
    asyncio.create_task(_hog(bus, hold_ms, rest_ms, turns, clock))
    await bus.run(asyncio.sleep_ms)


def beside(baud, serial_format, driver, hold_ms, rest_ms, turns, naive):
    """Engine beside a task that holds the loop for `hold_ms` at a time. Prints: good replies, events.

    naive: the driver is taken down when the engine looks at the port (the mutant of the test).
    """
    clock = Clock()
    port = Rs485(wiring(driver), baud, serial_format)
    if naive:
        port = NaivePort(port)
    poller = Poller(port, clock, baud, serial_format, 0)
    asyncio.run(_with_hog(poller.bus, hold_ms, rest_ms, turns, clock))
    port.close()
    print(poller.good, poller.events)


class NaivePort:
    """The port without its timer: what many drivers do."""

    rest_ms = 0

    def __init__(self, port):
        self.port = port
        self.receive_into = port.receive_into
        self.close = port.close

    def send(self, frame):
        self.port._driver(1)
        self.port._uart.write(frame)

    def available(self):
        if self.port._uart.txdone():
            self.port._driver(0)
        return self.port._uart.any()


LOOKS = 16  # at the port between two at the clock, while a reply is awaited


class FastClock:
    """The real clock, but that milliseconds pass as fast as microseconds: a read is due again at once."""

    ticks_us = time.ticks_us
    ticks_ms = time.ticks_us
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add


class ReadyPort:
    """A port on which the reply is there after `rounds` * LOOKS looks, for so many polls. None of it is bytecode."""

    rest_ms = 0
    send = len

    def __init__(self, reply, rounds, polls):
        # In the order in which they are asked for: the reply is awaited, then the gate looks once.
        answers = [0] * (rounds * LOOKS) + [len(reply), 0]
        self.available = list(reversed([0] + answers * polls)).pop
        self.receive_into = io.BytesIO(bytes(reply) * polls).readinto


def _callback_us(callback):
    """us of one call of a callback, without the loop around it."""
    start = time.ticks_us()
    for _ in range(200):
        callback(None, 0, 0, b"", 0)
    taken = time.ticks_diff(time.ticks_us(), start)
    start = time.ticks_us()
    for _ in range(200):
        pass
    return (taken - time.ticks_diff(time.ticks_us(), start)) / 200


def _reply():
    """What unit 1 answers: register i holds i."""
    from modbus import adu

    return adu.build(1, b"\x03\x14" + b"".join(bytes([0, i]) for i in range(REGISTERS)))


def _transaction_us(polls, rounds):
    """(good replies, us of one transaction with so many rounds of looks, without the callback)."""
    from modbus.cells import FIRST_US, SILENCE_US, WIRE_US

    port = ReadyPort(_reply(), rounds, polls + 4)
    line = Line("line1", 115200, "8N1")
    plan = saturated(line)
    callback = "".format  # takes whatever it is given
    bus = Bus(port, FastClock, line, plan, callback, print, random.randrange)
    bus.scheduler.table[WIRE_US] = bus.scheduler.table[FIRST_US] = 0  # a look is of use at once
    bus.engine.cells[SILENCE_US] = 0  # and no gap
    step = bus.step
    gc.collect()
    for _ in range(4):
        step()
    before = bus.evidence.totals()[1]
    start = time.ticks_us()
    for _ in range(polls):
        step()
    taken_us = time.ticks_diff(time.ticks_us(), start) / polls
    return bus.evidence.totals()[1] - before, taken_us - _callback_us(callback)


def processor(polls):
    """CPU of one transaction beside waiting: prints good replies, us per transaction.

    Two runs differ by one round of looks at the port, which is waiting: the first has as much of it.
    """
    good, one_us = _transaction_us(polls, 1)
    _, two_us = _transaction_us(polls, 2)
    print(good, int(2 * one_us - two_us))


class Stand:
    """A UART for micropython-modbus at which the reply is there at once. None of it is bytecode."""

    def __init__(self, reply, polls):
        self.any = [1].copy
        self.read = list(reversed([b"", bytes(reply)] * polls)).pop  # it reads before it asks, to be rid of old bytes
        self.write = len
        self.flush = [].copy


class Awake:
    """`time` that does not sleep."""

    ticks_us = time.ticks_us
    ticks_diff = time.ticks_diff
    sleep_us = abs


def their_processor(polls):
    """CPU of one transaction of micropython-modbus beside waiting: prints good replies, us per transaction."""
    from umodbus import serial

    host = their_serial(115200)
    host._uart = Stand(_reply(), polls + 2)
    serial.time = Awake
    good = 0
    for _ in range(2):
        host.read_holding_registers(1, 0, REGISTERS, False)
    gc.collect()
    start = time.ticks_us()
    for _ in range(polls):
        good += len(host.read_holding_registers(1, 0, REGISTERS, False)) == REGISTERS
    print(good, time.ticks_diff(time.ticks_us(), start) // polls)
