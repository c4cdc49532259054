"""The inner loops in plain Python, for runtimes without machine code; see `modbus.native`.

Same functions, same results, no allocation on MicroPython.
"""

from modbus.cells import (
    ANSWERS,
    BACK_TO_BACK,
    BEHIND_US,
    CHOOSE,
    COUNT,
    DEADLINE_MS,
    ECHO,
    END_MS,
    END_US,
    ENDED,
    EXACT,
    FAILS,
    FAR,
    FIRST_GROUP,
    FIRST_US,
    GAP,
    GAP_US,
    GO_ON,
    HANDING,
    HEAD,
    LAST_US,
    LEAST_US,
    LOOK_US,
    MISSING,
    NEED,
    NEXT,
    NOISE_US,
    OWES,
    PART,
    PENDING,
    PENDING_BYTES,
    PROBE,
    QUARANTINED,
    RANK,
    READ,
    READ_CELLS,
    READS,
    READY_MS,
    REPLY,
    REST,
    ROW,
    SEEN_US,
    SENT_US,
    SILENCE_US,
    SINCE_MS,
    SLACK_US,
    SPIN_US,
    STATE,
    STOP_US,
    STRANGE,
    STRAY,
    SUM_US,
    TICK_MS,
    TICK_US,
    TIMES,
    TOOK_US,
    TRIES,
    UNCLEAR,
    UNIT,
    WATCHED,
    WHAT,
    WIRE_US,
)
from modbus.codes import const
from modbus.evidence import REPLIES, settle
from modbus.scheduler import advance

_REQUEST_BYTES = const(8)
_TIGHT_US = const(8000)
_WATCH_US = const(2000)
_HELD_US = const(700)
_EARLY_US = const(500)
_RELAXED_US = const(2500)
_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)
_TICK_LIMIT_MS = const(200000)


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


def pick(c, table, now):
    """Index of the read that is ready at `now`: of the highest rank, among these of the earliest deadline.

    Times are ticks_ms (30 bits). When none is ready: -1 - ms until the first one is, at most 1000.
    """
    best = -1
    best_left = 0
    best_rank = 0
    wait = 1000
    for i in range(c[READS]):
        row = i * READ_CELLS
        at = table[row + READY_MS]
        if at >= 0:
            left = ((at - now + _HALF) & _MASK) - _HALF
            if left <= 0:
                level = table[row + RANK]
                if level >= best_rank:
                    left = ((table[row + DEADLINE_MS] - now + _HALF) & _MASK) - _HALF
                    if best < 0 or left < best_left or level > best_rank:
                        best = i
                        best_left = left
                        best_rank = level
            elif left < wait:
                wait = left
    if best >= 0:
        return best
    return -1 - wait


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
            elif function and function <= 4:
                allowed = 8
        if n != allowed or not frame[0] or frame[0] > 247:
            raise AssertionError("the gate passes reads only")
        while True:
            if available():
                return 0
            if ((us() - at) & _MASK) < _HALF:
                break
        send(frame)
        return 1

    return gate


