"""Runs on the emulated Pico: the pinned blocks of flashlog.pinned, used and left alone by turns."""

import os
import time

from ports.rp2 import storage

FILES = 12


PATTERN = bytes((i * i + 5 * i + 1) & 0xFF for i in range(512))


def fill(page, number, turn):
    """A page that tells its file and turn."""
    at = (number * 17 + turn * 5) & 0xFF
    page[:] = PATTERN[at : at + 256]
    page[0] = number
    page[1] = turn


def use(flash, turn):
    """Erase and program every block behind the file system's back."""
    page = bytearray(256)
    for number in range(FILES):
        flash.erase(number)
        fill(page, number, turn)
        for offset in range(0, 4096, 256):
            flash.program(number, offset, page)


def wrong(flash, turn):
    """Number of pages that do not hold what `use` wrote."""
    page = bytearray(256)
    found = bytearray(256)
    count = 0
    for number in range(FILES):
        fill(page, number, turn)
        for offset in range(0, 4096, 256):
            flash.read(number, offset, found)
            count += found != page
    return count


def open_all():
    """Prints the milliseconds that a start takes."""
    start = time.ticks_ms()
    flash = storage.open_flash({"pinned_files": FILES})
    print(time.ticks_diff(time.ticks_ms(), start))
    return flash


def starts(files):
    """Prints the milliseconds of a first start with so many files, and of two later ones."""
    for _ in range(3):
        start = time.ticks_ms()
        flash = storage.open_flash({"pinned_files": files})
        print(time.ticks_diff(time.ticks_ms(), start))
        assert flash.sectors == files


def stress():
    """Write, rename and delete files and fill the file system up; prints wrong pages after each, all to be 0."""
    flash = open_all()
    use(flash, 1)
    for turn in range(20):
        with open("t%d" % (turn % 5), "wb") as file:
            file.write(bytes([turn]) * (200 + turn * 397 % 9000))
        if turn % 7 == 0:
            os.rename("t%d" % (turn % 5), "u%d" % (turn % 3))
    print(wrong(flash, 1))
    full = 0
    try:
        while True:
            with open("fill%d" % full, "wb") as file:
                full += 1
                file.write(bytes(16384))
    except OSError:
        pass
    print(full, wrong(flash, 1))
    for i in range(full):
        os.remove("fill%d" % i)
    use(flash, 2)
    print(wrong(storage.open_flash({"pinned_files": FILES}), 2))
