"""The line of `status` about the machine: its state for people, worst first."""

from console import look
from production import oee


class Things:
    def __init__(self, **things):
        for name in things:
            setattr(self, name, things[name])


def line(state, cause=0, since=None):
    lines = []
    machine = Things(state=state, cause=cause, since=since)
    look._machine_state(lines, Things(machine=machine, time=Things(now=lambda: 65000)))
    return lines[0]


def test_a_running_machine_is_good_and_a_fault_is_worst():
    assert line(oee.RUNNING, since=5000) == (2, "machine: running, for 60 s")
    assert line(oee.FAULT, 17, 5000) == (0, "machine: fault, code 17, for 60 s")
    assert line(oee.STATES.index("stopped_unplanned"))[1] == "machine: stopped unplanned"


def test_unknown_is_not_stopped_and_names_the_next_step():
    rank, text = line(oee.UNKNOWN, 2)
    assert rank == 1 and text == "machine: unknown: its signals are not read, see bus"
    assert all([len(line(state, 65535, 0)[1]) <= look._LINE for state in range(len(oee.STATES))])


def bus_line(requests, **more):
    health = [Things(quarantined=False, unit=Things(name="u%d" % number, unit_id=number)) for number in (1, 2)]
    bus = Things(
        line=Things(name="line1"),
        scheduler=Things(fault=False, health=health),
        evidence=Things(totals=lambda: [requests, requests, 0, 0, 0, 0, 0]),
        plan=Things(units=[each.unit for each in health]),
        **more,
    )
    lines = []
    look._bus_state(lines, Things(clock=Things(ticks_ms=lambda: 0)), bus)
    return lines


def test_a_bus_on_which_nothing_was_asked_claims_no_answers():
    assert bus_line(0) == [(1, "bus line1: nothing asked yet")]
    assert bus_line(0, learned=None) == [(1, "bus line1: nothing heard yet")]
    assert bus_line(5) == [(2, "bus line1: 2 of 2 units answer, 5 reads, 0 failed")]
