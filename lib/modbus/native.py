"""The inner loops in viper (machine code); `modbus.plain` has the same functions in plain Python.

Imported by `modbus.crc` only where the runtime can emit or load machine code. Promises the
same results as `modbus.plain`; a test compares the two.
"""

import micropython

from modbus.codes import const

# Numbers of modbus.cells, which explains them: viper takes constants of its own module only.
_REST = const(0)
_GAP = const(1)
_REPLY = const(2)
_STATE = const(0)
_READ = const(1)
_PROBE = const(2)
_SENT_US = const(3)
_LOOK_US = const(4)
_SEEN_US = const(5)
_WATCHED = const(6)
_LAST_US = const(7)
_GAP_US = const(8)
_BEHIND_US = const(9)
_MISSING = const(10)
_COUNT = const(11)
_ECHO = const(12)
_BACK_TO_BACK = const(13)
_PENDING = const(14)
_PENDING_BYTES = const(15)
_END_US = const(16)
_END_MS = const(17)
_TOOK_US = const(18)
_WHAT = const(19)
_SILENCE_US = const(20)
_SPIN_US = const(21)
_FAR = const(22)
_HANDING = const(23)
_BUSY_US = const(24)
_IDEAL_US = const(25)
_SLACK_US = const(26)
_NOISE_US = const(27)
_STOP_US = const(28)
_EXACT = const(29)
_NEXT = const(30)
_NEXT_ROW = const(31)
_FIRST_GROUP = const(32)
_QUARANTINED = const(33)
_UNCLEAR = const(34)
_ROW = const(35)
_ANSWERS = const(36)
_SKIPPED = const(37)
_T35_US = const(38)
_BUSY_S = const(39)
_LATE_US = const(40)
_READS = const(41)
_TICK_US = const(42)
_TICK_MS = const(43)
_RING = const(48)
_MAX_US = const(7)
_SUM_US = const(8)
_TIMES = const(9)
_LEAST_US = const(10)
_FAILS = const(11)
_SINCE_MS = const(12)
_OWES = const(13)
_READY_MS = const(0)
_DEADLINE_MS = const(1)
_RANK = const(2)
_PERIOD_MS = const(3)
_NEED = const(4)
_HEAD = const(5)
_WIRE_US = const(6)
_FIRST_US = const(7)
_UNIT = const(8)
_TRIES = const(9)
_READ_CELLS = const(10)
_ENDED = const(-1)
_CHOOSE = const(-2)
_PART = const(-3)
_STRANGE = const(-4)
_STRAY = const(-5)
_GO_ON = const(2)

_REPLIES = const(1)
_REQUEST_BYTES = const(8)
_TIGHT_US = const(8000)
_WATCH_US = const(2000)
_HELD_US = const(700)
_EARLY_US = const(500)
_RELAXED_US = const(2500)
_MASK = const(0x3FFFFFFF)
_HALF = const(0x20000000)
_LIMIT_US = const(0x10000000)
_TICK_LIMIT_MS = const(200000)

_READ_BYTES = const(4 * _READ_CELLS)  # a distance
_RING_BYTES = const(4 * _RING)

_length = len  # a name of this module is found five times as fast as one of the language


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


