"""Lets MicroPython find the names of the code in flash, sorted: `code.names` (tools/fieldgate/names.py).

MicroPython looks for each name of a module that it loads, and for each text that it makes, in pools of names; those
that it fills itself lie in the heap and are searched from one end to the other. After a start 1374 of them took 29 KB,
and a search that finds nothing 0.1 ms: a quarter of the start. `take` puts one pool more at the end of the chain before
that: its texts stay in flash, and it is sorted, so that MicroPython halves it eleven times instead (py/qstr.c).

Promises: the pool is added only where those that are there look as py/qstr.h of MicroPython 1.28 says, to the last
number and a name that was just made; otherwise nothing is changed, and nothing is lost but the saving. A name that is
known already is left out, so that each has one number. The texts lie where LittleFS put the file: nobody may replace
it while the box runs with it (firmware/DESIGN.md, Memory).
"""

import micropython
import rp2
import uctypes
from vfs import VfsLfs2

from ports.rp2 import xip

FILE = "/code.names"
_HEAD_BYTES = 16
_RAM = 0x20000000  # RP2040 data sheet, 2.2
_RAM_BYTES = 0x10000  # what MicroPython keeps outside of its heap lies in the first part of it
_NEWEST = "the newest of all names"


class _Probe:
    """Gets an attribute, and so MicroPython a name."""


def take():
    """Add the names of the file; returns how many, 0 where that could not be done."""
    try:
        with open(FILE, "rb") as file:
            head = file.read(_HEAD_BYTES)
        return _take(int(head[:8], 16), int(head[8:], 16))
    except (OSError, ValueError, MemoryError):
        return 0  # no such file (loose modules), no LittleFS, a damaged head, or no room


def _take(count, size):
    device = rp2.Flash()
    base = xip.base(device)
    if not base or id(str(_NEWEST.encode(), "ascii")) & 7 == 2:  # taken already: what looks like the newest pool is not
        return 0
    places = bytearray(4 * count)  # where each name stands
    listed = index = 0
    for block in reversed(xip.blocks(device, VfsLfs2, base, FILE, size)):
        begin = base + block * xip.BLOCK_BYTES + xip.pointer_bytes(index)
        length = min(size, xip.BLOCK_BYTES - xip.pointer_bytes(index))
        listed = _list(begin if index else begin + _HEAD_BYTES, begin + length, places, listed, count)
        size -= length  # behind the file stands what was there before
        index += 1
    setattr(_Probe, _NEWEST, 0)
    word = _newest_pool(_RAM, _RAM + _RAM_BYTES, id(str(_NEWEST.encode(), "ascii")), _NEWEST)
    if listed != count or not word:
        return 0
    known = bytearray(count)
    new = count - _strike(word, places, known, count)
    pool = bytearray(24 + 6 * new)
    if not new or uctypes.addressof(pool) & 15:
        return 0
    _fill(word, pool, new, places, known, count)
    return new


@micropython.viper
def _list(at: int, end: int, places_buf, n: int, room: int) -> int:
    """Note the places of the names of a block; returns how many there are now."""
    places = ptr32(places_buf)  # noqa: F821
    while at + 1 < end and n < room and int(ptr8(at)[1]):  # noqa: F821
        places[n] = at
        at += int(ptr8(at)[1]) + 3  # noqa: F821
        n += 1
    return n


@micropython.viper
def _newest_pool(at: int, end: int, number: int, name) -> int:
    """Address of the word that leads to the pools of names; 0 if none does in which the newest one is `name`."""
    number >>= 3  # py/obj.h: a name is 8 times its number, and 2
    while at < end:
        pool: int = ptr32(at)[0]  # noqa: F821
        if pool & 15 == 0 and pool > 0x20000000 and pool < 0x20040000:
            if int(_is_chain(pool, number, name)):
                return at
        at += 4
    return 0


@micropython.viper
def _is_chain(pool: int, number: int, name_buf) -> int:
    """1 if pools begin here (py/qstr.h): before, names before | sorted, room, names, hashes, lengths, texts."""
    name = ptr8(name_buf)  # noqa: F821
    length: int = int(len(name_buf))
    above: int = number + 1
    newest: int = 1
    while pool:
        p = ptr32(pool)  # noqa: F821
        before: int = (p[1] << 1) >> 1
        count: int = p[3]
        if count < 1 or before < 0 or before + count != above:
            return 0
        last: int = 5 + count
        k: int = 4
        while k < 7:  # hashes, lengths, first text
            if p[k] >> 24 != 0x10 and p[k] >> 18 != 0x800:
                return 0
            k += 1
        if newest:
            if p[last] >> 18 != 0x800 or ptr8(p[5])[count - 1] != length:  # noqa: F821
                return 0
            text = ptr8(p[last])  # noqa: F821
            i: int = 0
            hash: int = 5381
            while i < length:
                if text[i] != name[i]:
                    return 0
                hash = (hash * 33) ^ text[i]
                i += 1
            if text[length] or hash & 255 != ptr8(p[4])[count - 1]:  # noqa: F821
                return 0
            newest = 0
        above = before
        pool = p[0]
        if pool & 3 or (pool and pool >> 24 != 0x10 and pool >> 18 != 0x800):
            return 0
    return 1 if above == 0 else 0


@micropython.viper
def _strike(word: int, places_buf, known_buf, count: int) -> int:
    """Mark which of the names the pools have already; returns how many."""
    places = ptr32(places_buf)  # noqa: F821
    known = ptr8(known_buf)  # noqa: F821
    struck: int = 0
    pool: int = ptr32(word)[0]  # noqa: F821
    while pool:
        p = ptr32(pool)  # noqa: F821
        is_sorted: int = p[1] >> 31
        low: int = 0
        j: int = 0
        while j < p[3]:
            a = ptr8(p[6 + j])  # noqa: F821
            j += 1
            high: int = count
            if not is_sorted:
                low = 0
            while low < high:
                middle: int = low if is_sorted else (low + high) >> 1  # in a sorted pool the next one is near
                b = ptr8(places[middle] + 2)  # noqa: F821
                k: int = 0
                while a[k] == b[k] and a[k]:
                    k += 1
                if a[k] > b[k]:
                    low = middle + 1
                elif a[k] < b[k]:
                    high = middle
                else:
                    known[middle] = 1
                    struck += 1
                    high = low
        pool = p[0]
    return struck


@micropython.viper
def _fill(word: int, pool_buf, new: int, places_buf, known_buf, count: int):
    """Make the pool of the names that are new, and put it at the end of the chain."""
    places = ptr32(places_buf)  # noqa: F821
    known = ptr8(known_buf)  # noqa: F821
    p = ptr32(pool_buf)  # noqa: F821
    last = ptr32(ptr32(word)[0])  # noqa: F821
    p[0] = ptr32(word)[0]  # noqa: F821
    top: int = 1
    p[1] = ((last[1] << 1) >> 1) + last[3] | (top << 31)  # the top bit: sorted
    p[2] = 32  # MicroPython makes its next pool twice as large
    p[3] = new
    p[4] = int(p) + 24 + 4 * new
    p[5] = p[4] + new
    hashes = ptr8(p[4])  # noqa: F821
    lengths = ptr8(p[5])  # noqa: F821
    i: int = 0
    n: int = 0
    while i < count:
        if not known[i]:
            name = ptr8(places[i])  # noqa: F821
            hashes[n] = name[0]
            lengths[n] = name[1]
            p[6 + n] = places[i] + 2
            n += 1
        i += 1
    ptr32(word)[0] = int(p)  # noqa: F821
