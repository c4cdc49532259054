"""Silent units of a Sparkplug node in virtual time: DDEATH when the log says so, DBIRTH before the next value."""

from modbus import codes
from spb_node import NODE, Box, Judge, rebirth_request

BORN = [("DBIRTH", "plc"), ("DBIRTH", "meter")]
PLC_DIES = [("DDEATH", "plc")]


def silent(box, unit_id=4, group=0):
    """As the bus tells it: failed reads, the event, the last of them."""
    box.sample(0, group, codes.TIMEOUT)
    box.sample(0, group, codes.TIMEOUT)
    box.recorder.event(codes.UNIT_SILENT, unit_id, 1200)
    box.sample(0, group, codes.TIMEOUT)
    box.flush()
    box.run(1000)


def test_a_silent_unit_dies_and_is_born_when_it_answers():
    box = Box()
    box.run(200)
    box.sample(1)
    box.sample(1, group=1)
    silent(box)
    assert Judge(box.broker).lives == BORN + PLC_DIES
    count = len(Judge(box.broker).values)
    for quality in (codes.TIMEOUT, codes.NOT_ASKED, codes.CRC):
        box.sample(0, 0, quality)
    box.flush()
    box.run(1000)
    assert len(Judge(box.broker).values) == count, "the death has said it"
    assert not box.log.depth(), "records that carry no message are done with"
    box.sample(2)
    box.flush()
    box.run(1000)
    judge = Judge(box.broker)
    assert judge.problems == [], judge.problems
    assert judge.lives == BORN + PLC_DIES + [("DBIRTH", "plc")] and judge.counts() == [1, 2]
    assert judge.births == [(0, ["plc", "meter", "plc"])], "the node was born once"


def test_a_failed_read_alone_is_no_death():
    box = Box()
    box.run(200)
    for quality in (codes.TIMEOUT, codes.CRC, codes.WRONG_REPLY, codes.EXCEPTION + 2, codes.TIMEOUT):
        box.sample(0, 0, quality)
    box.flush()
    box.run(1000)
    judge = Judge(box.broker)
    assert judge.problems == [] and judge.lives == BORN
    assert [one[5] for one in judge.values if one[1] == "count"] == [1, 2, 3, 18, 1]


def test_another_bus_with_the_same_unit_id_lives_on():
    """The event names a unit id only; who answers is alive."""
    box = Box()
    box.run(200)
    box.sample(1)
    box.recorder.event(codes.UNIT_SILENT, 4, 1200)
    box.sample(2)
    box.sample(0, 0, codes.TIMEOUT)
    box.flush()
    box.run(1000)
    judge = Judge(box.broker)
    assert judge.problems == [] and judge.lives == BORN and judge.counts() == [1, 2]


def test_the_event_before_the_failed_read():
    box = Box()
    box.run(200)
    box.sample(1)
    box.recorder.event(codes.UNIT_SILENT, 4, 1200)
    box.sample(0, 0, codes.TIMEOUT)
    box.flush()
    box.run(1000)
    assert Judge(box.broker).lives == BORN + PLC_DIES


def test_a_broken_bus_is_the_death_of_all():
    box = Box()
    box.run(200)
    box.sample(0, 0, codes.BUS_FAULT)
    box.sample(0, 1, codes.BUS_FAULT)
    box.flush()
    box.run(1000)
    judge = Judge(box.broker)
    assert judge.problems == [] and judge.lives == BORN + [("DDEATH", "plc"), ("DDEATH", "meter")]


def test_after_a_reconnect_the_dead_are_not_born_until_they_answer():
    box = Box()
    box.run(200)
    silent(box)
    box.broker.drop()
    box.run(3000)
    judge = Judge(box.broker)
    assert judge.births[-1] == (1, ["meter"]), judge.births
    box.broker.publish(NODE % "NCMD", rebirth_request())
    box.run(3000)
    assert Judge(box.broker).births[-1] == (1, ["meter"])
    box.sample(7)
    box.flush()
    box.run(1000)
    judge = Judge(box.broker)
    assert judge.problems == [], judge.problems
    assert judge.births[-1] == (1, ["meter", "plc"]) and judge.counts() == [7]


def test_an_old_silence_is_told_as_values_without_a_number_and_is_no_death():
    box = Box()
    box.broker.is_up = False
    box.recorder.mark_time()
    box.sample(1)
    silent(box)
    box.sample(2)
    box.flush()
    box.clock.advance_ms(60000)
    box.broker.is_up = True
    box.run(3000)
    judge = Judge(box.broker)
    assert judge.problems == [] and judge.lives == BORN and judge.counts() == [1, 2]
    assert [one[5] for one in judge.values if one[1] == "count"] == [0, 1, 1, 1, 0]


def test_what_the_box_computes_does_not_die():
    """A virtual group, unit id 0, may carry the quality of what it is made of."""
    from gateway.sparkplug_lives import BEAR, BURY, TELL, Lives

    lives = Lives({0: ("plc", 4), 200: ("derived", 0)})
    assert lives.read(200, codes.NOT_ASKED, False) == TELL
    assert lives.read(0, codes.NOT_ASKED, False) == BURY and lives.dead == {"plc"}
    assert lives.silent(0) == [] and lives.read(200, codes.GOOD, False) == TELL
    assert lives.read(0, codes.GOOD, True) == BEAR and not lives.dead
