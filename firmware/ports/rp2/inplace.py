"""Lets functions run from the flash in which the bundle of code lies, and so frees their copies in the heap.

A stock image loads the code of a .mpy file into the heap, though the file lies in flash that the processor reads like
memory (ports.rp2.xip). Bytecode is the same at both places: names and constants are
looked up through tables of the module. A function object holds the address of its bytecode; `settle` looks for the
same bytes in the bundle, writes that address instead, and collects the copies.

Promises: an address is changed only where every byte is the same; where an image keeps its functions in another way
nothing fits and nothing is changed. The blocks are those that LittleFS itself reads for the file; it moves them only
when the file is written, so who replaces the bundle restarts the box before other files are written. Functions of the
bundle must not be under way, as their copy would go: main.py, which is no part of it, calls `settle`. Generators and
coroutines under way keep theirs.
"""

import gc
import sys
from array import array

import micropython
import rp2
from vfs import VfsLfs2

from ports.rp2 import xip


def settle():
    """Move what can be moved; returns (functions in the heap before, functions moved, bytes of their code)."""
    counts = array("I", bytearray(12))
    try:
        _move(counts)
    except (MemoryError, OSError):
        pass  # no room for the search, or no LittleFS: what was not moved stays in the heap
    gc.collect()
    return tuple(counts)


def _move(counts):
    device = rp2.Flash()
    base = xip.base(device)
    loader = sys.modules.get("bundle")
    if base and loader and loader.bundle:
        path = loader.bundle.path
        with open(path, "rb") as file:
            end = int(file.read(8), 16)  # of the modules that may be resident
        blocks = xip.blocks(device, VfsLfs2, base, path, end)
        kinds = array("I", (id(type(settle)), id(type(_generator)), id(type(_generator())), id(_move), id(settle)))
        room = _gather(kinds, kinds, 0)  # counted first: late in a start there are few, and no large piece for more
        functions = bytearray(4 * room)
        links = bytearray(2 * (256 + room))
        counts[0] = min(_gather(functions, kinds, room), room)
        _sort(functions, counts[0], kinds[2], links)
        for block in blocks:
            _match(base + block * xip.BLOCK_BYTES, functions, links, counts)


def _generator():
    yield


@micropython.viper
def _gather(functions_buf, kinds_buf, room: int) -> int:
    """Note the functions whose code lies in the heap, as many as there is room for; returns how many there are.

    A function object is: type, context, children, code (py/objfun.h); a generator holds its function behind its type
    (py/objgenerator.c). What looks like one and is garbage does no harm."""
    functions = ptr32(functions_buf)  # noqa: F821
    kinds = ptr32(kinds_buf)  # noqa: F821
    plain: int = kinds[0]
    generator: int = kinds[1]
    mine: int = kinds[3]
    my_caller: int = kinds[4]
    n: int = 0
    at: int = 0x20000000
    while at < 0x20040000:
        p = ptr32(at)  # noqa: F821
        kind: int = p[0]
        if (kind == plain or kind == generator) and at != mine and at != my_caller:
            code: int = p[3]
            if code >> 18 == 0x800 and code & 15 == 0:
                if n < room:
                    functions[n] = at
                n += 1
        at += 16
    return n


@micropython.viper
def _sort(functions_buf, n: int, begun: int, links_buf):
    """Strike out those of the `n` functions that are under way, and sort the others into 256 chains by the first bytes
    of their code. begun: type of the generators that have begun."""
    functions = ptr32(functions_buf)  # noqa: F821
    links = ptr16(links_buf)  # noqa: F821
    at: int = 0x20000000
    while at < 0x20040000:
        p = ptr32(at)  # noqa: F821
        if p[0] == begun:
            i: int = 0
            while i < n:
                f: int = functions[i]
                if p[1] == f or p[2] == f or p[3] == f:
                    functions[i] = 0
                i += 1
        at += 16
    i = 0
    while i < n:
        f = functions[i]
        if f:
            c = ptr8(ptr32(f)[3])  # noqa: F821
            h: int = (c[0] ^ (c[1] << 2) ^ (c[2] << 3) ^ (c[3] << 1) ^ c[4]) & 255
            links[256 + i] = links[h]
            links[h] = i + 1
        i += 1


@micropython.viper
def _match(block: int, functions_buf, links_buf, counts_buf):
    """Point functions to this block of flash where their code stands in it.

    In front of the bytecode of a function stands 8 * its length as two bytes of 7 bits, the first with its top bit
    set (py/persistentcode.c). Shorter ones than 16 bytes have one and stay."""
    functions = ptr32(functions_buf)  # noqa: F821
    links = ptr16(links_buf)  # noqa: F821
    counts = ptr32(counts_buf)  # noqa: F821
    b = ptr8(block)  # noqa: F821
    p: int = 1
    while p < 4079:
        if b[p] & 0x83 == 0:
            if b[p - 1] & 0x80:
                length: int = ((b[p - 1] & 0x7F) << 4) | (b[p] >> 3)
                if length >= 16 and p + length < 4096:
                    at: int = block + p + 1
                    c = ptr8(at)  # noqa: F821
                    i: int = links[(c[0] ^ (c[1] << 2) ^ (c[2] << 3) ^ (c[3] << 1) ^ c[4]) & 255]
                    while i:
                        f = ptr32(functions[i - 1])  # noqa: F821
                        if f[3] >> 28 == 2:
                            d = ptr8(f[3])  # noqa: F821
                            k: int = 0
                            while k < length and c[k] == d[k]:
                                k += 1
                            if k == length:
                                f[3] = at
                                counts[1] += 1
                                counts[2] += length
                        i = links[255 + i]
        p += 1
