"""From bus to broker without bus and broker: recorder, flash log and publisher put together on simulated flash."""

from batch_reader import samples
from clock import VirtualLoop
from flashlog.records import EVENT, SAMPLE, TIME_MARK, Block
from gateway import schema, words
from gateway.keeper import Keeper
from modbus import codes
from records_box import KINDS, UTC_MS, Box, clear_schemas, frames_of

# Recorder


def test_samples_and_events_of_one_flush_are_one_frame_with_their_times():
    box = Box()
    box.recorder.mark_time()
    start = box.uptime.ticks
    box.sample(7)
    box.recorder.event(codes.UNIT_SILENT, 3, 1200)
    box.recorder.text_event(words.BROKER_DOWN, "broker gone")
    assert box.recorder.due() is False
    box.clock.advance_ms(900)
    assert box.recorder.due()
    box.recorder.write()
    assert not box.recorder.due()
    (frame,) = frames_of(box.log)
    mark, sample, event, text = frame
    assert (mark[0], mark[4], mark[5]) == (TIME_MARK, start, box.clock.utc_ms() - 1000)
    assert sample[:3] == (SAMPLE, 0, 0) and bytes(sample[5]) == b"\x00\x07" * 3
    assert box.clock.ticks_diff(sample[4], start) == 100
    assert event[:2] == (EVENT, codes.UNIT_SILENT) and event[5] == (3, 1200)
    assert text[1] == words.BROKER_DOWN and text[5] == ("broker gone",)


def test_uptime_goes_on_over_the_wrap_of_the_ticks():
    box = Box()
    before = box.uptime.ms()
    box.clock.advance_ms(10000)  # the fake clock wraps 3 s after its start
    box.uptime.update()
    assert box.uptime.era == 1
    assert box.uptime.ms() - before == 10000


def test_a_full_block_is_due_at_once_and_a_second_one_takes_what_comes():
    box = Box(flush_ms=60000)
    count = 0
    while not box.recorder.due():
        box.sample(count, after_ms=1)
        count += 1
    box.sample(count, after_ms=1)
    box.recorder.write()
    assert not box.recorder.due()
    box.clock.advance_ms(60000)
    box.recorder.write()
    frames = frames_of(box.log)
    assert [row[5][1] + (row[5][0] << 8) for frame in frames for row in frame] == list(range(count + 1))
    assert len(frames) == 2


def test_what_finds_no_room_is_counted_and_the_count_is_recorded():
    box = Box(flush_ms=60000)
    for i in range(2000):  # nobody writes: two blocks fill up
        box.sample(i * 7, after_ms=1)
    kept = box.recorder.records
    assert box.recorder.dropped_total == 2000 - kept > 0
    box.recorder.write()
    box.clock.advance_ms(60000)
    box.recorder.write()
    box.clock.advance_ms(60000)
    box.recorder.write()
    rows = [row for frame in frames_of(box.log) for row in frame]
    assert len(rows) == kept + 1
    assert rows[-1][:2] == (EVENT, words.RECORDS_DROPPED) and rows[-1][5] == (2000 - kept, 0)


def test_before_the_run_ends_everything_is_written():
    box = Box(flush_ms=60000)
    for i in range(2000):  # both blocks are full, and some found no room
        box.sample(i * 7, after_ms=1)
    taken = box.recorder.records
    keeper = Keeper(box.clock, box.uptime, [], box.log, box.recorder, box.publisher, None)
    loop = VirtualLoop(box.clock)
    loop.spawn(keeper.write_all(None))
    loop.run_ms(10)
    rows = [row for frame in frames_of(box.log) for row in frame]
    assert len([row for row in rows if row[0] == SAMPLE]) == taken
    assert (words.RECORDS_DROPPED, (2000 - taken, 0)) in [(row[1], row[5]) for row in rows if row[0] == EVENT]


