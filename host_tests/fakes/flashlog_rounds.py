"""Endless random power-cut rounds for the soak; runs on MicroPython: SEED, SECONDS and ROUNDS from the environment.

Round r of seed s uses seed s * 1000 + r for everything, so SEED=s FIRST=r ROUNDS=1 repeats it alone.
"""

import os
import sys
import time

from flashlog_cuts import Sweep, Violation, add_histogram, histogram_lines, random_script
from nor import Rng


def one_round(seed):
    """A random geometry, policy, load and fault; returns the Sweep."""
    rng = Rng(seed)
    sectors = 4 + rng.below(3)
    unit = (16, 256)[rng.below(2)]
    drop = rng.below(3) > 0
    consume = rng.below(14)
    idle = rng.below(4)
    largest = (478, 478, 120)[rng.below(3)]
    warm = random_script(rng, rng.below(120), consume, idle, largest)
    script = random_script(rng, 40, consume, idle, largest)
    fault = rng.below(8)
    hit = {rng.below(sectors)}

    def prepare(nor):
        if sectors > 4 and fault < 2:
            setattr(nor, ("stuck_program", "stuck_erase")[fault], hit)

    run = Sweep(rng, depth=2, second_every=20 + rng.below(100))
    title = "seed %d: %d sectors, unit %d, drop %s, consume %d, idle %d, fault %d" % (
        seed, sectors, unit, drop, consume, idle, fault)  # fmt: skip
    run.run(title, script, sectors, unit, drop, warm=warm, prepare=prepare)
    return run


def main():
    seed = int(os.getenv("SEED") or 1)
    seconds = int(os.getenv("SECONDS") or 60)
    first = int(os.getenv("FIRST") or 0)
    rounds = int(os.getenv("ROUNDS") or 0)
    total = {}
    number = first
    started = time.time()
    while (number - first < rounds) if rounds else (time.time() - started < seconds):
        try:
            add_histogram(total, one_round(seed * 1000 + number).histogram)
        except Violation as error:
            print("FAILED %s" % error)
            print("again: SEED=%d FIRST=%d ROUNDS=1" % (seed, number))
            sys.exit(1)
        number += 1
        if number % 10 == 0:
            print("%d rounds, %d pairs, %d s" % (number - first, sum(total.values()), time.time() - started))
    for line in histogram_lines(total):
        print(line)
    print("%d rounds, %d distinct (operation, torn state) pairs, 0 lost, reordered or phantom" % (
        number - first, sum(total.values())))  # fmt: skip


if __name__ == "__main__":
    main()
