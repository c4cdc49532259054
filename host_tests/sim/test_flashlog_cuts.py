"""Power cuts at every flash operation of the log, in every torn state of the NOR simulator. See fakes/flashlog_cuts.py.

Long random workloads: at least 4 laps of 4 to 6 sectors, program units of 16 and 256 bytes, both
policies, a reader that keeps up, falls behind, or never comes. A failure names seed, operation and
torn state; the same seed repeats it.
"""

from flashlog_cuts import Sweep, add_histogram, histogram_lines, random_script
from nor import Rng

HEAP_KB = 16384
TIMEOUT_S = 480

TOTAL = {}


def sweep(name, seed, sectors, unit, drop, steps, consume, idle, least_laps=4, prepare=None):
    run = Sweep(Rng(seed), depth=2, second_every=400)
    script = random_script(Rng(seed), steps, consume, idle)
    title = "%s, seed %d, %d sectors, unit %d, %s" % (name, seed, sectors, unit, "drop" if drop else "refuse")
    machine = run.run(title, script, sectors, unit, drop, prepare=prepare)
    laps = sum(machine.nor.wear) / sectors
    assert laps >= least_laps, laps
    add_histogram(TOTAL, run.histogram)
    print("REPORT: cuts: %s, %.1f laps: %d pairs, %d of them second cuts" % (title, laps, run.pairs, run.second))


def test_keeping_up():
    sweep("keeping up", 1, 4, 16, True, 160, 3, 2)
    sweep("keeping up", 2, 4, 256, False, 160, 3, 2)


def test_falling_behind():
    sweep("falling behind", 3, 5, 256, True, 235, 12, 1)
    sweep("falling behind", 4, 5, 16, False, 225, 4, 3)


def test_never_read():
    sweep("never read", 5, 6, 16, True, 310, 0, 1)
    sweep("never read", 6, 6, 256, False, 85, 0, 2, least_laps=1)


def test_without_idle():
    sweep("without idle", 7, 4, 16, True, 100, 7, 0, least_laps=1)


def test_sector_that_does_not_program():
    def stuck(nor):
        nor.stuck_program = {2}

    sweep("stuck program", 8, 6, 16, True, 120, 8, 1, least_laps=1, prepare=stuck)


def test_sector_that_does_not_erase():
    def stuck(nor):
        nor.stuck_erase = {0, 3}

    sweep("stuck erase", 9, 6, 256, True, 120, 8, 1, least_laps=1, prepare=stuck)


def test_zz_histogram():
    """Every phase was cut in every torn state, and at least 20,000 distinct pairs were tried."""
    if not TOTAL:  # chosen alone
        for test in (test_keeping_up, test_falling_behind, test_never_read, test_without_idle):
            test()
    for line in histogram_lines(TOTAL):
        print("REPORT: cuts: " + line)
    for phase in ("mount", "begin_boot", "append", "ack"):
        for state in ("before", "one_byte", "half", "but_one_byte", "random_bits", "but_one_bit", "ghost", "after"):
            assert TOTAL.get((phase + " program", state)), (phase, state)
    for phase in ("mount", "begin_boot", "append", "idle"):
        for state in ("before", "half", "first_kept", "garbage", "raised", "weak", "after"):
            assert TOTAL.get((phase + " erase", state)), (phase, state)
    assert sum(TOTAL.values()) >= 20000
