"""The inner loops in viper (machine code); `modbus.plain` has the same functions in plain Python.

Imported by `modbus.crc` only where the runtime can emit or load machine code. Promises the
same results as `modbus.plain`; a test compares the two.
"""

import micropython

from modbus.codes import const

# The numbers of modbus.cells, where they are explained: viper takes constants of its own module only.
_REST = const(0)
_GAP = const(1)
_REPLY = const(2)
_STATE = const(0)
_READ = const(1)
_PROBE = const(2)
_NEED = const(3)
_WIRE_US = const(4)
_PERIOD_MS = const(5)
_HEAD = const(6)
_SENT_US = const(7)
_LOOK_US = const(8)
_SEEN_US = const(9)
_WATCHED = const(10)
_LAST_US = const(11)
_GAP_US = const(12)
_BEHIND_US = const(13)
_MISSING = const(14)
_COUNT = const(15)
_ECHO = const(16)
_BACK_TO_BACK = const(17)
_PENDING = const(18)
_PENDING_BYTES = const(19)
_END_US = const(20)
_END_MS = const(21)
_TOOK_US = const(22)
_LOST_US = const(23)
_LATENCY_US = const(24)
_WHAT = const(25)
_SILENCE_US = const(26)
_SPIN_US = const(27)
_FAR = const(28)
_HANDING = const(29)
_BUSY_US = const(30)
_IDEAL_US = const(31)
_SLACK_US = const(32)
_NOISE_US = const(37)
_STOP_US = const(38)
_EXACT = const(39)
_FIRST_GROUP = const(40)
_QUARANTINED = const(41)
_UNCLEAR = const(42)
_ROW = const(43)
_ANSWERS = const(44)
_SKIPPED = const(45)
_T35_US = const(46)
_BUSY_S = const(47)
_LATE_US = const(48)
_NEXT_ROW = const(49)
_READS = const(50)
_TICK_US = const(51)
_TICK_MS = const(52)
_MAX_US = const(7)
_SUM_US = const(8)
_TIMES = const(9)
_LEAST_US = const(10)
_FAILS = const(11)
_SINCE_MS = const(12)
_OWES = const(13)
_ENDED = const(-1)
_CHOOSE = const(-2)
_PART = const(-3)
_STRANGE = const(-4)
_STRAY = const(-5)
_GO_ON = const(2)
_UNIT = const(16)

_REPLIES = const(1)
_TIGHT_US = const(8000)
_WATCH_US = const(2000)
_HELD_US = const(700)
_EARLY_US = const(500)
_RELAXED_US = const(2500)
_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)
_LIMIT_US = const(0x10000000)
_TICK_LIMIT_MS = const(200000)


@micropython.viper
def crc16(buf: ptr8, start: int, n: int, table: ptr16) -> int:  # noqa: F821
    """CRC-16/MODBUS of buf[start:start + n]."""
    crc: int = 0xFFFF
    while n > 0:  # arguments lie in registers
        crc = (crc >> 8) ^ table[(crc ^ buf[start]) & 0xFF]
        start += 1
        n -= 1
    return crc


@micropython.viper
def move(to: ptr8, at: int, source: ptr8, start: int, n: int):  # noqa: F821
    """Copy n bytes: to[at:at + n] = source[start:start + n], first byte first."""
    i: int = 0
    while i < n:
        to[at + i] = source[start + i]
        i += 1


@micropython.viper
def pick(c: ptr32, ready: ptr32, deadline: ptr32, rank: ptr8, done: int, period: int, now: int) -> int:  # noqa: F821
    """Index of the read that is ready at `now`: of the highest rank, among these of the earliest deadline.

    Before that read `done`, if it is not -1, is set to its next grid point that is not past; polls that are left
    out are counted. Times are ticks_ms (30 bits); -1 in `ready` takes a read out (a load may or may not
    extend its sign). When none is ready: -1 - ms until the first one is, at most 1000.
    """
    mask: int = 0x3FFFFFFF
    half: int = 0x20000000
    i: int = 0
    left: int = 0
    if done >= 0:
        i = deadline[done]
        left = ((now - i + half) & mask) - half
        if left >= period:
            left = left // period
            c[_SKIPPED] = (c[_SKIPPED] + left) & mask
            i += left * period
        ready[done] = i & mask
        deadline[done] = (i + period) & mask
    best: int = -1
    best_left: int = 0
    best_rank: int = 0
    wait: int = 1000
    i = c[_READS]
    at: int = 0
    level: int = 0
    while i:
        i -= 1
        at = ready[i]
        if (at >> 30) & 1:
            continue
        at = (at - now) & mask
        if at and at < half:
            if at < wait:
                wait = at
            continue
        level = rank[i]
        if level >= best_rank:
            left = (deadline[i] - now + half) & mask
            if best < 0 or level > best_rank or left <= best_left:
                best = i
                best_left = left
                best_rank = level
    if best >= 0:
        return best
    return -1 - wait


