"""The inner loops in plain Python, for runtimes without machine code; see `modbus.native`.

Same functions, same results, no allocation on MicroPython.
"""

from modbus.cells import (
    ANSWERS,
    BACK_TO_BACK,
    BEHIND_US,
    BUSY_S,
    BUSY_US,
    CHOOSE,
    COUNT,
    DUE_US,
    ECHO,
    END_MS,
    END_US,
    ENDED,
    EXACT,
    FAILS,
    FIRST_GROUP,
    GAP,
    GAP_US,
    GO_ON,
    HANDING,
    HEAD,
    HEARD,
    IDEAL_US,
    LAST_US,
    LATE_US,
    LATENCY_US,
    LEAST_US,
    LOOK_US,
    LOST_US,
    MAX_US,
    MISSING,
    NEED,
    NEXT_ROW,
    NOISE_US,
    OVERDUE,
    PART,
    PENDING,
    PENDING_BYTES,
    PENDING_QUALITY,
    PERIOD_MS,
    PROBE,
    QUARANTINED,
    READ,
    REPLY,
    REST,
    ROW,
    SEEN_US,
    SENT_US,
    SILENCE_US,
    SINCE_MS,
    SKIPPED,
    SLACK_US,
    SPIN_US,
    STATE,
    STOP_US,
    STRANGE,
    STRAY,
    SUM_US,
    T35_US,
    TIMES,
    TOOK_US,
    UNCLEAR,
    UNIT,
    VAGUE,
    WATCHED,
    WHAT,
    WIRE_US,
)
from modbus.codes import const

_REPLIES = const(1)
_TIGHT_US = const(8000)
_WATCH_US = const(2000)
_HELD_US = const(700)
_EARLY_US = const(500)
_RELAXED_US = const(2500)
_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)
_LIMIT_US = const(0x10000000)


def crc16(buf, start, n, table):
    """CRC-16/MODBUS of buf[start:start + n]."""
    crc = 0xFFFF
    for i in range(start, start + n):
        crc = (crc >> 8) ^ table[(crc ^ buf[i]) & 0xFF]
    return crc


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
            left = ((at - now + _HALF) & _MASK) - _HALF
            if left <= 0:
                level = rank[i]
                if level >= best_rank:
                    left = ((deadline[i] - now + _HALF) & _MASK) - _HALF
                    if best < 0 or left < best_left or level > best_rank:
                        best = i
                        best_left = left
                        best_rank = level
            elif left < wait:
                wait = left
    if best >= 0:
        return best
    return -1 - wait


