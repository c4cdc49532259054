"""An update of the firmware keeps the backlog: what the firmware before columns wrote is read, kept and published."""

from batch_reader import cbor, qualities
from clock import Clock
from flashlog.log import FlashLog
from flashlog.records import EVENT, SAMPLE, TIME_MARK, VERSION, Block, BlockBuilder
from gateway.publisher import Publisher
from nor import Nor
from old_log import ACKNOWLEDGED, FRAMES, LOG_ID, SCHEMA, SECTORS, all_rows, memory, rows_of
from paperboy import Paperboy

ROWS_PER_BLOCK = len(rows_of(1, 0))


def old_flash():
    nor = Nor(SECTORS, 16)
    nor.memory[:] = memory()
    return nor


def mounted(nor):
    log = FlashLog(nor)
    log.mount()
    return log


def blocks(log):
    """(version, rows) of every unread block."""
    out = []
    while True:
        payload = log.read()
        if payload is None:
            return out
        rows = [
            row[:5] + (bytes(row[5]) if row[0] == SAMPLE and row[5] is not None else row[5],)
            for row in Block(bytes(payload))
        ]
        out.append((payload[0], rows))


def test_the_backlog_of_older_firmware_is_all_there():
    log = mounted(old_flash())
    assert log.log_id == LOG_ID and log.depth() == (2 * FRAMES - ACKNOWLEDGED) * ROWS_PER_BLOCK
    found = blocks(log)
    assert {version for version, _ in found} == {1}
    assert [row for _, rows in found for row in rows] == all_rows()[ACKNOWLEDGED * ROWS_PER_BLOCK :]


def test_new_blocks_go_behind_old_ones_and_both_are_read_after_a_restart():
    nor = old_flash()
    log = mounted(nor)
    assert log.begin_boot() == 3
    builder = BlockBuilder(480)
    new = []
    for number in range(5):
        rows = [row for row in rows_of(2, number) if row[0] == SAMPLE and not row[2]]
        builder.reset(3, SCHEMA, rows[0][3], rows[0][4])
        for _, group, _, _, ticks, data in rows:
            assert builder.sample(group, 0, ticks, data, len(data))
        log.append(builder.payload(), builder.records)
        log.idle()
        new += rows
    log = mounted(nor)
    found = blocks(log)
    assert [version for version, _ in found] == [1] * (2 * FRAMES - ACKNOWLEDGED) + [VERSION] * 5
    assert [row for _, rows in found for row in rows] == all_rows()[ACKNOWLEDGED * ROWS_PER_BLOCK :] + new
    assert log.stats.damaged == log.stats.dropped == 0


def test_newer_firmware_publishes_the_backlog():
    log = mounted(old_flash())
    log.begin_boot()
    log.rewind()
    clock = Clock(utc_ms=1795312900000)
    session = Paperboy()
    publisher = Publisher(log, session, clock, "base", {"batch_records": 64, "batch_age_ms": 1000})
    publisher.greet("{}", SCHEMA)
    for _ in range(30):
        while publisher.step():
            pass
        clock.advance_ms(1100)
        session.deliver()
    data = {}
    outcomes = {}
    events = marks = count = 0
    for payload in session.batches():
        top, _ = cbor(payload)
        assert top[3] == SCHEMA
        for group, parts in top[8].items():
            outcomes[group] = outcomes.get(group, []) + qualities(parts[1])
            if len(parts) > 2:
                assert parts[2][0] == 3  # whole rows: the file of that schema is not on this box
                data[group] = data.get(group, b"") + parts[2][1:]
        events += len(top.get(9, ()))
        marks += len(top.get(10, ()))
        count += top[5]
    wanted = all_rows()[ACKNOWLEDGED * ROWS_PER_BLOCK :]
    for group in (0, 1):
        rows = [row for row in wanted if row[0] == SAMPLE and row[1] == group]
        assert outcomes[group] == [row[2] for row in rows]
        assert data[group] == b"".join([row[5] for row in rows if not row[2]])
    assert events == sum([row[0] == EVENT for row in wanted]) and marks == sum([row[0] == TIME_MARK for row in wanted])
    assert count == len(wanted)
    position = publisher.acknowledged()
    log.ack(position)
    assert log.depth() == 0
