"""Runs on the emulated Pico: portable tests of the uplink, and how long its slices take there."""

import gc
import time

from uplink.envelope import BatchEncoder, layout_of


def tests(name):
    """Run a portable test file; prints the number of its tests. What fails raises."""
    module = __import__(name)
    names = sorted([each for each in dir(module) if each.startswith("test_")])
    for each in names:
        gc.collect()
        getattr(module, each)()
    print(len(names))


def encode(raw):
    """Prints for the reference data: us to take a sample, us to encode, us of the longest step, bytes of garbage."""
    import reference_rows

    rows = list(reference_rows.rows(raw))
    encoder = BatchEncoder(1, 4096, 64)
    layouts = {0: layout_of(reference_rows.POINTS)}
    gc.collect()
    gc.disable()
    used = gc.mem_alloc()
    encoder.begin(7, b"abcd", layouts, 123, 0, 5000)
    start = time.ticks_us()
    for at, row in rows:
        encoder.sample(0, 0, 0, 5000 + at, row)
    taken = time.ticks_us()
    longest = 0
    last = taken
    for _ in encoder.steps(None):
        now = time.ticks_us()
        longest = max(longest, time.ticks_diff(now, last))
        last = now
    end = time.ticks_us()
    used = gc.mem_alloc() - used
    gc.enable()
    print(time.ticks_diff(taken, start) // len(rows), time.ticks_diff(end, taken), longest, used)