def settle(c, unit, rows, kind):
    """Account for the transaction that c tells of (END_MS to WHAT, WATCHED): see modbus.evidence.

    kind: which counter of the unit besides the requests.
    """
    unit[0] = (unit[0] + 1) & _MASK
    unit[kind] = (unit[kind] + 1) & _MASK
    took = c[TOOK_US] + c[T35_US]
    busy = c[BUSY_US] + took
    c[BUSY_S] = (c[BUSY_S] + busy // 1000000) & _MASK
    c[BUSY_US] = busy % 1000000
    if kind == _REPLIES:
        c[IDEAL_US] += took
        c[LATE_US] += c[LOST_US]
        if c[IDEAL_US] > _LIMIT_US:
            c[IDEAL_US] = c[IDEAL_US] >> 1
            c[LATE_US] = c[LATE_US] >> 1
        least = unit[LEAST_US]
        n = unit[TIMES]
        latency = c[LATENCY_US]
        if not c[WATCHED]:
            least -= least >> 4
        else:
            if latency < least or n == 0:
                least = latency
            else:
                least += (latency - least) >> 4
            if latency > unit[MAX_US]:
                unit[MAX_US] = latency
            if n == 64:
                n = 32
                unit[SUM_US] = unit[SUM_US] >> 1
            unit[TIMES] = n + 1
            unit[SUM_US] += latency
        unit[LEAST_US] = least
    n = c[NEXT_ROW]
    c[NEXT_ROW] = (n + 1) & 63
    n *= 3
    rows[n] = c[END_MS]
    rows[n + 1] = c[TOOK_US]
    rows[n + 2] = c[WHAT]


def onward(ready, deadline, i, period, now):
    """Set read i to its next grid point that is not past. Returns how many polls are left out."""
    due = deadline[i]
    behind = ((now - due + _HALF) & _MASK) - _HALF
    skipped = 0
    if behind >= period:
        skipped = behind // period
        due += skipped * period
    ready[i] = due & _MASK
    deadline[i] = (due + period) & _MASK
    return skipped


def gate_of(send, available, us):
    """The gate of a port: the one function that writes to it. See modbus.gate."""

    def gate(frame, at):
        n = len(frame)
        allowed = -1  # length of a read with this function
        if n >= 4:
            function = frame[1]
            if function == 17:
                allowed = 4
            elif function == 43 and frame[2] == 14:
                allowed = 7
            elif function >= 1 and function <= 4:
                allowed = 8
        if n != allowed or frame[0] < 1 or frame[0] > 247:
            raise AssertionError("the gate passes reads only")
        while True:
            if available():
                return 0
            if ((us() - at) & _MASK) < _HALF:
                break
        send(frame)
        return 1

    return gate


def turn(c, parts, far):
    """The good way of a poll, as far as it goes without waiting for more than 4 ms: see modbus.engine.

    c: the line's cells; parts: what `Bus` has gathered for it; far: HOLD, FINISH or GO_ON. Returns us
    until there is something to do, or a code, below 0: then the readable path takes over where
    this has stopped. Exceptions of port, gate and on_result are passed on.
    """
    (
        available, receive, us, ms, gate, on_result, buf, data, table, reads, rows, ready, deadline, rank, tries, unit,
    ) = parts  # fmt: skip
    now = us()
    ended = False
    if c[STATE] == REPLY:
        # Watch tightly for the bytes that are missing, for 2 ms at most.
        since = (now - c[SENT_US]) & _MASK
        k = c[LOOK_US] - since
        if k > c[SPIN_US]:
            return k
        if k <= -_TIGHT_US or not c[EXACT]:
            return PART
        missing = c[MISSING]
        until = since + _WATCH_US
        while True:
            k = 16
            while k:
                arrived = available()
                if arrived >= missing:
                    break
                k -= 1
            now = us()
            since = (now - c[SENT_US]) & _MASK
            if k:
                break
            c[SEEN_US] = since
            c[WATCHED] = 1
            if since >= until:
                return PART
        # Is it the whole reply, and nothing but it?
        n = c[NEED]
        if arrived != n or c[COUNT] or c[ECHO]:
            return PART
        c[LAST_US] = now
        k = receive(buf, n)
        c[COUNT] = k
        if k != n or buf[0] | buf[1] << 8 != c[HEAD] or buf[2] != n - 5:
            return STRANGE
        # Sound, seen as it came, of a unit that nobody doubts?
        latency = since + c[STOP_US] - c[WIRE_US]
        if crc16(buf, 0, n, table) or not c[WATCHED] or since - c[SEEN_US] > _HELD_US or c[PROBE] or c[UNCLEAR]:
            return STRANGE
        if latency < -_EARLY_US - (c[WIRE_US] >> 5):
            return STRANGE
        # Account for it.
        i = c[READ]
        if c[OVERDUE] and reads[c[OVERDUE] - 1].unit.index == reads[i].unit.index:
            c[OVERDUE] = 0
        c[END_US] = now
        c[END_MS] = ms()
        c[TOOK_US] = since
        c[LATENCY_US] = max(0, latency)
        c[LOST_US] = c[GAP_US] - c[SILENCE_US] if c[BACK_TO_BACK] else 0
        c[WHAT] = c[FIRST_GROUP] + i
        settle(c, unit, rows, _REPLIES)
        unit[FAILS] = 0
        unit[SINCE_MS] = c[END_MS]
        c[ROW] = 0
        c[ANSWERS] = (c[ANSWERS] + 1) & _MASK
        c[SKIPPED] = (c[SKIPPED] + onward(ready, deadline, i, c[PERIOD_MS], c[END_MS])) & _MASK
        tries[i] = 0
        move(data, 0, buf, 3, n - 3)
        c[PENDING] = i + 1
        c[PENDING_QUALITY] = 0
        c[PENDING_BYTES] = n - 5
        c[BEHIND_US] = 0
        c[HEARD] = n
        c[COUNT] = 0
        c[BACK_TO_BACK] = 1
        c[STATE] = REST
        ended = True
    if c[STATE] == REST:
        if far != GO_ON:
            return ENDED if ended else CHOOSE
        if c[QUARANTINED]:
            return CHOOSE
        k = pick(ready, deadline, rank, len(ready), ms())
        if k < 0:
            return CHOOSE
        c[READ] = k
        c[PROBE] = 0
        c[NOISE_US] = now
        c[STATE] = GAP
    if not far:
        return _RELAXED_US
    # The gap and the request.
    last = c[LAST_US]
    k = c[SILENCE_US] - ((us() - last) & _MASK)
    if k > c[SPIN_US]:
        return STRAY if available() else k
    read = reads[c[READ]]
    frame = read.frame
    if not gate(frame, (last + c[SILENCE_US]) & _MASK):
        return STRAY
    now = us()
    c[SENT_US] = now
    c[GAP_US] = ((now - last) & _MASK) + c[BEHIND_US]
    c[HEAD] = frame[0] | frame[1] << 8
    k = read.need
    c[NEED] = k
    if c[ECHO]:
        k += len(frame)
    c[MISSING] = k
    c[PERIOD_MS] = read.period_ms
    unit = read.unit.cells
    parts[UNIT] = unit
    c[WIRE_US] = read.wire_us
    k = min(c[WIRE_US] + unit[LEAST_US], read.first_us)
    c[LOOK_US] = k
    c[VAGUE] = 1
    c[COUNT] = c[BEHIND_US] = c[WATCHED] = c[SLACK_US] = c[DUE_US] = c[SEEN_US] = 0
    c[STATE] = REPLY
    # Meanwhile the result of the poll before.
    if c[PENDING]:
        read = reads[c[PENDING] - 1]
        c[PENDING] = 0
        c[HANDING] = 1
        on_result(read, c[PENDING_QUALITY], c[END_MS], data, c[PENDING_BYTES])
        c[HANDING] = 0
        k -= (us() - now) & _MASK
    return k if k > 0 else 1
