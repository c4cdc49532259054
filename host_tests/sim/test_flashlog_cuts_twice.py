"""Two power cuts: all flash operations of short workloads, and of their recoveries, in all torn states."""

from flashlog_cuts import Sweep, random_script
from nor import Rng

HEAP_KB = 16384
TIMEOUT_S = 480

SHORT = (("append", 2, 300), ("consume", 1), ("idle",), ("append", 1, 40))


def sweep(name, sectors, unit, drop, script, warm=()):
    run = Sweep(Rng(21), depth=2)
    run.run("%s, unit %d" % (name, unit), script, sectors, unit, drop, warm=warm)
    print("REPORT: both cuts complete: %s, unit %d: %d pairs" % (name, unit, run.pairs))


def test_first_format():
    sweep("first format", 4, 16, True, SHORT)
    sweep("first format", 4, 256, True, SHORT[:2])


def test_drop_oldest_at_the_wrap():
    warm = random_script(Rng(22), 70, 0, 1)
    full = (("append", 1, 470),) * 4
    sweep("drop oldest", 4, 16, True, (("idle",),) + full + (("idle",), ("append", 3, 470)), warm)


def test_next_sector_with_ack():
    warm = random_script(Rng(23), 60, 2, 1)
    sweep("next sector", 4, 256, False, (("append", 1, 470),) * 3 + (("consume", 9), ("idle",)), warm)
