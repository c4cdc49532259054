"""Runs on the emulated Pico: names in flash (ports.rp2.names) for the real firmware, and pools that are wrong."""

import gc
import time
from array import array

import uctypes


class Holder:
    """Has attributes by names that are in no pool yet."""


def number(name):
    """Of a name that MicroPython has; -1: it has none."""
    text = str(name.encode(), "ascii")
    return id(text) >> 3 if id(text) & 7 == 2 else -1


def take(words):
    """Prints names taken, ms, heap bytes they take, names of `words` known before and after, names taken again; then
    what went wrong."""
    from ports.rp2 import names

    setattr(Holder, words[0], 1)  # this one is known before
    before = [number(word) for word in words]
    gc.collect()
    free = gc.mem_free()
    began = time.ticks_us()
    taken = names.take()
    took_us = time.ticks_diff(time.ticks_us(), began)
    gc.collect()
    heap_bytes = free - gc.mem_free()
    after = [number(word) for word in words]
    again = names.take()
    known = [len([n for n in numbers if n >= 0]) for numbers in (before, after)]
    print(taken, took_us // 1000, heap_bytes, known[0], known[1], again)
    mistakes = [word for word, old, new in zip(words, before, after) if old >= 0 and old != new]
    if len(set(after)) != len(words):
        mistakes.append("two names have one number")
    for round in range(3):  # they stay while the heap is collected, and new ones come
        for i, word in enumerate(words):
            setattr(Holder, word, i)
            setattr(Holder, "new_%d_%d" % (round, i), i)
        gc.collect()
        for i, word in enumerate(words):
            if getattr(Holder, word) != i or number(word) != after[i]:
                mistakes.append(word)
    print(mistakes)


def refuse():
    """Prints what _is_chain says of a chain that is right, and of each that is not."""
    from ports.rp2 import names

    name = "a_name"
    text = bytearray(name.encode() + b"\0")
    hash = 5381
    for byte in name.encode():
        hash = (hash * 33) ^ byte
    lists = bytearray((hash & 255, len(name)))
    older = array("I", bytearray(7 * 4))
    newer = array("I", bytearray(7 * 4))
    at = uctypes.addressof
    whole = (at(older), 1, 8, 1, at(lists), at(lists) + 1, at(text))
    right = ((0, 0, 8, 1, at(lists), at(lists) + 1, at(text)), whole)
    told = []

    def ask(changes=(), which=1, asked=name, its=1):
        for i in range(7):
            older[i], newer[i] = right[0][i], right[1][i]
        for place, value in changes:
            (older, newer)[which][place] = value
        told.append(names._is_chain(at(newer), its, asked))

    ask()
    ask(its=2)
    ask(asked="a_nam3")
    ask(asked="a_name_")
    for which in (0, 1):
        for place in (1, 3):
            ask(((place, right[which][place] + 1),), which)
        for place in (4, 5, 6):
            ask(((place, 0x40000000),), which)
    ask(((0, 0x50000000),))
    ask(((0, at(older) + 2),))
    ask(((0, 0),))
    lists[0] ^= 1
    ask()
    print(*told)
