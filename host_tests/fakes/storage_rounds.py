"""Endless random lives of pinned blocks for the soak, on MicroPython: SEED, SECONDS, ROUNDS from the environment.

Unlike in the tests the files carry times of change, as on the boards: LittleFS's choice of blocks then depends on the
wall clock, and a round that failed need not fail again.
"""

import os
import sys
import time

from storage_box import DATED, Life, Rng, blank
from storage_strain import Strain


def room(chip, count):
    """Blocks that the folder takes beside those of the files; find_blocks promises 4 + count // 16 at most."""
    nor = blank(chip, count + 80)
    life = Life(chip, nor)
    before = os.statvfs(life.root)[3]
    life.find(count)
    taken = before - os.statvfs(life.root)[3] - count
    life.end()
    return taken


def main():
    seed = int(os.getenv("SEED") or 1)
    seconds = int(os.getenv("SECONDS") or 60)
    rounds = int(os.getenv("ROUNDS") or 0)
    done = cuts = 0
    taken = {}
    started = time.time()
    while (done < rounds) if rounds else (time.time() - started < seconds):
        for chip in DATED:
            strain = Strain(chip, blank(chip), Rng(seed * 1000 + done), 5)
            strain.run(200)
            cuts += strain.cuts
            if strain.bad_pages or strain.bad_files:
                print("FAILED: seed %d, round %d, %s: %d bad pages, %d bad files" % (
                    seed, done, chip[0], strain.bad_pages, strain.bad_files))  # fmt: skip
                sys.exit(1)
            count = (8, 128, 352)[done % 3]
            key = (chip[0], count)
            taken[key] = max(taken.get(key, 0), room(chip, count))
            if taken[key] > 4 + count // 16:
                print("FAILED: %s: the folder of %d files takes %d blocks" % (chip[0], count, taken[key]))
                sys.exit(1)
        done += 1
    print("pinned blocks: %d rounds, %d cuts, 0 bad pages, 0 bad files; the folder took at most %s" % (
        done, cuts, ", ".join(["%s %d: %d" % (key + (taken[key],)) for key in sorted(taken)])))  # fmt: skip


main()
