"""Runs on the emulated Pico: what the machine model costs for each sample of ten registers, and each second."""

import gc
import time

from gateway import machine_start
from gateway.clock import Uptime
from gateway.machine import Production, Time
from gateway.recorder import Recorder
from gateway.schema_store import group_text
from production import oee

NAMES = ("word", "speed", "cycles", "good", "reject", "code", "s6", "s7", "s8", "s9")
SETTINGS = {
    "states": [
        {"state": "fault", "when": "plc.word & 2"},
        {"state": "running", "when": "plc.word & 1 and plc.speed > 10.5"},
    ],
    "otherwise": "stopped",
    "noticed": "not plc.word & 4",
    "code": "plc.code",
    "cycles": "plc.cycles",
    "good": "plc.good",
    "reject": "plc.reject",
    "ideal_cycle_ms": 1000,
    "zone": "CET-1CEST,M3.5.0,M10.5.0/3",
    "day_start": "06:00",
    "shifts": [{"name": "early", "days": [1, 2, 3, 4, 5], "start": "06:00", "end": "14:00", "breaks": []}],
    "planned": [],
    "checkpoint_s": 120,
}
ROUNDS = 33
UTC_MS = 1795312800000


class Clock:
    ticks_ms = time.ticks_ms
    ticks_us = time.ticks_us
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add

    def utc_ms(self):
        return UTC_MS + time.ticks_ms()


def _production():
    points = [
        {"name": name, "address": at, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": ""}
        for at, name in enumerate(NAMES)
    ]
    line = "{%s}" % group_text("line1", "plc", 1, 0, 3, 0, 10, 1000, points)
    machine_start.schemas.lines = lambda schema: [line]
    clock = Clock()
    uptime = Uptime(clock)
    now = Time(uptime)
    account = oee.Account(machine_start.calendar_of(SETTINGS))
    machine, sources, groups = machine_start._make(b"abcd", SETTINGS, now, account)
    machine.begin()
    recorder = Recorder(None, clock, uptime, 1, b"abcd", 1000)
    production = Production(recorder, clock, now, machine, sources, groups, SETTINGS)
    machine.note = production.note
    return production, recorder


def _data(what, number):
    data = bytearray(20)
    data[1] = 2 if what == "states" and number & 1 else 1
    data[3] = 20
    if what != "steady":
        data[5] = data[7] = number
    return data


def cost(what):
    """Prints us (mean, worst) and bytes allocated of a sample: "steady" is always the same one, with "counters" two of
    them move each time, with "states" the machine's state besides. Then the same of the step that follows each."""
    production, recorder = _production()
    samples = [_data(what, number) for number in range(ROUNDS)]
    took = ([], [])
    allocated = [0, 0]
    for number, data in enumerate(samples):
        recorder._reset(recorder._open)  # as if it had been written
        for i in (0, 1):
            gc.collect()
            gc.disable()
            before = gc.mem_alloc()
            start = time.ticks_us()
            if i:
                production.step()
            else:
                production.sample(0, 0, time.ticks_ms(), data, len(data))
            end = time.ticks_us()
            if number >= 3:
                allocated[i] += gc.mem_alloc() - before
                took[i].append(time.ticks_diff(end, start))
            gc.enable()
    for i in (0, 1):
        print(sum(took[i]) // len(took[i]), max(took[i]), allocated[i] // len(took[i]))
