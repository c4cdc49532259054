"""The bus in virtual time: polling, timing, faults. Wire and units are modelled, engine and clock wrap are real."""

import line as wire
from rig import Rig, unit

HEAP_KB = 8000  # for the records, not for the engine


def test_polls_every_period_and_hands_over_the_registers():
    rig = Rig([wire.Unit(1)], [unit(1, ((5, 10, 1000),))])
    rig.run_ms(10500)  # over the wrap of both ticks
    assert rig.qualities(1) == [0] * 11, rig.qualities(1)
    expected = b"".join(bytes((0x10, 5 + i)) for i in range(10))
    for _, _, _, data in rig.results:
        assert data == expected
    assert rig.wire.errors == []
    assert rig.events == []
    starts = [frame[0] // 1000 for frame in rig.wire.frames]
    for a, b in zip(starts, starts[1:]):
        assert abs(b - a - 1000000) <= 2000, (a, b)


def test_dead_unit_is_quarantined_and_the_others_keep_their_rate():
    units = [wire.Unit(i) for i in range(1, 9)]
    rig = Rig(units, [unit(i, ((0, 10, 250),)) for i in range(1, 9)])  # 86 % of the bus: nothing to spare
    rig.run_ms(20000)
    healthy = [rig.good(i) for i in range(1, 9)]
    rig.results.clear()
    units[2].dead = True
    rig.run_ms(20000)
    for i in range(1, 9):
        if i != 3:
            assert rig.good(i) * 100 >= healthy[i - 1] * 95, (i, rig.good(i), healthy)
    assert rig.good(3) <= 1
    assert [(code, a) for code, a, _ in rig.events] == [(2, 3)], rig.events
    assert rig.wire.errors == []
    units[2].dead = False
    rig.events.clear()
    rig.results.clear()
    rig.run_ms(61000)
    assert [(code, a) for code, a, _ in rig.events] == [(3, 3)], rig.events
    assert rig.good(3) > 0


def test_many_dead_units_do_not_hurt_the_last_one():
    units = [wire.Unit(i) for i in range(1, 33)]
    rig = Rig(units, [unit(i, ((0, 10, 200 if i == 1 else 2000),)) for i in range(1, 33)])
    rig.run_ms(20000)
    for dead in units[1:]:
        dead.dead = True
    rig.run_ms(30000)  # each dies once
    rig.results.clear()
    rig.run_ms(60000)
    assert rig.good(1) >= 285, rig.good(1)
    assert len([1 for code, a, _ in rig.events if code == 2]) == 31


def test_cut_cable_is_a_bus_fault_and_heals():
    units = [wire.Unit(i) for i in range(1, 5)]
    configs = [unit(i, ((0, 4, 500),)) for i in range(1, 4)] + [unit(4, ((0, 4, 60000),))]
    rig = Rig(units, configs)
    rig.run_ms(5000)
    assert rig.events == []
    rig.wire.cable_cut = True
    cut = len(rig.results)
    rig.run_ms(10000)
    assert rig.events == [(4, 1, 0)], rig.events
    assert rig.results[-1][1] == 4
    assert 0 not in [quality for _, quality, _, _ in rig.results[cut + 1 :]]
    rig.wire.cable_cut = False
    rig.events.clear()
    rig.run_ms(2000)
    assert [code for code, _, _ in rig.events] == [5], rig.events
    for i in range(1, 5):
        assert not rig.bus.scheduler.health[i - 1].quarantined
    assert rig.wire.errors == []


def test_one_unit_alone_is_silent_not_the_bus():
    units = [wire.Unit(1)]
    rig = Rig(units, [unit(1)])
    rig.run_ms(3000)
    units[0].dead = True
    rig.run_ms(5000)
    assert [code for code, _, _ in rig.events] == [2], rig.events


def test_lost_reply_is_retried_and_not_reported():
    units = [wire.Unit(1), wire.Unit(2)]
    rig = Rig(units, [unit(1), unit(2)])
    rig.run_ms(3000)
    units[0].lose = 1
    rig.run_ms(5000)
    assert rig.qualities(1) == [0] * len(rig.qualities(1))
    assert rig.bus.evidence.totals()[2] == 1 and rig.bus.evidence.totals()[6] == 1, list(rig.bus.evidence.totals())
    units[0].lose = 2  # the retry too
    rig.run_ms(5000)
    assert rig.qualities(1).count(1) == 1
    assert rig.qualities(2) == [0] * len(rig.qualities(2))
    assert rig.events == []


def test_corrupted_reply_is_a_crc_error_never_a_number():
    units = [wire.Unit(1)]
    rig = Rig(units, [unit(1, ((0, 10, 100),), retries=0)])
    rig.run_ms(1000)
    units[0].corrupt = 150
    before = len(rig.results)
    rig.run_ms(40000)
    bad = [quality for _, quality, _, _ in rig.results[before:]]
    assert bad.count(2) >= 100 and set(bad) <= {0, 1, 2, 3, 5}, set(bad)
    expected = b"".join(bytes((0x10, i)) for i in range(10))
    for _, quality, _, data in rig.results:
        assert data == (expected if quality == 0 else b"")


def test_truncated_reply_ends_by_silence_not_by_the_long_timeout():
    units = [wire.Unit(1)]
    rig = Rig(units, [unit(1, ((0, 10, 100),), retries=0, first_byte_timeout_ms=2000)])
    rig.run_ms(1000)
    units[0].cut_short = 1
    before = len(rig.results)
    rig.run_ms(500)
    assert [quality for _, quality, _, _ in rig.results[before:]].count(2) == 1
    assert len(rig.results) - before >= 4


def test_stray_bytes_before_a_reply_are_skipped():
    for stray in (b"\x00", b"\xff", b"\x00\xff\x00", b"\x01", b"\x01\x03", b"\x01\x83"):
        units = [wire.Unit(1)]
        rig = Rig(units, [unit(1, ((0, 10, 100),))])
        units[0].stray = stray
        rig.run_ms(5000)
        assert len(rig.results) >= 49 and set(rig.qualities(1)) == {0}, (stray, rig.qualities(1))
        assert rig.bus.engine.resyncs == len(rig.results), (stray, rig.bus.engine.resyncs)
        assert rig.bus.unit_stats(0)["resyncs"] == len(rig.results)
        assert rig.bus.evidence.totals()[6] == 0
        assert rig.wire.errors == []


def test_echo_is_recognised_and_removed():
    for baud in (9600, 115200):
        units = [wire.Unit(1)]
        rig = Rig(units, [unit(1, ((0, 10, 100),))], baud)
        rig.wire.echo = True
        rig.run_ms(5000)
        assert set(rig.qualities(1)) == {0} and len(rig.results) >= 49
        assert rig.bus.engine.resyncs == 0 and rig.bus.engine.stray_bytes == 0
        assert rig.bus.engine.echo
        units[0].dead = True
        rig.run_ms(3000)
        assert set(rig.qualities(1)) == {0, 1}
        assert rig.wire.errors == []


def test_noise_between_transactions_starts_the_silence_anew():
    units = [wire.Unit(1)]
    rig = Rig(units, [unit(1, ((0, 10, 100),))])
    for k in range(50):
        rig.wire.inject(k * 100000 + 97000 + k * 100, b"\x55\x00\xff")
    rig.run_ms(5000)
    assert rig.bus.engine.stray_bytes >= 60
    assert set(rig.qualities(1)) == {0} and len(rig.results) >= 40, len(rig.results)
    assert rig.wire.errors == [], rig.wire.errors


def test_line_that_is_never_silent_is_a_bus_fault():
    units = [wire.Unit(1), wire.Unit(2)]
    rig = Rig(units, [unit(1), unit(2)])
    rig.run_ms(2000)
    for k in range(600):
        rig.wire.inject(k * 5000, b"\x55\xaa\x55\xaa\x55\xaa\x55\xaa")
    rig.run_ms(2900)
    assert (4, 3, 0) in rig.events, rig.events
    rig.run_ms(5000)
    assert rig.events[-1][0] == 5, rig.events
    assert rig.qualities(1)[-2:] == [0, 0]


def test_late_reply_is_never_taken_for_an_answer():
    # the value changes with every request, so a stale answer would show
    class Counting(wire.Unit):
        def answer(self, frame):
            self.registers[0] = self.requests & 0xFFFF
            return wire.Unit.answer(self, frame)

    for baud in (9600, 115200):
        late = 0
        for late_us in range(196000, 396000, 3100):
            units = [Counting(1), wire.Unit(2)]
            rig = Rig(units, [unit(1, ((0, 1, 300),), retries=1), unit(2, ((0, 1, 100),))], baud)
            rig.run_ms(2000)
            units[0].late = 1
            units[0].late_us = late_us
            before = len([1 for read, _, _, _ in rig.results if read.unit.unit_id == 1])
            rig.run_ms(3000)
            own = [data for read, quality, _, data in rig.results if read.unit.unit_id == 1 and quality == 0]
            values = [data[0] << 8 | data[1] for data in own]
            assert len(values) >= before + 4
            for a, b in zip(values, values[1:]):
                assert b in (a + 1, a + 2), (late_us, values)
            for read, quality, _, data in rig.results:
                assert quality != 0 or read.unit.unit_id == 1 or data == b"\x10\x00"
            late += rig.bus.engine.late
            assert rig.wire.errors == [], (late_us, rig.wire.errors)
        assert late >= 36, late


def test_port_that_fails_is_a_bus_fault_and_comes_back():
    rig = Rig([wire.Unit(1), wire.Unit(2)], [unit(1), unit(2)])
    rig.run_ms(2000)
    rig.wire.broken = True
    rig.run_ms(5000)
    assert rig.events == [(4, 2, 0)], rig.events
    rig.wire.broken = False
    rig.run_ms(3000)
    assert [code for code, _, _ in rig.events] == [4, 5], rig.events
    assert rig.qualities(1)[-1] == 0 and rig.qualities(2)[-1] == 0


def test_port_that_was_gone_for_longer_than_ticks_can_tell_does_not_hold_the_loop():
    rig = Rig([wire.Unit(1)], [unit(1)])
    rig.run_ms(2000)
    rig.wire.broken = True
    rig.run_ms(600000)  # 2^29 us are 537 s
    rig.wire.broken = False
    rig.wire.discard()  # a byte that came would tell the time
    call_us, rig.wire.call_us = rig.wire.call_us, 10000  # so that a wait without end ends
    before = rig.clock.us
    rig.run_ms(2000)
    assert rig.clock.us - before < 10000000
    rig.wire.call_us = call_us
    rig.run_ms(3000)
    assert rig.qualities(1)[-1] == 0


def test_exception_is_reported_with_its_code_and_the_unit_counts_as_alive():
    units = [wire.Unit(1, registers={0: 7}), wire.Unit(2)]
    rig = Rig(units, [unit(1, ((5, 1, 500),)), unit(2, ((0, 1, 500),))])
    rig.run_ms(3200)
    assert set(rig.qualities(1)) == {18} and len(rig.qualities(1)) >= 6
    assert rig.events == []
    assert rig.bus.evidence.exceptions[2] == len(rig.qualities(1))
    assert rig.bus.stats()["exception_codes"] == {"2": len(rig.qualities(1))}


def test_refused_merged_read_is_split_until_every_point_that_exists_is_read():
    registers = {i: i for i in range(20) if i not in (6, 7, 13)}
    units = [wire.Unit(1, registers=registers)]
    config = unit(1, ((0, 6, 1000), (8, 6, 1000), (14, 6, 1000)))  # 13 is asked for and is not there
    rig = Rig(units, [config])
    assert len(rig.plan.reads) == 1
    rig.run_ms(8000)
    seen = {}
    for read, quality, _, data in rig.results:
        for point in read.points:
            at = 2 * (point["address"] - read.address)
            if quality == 0:
                seen[point["address"]] = data[at] << 8 | data[at + 1]
    assert seen == {i: i for i in registers}, seen
    assert [event for event in rig.events if event[0] != 12] == []
    # the splits are remembered: the next plan does not run into the hole again
    from modbus.plan import Plan

    plan = Plan(rig.line, [config], rig.plan.splits)
    assert [(read.address, read.count) for read in plan.reads] == sorted(
        (read.address, read.count) for read in rig.plan.reads if read.active
    )
    active = [point["name"] for read in rig.plan.reads if read.active for point in read.points]
    assert sorted(active) == sorted(point["name"] for point in config["points"])
