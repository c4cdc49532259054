"""What the bus learns of a unit's latency: a look that came late must not make all later looks late.

Found on emulated RP2040 firmware with the whole application: one hold of the loop of 40 ms at the start, and from then
on every cycle was 40 ms longer, because each late look measured a latency of 40 ms again.
"""

from array import array

from modbus.cells import LEAST_US, UNIT_CELLS
from modbus.codes import GOOD
from modbus.evidence import Evidence

TRUE_US = 2000


class Unit:
    index = 0

    def __init__(self):
        self.cells = array("i", bytes(4 * UNIT_CELLS))


class Read:
    group = 0

    def __init__(self):
        self.unit = Unit()


def poll(evidence, read, held_us):
    """One poll: the engine looks after the learned latency, or when the loop is free again."""
    look_us = max(read.unit.cells[LEAST_US], held_us)
    watched = look_us < TRUE_US
    evidence.note(read, GOOD, 20000, 0, TRUE_US if watched else look_us, watched, 0)


def test_a_held_loop_is_forgotten():
    read = Read()
    evidence = Evidence(1750, [read.unit])
    for i in range(400):
        poll(evidence, read, 40000 if i % 50 == 0 else 0)
        if i % 50 == 9:
            assert read.unit.cells[LEAST_US] <= TRUE_US
    assert read.unit.cells[LEAST_US] > 0


def test_a_slower_unit_is_learned():
    """A unit that answered fast once and is slow from then on: the look comes nearer to its answer."""
    read = Read()
    evidence = Evidence(1750, [read.unit])
    poll(evidence, read, 0)
    for _ in range(200):
        evidence.note(read, GOOD, 20000, 0, 30000, True, 0)
    assert 20000 < read.unit.cells[LEAST_US] <= 30000