def gate_of(send, available, us):
    """The gate of a port: the one function that writes to it. See modbus.gate."""

    @micropython.viper
    def gate(frame, at: int) -> int:
        request = ptr8(frame)  # noqa: F821
        n: int = int(_length(frame))
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
    """The good way of a poll, as far as it goes without waiting for more than 4 ms: see modbus.plain and DESIGN.md."""
    c = ptr32(0)  # noqa: F821  (the first three names lie in registers)
    k: int = 0
    cells, table, available, receive, us, ms, gate, on_result, buf, data, remainders, reads = parts
    c = ptr32(cells)  # noqa: F821
    rows: int = int(ptr32(table))  # noqa: F821
    row = ptr32(rows + c[_READ] * _READ_BYTES)  # noqa: F821
    mask: int = 0x3FFFFFFF
    half: int = 0x20000000
    now: int = int(us())
    now_ms: int = -1  # 0 or more: a read is done
    last: int = 0
    i: int = 0
    if c[_STATE] == _REPLY:
        # Watch tightly for the bytes that are missing, for 2 ms at most.
        since: int = (now - c[_SENT_US]) & mask
        k = c[_LOOK_US] - since
        if k > c[_SPIN_US]:
            return k
        if not c[_EXACT]:
            return _PART
        missing: int = c[_MISSING]
        arrived: int = 0
        until: int = 0  # it is long overdue
        if k + _TIGHT_US > 0:
            until = since + _WATCH_US
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
        n: int = row[_NEED]
        if arrived != n or c[_COUNT] | c[_ECHO]:
            return _PART
        c[_LAST_US] = now
        k = int(receive(buf, n))
        c[_COUNT] = k
        reply = ptr8(buf)  # noqa: F821
        if k != n or reply[0] | reply[1] << 8 != row[_HEAD] or reply[2] != n - 5:
            return _STRANGE
        start: int = int(reply)
        rest = ptr16(remainders)  # noqa: F821
        k = 0xFFFF
        i = n
        while i >= 5:
            k = (k >> 8) ^ rest[(k ^ reply[0]) & 0xFF]
            k = (k >> 8) ^ rest[(k ^ reply[1]) & 0xFF]
            k = (k >> 8) ^ rest[(k ^ reply[2]) & 0xFF]
            k = (k >> 8) ^ rest[(k ^ reply[3]) & 0xFF]
            k = (k >> 8) ^ rest[(k ^ reply[4]) & 0xFF]
            reply = ptr8(int(reply) + 5)  # noqa: F821
            i -= 5
        while i:
            k = (k >> 8) ^ rest[(k ^ reply[0]) & 0xFF]
            reply = ptr8(int(reply) + 1)  # noqa: F821
            i -= 1
        # Of a unit that nobody doubts?
        unit = ptr32(int(c) + (row[_UNIT] << 2))  # noqa: F821
        latency: int = since + c[_STOP_US] - row[_WIRE_US]
        k |= c[_PROBE] | c[_UNCLEAR] | c[_SLACK_US] | unit[_OWES]
        if k or latency + _EARLY_US + (row[_WIRE_US] >> 5) < 0:  # it can be no answer to this request
            return _STRANGE
        # Where the loop was held it was seen late, and ended when it usually does.
        now_ms = int(ms())
        end_ms: int = now_ms
        last = now
        behind: int = since - c[_SEEN_US]
        if c[_WATCHED] and behind <= _HELD_US:
            behind = 0
        else:
            k = unit[_LEAST_US]
            if unit[_TIMES]:
                k = unit[_SUM_US] // unit[_TIMES]
            if behind > latency - k:
                behind = latency - k
            if behind < 0:
                behind = 0
            if behind > _EARLY_US:
                if ((end_ms - c[_TICK_MS]) & mask) > _TICK_LIMIT_MS:
                    return _STRANGE
                last = (now - behind) & mask
                end_ms = (c[_TICK_MS] + (((last - c[_TICK_US] + half) & mask) - half) // 1000) & mask
        latency -= behind
        if latency < 0:
            latency = 0
        # Account for it, as modbus.evidence does for others.
        i = c[_READ]
        k = (last - c[_SENT_US]) & mask
        c[_END_US] = last
        c[_END_MS] = end_ms
        c[_TOOK_US] = k
        c[_WHAT] = c[_FIRST_GROUP] + i
        unit[0] = (unit[0] + 1) & mask
        unit[_REPLIES] = (unit[_REPLIES] + 1) & mask
        k += c[_T35_US]
        c[_IDEAL_US] += k
        k += c[_BUSY_US]
        while k >= 1000000:
            k -= 1000000
            c[_BUSY_S] += 1  # wraps after 34 years
        c[_BUSY_US] = k
        if c[_BACK_TO_BACK]:
            c[_LATE_US] += c[_GAP_US] - c[_SILENCE_US]
        if c[_IDEAL_US] > _LIMIT_US:
            c[_IDEAL_US] = c[_IDEAL_US] >> 1
            c[_LATE_US] = c[_LATE_US] >> 1
        k = unit[_LEAST_US]
        if not c[_WATCHED]:
            k -= k >> 4
        else:
            times: int = unit[_TIMES]
            if latency < k or times == 0:
                k = latency
            else:
                k += (latency - k) >> 4
            if latency > unit[_MAX_US]:
                unit[_MAX_US] = latency
            if times == 64:
                times = 32
                unit[_SUM_US] = unit[_SUM_US] >> 1
            unit[_TIMES] = times + 1
            unit[_SUM_US] += latency
        unit[_LEAST_US] = k
        k = c[_NEXT_ROW]
        c[_NEXT_ROW] = (k + 1) & 63
        spot = ptr32(int(c) + _RING_BYTES + k * 12)  # noqa: F821
        spot[0] = end_ms
        spot[1] = c[_TOOK_US]
        spot[2] = c[_WHAT]
        unit[_FAILS] = 0
        unit[_SINCE_MS] = end_ms
        row[_TRIES] = 0
        c[_ROW] = 0
        c[_ANSWERS] = (c[_ANSWERS] + 1) & mask
        # Keep the data, for `buf` takes what comes next.
        kept = ptr8(data)  # noqa: F821
        reply = ptr8(start + 3)  # noqa: F821
        k = n - 5
        c[_PENDING_BYTES] = k
        while k >= 4:
            kept[0] = reply[0]
            kept[1] = reply[1]
            kept[2] = reply[2]
            kept[3] = reply[3]
            kept = ptr8(int(kept) + 4)  # noqa: F821
            reply = ptr8(int(reply) + 4)  # noqa: F821
            k -= 4
        while k:
            k -= 1
            kept[k] = reply[k]
        c[_PENDING] = i + 1
        c[_BEHIND_US] = behind
        c[_COUNT] = 0
        c[_BACK_TO_BACK] = 1
        c[_STATE] = _REST
        # Its next time, as modbus.scheduler.advance.
        k = row[_DEADLINE_MS]
        i = ((now_ms - k + half) & mask) - half
        if i >= row[_PERIOD_MS]:
            i = i // row[_PERIOD_MS]
            c[_SKIPPED] = (c[_SKIPPED] + i) & mask
            k += i * row[_PERIOD_MS]
        row[_READY_MS] = k & mask
        row[_DEADLINE_MS] = (k + row[_PERIOD_MS]) & mask
    if c[_STATE] == _REST:
        # Choose.
        i = _ENDED
        if now_ms < 0:
            now_ms = int(ms())
            i = _CHOOSE
        best: int = -1
        best_left: int = 0
        best_rank: int = 0
        wait: int = 1000
        n = c[_READS]
        row = ptr32(rows + n * _READ_BYTES)  # noqa: F821
        while n:
            n -= 1
            row = ptr32(int(row) - _READ_BYTES)  # noqa: F821
            k = row[_READY_MS]
            if (k >> 30) & 1:
                continue
            k = (k - now_ms) & mask
            if k and k < half:
                if k < wait:
                    wait = k
                continue
            k = row[_RANK]
            if k >= best_rank:
                last = (row[_DEADLINE_MS] - now_ms + half) & mask
                if best < 0 or k > best_rank or last <= best_left:
                    best = n
                    best_left = last
                    best_rank = k
        if best < 0:
            best = -1 - wait
        c[_NEXT] = best
        if c[_FAR] != _GO_ON:
            return i
        if best < 0 or c[_QUARANTINED]:
            return _CHOOSE
        c[_READ] = best
        row = ptr32(rows + best * _READ_BYTES)  # noqa: F821
        c[_PROBE] = 0
        c[_NOISE_US] = now
        c[_STATE] = _GAP
    if not c[_FAR]:
        return _RELAXED_US
    # The gap and the request.
    last = c[_LAST_US]
    k = c[_SILENCE_US] - ((now - last) & mask)
    if k > c[_SPIN_US]:
        return _STRAY if int(available()) else k
    if not int(gate(reads[c[_READ]].frame, (last + c[_SILENCE_US]) & mask)):
        return _STRAY
    now = int(us())
    c[_SENT_US] = now
    c[_GAP_US] = ((now - last) & mask) + c[_BEHIND_US]
    c[_MISSING] = row[_NEED]
    if c[_ECHO]:
        c[_MISSING] += _REQUEST_BYTES
    k = row[_WIRE_US] + ptr32(int(c) + (row[_UNIT] << 2))[_LEAST_US]  # noqa: F821
    if k > row[_FIRST_US]:
        k = row[_FIRST_US]
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
