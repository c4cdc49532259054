"""A configuration of 208 points in 16 units becomes plans in memory that has no room for it as a tree."""

FREE_BYTES = 65536  # objects take up to twice as much here as on a board
room = [bytearray(FREE_BYTES)]  # in one piece, before all the rest

import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402

from full_heap import fill  # noqa: E402
from gateway import planning, rules, splits  # noqa: E402
from ot_half import planned  # noqa: E402

HEAP_KB = 1000
UNITS = 16
POINTS = 13


def ot_of(units, points):
    return {
        "format": 1,
        "owner": "controls",
        "revision": 1,
        "buses": [
            {
                "name": "line1",
                "units": [
                    {
                        "name": "unit%d" % number,
                        "unit_id": number,
                        "points": [
                            {"name": "p%d" % i, "fc": 3, "address": i, "type": "uint16", "period_ms": 2000}
                            for i in range(points)
                        ],
                    }
                    for number in range(1, units + 1)
                ],
            }
        ],
    }


def write(units, points):
    with open("ot.json", "w") as file:
        json.dump(ot_of(units, points), file)
    if splits.FILE in os.listdir():
        os.remove(splits.FILE)


def start():
    """The start's reading of ot.json."""
    errors = []
    made = planning.read("", 1, {"modbus_tcp": None}, errors)
    assert errors == [], errors
    return made


class Full:
    """As long as it is entered no more than FREE_BYTES of the heap are free."""

    def __enter__(self):
        gc.collect()
        self._held = fill(4096, 256, 16)
        room[0] = None
        gc.collect()
        assert FREE_BYTES <= gc.mem_free() < FREE_BYTES + 4096, gc.mem_free()
        gc.threshold(8192)

    def __exit__(self, *_):
        gc.threshold(-1)
        self._held = None
        gc.collect()
        room[0] = bytearray(FREE_BYTES)


def test_units_are_read_one_by_one():
    write(1, 1)
    start()  # loads what is loaded for it
    write(UNITS, POINTS)
    with Full():
        made = start()
        gc.collect()
        left = gc.mem_free()
    reads = made.plans[0].reads
    assert len(reads) == UNITS and [read.points for read in reads] == [None] * UNITS
    assert [read.frame[0] for read in reads] == list(range(1, UNITS + 1))
    print("%d points in %d units are read in %d bytes of heap, of which %d stay"
          % (UNITS * POINTS, UNITS, FREE_BYTES, FREE_BYTES - left))


def test_all_of_them_at_once_have_no_room():
    """The control: without it a heap that is large enough would go unnoticed."""
    write(UNITS, POINTS)
    with Full():
        try:
            with open("ot.json") as file:
                tree = rules.check(json.load(file), rules.OT, "", [])
        except MemoryError:
            return
        raise AssertionError("%d bytes hold the whole tree of %d units" % (FREE_BYTES, len(tree["buses"][0]["units"])))


def test_both_rounds_make_the_same_texts():
    """The schema's file is written from a second round through ot.json, only where it is not there."""
    made = planned(ot_of(3, 20))
    texts = list(made.texts())
    assert len(texts) == 3 and '"group":2,"bus":"line1","unit":"unit3"' in texts[2]
    assert list(made.texts()) == texts