def turn(parts):
    """The good way of a poll, as far as it goes without waiting for more than 4 ms: see modbus.engine.

    parts: what `Bus` has gathered for it; the first are the line's cells. Returns us
    until there is something to do, or a code, below 0: then the readable path takes over where
    this has stopped. Exceptions of port, gate and on_result are passed on.
    """
    c, table, available, receive, us, ms, gate, on_result, buf, data, remainders, reads = parts
    row = c[READ] * READ_CELLS
    now = us()
    now_ms = -1  # 0 or more: a read is done
    if c[STATE] == REPLY:
        # Watch tightly for the bytes that are missing, for 2 ms at most.
        since = (now - c[SENT_US]) & _MASK
        k = c[LOOK_US] - since
        if k > c[SPIN_US]:
            return k
        if not c[EXACT]:
            return PART
        missing = c[MISSING]
        until = since + _WATCH_US
        if k <= -_TIGHT_US:
            until = 0  # it is long overdue
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
        n = table[row + NEED]
        if arrived != n or c[COUNT] or c[ECHO]:
            return PART
        c[LAST_US] = now
        k = receive(buf, n)
        c[COUNT] = k
        if k != n or buf[0] | buf[1] << 8 != table[row + HEAD] or buf[2] != n - 5:
            return STRANGE
        # Sound, of a unit that nobody doubts?
        unit = table[row + UNIT]
        latency = since + c[STOP_US] - table[row + WIRE_US]
        if crc16(buf, 0, n, remainders) or c[PROBE] or c[UNCLEAR] or c[SLACK_US] or c[unit + OWES]:
            return STRANGE
        if latency < -_EARLY_US - (table[row + WIRE_US] >> 5):  # it can be no answer to this request
            return STRANGE
        # Where the loop was held it was seen late, and ended when it usually does.
        now_ms = end_ms = ms()
        last = now
        behind = since - c[SEEN_US]
        if c[WATCHED] and behind <= _HELD_US:
            behind = 0
        else:
            usual = c[unit + SUM_US] // c[unit + TIMES] if c[unit + TIMES] else c[unit + LEAST_US]
            behind = max(0, min(behind, latency - usual))
            if behind > _EARLY_US:
                if ((end_ms - c[TICK_MS]) & _MASK) > _TICK_LIMIT_MS:
                    return STRANGE
                last = (now - behind) & _MASK
                end_ms = (c[TICK_MS] + (((last - c[TICK_US] + _HALF) & _MASK) - _HALF) // 1000) & _MASK
        # Account for it.
        i = c[READ]
        c[END_US] = last
        c[END_MS] = end_ms
        c[TOOK_US] = (last - c[SENT_US]) & _MASK
        c[WHAT] = c[FIRST_GROUP] + i
        settle(c, unit, REPLIES, c[GAP_US] - c[SILENCE_US] if c[BACK_TO_BACK] else 0, max(0, latency - behind))
        c[unit + FAILS] = 0
        c[unit + SINCE_MS] = end_ms
        table[row + TRIES] = 0
        c[ROW] = 0
        c[ANSWERS] = (c[ANSWERS] + 1) & _MASK
        # Keep the data, for `buf` takes what comes next.
        move(data, 0, buf, 3, n - 5)
        c[PENDING] = i + 1
        c[PENDING_BYTES] = n - 5
        c[BEHIND_US] = behind
        c[COUNT] = 0
        c[BACK_TO_BACK] = 1
        c[STATE] = REST
        advance(c, table, i, now_ms)
    if c[STATE] == REST:
        # Choose.
        outcome = ENDED
        if now_ms < 0:
            now_ms = ms()
            outcome = CHOOSE
        i = pick(c, table, now_ms)
        c[NEXT] = i
        if c[FAR] != GO_ON:
            return outcome
        if i < 0 or c[QUARANTINED]:
            return CHOOSE
        c[READ] = i
        row = i * READ_CELLS
        c[PROBE] = 0
        c[NOISE_US] = now
        c[STATE] = GAP
    if not c[FAR]:
        return _RELAXED_US
    # The gap and the request.
    last = c[LAST_US]
    k = c[SILENCE_US] - ((now - last) & _MASK)
    if k > c[SPIN_US]:
        return STRAY if available() else k
    if not gate(reads[c[READ]].frame, (last + c[SILENCE_US]) & _MASK):
        return STRAY
    now = us()
    c[SENT_US] = now
    c[GAP_US] = ((now - last) & _MASK) + c[BEHIND_US]
    c[MISSING] = table[row + NEED]
    if c[ECHO]:
        c[MISSING] += _REQUEST_BYTES
    k = min(table[row + WIRE_US] + c[table[row + UNIT] + LEAST_US], table[row + FIRST_US])
    c[LOOK_US] = k
    c[COUNT] = c[BEHIND_US] = c[WATCHED] = c[SEEN_US] = 0
    c[STATE] = REPLY
    # Meanwhile the result of the poll before.
    if c[PENDING]:
        read = reads[c[PENDING] - 1]
        c[PENDING] = 0
        c[HANDING] = 1
        on_result(read, c[WHAT] >> 8, c[END_MS], data, c[PENDING_BYTES])
        c[HANDING] = 0
        k -= (us() - now) & _MASK
    return k if k > 0 else 1