def test_a_change_of_schema_begins_a_new_block():
    box = Box()
    box.sample(1)
    box.recorder.change_schema(b"new!")
    assert box.recorder.due()
    box.sample(2)
    box.recorder.change_schema(b"new2")  # the block before still waits: nothing may get the wrong meaning
    box.sample(3)
    assert box.recorder.dropped == 1
    schemas = []
    for _ in range(4):
        box.clock.advance_ms(1000)
        box.recorder.write()
    box.log.rewind()
    while True:
        payload = box.log.read()
        if payload is None:
            break
        block = Block(bytes(payload))
        schemas.append((block.schema, [row[1] for row in block]))
    assert schemas == [(box.schema, [0]), (b"new!", [0]), (b"new2", [words.RECORDS_DROPPED])]


def test_time_is_marked_at_first_when_it_moves_and_every_minute():
    box = Box()
    marks = lambda: sum(row[0] == TIME_MARK for frame in frames_of(box.log) for row in frame)  # noqa: E731

    def pass_ms(ms):
        box.clock.advance_ms(ms)
        box.recorder.mark_time()
        box.clock.advance_ms(1000)
        box.recorder.write()

    pass_ms(0)
    assert marks() == 1
    pass_ms(10)
    assert marks() == 1
    box.clock.set_utc_ms(UTC_MS + 500000)
    pass_ms(0)
    assert marks() == 2
    pass_ms(60000)
    assert marks() == 3


# Publisher


def test_meaning_goes_out_before_the_first_batch():
    box = Box()
    box.sample(5)
    box.clock.advance_ms(1000)
    box.recorder.write()
    box.settle()
    name = schema.hex_of(box.schema)
    assert box.session.topics() == [
        "base/status",
        "base/glossary",
        "base/meta/%s/0" % name,
        "base/meta/%s/1" % name,
        "base/data",
    ]
    assert [retained for _, _, _, retained in box.session.sent] == [True, True, True, True, False]
    assert box.values() == [(1, 5)]


def test_a_batch_has_the_utc_of_its_base_and_null_before_the_clock_is_known():
    box = Box()
    box.sample(5)
    box.clock.advance_ms(1000)
    box.recorder.write()
    box.settle()
    top, _ = samples(box.session.batches()[0], KINDS)
    assert top[7] is None
    box.recorder.mark_time()
    when = box.clock.utc_ms()
    box.sample(6, after_ms=250)
    box.clock.advance_ms(1000)
    box.recorder.write()
    box.settle()
    top, groups = samples(box.session.batches()[1], KINDS)
    ((time, _, _),) = groups[0]
    assert top[7] + time == when + 250
    assert top[4] == 1 and top[5] == 2  # sequence number and count: one sample went before, one mark and one sample now


def test_every_sample_once_in_order_and_sequence_numbers_without_gap():
    box = Box()
    for i in range(700):
        box.sample(i, after_ms=50)
        if box.recorder.due():
            box.recorder.write()
        if i % 7 == 0:
            while box.publisher.step():
                pass
            box.session.deliver()
    box.clock.advance_ms(2000)
    box.recorder.write()
    box.settle()
    assert [value for _, value in box.values()] == list(range(700))
    expected = 0
    for payload in box.session.batches():
        top, _ = samples(payload, KINDS)
        assert top[4] == expected
        expected += top[5]
    assert expected == 700


def test_nothing_leaves_the_log_before_the_broker_has_it():
    box = Box()
    for i in range(100):
        box.sample(i)
        if box.recorder.due():
            box.recorder.write()
    box.clock.advance_ms(2000)
    box.recorder.write()
    box.settle()
    assert box.publisher.acknowledged() is None
    assert box.log.depth() == 100
    sent = len(box.session.sent)
    box.session.deliver(sent - 1)  # all but the last batch
    position = box.publisher.acknowledged()
    assert box.publisher.acknowledged() is None
    box.log.ack(position)
    left = box.log.depth()
    assert 0 < left < 100
    box.restart()
    box.settle()
    assert [value for _, value in box.values()] == list(range(100 - left, 100))
    box.session.deliver()
    box.log.ack(box.publisher.acknowledged())
    assert box.log.depth() == 0


