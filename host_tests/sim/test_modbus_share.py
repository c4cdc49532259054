"""The bus beside other tasks, in virtual time: no wire time lost, pauses, share, two buses, evidence, figures."""

import line as wire
from modbus.cells import SILENCE_US
from modbus.codes import PAUSE_GC
from rig import Rand, Rig, unit

HEAP_KB = 8000  # for the records, not for the engine


def test_saturated_bus_loses_no_wire_time():
    for baud, serial_format in ((9600, "8N1"), (19200, "8E1"), (115200, "8N1")):
        rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 50 if baud < 100000 else 20),))], baud, serial_format)
        ideal = rig.plan.reads[0].cycle_us
        ideal += max(0, 2000 - rig.line.t35_us)
        rig.saturate()
        rig.run_ms(5000)
        frames = rig.wire.frames
        mean = (frames[-1][0] - frames[1][0]) // 1000 // (len(frames) - 2)
        assert rig.wire.errors == [], rig.wire.errors[:3]
        assert mean * 990 <= ideal * 1000, (baud, mean, ideal)
        assert mean >= ideal - 2, (baud, mean, ideal)


def test_share_of_the_bus_can_be_capped():
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 1000),))], share_permille=250)
    rig.saturate()
    rig.run_ms(10000)
    busy = rig.wire.wire_ns // 10000000
    assert busy <= 250, busy
    permille = rig.bus.stats()["busy_permille"]
    assert 220 <= permille <= 252, permille


def test_pause_is_granted_between_transactions_only_and_counted():
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 1000),))])
    rig.saturate()
    bus = rig.bus
    inside = []
    granted = []

    async def flash():
        for _ in range(50):
            await rig.loop.sleep_ms(37)
            bus.ask(1)
            while not bus.granted(1):
                await rig.loop.sleep_ms(1)
            begin = rig.clock.us
            sent = len(rig.wire.frames)
            inside.append(len(rig.wire._due))
            rig.clock.advance_ms(26)  # nothing else runs
            await rig.loop.sleep_ms(3)  # nor does the bus while others run
            assert len(rig.wire.frames) == sent
            granted.append(rig.clock.us - begin)
            bus.done(1)

    rig.loop.spawn(flash())
    rig.run_ms(10000)
    assert len(granted) == 50 and inside == [0] * 50
    assert abs(bus.pause_ms[1] * 1000 - sum(granted)) <= 50000, (bus.pause_ms, sum(granted))
    assert set(rig.qualities(1)) == {0}
    assert bus.evidence.totals()[6] == 0
    rig.bus.stop()


def test_idle_bus_grants_a_pause_at_once():
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 1000),))])
    rig.run_ms(500)
    assert rig.bus.ask(0)
    assert rig.bus.idle_ms() > 300
    rig.bus.done(0)


def test_two_buses_in_one_loop():
    from modbus.bus import Bus
    from modbus.plan import Plan
    from rig import Rand

    rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 100),))], 19200)
    other = wire.Wire(rig.clock, 19200, 11, [wire.Unit(7)])
    plan = Plan(rig.line, [unit(7, ((0, 20, 100),))], (), len(rig.plan.reads))
    bus = Bus(other, rig.clock, rig.line, plan, rig.on_result, rig.on_event, Rand(2))
    rig.loop.spawn(bus.run(rig.loop.sleep_ms))
    rig.run_ms(10000)
    assert rig.good(1) >= 99 and rig.good(7) >= 99
    assert rig.wire.errors == [] and other.errors == []
    assert plan.reads[0].group == 1


def test_other_tasks_run_while_a_reply_cannot_be_complete():
    for baud, least in ((19200, 60), (115200, 25)):
        rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 1000),))], baud, "8N1")
        ideal = rig.plan.reads[0].cycle_us + max(0, 2000 - rig.line.t35_us)
        rig.saturate()
        used = [0]

        async def load():
            while True:
                rig.clock.advance_us(1000)
                used[0] += 1000
                await rig.loop.sleep_ms(3)

        rig.loop.spawn(load())
        rig.run_ms(5000)
        frames = rig.wire.frames
        mean = (frames[-1][0] - frames[1][0]) // 1000 // (len(frames) - 2)
        assert rig.wire.errors == []
        assert ideal * 1000 >= mean * 950, (baud, mean, ideal)
        assert used[0] >= 700000, used
        assert least


