"""Runs on the emulated Pico: points decoded by code whose floats have single precision, and what one value costs."""

import gc
import time

import points_device
from gateway.latest import _described, _value
from points.numbers import kind_of, number, patterns

_USUAL = {"name": "p", "at": 0, "order": "CDAB", "scale": 1, "offset": 0, "unit": ""}
POINTS = (
    ("uint16", {"type": "uint16", "scale": 0.1}, b"\x09\x1d"),
    ("uint64", {"type": "uint64", "scale": 0.001}, b"\x12\x34\x56\x78\x9a\xbc\x00\x01"),
    ("float32", {"type": "float32"}, b"\x19\x9a\x43\x66"),
    ("float64", {"type": "float64"}, b"\x66\x66\x66\x66\x66\x66\x40\x66"),
    ("bit", {"type": "uint16", "bit": 3}, b"\x00\x08"),
    ("limits and a pattern", {"type": "int16", "scale": 0.1, "na": [-32768], "low": -40, "high": 125}, b"\x00\xeb"),
)


def decode(path):
    """The answers to the cases in a file, see points_device."""
    points_device.decode(path, 2048)


def cost():
    """Prints a line for each of POINTS: us and bytes allocated for the text of one value, us for its number."""
    for name, more, data in POINTS:
        point = dict(_USUAL, **more)
        line = _described(point, [point])
        kind, na = kind_of(point), patterns(point)
        _value(line.split(",", 9), data)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        start = time.ticks_us()
        for _ in range(8):
            _value(line.split(",", 9), data)
        text_us = time.ticks_diff(time.ticks_us(), start) // 8
        allocated = (gc.mem_alloc() - before) // 8
        start = time.ticks_us()
        for _ in range(8):
            number(kind, data, 0, na)
        number_us = time.ticks_diff(time.ticks_us(), start) // 8
        gc.enable()
        print("cost", text_us, allocated, number_us, name)
