"""Runs on the emulated Pico: the record blocks' columns write the same bytes there, and what they cost."""

import gc
import time

from flashlog.columns import plan_of
from flashlog.records import Block, BlockBuilder
from flashlog.workspace import Workspace

NOISE = 40503  # steps through all 16-bit numbers


def same_bytes():
    """The portable test whose digest was taken on a host."""
    import test_flashlog_columns

    test_flashlog_columns.test_every_runtime_writes_the_same_bytes()
    print("same")


def cost(name):
    """Prints for 40 samples, 10 in a block: us to add one (mean, worst), us to take one out again (mean, worst),
    bytes that adding allocated, bytes of all blocks."""
    work = Workspace()
    samples = list(_samples(name))
    size = len(samples[0])
    work.plans[0] = plan_of(size, () if name == "registers" else [(at, 0, True) for at in range(0, size, 4)])
    builder = BlockBuilder(1000, work)
    builder.reset(1, b"abcd", 0, 0)
    for data in samples:  # what is learned and allocated once, is
        builder.sample(0, 0, 0, data, size)
    adding = []
    blocks = []
    allocated = 0
    for first in range(0, 40, 10):
        builder.reset(1, b"abcd", 0, 1000 * first)
        gc.collect()
        gc.disable()
        for i in range(first, first + 10):
            data = samples[i]
            before = gc.mem_alloc()
            start = time.ticks_us()
            fits = builder.sample(0, 0, 1000 * i + 3, data, size)
            end = time.ticks_us()
            allocated += gc.mem_alloc() - before
            assert fits
            adding.append(time.ticks_diff(end, start))
        gc.enable()
        blocks.append(bytes(builder.payload()))
    taking = []
    got = []
    for block in blocks:
        gc.collect()
        rows = iter(Block(block))
        for _ in range(10):
            start = time.ticks_us()
            row = next(rows)
            taking.append(time.ticks_diff(time.ticks_us(), start))
            got.append(bytes(row[5]))
    assert got == samples
    print(sum(adding) // 40, max(adding), sum(taking) // 40, max(taking), allocated, sum([len(b) for b in blocks]))


def _samples(name):
    if name in ("quantised", "raw"):
        import reference_rows

        for number, (_, data) in enumerate(reference_rows.rows(name == "raw")):
            if number < 40:
                yield data
        return
    import struct

    state = 1
    for number in range(40):
        data = b""
        for i in range(30 if name == "floats" else 60):
            state = (state * NOISE + 11) & 0xFFFF
            if name == "floats":
                data += struct.pack(">f", (1000 * i + (state & 7)) / 10)
            else:
                data += struct.pack(">H", 1000 * i + (state & 7))
        yield data
