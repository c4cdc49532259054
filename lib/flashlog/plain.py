"""The inner loops of the block builder in plain Python, for hosts and ports without machine code."""


def put_changes(buf, places, data, n):
    """Write at `places >> 16` in `buf` the units of data[0:n] that differ from those at `places & 0xFFFF`.

    A unit is two bytes (the last one a single byte if n is odd). First a bit mask of the changed
    units, least significant bit first, then the changed units. Returns the place behind.
    """
    key = places & 0xFFFF
    start = places >> 16
    units = (n + 1) // 2
    at = start + (units + 7) // 8
    buf[start:at] = bytes(at - start)
    for unit in range(units):
        i = 2 * unit
        size = 2 if i + 1 < n else 1
        if buf[key + i : key + i + size] != data[i : i + size]:
            buf[start + (unit >> 3)] |= 1 << (unit & 7)
            buf[at : at + size] = data[i : i + size]
            at += size
    return at


def move(buf, at, data, n):
    """Copy data[0:n] to buf[at:]."""
    buf[at : at + n] = data[:n]