@micropython.viper
def settle(c: ptr32, unit: ptr32, rows: ptr32, kind: int):  # noqa: F821
    """Account for the transaction that c tells of (END_MS to WHAT, WATCHED): see modbus.evidence.

    kind: which counter of the unit besides the requests.
    """
    mask: int = 0x3FFFFFFF
    unit[0] = (unit[0] + 1) & mask
    unit[kind] = (unit[kind] + 1) & mask
    took: int = c[_TOOK_US] + c[_T35_US]
    n: int = c[_BUSY_US] + took
    while n >= 1000000:
        n -= 1000000
        c[_BUSY_S] += 1  # wraps after 34 years
    c[_BUSY_US] = n
    if kind == _REPLIES:
        took += c[_IDEAL_US]
        n = c[_LATE_US] + c[_LOST_US]
        if took > _LIMIT_US:
            took >>= 1
            n >>= 1
        c[_IDEAL_US] = took
        c[_LATE_US] = n
        least: int = unit[_LEAST_US]
        n = unit[_TIMES]
        latency: int = c[_LATENCY_US]
        if not c[_WATCHED]:
            least = (least * 3) >> 2
        else:
            if latency < least or n == 0:
                least = latency
            else:
                least += (latency - least) >> 4
            if latency > unit[_MAX_US]:
                unit[_MAX_US] = latency
            if n == 64:
                n = 32
                unit[_SUM_US] = unit[_SUM_US] >> 1
            unit[_TIMES] = n + 1
            unit[_SUM_US] += latency
        unit[_LEAST_US] = least
    n = c[_NEXT_ROW]
    c[_NEXT_ROW] = (n + 1) & 63
    n *= 3
    rows[n] = c[_END_MS]
    rows[n + 1] = c[_TOOK_US]
    rows[n + 2] = c[_WHAT]


def gate_of(send, available, us):
    """The gate of a port: the one function that writes to it. See modbus.gate."""

    @micropython.viper
    def gate(frame, at: int) -> int:
        request = ptr8(frame)  # noqa: F821
        n: int = int(len(frame))
        allowed: int = -1  # length of a read with this function
        if n >= 4:
            function: int = request[1]
            if function == 17:
                allowed = 4
            elif function == 43 and request[2] == 14:
                allowed = 7
            elif function and function <= 4:
                allowed = 8
        if n != allowed or not request[0] or request[0] > 247:
            raise AssertionError("the gate passes reads only")
        while True:
            if int(available()):
                return 0
            if ((int(us()) - at) & _MASK) < _HALF:
                break
        send(frame)
        return 1

    return gate