def test_results_are_handed_over_while_the_next_request_is_on_the_wire():
    # on_result takes 1.9 ms, as decoding on an RP2040 does: no wire time may be lost, at any length of reply
    for baud, serial_format, count in ((19200, "8E1", 1), (19200, "8E1", 10), (115200, "8N1", 60)):
        rig = Rig([wire.Unit(1)], [unit(1, ((0, count, 1000),))], baud, serial_format)
        rig.saturate()
        begun = []

        def decode(read, quality, ticks_ms, buf, nbytes, rig=rig, begun=begun):
            begun.append(rig.clock.us * 1000)
            rig.clock.advance_us(1900)

        rig.on_result = decode
        rig.run_ms(3000)
        frames = rig.wire.frames[-20:]
        assert len(frames) == 20
        for begin, end, silence, _ in frames[:-1]:
            assert [1 for at in begun if begin <= at < end], (baud, count)
            assert silence <= rig.line.t35_us * 1000 + 30000, (baud, count, silence)


def test_the_last_transactions_are_kept_and_frozen_when_a_fault_begins():
    units = [wire.Unit(1), wire.Unit(2)]
    rig = Rig(units, [unit(1, ((0, 4, 100),)), unit(2, ((0, 4, 100),))])
    rig.run_ms(10000)
    assert rig.bus.frozen is None
    rows = rig.bus.evidence.rows()
    assert len(rows) == 64 and {row[2] for row in rows} == {0} and {row[1] for row in rows} == {0, 1}
    diff = rig.clock.ticks_diff
    assert all(0 < diff(b[0], a[0]) <= 60 for a, b in zip(rows, rows[1:])), "not in order of time"
    assert all(8000 < row[3] < 25000 for row in rows), rows  # 21 characters of 573 us and 2 ms turnaround
    units[0].dead = True
    rig.run_ms(30000)
    frozen = rig.bus.frozen
    assert [row[2] for row in frozen if row[1] == 0][-4:] == [1, 1, 1, 1]  # 2 polls with a retry each
    assert [row[2] for row in frozen].count(0) >= 40  # what was before
    assert rig.bus.evidence.rows() != frozen


def test_stats_are_those_of_the_telemetry_topic():
    units = [wire.Unit(1, turnaround_us=5000), wire.Unit(2)]
    rig = Rig(units, [unit(1, ((0, 4, 100),)), unit(2, ((0, 4, 100),))])
    rig.bus.stats()
    rig.run_ms(10000)
    units[1].dead = True
    rig.run_ms(10000)
    stats = rig.bus.stats()
    one, two = stats["units"]
    assert (one["unit"], one["unit_id"], one["state"], two["state"]) == ("u1", 1, "ok", "silent")
    assert 5000 <= one["latency_us"][0] <= one["latency_us"][1] <= one["latency_us"][2] <= 5300, one
    for name in ("requests", "replies", "timeouts", "crc_errors", "exceptions", "retries"):
        assert stats[name] == one[name] + two[name], name
    assert stats["requests"] == stats["replies"] + stats["timeouts"]
    assert stats["requests"] in (rig.wire.sent, rig.wire.sent - 1), rig.wire.sent  # one may be on its way
    busy = rig.wire.wire_ns // 20000000  # the wire alone, without turnaround, t3.5 and waiting for the dead
    assert busy < stats["busy_permille"] < 1000, (busy, stats["busy_permille"])
    assert stats["efficiency_permille"] >= 990
    assert sorted(stats["pause_ms"]) == ["erase", "flash", "gc", "hold", "module", "scan", "tls"]


def gaps_of(baud, serial_format, stop_us):
    """(errors of the line, longest silence before a request in us) of a saturated line."""
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 4, 1000),))], baud, serial_format)
    rig.saturate()
    rig.bus.engine.cells[SILENCE_US] = rig.line.t35_us + stop_us
    rig.run_ms(3000)
    assert rig.wire.sent > 5
    return rig.wire.errors, max([frame[2] for frame in rig.wire.frames[2:]]) // 1000


