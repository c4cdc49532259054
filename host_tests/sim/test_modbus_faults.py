"""The fault matrix: every fault x 3 baud rates x 1, 8 and 32 units. What was detected, what it cost the others.

Unit 1 is the faulty one. Two seconds pass in health, six with the fault, then three without it. Printed for each
case: what the engine saw of the fault, the rate of the other units' good polls while it lasted, in percent of
their rate in health, and by how many ms the longest step between two good polls of one of them was over its period.
"""

import gc

import line as wire
from rig import Rig, unit

HEAP_KB = 8000
BAUDS = (9600, 19200, 115200)
COUNTS = (1, 8, 32)


def dead(rig, on):
    rig.units[0].dead = on


def lost(rig, on):
    rig.units[0].lose = 2 if on else 0


def damaged(rig, on):
    rig.units[0].corrupt = 2 if on else 0


def cut_short(rig, on):
    rig.units[0].cut_short = 2 if on else 0


def stray(rig, on):
    rig.units[0].stray = b"\x00\xff" if on else b""


def late(rig, on):
    rig.units[0].late = 1 if on else 0
    rig.units[0].late_us = 230000


def noise(rig, on):
    if on:
        for k in range(12):
            rig.wire.inject(100000 + 470003 * k, b"\x55\x00")


def cable(rig, on):
    rig.wire.cable_cut = on


def echo(rig, on):
    rig.wire.echo = on


def port(rig, on):
    rig.wire.broken = on


# name, fault, the counters of which one must tell of it, others are hit by it too
FAULTS = (
    ("dead unit", dead, ("timeouts",), False),
    ("lost replies", lost, ("timeouts",), False),
    ("damaged replies", damaged, ("crc_errors", "timeouts", "wrong_replies"), False),
    ("replies cut short", cut_short, ("crc_errors",), False),
    ("stray 00 FF", stray, ("resyncs",), False),
    ("late reply", late, ("timeouts",), False),
    ("noise", noise, ("stray_bytes", "resyncs", "crc_errors", "timeouts"), True),
    ("cable cut", cable, ("timeouts",), True),
    ("echo", echo, ("echo",), True),
    ("port gone", port, ("events",), True),
)


def figures(rig):
    stats = rig.bus.stats()
    stats["echo"] = int(rig.bus.engine.echo)
    stats["events"] = len(rig.events)
    return stats


def good(rig):
    """(good polls of unit 1, of all others)."""
    own = rig.good(1)
    return own, len([1 for _, quality, _, _ in rig.results if quality == 0]) - own


def longest_delay_ms(rig, period_ms):
    """The longest step between good polls of one of the others, less the period."""
    last = {}
    longest = 0
    for read, quality, ms, _ in rig.results:
        unit_id = read.unit.unit_id
        if quality == 0 and unit_id != 1:
            if unit_id in last:
                longest = max(longest, rig.clock.ticks_diff(ms, last[unit_id]) - period_ms)
            last[unit_id] = ms
    return longest


def run(fault, count, baud, load):
    gc.collect()  # the runs before
    units = [wire.Unit(k) for k in range(1, count + 1)]
    cycle_ms = {9600: 30, 19200: 17, 115200: 6}[baud]  # 4 registers
    period_ms = max(100, cycle_ms * count * 100 // load)
    rig = Rig(units, [unit(k, ((0, 4, period_ms),)) for k in range(1, count + 1)], baud, look_us=40)
    rig.run_ms(max(2000, 2 * period_ms))
    rig.results.clear()
    rig.run_ms(6000)
    healthy = good(rig)[1]
    rig.results.clear()
    before = figures(rig)
    fault(rig, True)
    rig.run_ms(6000)
    if fault is cable:
        rig.run_ms(3000)  # 32 timeouts of 200 ms
    during = good(rig)[1]
    delay_ms = longest_delay_ms(rig, period_ms)
    after = figures(rig)
    fault(rig, False)
    events = [event[0] for event in rig.events]
    wrong = [1 for _, quality, _, data in rig.results if quality == 0 and data != b"\x10\x00\x10\x01\x10\x02\x10\x03"]
    rig.results.clear()
    rig.run_ms(3000 + 2 * period_ms)
    seen = {name: after[name] - before[name] for name in after if isinstance(after[name], int)}
    return seen, events, healthy, during, delay_ms, wrong, good(rig), rig


def matrix(name, fault, telling, shared):
    cells = []
    for count in COUNTS:
        for baud in BAUDS:
            seen, events, healthy, during, delay_ms, wrong, back, rig = run(fault, count, baud, 70)
            case = (name, count, baud)
            assert not wrong, case
            assert rig.wire.errors == [], (case, rig.wire.errors[:2])
            told = [word for word in telling if seen.get(word, 0) > 0]
            assert told, (case, seen)
            rate = 100 * during // healthy if healthy else 100
            assert shared or rate >= 95, (case, rate)
            assert shared or delay_ms <= 300, (case, delay_ms)  # one timeout, and who has waited meanwhile
            assert back[0] > 0, (case, rig.events)
            if name in ("dead unit", "cable cut", "port gone"):
                whose = {"dead unit": 2, "cable cut": 4 if count > 1 else 2, "port gone": 4}[name]
                assert events == [whose], (case, events)
            else:
                assert events == [], (case, events)
            cells.append("%s %d%% +%d" % (told[0], rate, delay_ms) if healthy else told[0])
    print("REPORT: %-17s | %s" % (name, " | ".join("%-20s" % cell for cell in cells)))


def heads():
    heads = ["%-20s" % ("%d x %d" % (count, baud)) for count in COUNTS for baud in BAUDS]
    print("REPORT: %-17s | %s" % ("units x baud", " | ".join(heads)))


def test_fault_matrix_silence():
    print("REPORT: fault matrix, load 70 %: what told of the fault of unit 1, good polls of the others in % of health,")
    print("REPORT: and by how many ms the worst of their polls was late. Timeouts are 200 ms, with 1 retry.")
    heads()
    for row in FAULTS[:2]:
        matrix(*row)


def test_fault_matrix_replies():
    heads()
    for row in FAULTS[2:6]:
        matrix(*row)


def test_fault_matrix_line():
    heads()
    for row in FAULTS[6:]:
        matrix(*row)
