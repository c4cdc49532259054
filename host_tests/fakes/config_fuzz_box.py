"""Runs on MicroPython: gives every line of the file `cases` (half, hex of its text) to the console's check and to the
start's, and prints for each whether they take it (+ or -) and the first mistake; at the end how the heap has moved."""

import gc
import os
from binascii import unhexlify

from console import checker, keys, strict  # noqa: F401

# What a check may load is there before the heap is measured.
from gateway import config, config_points, edge_rules, planning, revisions, silence, units  # noqa: F401

MOST_STEPS = 20000
PORTS = 2
FIRST = 100


def verdict(half, text):
    for name in ("ot", "it"):
        with open(revisions.EDIT + "/" + name + ".json", "wb") as file:
            if name == half:
                file.write(text)
            else:
                with open(name + ".good", "rb") as good:
                    file.write(good.read())
    errors = []
    try:
        for _ in strict.check("%s/%s.json" % (revisions.EDIT, half)):  # as the verb load does
            pass
    except ValueError as error:
        errors.append("not JSON: %s" % error)
    steps = 0
    for _ in checker.check(PORTS, errors, [], 100):
        steps += 1
        if steps > MOST_STEPS:
            return "hangs"
    begin, more = [], []
    gc.collect()  # the start of a box finds a fresh heap
    planning.read(revisions.EDIT, PORTS, config.it_half(revisions.EDIT, more), begin)
    begin = (begin + more)[:41]
    first = (begin + errors + [""])[0]
    if len(errors) > 41 or any(["\n" in line or len(line) > 400 for line in errors + begin]):
        return "a bad line: " + repr(errors + begin)[:600]
    return "%s %s %s" % ("-" if errors else "+", "-" if begin else "+", first)


def level():
    """Bytes in use. The same work is done before, as the collector takes old words of the stack for references."""
    with open("ot.good", "rb") as file:
        good = file.read()
    for _ in range(3):
        assert verdict("ot", good)[:3] == "+ +"
    good = None
    gc.collect()
    return gc.mem_alloc()


def meet_letters():
    """MicroPython keeps each letter that it ever took out of a text: the usual ones before the heap is measured."""
    for letter in "".join([chr(code) for code in range(256)]):
        assert letter


def main():
    meet_letters()
    for folder in (revisions.FOLDER, revisions.EDIT):
        try:
            os.mkdir(folder)
        except OSError:
            pass
    before = 0
    number = 0
    with open("cases") as file:
        while judge_next(file):
            number += 1
            if number == FIRST:
                before = level()
    print("heap", level() - before)


def judge_next(file):
    """False at the end. A function of its own: nothing of a case may stay referenced while the heap is measured."""
    line = file.readline()
    if not line:
        return False
    half, text = line.split()
    print(verdict(half, unhexlify(text[1:])).replace("\n", " "))
    return True


main()
