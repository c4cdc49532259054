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