@micropython.viper
def turn(parts) -> int:
    """The good way of a poll, as far as it goes without waiting for more than 4 ms: see modbus.engine.

    parts: what `Bus` has gathered for it; the first are the line's cells. Returns us
    until there is something to do, or a code, below 0: then the readable path takes over where
    this has stopped. Exceptions of port, gate and on_result are passed on.
    """
    c = ptr32(parts[0])  # noqa: F821  (the first three names lie in registers)
    k: int = 0
    (
        cells, available, receive, us, ms, gate, on_result, buf, data, table, reads, rows, ready, deadline, rank, tries,
        unit,
    ) = parts  # fmt: skip
    mask: int = 0x3FFFFFFF
    now: int = int(us())
    last: int = 0
    i: int = -1  # the read that is done
    if c[_STATE] == _REPLY:
        # Watch tightly for the bytes that are missing, for 2 ms at most.
        since: int = (now - c[_SENT_US]) & mask
        k = c[_LOOK_US] - since
        if k > c[_SPIN_US]:
            return k
        if not c[_EXACT]:
            return _PART
        missing: int = c[_MISSING]
        until: int = since + _WATCH_US
        if k + _TIGHT_US <= 0:
            until = 0  # it is long overdue
        arrived: int = 0
        while True:
            k = 16
            while k:
                arrived = int(available())
                if arrived >= missing:
                    break
                k -= 1
            now = int(us())
            since = (now - c[_SENT_US]) & mask
            if k:
                break
            c[_SEEN_US] = since
            c[_WATCHED] = 1
            if since >= until:
                return _PART
        # Is it the whole reply, and nothing but it?
        n: int = c[_NEED]
        if arrived != n or c[_COUNT] | c[_ECHO]:
            return _PART
        c[_LAST_US] = now
        k = int(receive(buf, n))
        c[_COUNT] = k
        reply = ptr8(buf)  # noqa: F821
        if k != n or reply[0] | reply[1] << 8 != c[_HEAD] or reply[2] != n - 5:
            return _STRANGE
        remainders = ptr16(table)  # noqa: F821
        k = 0xFFFF
        i = n
        while i:
            k = (k >> 8) ^ remainders[(k ^ reply[0]) & 0xFF]
            reply = ptr8(int(reply) + 1)  # noqa: F821
            i -= 1
        # Of a unit that nobody doubts?
        health = ptr32(unit)  # noqa: F821
        latency: int = since + c[_STOP_US] - c[_WIRE_US]
        k |= c[_PROBE] | c[_UNCLEAR] | c[_SLACK_US] | health[_OWES]
        if k or latency + _EARLY_US + (c[_WIRE_US] >> 5) < 0:  # it can be no answer to this request
            return _STRANGE
        # Where the loop was held it was seen late, and ended when it usually does.
        end_ms: int = int(ms())
        last = now
        behind: int = since - c[_SEEN_US]
        if c[_WATCHED] and behind <= _HELD_US:
            behind = 0
        else:
            k = health[_LEAST_US]
            if health[_TIMES]:
                k = health[_SUM_US] // health[_TIMES]
            if behind > latency - k:
                behind = latency - k
            if behind < 0:
                behind = 0
            if behind > _EARLY_US:
                if ((end_ms - c[_TICK_MS]) & mask) > _TICK_LIMIT_MS:
                    return _STRANGE
                last = (now - behind) & mask
                end_ms = (c[_TICK_MS] + (((last - c[_TICK_US] + _HALF) & mask) - _HALF) // 1000) & mask
        latency -= behind
        if latency < 0:
            latency = 0
        # Account for it.
        i = c[_READ]
        c[_END_US] = last
        c[_END_MS] = end_ms
        c[_TOOK_US] = (last - c[_SENT_US]) & mask
        c[_LATENCY_US] = latency
        c[_LOST_US] = 0
        if c[_BACK_TO_BACK]:
            c[_LOST_US] = c[_GAP_US] - c[_SILENCE_US]
        c[_WHAT] = c[_FIRST_GROUP] + i
        settle(cells, unit, rows, _REPLIES)
        health[_FAILS] = 0
        health[_SINCE_MS] = c[_END_MS]
        c[_ROW] = 0
        c[_ANSWERS] = (c[_ANSWERS] + 1) & mask
        ptr8(tries)[i] = 0  # noqa: F821
        kept = ptr8(data)  # noqa: F821
        reply = ptr8(int(ptr8(buf)) + 3)  # noqa: F821
        k = n - 5
        c[_PENDING_BYTES] = k
        while k:
            k -= 1
            kept[k] = reply[k]
        c[_PENDING] = i + 1
        c[_BEHIND_US] = behind
        c[_COUNT] = 0
        c[_BACK_TO_BACK] = 1
        c[_STATE] = _REST
    if c[_STATE] == _REST:
        k = int(pick(cells, ready, deadline, rank, i, c[_PERIOD_MS], ms()))
        if c[_FAR] != _GO_ON:
            return _CHOOSE if i < 0 else _ENDED
        if k < 0 or c[_QUARANTINED]:
            return _CHOOSE
        c[_READ] = k
        c[_PROBE] = 0
        c[_NOISE_US] = now
        c[_STATE] = _GAP
    if not c[_FAR]:
        return _RELAXED_US
    # The gap and the request.
    last = c[_LAST_US]
    k = c[_SILENCE_US] - ((int(us()) - last) & mask)
    if k > c[_SPIN_US]:
        return _STRAY if int(available()) else k
    read = reads[c[_READ]]
    frame = read.frame
    if not int(gate(frame, (last + c[_SILENCE_US]) & mask)):
        return _STRAY
    now = int(us())
    c[_SENT_US] = now
    c[_GAP_US] = ((now - last) & mask) + c[_BEHIND_US]
    request = ptr8(frame)  # noqa: F821
    c[_HEAD] = request[0] | request[1] << 8
    k = int(read.need)
    c[_NEED] = k
    if c[_ECHO]:
        k += int(len(frame))
    c[_MISSING] = k
    c[_PERIOD_MS] = int(read.period_ms)
    unit = read.unit.cells
    parts[_UNIT] = unit
    c[_WIRE_US] = int(read.wire_us)
    k = c[_WIRE_US] + ptr32(unit)[_LEAST_US]  # noqa: F821
    last = int(read.first_us)
    if k > last:
        k = last
    c[_LOOK_US] = k
    c[_COUNT] = c[_BEHIND_US] = c[_WATCHED] = c[_SEEN_US] = 0
    c[_STATE] = _REPLY
    # Meanwhile the result of the poll before.
    if c[_PENDING]:
        read = reads[c[_PENDING] - 1]
        c[_PENDING] = 0
        c[_HANDING] = 1
        on_result(read, c[_WHAT] >> 8, c[_END_MS], data, c[_PENDING_BYTES])
        c[_HANDING] = 0
        k -= (int(us()) - now) & mask
    return k if k > 0 else 1
