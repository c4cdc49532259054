"""Columns of a sample: its values as small differences from the group's sample before, and back, bit for bit.

FORMAT.md "Columns" specifies the bytes. A *plan* says how a group's data is cut into values: a bytearray with the
data's size, the byte order of its 32-bit values, the number of entries, the number of values, and two bytes per
entry: the code as in FORMAT.md, and what earlier blocks have taught about it (below). Values are held as 32-bit words
in an array("I"): a decimal column's integer, the bits of any other.

The loops are viper on MicroPython and plain Python on CPython. There an int has 32 or 64 bits or no limit: `mask` cuts
words to 32 bits where that is needed. Floats are taken apart as integers, so that boards with single precision and
hosts with doubles write the same bytes.
"""

import sys
from array import array

if sys.implementation.name == "micropython":
    import micropython
else:

    class micropython:
        """Stands in for the decorator that only MicroPython has."""

        @staticmethod
        def viper(function):
            return function

    def ptr8(buf):
        """Stands in for viper's cast."""
        return memoryview(buf).cast("B") if isinstance(buf, array) else buf

    def ptr32(buf):
        """The same."""
        return buf


# Row tags
WHOLE = 1
FIRST = 7
NEXT = 8
AFTER_WHOLE = 9

MAX_DATA_BYTES = 252  # a Modbus PDU's 253 bytes less the function code
MASK = 0xFFFFFFFF if sys.maxsize >> 31 else -1
WORD = 6  # code of a 32-bit value; those below are decimals, those above 1 to 9 units of 16 bits
UNITS_ONLY = 4  # in place of an order, which is 0 to 3: byte i of a word is byte i ^ order on the wire
ORDERS = {"ABCD": 0, "BADC": 1, "CDAB": 2, "DCBA": 3}
ENTRIES_AT = 4  # in a plan

# An entry's second byte. High nibble: for how many blocks more a column that had a value without few decimals is
# kept as words; 15 for 32-bit integers, for ever. Low nibble: the decimals that its values needed so far.
_PATIENCE = 0xE0
_FOR_EVER = 0xF0

_word = array("I", [0])  # see put_word


