"""What the verb bus concludes from counters and frames: one cause, one hint, none when all is well."""

from clock import Clock
from console import lines
from modbus.evidence import (
    CRC_ERRORS,
    EXCEPTIONS,
    REPLIES,
    REQUESTS,
    TIMEOUTS,
    WRONG_REPLIES,
    Evidence,
)
from modbus.line import Line


class Thing:
    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])


UNITS = (("meter", 1), ("plc", 7))


class FakeBus:
    """Two units; `counts` of each by counter."""

    def __init__(self, counts, silent=(), stray_bytes=0):
        units = [Thing(name=name, unit_id=unit_id, index=i) for i, (name, unit_id) in enumerate(UNITS)]
        self.line = Line("line1", 19200, "8E1")
        self.evidence = Evidence(self.line.t35_us, units)
        for tally, each in zip(self.evidence.tallies, counts):
            for counter in each:
                tally.counts[counter] = each[counter]
        self.plan = Thing(units=units)
        health = [Thing(unit=unit, quarantined=unit.name in silent, fails=41, since_ms=0) for unit in units]
        self.scheduler = Thing(health=health, fault=len(silent) == 2)
        self.engine = Thing(stray_bytes=stray_bytes, buf=bytearray(280), heard=0)
        self.on_end = None

    def follow(self, on_end):
        self.on_end = on_end


WELL = {REQUESTS: 100, REPLIES: 100}


def hints(*arguments, **options):
    clock = Clock()
    clock.set_utc_ms(1795784591000)
    bus = FakeBus(*arguments, **options)
    for health in bus.scheduler.health:
        health.since_ms = clock.ticks_ms()
    return list(lines.hints(bus, clock))


def test_nothing_is_said_when_all_is_well():
    assert hints([WELL, WELL]) == []


def test_one_silent_unit_among_others():
    said = hints([WELL, {REQUESTS: 50, TIMEOUTS: 41}], silent=("plc",))
    assert len(said) == 1 and said[0].startswith("plc: no answer since "), said
    assert said[0].endswith("41 tries; others fine: check its power, address 7, baud and parity: scan units"), said


def test_causes_have_words_of_their_own():
    for bad, words in (
        ({REQUESTS: 100, REPLIES: 90, CRC_ERRORS: 10}, "damaged replies from plc only: its stub"),
        ({REQUESTS: 100, REPLIES: 90, WRONG_REPLIES: 10}, "two units with one address"),
        ({REQUESTS: 100, REPLIES: 90, TIMEOUTS: 10}, "plc answers only sometimes"),
        ({REQUESTS: 100, REPLIES: 90, EXCEPTIONS: 10}, "plc refuses reads"),
    ):
        said = hints([WELL, bad])
        assert len(said) == 1 and words in said[0], (bad, said)
    noisy = {REQUESTS: 100, REPLIES: 90, CRC_ERRORS: 10}
    assert "termination" in hints([noisy, noisy])[0]
    assert "stray bytes" in hints([WELL, WELL], stray_bytes=50)[0]


def test_silence_of_all_tells_rubbish_from_nothing():
    both = ("meter", "plc")
    nothing = {REQUESTS: 50, TIMEOUTS: 50}
    rubbish = {REQUESTS: 50, CRC_ERRORS: 40, TIMEOUTS: 10}
    assert "not a byte comes back" in hints([nothing, nothing], silent=both)[0]
    assert "A and B are swapped, or 19200 8E1 is not their setting" in hints([rubbish, rubbish], silent=both)[0]
    assert "went silent together" in hints([WELL, WELL], silent=both)[0]


def test_few_requests_prove_nothing():
    assert hints([WELL, {REQUESTS: 5, CRC_ERRORS: 5}]) == []


def test_frames_are_shown_as_they_were_and_the_recorder_leaves():
    bus = FakeBus([WELL, WELL])
    read = Thing(unit=bus.plan.units[1], frame=bytes((7, 3, 0, 16, 0, 2, 1, 2)), group=0)
    verb = lines._frames(bus, ["1", "bad"])
    assert next(verb) is None
    bus.engine.buf[:3] = b"\x07\x83\x02"
    bus.engine.heard = 3
    bus.on_end(read, 0, 12000)  # a good one, which was not asked for
    bus.on_end(read, 2, 12000)
    bus.on_end(read, 2, 12000)  # one was asked for
    said = [line for line in verb if line]
    assert said == [
        "plc (7): 2 holding registers from 16: crc, 12 ms",
        "  > 07 03 00 10 00 02 01 02",
        "  < 07 83 02",
    ], said
    assert bus.on_end is None
