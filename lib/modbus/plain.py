"""The inner loops in plain Python, for runtimes without machine code; see `modbus.native`.

Same functions, same results, no allocation on MicroPython.
"""


def crc16(buf, start, n, table):
    """CRC-16/MODBUS of buf[start:start + n]."""
    crc = 0xFFFF
    for i in range(start, start + n):
        crc = (crc >> 8) ^ table[(crc ^ buf[i]) & 0xFF]
    return crc


def whole(buf, n, request, table):
    """1 if buf[0:n] is, from its first byte to its last, a good reply to the request; else 0."""
    if buf[0] != request[0] or buf[1] != request[1] or buf[2] != n - 5:
        return 0
    return 1 if crc16(buf, 0, n, table) == 0 else 0


def move(to, at, source, start, n):
    """Copy n bytes: to[at:at + n] = source[start:start + n], first byte first."""
    for i in range(n):
        to[at + i] = source[start + i]


def pick(ready, deadline, rank, n, now):
    """Index of the read that is ready at `now`: of the highest rank, among these of the earliest deadline.

    Times are ticks_ms (30 bits); -1 in `ready` takes a read out. When none is ready:
    -1 - ms until the first one is, at most 1000.
    """
    best = -1
    best_left = 0
    best_rank = 0
    wait = 1000
    for i in range(n):
        at = ready[i]
        if at >= 0:
            left = ((at - now + 0x20000000) & 0x3FFFFFFF) - 0x20000000
            if left <= 0:
                level = rank[i]
                if level >= best_rank:
                    left = ((deadline[i] - now + 0x20000000) & 0x3FFFFFFF) - 0x20000000
                    if best < 0 or left < best_left or level > best_rank:
                        best = i
                        best_left = left
                        best_rank = level
            elif left < wait:
                wait = left
    if best >= 0:
        return best
    return -1 - wait


def settle(counts, sums, rows, took, lost, latency, least, group, end):
    """Account for one good transaction: see modbus.evidence for the places. Returns the least latency from now on.

    latency: -1 if it was not watched. Times in us but for `end`, which is in ticks_ms.
    """
    counts[0] = (counts[0] + 1) & 0x3FFFFFFF
    counts[1] = (counts[1] + 1) & 0x3FFFFFFF
    if latency < 0:
        least = (least * 3) >> 2
    else:
        n = counts[9]
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
    i = sums[3]
    sums[3] = (i + 1) & 63
    i *= 3
    rows[i] = end
    rows[i + 1] = took
    rows[i + 2] = group
    return least


def onward(ready, deadline, i, period, now):
    """Set read i to its next grid point. Returns 0, or 1 with nothing changed if polls would be left out."""
    due = deadline[i] & 0x3FFFFFFF
    if ((now - due + 0x20000000) & 0x3FFFFFFF) - 0x20000000 >= period:
        return 1
    ready[i] = due
    deadline[i] = (due + period) & 0x3FFFFFFF
    return 0
