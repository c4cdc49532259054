"""The end of a run that nobody planned: what waits in RAM goes to flash, unless a write to flash was what ended it."""

import gc

from clock import VirtualLoop
from flashlog.records import SAMPLE
from gateway import rescue
from gateway.keeper import Keeper
from records_box import Box, frames_of

if not hasattr(gc, "mem_free"):  # CPython
    gc.mem_free = lambda: 100000


class Gateway:
    """What gateway.rescue asks of the app's Gateway."""

    def __init__(self, box):
        self.recorder = box.recorder
        self.log = box.log
        self.publisher = box.publisher
        self.keeper = Keeper(box.clock, box.uptime, [], box.log, box.recorder, box.publisher, Dog())


class Dog:
    def feed(self):
        pass


def two_blocks():
    """A box with one full block and one that has just been begun; returns it and the number of samples."""
    box = Box(flush_ms=60000)
    count = 0
    while not box.recorder.due():
        box.sample(count, after_ms=1)
        count += 1
    box.sample(count, after_ms=1)
    return box, count + 1


def values_of(box):
    """What stands on flash after a restart."""
    box.restart()
    rows = [row for frame in frames_of(box.log) for row in frame if row[0] == SAMPLE]
    return [(row[5][0] << 8) + row[5][1] for row in rows]


def test_both_blocks_go_to_flash():
    box, count = two_blocks()
    assert rescue.keep(Gateway(box)) == rescue.SAFE
    assert values_of(box) == list(range(count))


def test_the_control_without_it_they_are_lost():
    box, _ = two_blocks()
    assert values_of(box) == []


def test_a_row_without_its_count_is_counted():
    """Ctrl-C may come between the two: numbers of records must stay those of the rows."""
    box, count = two_blocks()
    box.recorder._open.records -= 1
    box.sample(count, after_ms=1)
    box.recorder._open.records -= 1
    before = box.log.depth()
    assert rescue.keep(Gateway(box)) == rescue.SAFE
    assert box.log.depth() - before == count + 1
    assert values_of(box) == list(range(count + 1))


def test_after_a_write_that_failed_nothing_is_written():
    """The log does not know what stands on flash, and a second write could hit the same place."""
    for fail_in in ("append", "ack", "idle"):
        box, _ = two_blocks()
        gateway = Gateway(box)
        log = Failing(box.log, fail_in)
        gateway.keeper._log = gateway.log = box.recorder._log = log
        gateway.keeper._publisher = Acknowledged(box.log)
        loop = VirtualLoop(box.clock)
        loop.spawn(gateway.keeper.run(loop.sleep_ms))
        try:
            loop.run_ms(2000)
            assert False, "the error does not end the run"
        except OSError:
            pass
        assert gateway.keeper.writing, fail_in
        log.calls = 0
        assert rescue.keep(gateway) == rescue.LOST and log.calls == 0, fail_in


def test_an_error_of_the_last_attempt_is_an_answer():
    box, _ = two_blocks()
    gateway = Gateway(box)
    gateway.log = Failing(box.log, "append")
    assert rescue.keep(gateway) == rescue.LOST


def test_a_planned_end_writes_both_blocks():
    box, count = two_blocks()
    gateway = Gateway(box)
    loop = VirtualLoop(box.clock)
    loop.spawn(gateway.keeper.write_all(loop.sleep_ms))
    loop.run_ms(100)
    assert not gateway.keeper.writing
    assert values_of(box) == list(range(count))


class Acknowledged:
    """A publisher whose broker has something new."""

    acked = True

    def __init__(self, log):
        self._log = log

    def acknowledged(self):
        return self._log.position()


class Failing:
    """A log whose method `name` raises OSError; an acknowledgement and an erase are always due."""

    def __init__(self, log, name):
        self._log = log
        self._name = name
        self.calls = 0

    def append(self, payload, records):
        self._do("append", payload, records)

    def ack(self, position):
        self._do("ack", position)

    def idle(self):
        self._do("idle")

    def erase_due(self):
        return 2 if self._name == "idle" else 0

    def _do(self, name, *what):
        self.calls += 1
        if name == self._name:
            raise OSError(5)
        getattr(self._log, name)(*what)