def test_t35_counts_from_the_end_of_the_stop_bit():
    # A UART hands a byte over in the middle of its stop bit; an engine that counts from there is too early.
    for baud, serial_format in ((1200, "8E1"), (9600, "8N1"), (19200, "8E1")):
        line = Rig([wire.Unit(1)], [unit(1)], baud, serial_format).line
        errors, longest_us = gaps_of(baud, serial_format, line.stop_us)
        assert not errors and longest_us <= line.t35_us + 40, (baud, errors[:2], longest_us)
        assert gaps_of(baud, serial_format, 0)[0], baud


def held_run(hold_us, baud, when, rest_ms=100):
    """A saturated line beside a task that holds the loop for hold_us at `when(rig)`, then rests; returns the rig."""
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 1000),))], baud, "8N1")
    rig.saturate()

    async def holder():
        while True:
            await rig.loop.sleep_ms(1)
            if when(rig):
                free_us = rig.bus.free_us()
                rig.clock.advance_us(hold_us)
                rig.bus.held(PAUSE_GC, hold_us, free_us)
                await rig.loop.sleep_ms(rest_ms)

    rig.loop.spawn(holder())
    rig.run_ms(4000)
    assert not rig.wire.errors
    return rig


def time_errors(rig):
    """For each result the difference of its time to the true end of its reply on the wire, in ms."""
    ends = [(end // 1000000) & 0x3FFFFFFF for _, end, _ in rig.wire.replies]
    return [min([abs(ms - end) for end in ends]) for _, _, ms, _ in rig.results[:200]]


def test_a_hold_that_fits_under_a_reply_costs_no_wire_time():
    quiet = held_run(0, 9600, lambda rig: False)
    beside = held_run(25000, 9600, lambda rig: rig.bus.free_us() >= 25000)
    assert beside.bus.pause_ms[PAUSE_GC] == 0
    assert beside.wire.sent >= quiet.wire.sent - 1, (beside.wire.sent, quiet.wire.sent)


def test_a_longer_hold_under_a_reply_costs_the_rest_and_keeps_times_true():
    beside = held_run(25000, 115200, lambda rig: rig.bus.free_us() >= 3000)
    holds = beside.bus.pauses[PAUSE_GC]
    assert holds > 20 and 20 * holds <= beside.bus.pause_ms[PAUSE_GC] < 23 * holds
    assert max(time_errors(beside)) <= 1


def test_times_are_true_beside_many_holds_of_any_length():
    """The truth is floor(end in ms). Before the usual latency was asked for it was missed by 2 ms."""
    for baud, rest_ms in ((115200, 3), (19200, 20)):
        rand = Rand(baud)
        rig = Rig([wire.Unit(1)], [unit(1, ((0, 10, 1000),))], baud, "8N1")
        rig.saturate()

        async def holder(rig=rig, rand=rand, rest_ms=rest_ms):
            while True:
                await rig.loop.sleep_ms(1 + rand(rest_ms))
                rig.clock.advance_us(rand(15000))

        rig.loop.spawn(holder())
        rig.run_ms(3000)
        truth = [end // 1000000 & 0x3FFFFFFF for _, end, _ in rig.wire.replies]
        errors = [ms - end for end, (_, _, ms, _) in zip(truth, rig.results)][10:]
        assert len(errors) > 60, len(errors)
        assert all([-1 <= error <= 1 for error in errors]), (baud, sorted(errors))


def test_the_grid_begins_with_polling_however_long_the_start_took():
    rig = Rig([wire.Unit(1), wire.Unit(2)], [unit(1, ((0, 10, 100),)), unit(2, ((0, 10, 100),))])
    rig.clock.advance_ms(730)
    rig.run_ms(2000)
    for unit_id in (1, 2):
        begins = [begin // 1000 for begin, _, _, frame in rig.wire.frames if frame[0] == unit_id]
        steps = [later - sooner for sooner, later in zip(begins, begins[1:])]
        assert len(steps) > 15 and min(steps) > 98000 and max(steps) < 102000, steps
