"""The reference data for payload sizes: 60 samples of an eight-value power meter, one per second.

Promises: the same bytes on every runtime (integers and one division per value). Quantised: as a meter sends them, in
steps of 0.1 V, 0.01 A ...; each value walks by at most 4 steps between samples, as the last digits of a meter do.
Raw: the same walk with full noise below the step.
"""

import struct

COUNT = 60
START = (2301, 452, 10103, 10401, 2105, 970, 5000, 123450)  # V, A, W, VA, var, power factor, Hz, kWh
STEP = (10, 100, 10, 10, 10, 1000, 100, 100)  # steps per unit
REACH = (4, 4, 4, 4, 4, 2, 1, 0)  # most steps up or down between two samples; energy counts up
POINTS = [{"name": "p%d" % i, "at": 2 * i, "type": "float32", "order": "ABCD"} for i in range(8)]


def rows(raw, seed=1):
    """Yield (time in ms, 32 bytes of registers) for each sample; times jitter by 0..7 ms."""
    values = list(START)
    state = seed
    for i in range(COUNT):
        row = b""
        for j in range(8):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            reach = REACH[j]
            values[j] += (state >> 16) % (2 * reach + 1) - reach if reach else 1
            below = ((state >> 8 & 0xFF) / 256 - 0.5) if raw else 0
            row += struct.pack(">f", (values[j] + below) / STEP[j])
        yield 1000 * i + (state >> 20) % 8, row
