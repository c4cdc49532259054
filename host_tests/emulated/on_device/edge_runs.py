"""Runs on the emulated Pico: what the rules cost for each sample of ten points."""

import gc
import json
import struct
import time

from edge.aggregate import COUNT, MAX, MEAN, MIN, Aggregate
from edge.alarms import HIGH, Alarm, Alarms
from edge.evaluate import Expression
from edge.expression import parse
from edge.inputs import Inputs
from gateway.clock import Uptime
from gateway.edge import Edge
from gateway.recorder import Recorder

POINTS = 10
ROUNDS = 33


class Clock:
    ticks_ms = time.ticks_ms
    ticks_us = time.ticks_us
    ticks_diff = time.ticks_diff
    ticks_add = time.ticks_add

    def utc_ms(self):
        return None


class Gateway:
    def __init__(self):
        self.clock = Clock()
        self.uptime = Uptime(self.clock)
        self.recorder = Recorder(None, self.clock, self.uptime, 1, b"abcd", 1000)


def _meta(type_name, deadband):
    width = 1 if type_name == "uint16" else 2
    points = []
    for i in range(POINTS):
        point = {"name": "p%d" % i, "at": width * i, "type": type_name, "order": "ABCD", "scale": 1, "offset": 0}
        point["unit"] = ""
        points.append(point)
    meta = {"group": 0, "unit": "m", "fc": 4, "count": width * POINTS, "period_ms": 1000, "points": points}
    if deadband is not None:
        meta["deadband"] = {"heartbeat_s": 3600, "points": [deadband] * POINTS}
    return json.dumps(meta)


def _data(type_name, number):
    data = bytearray()
    for i in range(POINTS):
        value = 200 + 10 * i + (number * 7 + i * 3) % 5
        data += struct.pack(">H", value) if type_name == "uint16" else struct.pack(">f", value + 0.1)
    return data


def cost(type_name, deadband, sums, alarms):
    """Prints for samples whose ten values all differ from those before: us (mean, worst), bytes allocated a sample,
    samples recorded."""
    gateway = Gateway()
    names = ["m.p%d" % i for i in range(POINTS)] if sums or alarms else []
    edge = Edge(gateway, Inputs(names))
    if sums:
        what = MIN | MAX | MEAN | COUNT
        edge.sums = tuple([Aggregate(i, what, False, (1, 1), (0, 1), 0, 0) for i in range(POINTS)])
    if alarms:
        made = [Alarm("a%d" % i, i, HIGH, 1000, 990) for i in range(POINTS)]
        edge.alarms = Alarms(gateway.clock, gateway.uptime, made, None, None)
    edge.describe([_meta(type_name, deadband)])
    samples = [_data(type_name, number) for number in range(ROUNDS)]
    ticks = time.ticks_ms()
    for data in samples[:3]:
        edge.take(0, 0, ticks, data, len(data))
    recorder = gateway.recorder
    recorder._reset(recorder._open)
    recorder.records = 0
    took = []
    allocated = 0
    for number, data in enumerate(samples[3:]):
        if not number % 10:
            recorder._reset(recorder._open)  # as if it had been written: a block has room for ten and more
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        start = time.ticks_us()
        edge.take(0, 0, ticks + 1000 * number, data, len(data))
        end = time.ticks_us()
        allocated += gc.mem_alloc() - before
        gc.enable()
        took.append(time.ticks_diff(end, start))
    print(sum(took) // len(took), max(took), allocated // len(took), recorder.records)


def expression():
    """Prints us and bytes of one evaluation of an expression with ten operations, and us to parse it."""
    values = [1.5, 2.5, 3]
    text = "max(m.a * m.b, 3) + abs(m.a - m.b) / 2 > 1 and bit(m.c, 1) = 1"

    def resolve(name):
        return ("abc".index(name[-1]), 1, 0)

    start = time.ticks_us()
    made = parse(text, resolve)
    parsed = time.ticks_diff(time.ticks_us(), start)
    assert isinstance(made, Expression) and made.run(values) == 1
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    start = time.ticks_us()
    for _ in range(20):
        made.run(values)
    took = time.ticks_diff(time.ticks_us(), start)
    allocated = gc.mem_alloc() - before
    gc.enable()
    print(took // 20, allocated // 20, parsed)


def deep():
    """Prints what the parser says of an expression that is as deep as it allows, and of one that is deeper."""
    from edge.expression import ExpressionError

    for depth in (12, 11, 200):
        try:
            print(parse("(" * depth + "1" + ")" * depth, None).run(()))
        except ExpressionError as error:
            print(error)