def test_a_full_window_stops_the_publisher_and_nothing_is_lost():
    box = Box(sectors=16)
    for i in range(3000):
        box.sample(i, after_ms=20)
        if box.recorder.due():
            box.recorder.write()
    box.clock.advance_ms(2000)
    box.recorder.write()
    box.settle()
    assert len(box.session.sent) == box.session.window
    while len(box.values()) < 3000:
        box.session.deliver(3)
        box.settle()
        assert len(box.session.sent) < 200
    assert [value for _, value in box.values()] == list(range(3000))


def test_records_of_an_earlier_boot_and_configuration_keep_their_meaning():
    box = Box()
    box.recorder.mark_time()
    for i in range(5):
        box.sample(i)
    box.clock.advance_ms(1000)
    box.recorder.write()
    old = box.schema
    box.restart(period_ms=500)
    assert box.schema != old
    for i in range(5, 10):
        box.sample(i)
    box.clock.advance_ms(1000)
    box.recorder.write()
    box.settle()
    assert box.values() == [(1, i) for i in range(5)] + [(2, i) for i in range(5, 10)]
    topics = box.session.topics()
    new_meta = topics.index("base/meta/%s/1" % schema.hex_of(box.schema))
    old_meta = topics.index("base/meta/%s/1" % schema.hex_of(old))
    assert new_meta < old_meta < topics.index("base/data")
    tops = [samples(payload, KINDS)[0] for payload in box.session.batches()]
    assert [top[3] for top in tops] == [old, box.schema]
    assert tops[0][7] is not None and tops[1][7] is None  # the second boot has marked no time


def test_a_schema_that_is_not_kept_any_more_is_published_as_whole_rows():
    box = Box()
    box.sample(0x1234)
    box.clock.advance_ms(1000)
    box.recorder.write()
    clear_schemas()
    box.restart(period_ms=77)
    box.settle()
    (payload,) = box.session.batches()
    assert b"\x12\x34" * 3 in payload


def test_damage_in_the_log_shows_as_a_gap_between_batches():
    box = Box()
    for i in range(3):
        box.sample(i)
        box.clock.advance_ms(1000)
        box.recorder.write()
    data = box.flash.memory
    at = bytes(data).index(b"\x00\x01" * 3)  # the second sample's words
    data[at] ^= 0x01
    box.restart()
    box.settle()
    tops = [samples(payload, KINDS)[0] for payload in box.session.batches()]
    assert [value for _, value in box.values()] == [0, 2]
    assert [(top[4], top[5]) for top in tops] == [(0, 1), (2, 1)]
    assert box.log.stats.damaged == 1


def test_a_full_log_gives_up_the_oldest_and_the_rest_arrives_in_order():
    box = Box(sectors=4)
    for i in range(4000):
        box.sample(i, after_ms=100)
        if box.recorder.due():
            box.recorder.write()
            box.log.idle()
        if i == 10:
            while box.publisher.step():  # a batch of the very oldest is being collected when they are dropped
                pass
    box.clock.advance_ms(2000)
    box.recorder.write()
    assert box.log.stats.dropped > 0
    box.settle()
    while True:
        before = len(box.session.sent)
        box.session.deliver()
        box.settle()
        if len(box.session.sent) == before:
            break
    values = [value for _, value in box.values()]
    kept = [value for value in values if value > 10]
    assert values == sorted(values) and kept == list(range(kept[0], 4000))
    assert kept[0] == box.log.stats.dropped
    tops = [samples(payload, KINDS)[0] for payload in box.session.batches()]
    assert sum(top[5] for top in tops) == len(values)
    assert tops[-1][4] + tops[-1][5] == 4000


def test_a_block_of_newer_firmware_is_kept_and_told_and_nothing_overtakes_it():
    """As after a downgrade: what was written before is published, the rest waits for firmware that can read it."""
    box = Box()
    box.sample(1)
    box.clock.advance_ms(1000)
    box.recorder.write()
    box.log.append(b"\x03" + bytes(30), 4)
    box.sample(2)
    box.clock.advance_ms(1000)
    box.recorder.write()
    for _ in range(2):
        box.settle()
        box.session.deliver()
        assert box.publisher.unreadable == "record block: not of version 1 to 2"
        position = box.publisher.acknowledged()
        if position is not None:
            box.log.ack(position)
        assert box.values() in ([(1, 1)], [])
        assert box.log.depth() == 5
        box.restart()
