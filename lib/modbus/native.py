"""The inner loops in viper (machine code); `modbus.plain` has the same functions in plain Python.

Imported by `modbus.crc` only where the runtime can emit or load machine code. Promises the
same results as `modbus.plain`; a test compares the two.
"""

import micropython


@micropython.viper
def crc16(buf: ptr8, start: int, n: int, table: ptr16) -> int:  # noqa: F821
    """CRC-16/MODBUS of buf[start:start + n]."""
    crc: int = 0xFFFF
    i: int = start
    end: int = start + n
    while i < end:
        crc = (crc >> 8) ^ table[(crc ^ buf[i]) & 0xFF]
        i += 1
    return crc


@micropython.viper
def whole(buf: ptr8, n: int, request: ptr8, table: ptr16) -> int:  # noqa: F821
    """1 if buf[0:n] is, from its first byte to its last, a good reply to the request; else 0."""
    if buf[0] != request[0] or buf[1] != request[1] or buf[2] != n - 5:
        return 0
    crc: int = 0xFFFF
    i: int = 0
    while i < n:
        crc = (crc >> 8) ^ table[(crc ^ buf[i]) & 0xFF]
        i += 1
    return 1 if crc == 0 else 0


@micropython.viper
def move(to: ptr8, at: int, source: ptr8, start: int, n: int):  # noqa: F821
    """Copy n bytes: to[at:at + n] = source[start:start + n], first byte first."""
    i: int = 0
    while i < n:
        to[at + i] = source[start + i]
        i += 1


@micropython.viper
def pick(ready: ptr32, deadline: ptr32, rank: ptr8, n: int, now: int) -> int:  # noqa: F821
    """Index of the read that is ready at `now`: of the highest rank, among these of the earliest deadline.

    Times are ticks_ms (30 bits); -1 in `ready` takes a read out (a load may or may not extend
    its sign). When none is ready: -1 - ms until the first one is, at most 1000.
    """
    best: int = -1
    best_left: int = 0
    best_rank: int = 0
    wait: int = 1000
    i: int = 0
    while i < n:
        at: int = ready[i]
        if not (at >> 30) & 1:
            left: int = ((at - now + 0x20000000) & 0x3FFFFFFF) - 0x20000000
            if left <= 0:
                level: int = int(rank[i])
                if level >= best_rank:
                    left = ((deadline[i] - now + 0x20000000) & 0x3FFFFFFF) - 0x20000000
                    if best < 0 or left < best_left or level > best_rank:
                        best = i
                        best_left = left
                        best_rank = level
            elif left < wait:
                wait = left
        i += 1
    if best >= 0:
        return best
    return -1 - wait


@micropython.viper
def settle(
    counts: ptr32,  # noqa: F821
    sums: ptr32,  # noqa: F821
    rows: ptr32,  # noqa: F821
    took: int,
    lost: int,
    latency: int,
    least: int,
    group: int,
    end: int,
) -> int:
    """Account for one good transaction: see modbus.evidence for the places. Returns the least latency from now on.

    latency: -1 if it was not watched. Times in us but for `end`, which is in ticks_ms.
    """
    counts[0] = (counts[0] + 1) & 0x3FFFFFFF
    counts[1] = (counts[1] + 1) & 0x3FFFFFFF
    if latency < 0:
        least = (least * 3) >> 2
    else:
        n: int = counts[9]
        if latency < least or n == 0:
            least = latency
        else:
            least += (latency - least) >> 4
        if latency > counts[7]:
            counts[7] = latency
        if n == 64:
            n = 32
            counts[8] = counts[8] >> 1
        counts[9] = n + 1
        counts[8] += latency
    sums[0] += took + sums[4]
    sums[1] += took + sums[4]
    sums[2] += lost
    i: int = sums[3]
    sums[3] = (i + 1) & 63
    i *= 3
    rows[i] = end
    rows[i + 1] = took
    rows[i + 2] = group
    return least


@micropython.viper
def onward(ready: ptr32, deadline: ptr32, i: int, period: int, now: int) -> int:  # noqa: F821
    """Set read i to its next grid point. Returns 0, or 1 with nothing changed if polls would be left out."""
    due: int = deadline[i] & 0x3FFFFFFF
    if ((now - due + 0x20000000) & 0x3FFFFFFF) - 0x20000000 >= period:
        return 1
    ready[i] = due
    deadline[i] = (due + period) & 0x3FFFFFFF
    return 0
