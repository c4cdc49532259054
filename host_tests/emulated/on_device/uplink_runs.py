"""Runs on the emulated Pico: portable tests of the uplink, and how long its slices take there."""

import gc
import time

from uplink.points import layout_of


def tests(name):
    """Run a portable test file; prints the number of its tests. What fails raises."""
    module = __import__(name)
    names = sorted([each for each in dir(module) if each.startswith("test_")])
    for each in names:
        gc.collect()
        getattr(module, each)()
    print(len(names))


def encode(raw, kind="columns"):
    """Prints for the reference data: us to take a sample, us to encode, us of the longest step, bytes of garbage."""
    import reference_rows

    if kind == "typed":
        from uplink.typed import TypedEncoder as Encoder
    else:
        from uplink.envelope import BatchEncoder as Encoder
    rows = list(reference_rows.rows(raw))
    encoder = Encoder(1, 4096, 64)
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


def decimals(words, columns):
    """The text of each float32 (hex digits) as the box publishes it; then us of the longest and bytes of garbage.

    columns: the column coder is in memory, as with the default payload."""
    if columns:
        __import__("uplink.columns")
    from gateway import decimals
    from uplink.points import FLOAT32

    longest = 0
    gc.collect()
    used = gc.mem_alloc()
    for word in words.split():
        data = bytes([int(word[i : i + 2], 16) for i in range(0, 8, 2)])
        start = time.ticks_us()
        text = decimals.text_of(FLOAT32, data, 0, "", "")
        longest = max(longest, time.ticks_diff(time.ticks_us(), start))
        print(text)
    print(longest, (gc.mem_alloc() - used) // len(words.split()))
