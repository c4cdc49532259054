"""Units that act when polling stops: warned of before the first poll and before pauses too long for them. And pauses
for others: who shares one with whom, and the silence that is kept behind them."""

import line as wire
from modbus.codes import COMM_LOSS_RISK, PAUSE_ERASE, PAUSE_FLASH, PAUSE_GC, PAUSE_HOLD, PAUSE_SCAN
from rig import Rig, unit

HEAP_KB = 8000


def rig_with(comm_loss_ms):
    configs = [unit(1, ((0, 4, 100), (50, 2, 1000)), comm_loss_ms=comm_loss_ms), unit(2, ((0, 4, 200),))]
    return Rig([wire.Unit(1), wire.Unit(2)], configs)


def test_the_first_warning_comes_before_the_first_request():
    rig = rig_with(500)
    rig.run_ms(1)
    assert rig.events == [(COMM_LOSS_RISK, 1, 0)] and rig.wire.sent <= 1
    sent_at_event = []
    rig = rig_with(500)
    rig.bus._on_event = rig.bus.supervision._on_event = lambda code, a, b: sent_at_event.append(rig.wire.sent)
    rig.run_ms(100)
    assert sent_at_event == [0] and rig.wire.sent > 1


def pause(rig, cause, hold_ms=5):
    """(events raised by asking, before the pause was granted)."""
    rig.events.clear()
    rig.bus.ask(cause)
    events = list(rig.events)
    assert rig.loop.run_ms(1000, lambda: rig.bus.granted(cause))
    rig.run_ms(hold_ms)
    rig.bus.done(cause)
    rig.run_ms(500)
    return events


def test_pauses_longer_than_the_unit_stands_are_told_before_they_begin():
    rig = rig_with(500)  # polled every 100 ms: it stands pauses of 400 ms
    rig.run_ms(1000)
    assert pause(rig, PAUSE_GC) == pause(rig, PAUSE_FLASH) == pause(rig, PAUSE_ERASE) == []
    rig = rig_with(499)
    rig.run_ms(1000)
    assert pause(rig, PAUSE_FLASH) == []
    assert pause(rig, PAUSE_ERASE) == [(COMM_LOSS_RISK, 1, 400)]
    for _ in range(5):
        assert pause(rig, PAUSE_ERASE) == []  # told once a minute, counted always
    assert rig.bus.supervision.risks == 6
    rig.run_ms(60000)
    assert pause(rig, PAUSE_ERASE) == [(COMM_LOSS_RISK, 1, 400)]
    rig.run_ms(60000)
    assert pause(rig, PAUSE_HOLD) == [(COMM_LOSS_RISK, 1, 600000)]


def test_nothing_is_loaded_or_told_where_no_unit_is_marked():
    rig = rig_with(0)
    rig.run_ms(1000)
    assert rig.bus.supervision is None and pause(rig, PAUSE_ERASE) == [] and pause(rig, PAUSE_HOLD) == []


def test_a_question_shares_its_pause_with_nobody():
    rig = rig_with(0)
    rig.run_ms(1000)
    bus = rig.bus
    assert rig.loop.run_ms(1000, lambda: bus.ask(PAUSE_SCAN))
    assert not bus.others_wait() and not bus.ask(PAUSE_FLASH) and bus.others_wait()
    rig.run_ms(50)
    assert not bus.granted(PAUSE_FLASH)
    bus.done(PAUSE_SCAN)
    assert bus.granted(PAUSE_FLASH)
    assert not bus.ask(PAUSE_SCAN)  # and the other way round
    bus.done(PAUSE_FLASH)
    assert bus.ask(PAUSE_SCAN) and not bus.others_wait()
    bus.done(PAUSE_SCAN)
    bus.ask(PAUSE_HOLD)
    assert rig.loop.run_ms(1000, lambda: bus.granted(PAUSE_HOLD))
    sent = rig.wire.sent
    assert bus.ask(PAUSE_FLASH)  # while polling is off the house is kept
    bus.done(PAUSE_FLASH)
    assert bus.ask(PAUSE_SCAN)
    bus.done(PAUSE_SCAN)
    rig.run_ms(1000)
    assert rig.wire.sent == sent
    bus.done(PAUSE_HOLD)
    rig.run_ms(500)
    assert rig.wire.sent > sent


def test_t35_holds_behind_others_bytes_after_a_pause():
    # The others' frame ends right before done(): what they received or sent is not in our buffer.
    for cause in (PAUSE_SCAN, PAUSE_HOLD):
        rig = Rig([wire.Unit(1)], [unit(1, ((0, 4, 1000),))])
        rig.saturate()  # a request waits all the time
        rig.run_ms(1100)
        for k in range(40):
            rig.run_ms(37 + k % 5)
            assert rig.loop.run_ms(1000, lambda: rig.bus.ask(cause))
            begin = rig.clock.us * 1000
            rig.wire.send(wire.sealed((9, 3, 0, 0, 0, 1)))  # the question of a search, to nobody
            rig.clock.advance_us(8 * rig.line.char_us + (k % 3) * 100)
            rig.bus.done(cause)
            rig.run_ms(30)
            later = [frame for frame in rig.wire.frames if frame[0] > begin and frame[3][0] != 9]
            assert later, (cause, k)
            assert later[0][2] >= rig.line.t35_us * 1000, (cause, k, later[0][2])


def test_a_pause_of_nine_minutes_is_left_at_once():
    # ticks_us differences hold for 8.9 minutes only.
    rig = Rig([wire.Unit(1)], [unit(1, ((0, 4, 1000),))])
    rig.run_ms(2500)
    assert rig.loop.run_ms(1000, lambda: rig.bus.ask(PAUSE_HOLD))
    rig.clock.advance_ms(560000)
    rig.bus.done(PAUSE_HOLD)
    good = rig.good(1)
    rig.run_ms(3000)
    assert rig.good(1) >= good + 2, (good, rig.good(1))