def plan_of(size, values=()):
    """The plan for data of `size` bytes, 0..252. values: (offset in bytes, order 0..3, True for a float) of the 32-bit
    values in it, in order of offset. Of values that overlap the first counts; so does the first one's order."""
    entries = bytearray()
    at = count = 0
    order = values[0][1] if values else UNITS_ONLY
    for offset, its_order, is_float in values:
        if offset >= at and offset + 4 <= size and its_order == order:
            count += _add_units(entries, offset - at) + 1
            entries.append(WORD)
            entries.append(0 if is_float else _FOR_EVER)
            at = offset + 4
    count += _add_units(entries, size - at)
    return bytearray((size, order, len(entries) // 2, count)) + entries


def _add_units(entries, size):
    units = (size + 1) // 2
    for done in range(0, units, 9):
        entries.append(WORD + min(units - done, 9))
        entries.append(0)
    return units


def put_plan(buf, at, plan):
    """Write order and codes, a nibble each, at `at`; returns the number of the nibble behind them."""
    nibble = 2 * at
    buf[at] = plan[1] & 15
    for entry in range(ENTRIES_AT, len(plan), 2):
        nibble += 1
        if nibble & 1:
            buf[nibble >> 1] |= plan[entry] << 4
        else:
            buf[nibble >> 1] = plan[entry]
    return nibble + 1


def read_plan(payload, at, size):
    """The plan for `size` bytes whose order and codes begin at byte `at`; behind them are 2 * at + 1 + plan[2] nibbles.
    IndexError if they are cut short, ValueError if they do not fit the size."""
    plan = bytearray((size, payload[at] & 15, 0, 0))
    left = size
    nibble = 2 * at + 1
    while left > 0:
        code = payload[nibble >> 1] >> 4 * (nibble & 1) & 15
        nibble += 1
        count = code - WORD if code > WORD else 1
        left -= 2 * count if code > WORD else 4
        plan.append(code)
        plan.append(0)
        plan[2] += 1
        plan[3] += count
    if plan[1] > 3 or left < -1 or (left and code <= WORD):
        raise ValueError("record block: columns do not fit")
    return plan


@micropython.viper
def move(buf, at: int, data, start: int, size: int):
    """Copy `size` bytes of `data` from `start` on to buf[at:]."""
    to = ptr8(buf)
    source = ptr8(data)
    for i in range(size):
        to[at + i] = source[start + i]


@micropython.viper
def put_word(k: int, power: int):
    """Into `_word`: the float32 nearest to k / power, by long division. 0 <= k < 2^23, power < 2^17."""
    word = ptr32(_word)
    mantissa = 0
    exponent = 0
    if k:
        exponent = 126
        while k >= 2 * power:
            power = 2 * power
            exponent += 1
        while k < power:
            k = 2 * k
            exponent -= 1
        for _ in range(24):
            mantissa = 2 * mantissa
            if k >= power:
                k -= power
                mantissa += 1
            k = 2 * k
        if k > power or (k == power and mantissa & 1):
            mantissa += 1
    word[0] = (exponent << 23) + mantissa  # the mantissa's highest bit carries into the exponent


@micropython.viper
def load_values(data: ptr8, plan: ptr8, values: ptr32, first: int, mask: int) -> int:
    """Take the values out of `data`; with `first` the codes of floats are chosen anew. Returns how many columns are
    decimal; -1 without `first` when one of them has a value that is not: then nothing in `values` counts."""
    trial = ptr32(_word)
    at = 0
    count = 0
    decimal = 0
    for entry in range(4, 4 + 2 * int(plan[2]), 2):
        code = int(plan[entry])
        if code > 6:
            while code > 6:
                value = int(data[at])
                at += 1
                if at < int(plan[0]):
                    value = value << 8 | int(data[at])
                    at += 1
                values[count] = value
                count += 1
                code -= 1
            continue
        value = 0
        for i in range(4):
            value = value << 8 | int(data[at + (i ^ (int(plan[1]) & 3))])
        at += 4
        if first:
            code = int(plan[entry + 1])
            if code > 15:
                if code < 0xF0:
                    plan[entry + 1] = code - 16
                code = 6
        if code < 6:
            # The value is mantissa / 2^shift; with k next to mantissa * power / 2^shift it is decimal if the float32
            # nearest to k / power is this one.
            shift = 150 - ((value >> 23) & 255)
            mantissa = value & 0x7FFFFF | 0x800000
            decimals = code
            power = 1
            for _ in range(code):
                power *= 10
            while value:
                k = 0x400000
                # mantissa * power = high * 4096 + low, so that all stays below 2^30
                low = (mantissa & 0xFFF) * power
                high = (mantissa >> 12) * power + (low >> 12)
                if shift > 12:
                    if shift < 42:
                        k = (high + (1 << (shift - 13))) >> (shift - 12)
                elif shift > 0 and not high >> (10 + shift):
                    k = (high << (12 - shift)) + (((low & 0xFFF) + (1 << (shift - 1))) >> shift)
                if k >= 0x400000:
                    code = 6  # with more decimals all the more
                    break
                put_word(k, power)
                if not ((int(trial[0]) ^ value) << 1) & mask:
                    code = decimals
                    if value >> 31:
                        k = 0 - k
                    value = k
                    break
                decimals += 1
                power *= 10
                code = 6
                if not first or decimals > 5:
                    break
            if code == 6:
                if not first:
                    return -1
                plan[entry + 1] = 0xE0
            else:
                decimal += 1
                plan[entry + 1] = code
        plan[entry] = code
        values[count] = value & mask
        count += 1
    return decimal


@micropython.viper
def put_values(buf: ptr8, nibble: int, values: ptr32, last: ptr32, at: int, count: int, mask: int) -> int:
    """Write from nibble number `nibble` of `buf` on how `values` differ from last[at:], or from zeros if `at` is -1:
    at most 11 nibbles for a 32-bit value, 6 for 16 bits. Returns the place of the byte behind."""
    zeros = 0
    for i in range(count + 1):
        token = 0
        again = 0
        if i < count:
            token = int(values[i])
            if at >= 0:
                token -= int(last[at + i])
            token = ((token << 1) ^ (0 - ((token >> 31) & 1))) & mask
            if token == 0:
                if zeros < 16:
                    zeros += 1
                    continue
                again = 1
        queue = 2 if zeros else 0
        while queue or token:
            digit = 0
            if queue:
                if queue == 1:
                    digit = zeros - 1
                queue -= 1
            else:
                digit = token & 7
                token = (token >> 3) & 0x1FFFFFFF
                if token:
                    digit += 8
            if nibble & 1:
                buf[nibble >> 1] = int(buf[nibble >> 1]) | digit << 4
            else:
                buf[nibble >> 1] = digit
            nibble += 1
        zeros = again
    return (nibble + 1) >> 1


@micropython.viper
def take_values(payload: ptr8, nibble: int, end: int, values: ptr32, count: int, mask: int) -> int:
    """Add the differences from nibble number `nibble` on to `values`. Returns the place of the byte behind, or 0 if
    that is beyond `end`."""
    zeros = 0
    for i in range(count):
        if zeros:
            zeros -= 1
            continue
        token = 0
        shift = 0
        digit = 8
        while digit > 7:
            if nibble >= 2 * end:
                return 0
            digit = (int(payload[nibble >> 1]) >> 4 * (nibble & 1)) & 15
            nibble += 1
            if digit or shift:
                token = token | (digit & 7) << shift
                shift += 3
            else:  # a zero, and how many more
                zeros = (int(payload[nibble >> 1]) >> 4 * (nibble & 1)) & 15
                nibble += 1
        value = (token >> 1) & 0x3FFFFFFF | ((token >> 31) & 1) << 30
        if token & 1:
            value = -1 - value
        values[i] = (int(values[i]) + value) & mask
    return (nibble + 1) >> 1 if nibble <= 2 * end else 0


@micropython.viper
def store_values(values: ptr32, plan: ptr8, data: ptr8, mask: int):
    """The data that the values stand for."""
    word = ptr32(_word)
    at = 0
    count = 0
    for entry in range(4, 4 + 2 * int(plan[2]), 2):
        code = int(plan[entry])
        if code > 6:
            while code > 6:
                value = int(values[count])
                count += 1
                if at + 1 < int(plan[0]):
                    data[at] = (value >> 8) & 255
                    at += 1
                data[at] = value & 255
                at += 1
                code -= 1
            continue
        value = int(values[count])
        count += 1
        if code < 6:
            sign = (value >> 31) & 1
            if sign:
                value = (0 - value) & mask
            power = 1
            for _ in range(code):
                power *= 10
            put_word(value & 0x7FFFFF, power)
            value = int(word[0]) | sign << 31
        for i in range(4):
            data[at + (i ^ int(plan[1]))] = (value >> (24 - 8 * i)) & 255
        at += 4
