"""Runs on the emulated Pico: the whole application of app_runs, watched from inside.

Notes the time of each sample, how long the bus task holds the processor, and the longest time between two turns of a
task that looks for a key press at each, as the console does.
"""

import asyncio
import select
import sys
import time
from array import array

import app_runs

_us = time.ticks_us
_diff = time.ticks_diff
TURN_MS = 10  # a console looks so often for a key
taken = array("i")
holds = array("i", bytes(12 * 900))  # of each that took long: place in `names`, begin in ticks_us, us
names = []
noted = [0, 2000]  # so many of them, shorter ones are not noted
TASKS = ("keeper", "uplink", "reports", "change")  # in the order in which Gateway.run starts them, behind the buses
pauses = array("i")  # of each: cause, wished or begun at, over at (ticks_ms)
busy = [0, 0, 0]  # us in the bus task, us altogether, longest time between two looks for a key in us


def name(text):
    """Its place in `names`."""
    names.append(text)
    return len(names) - 1


def note_hold(what, start):
    """Note what held the loop from `start` on, if that was long."""
    took = _diff(_us(), start)
    at = noted[0]
    if took > noted[1] and at < len(holds):
        holds[at] = what
        holds[at + 1] = start
        holds[at + 2] = took
        noted[0] = at + 3


class Timed:
    """A coroutine that notes how long its steps take."""

    def __init__(self, coroutine):
        self.coroutine = coroutine
        self.send = self.step

    def step(self, value):
        start = _us()
        try:
            return self.coroutine.send(value)
        finally:
            busy[0] += _diff(_us(), start)

    def throw(self, *args):
        return self.coroutine.throw(*args)

    def close(self):
        self.coroutine.close()


class Watched(Timed):
    """The same for a task that is to let the buses go on: long steps are noted."""

    def __init__(self, coroutine, what):
        Timed.__init__(self, coroutine)
        self.what = name(what)

    def step(self, value):
        start = _us()
        try:
            return self.coroutine.send(value)
        finally:
            note_hold(self.what, start)


async def keys():
    """Look for a key at every turn."""
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    last = _us()
    while True:
        poll.poll(0)
        await asyncio.sleep_ms(TURN_MS)
        now = _us()
        gap = _diff(now, last)
        last = now
        busy[1] += gap
        if gap > busy[2]:
            busy[2] = gap


def timed(owner, method_name):
    """Note the long calls of a method."""
    method = getattr(owner, method_name)
    what = name("%s.%s" % (owner.__name__, method_name))

    def call(self, *args):
        start = _us()
        result = method(self, *args)
        note_hold(what, start)
        return result

    setattr(owner, method_name, call)


def watch():
    """Put the watching around the classes of the application, once they lie where they lie on a box."""
    from gateway.app import Gateway
    from gateway.keeper import Keeper
    from gateway.publisher import Publisher
    from gateway.recorder import Recorder
    from modbus.bus import Bus
    from uplink.session import Session

    sample, run_bus, run = Recorder.sample, Bus.run, Gateway.run

    def taking(self, group, quality, ticks_ms, data, nbytes):
        if len(taken) < 1000:
            taken.append(ticks_ms)
        return sample(self, group, quality, ticks_ms, data, nbytes)

    ask, done, held = Bus.ask, Bus.done, Bus.held
    asked = {}

    def asks(self, cause):
        if cause not in asked:
            asked[cause] = time.ticks_ms()
        return ask(self, cause)

    def is_done(self, cause):
        done(self, cause)
        if cause in asked and len(pauses) < 3 * 200:
            pauses.extend((cause, asked.pop(cause), time.ticks_ms()))

    def was_held(self, cause, held_us, free_us):
        held(self, cause, held_us, free_us)
        if held_us > free_us and len(pauses) < 3 * 200:
            now = time.ticks_ms()
            pauses.extend((cause, now - held_us // 1000, now))

    timed(Session, "service")
    timed(Publisher, "step")
    timed(Keeper, "_write")
    Bus.ask, Bus.done, Bus.held = asks, is_done, was_held

    def run_all(self):
        asyncio.create_task(keys())
        core, left = asyncio.core, list(TASKS)
        create = core.create_task

        def create_task(coroutine):
            if not isinstance(coroutine, Timed) and left:
                coroutine = Watched(coroutine, left.pop(0))
            return create(coroutine)

        core.create_task = create_task  # what gather uses
        return run(self)

    Recorder.sample = taking
    Bus.run = lambda self, sleep_ms: Timed(run_bus(self, sleep_ms))
    Gateway.run = run_all


def run(seconds, saturated, long_us=2000):
    """Prints what app_runs.run prints, then bus_us, all_us, key_us, what held the loop for longer than long_us, the
    pauses of the bus, and the time of each sample in ms."""
    noted[1] = long_us
    app_runs.run(seconds, saturated, None, watch)
    print("bus_us", busy[0])
    print("all_us", busy[1])
    print("key_us", busy[2])
    for i in range(0, noted[0], 3):
        print("hold", names[holds[i]], holds[i + 1], holds[i + 2])
    for i in range(0, len(pauses), 3):
        print("pause", pauses[i], pauses[i + 1], pauses[i + 2])
    for ticks_ms in taken:
        print("taken", ticks_ms)
