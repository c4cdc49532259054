"""What the publisher owes besides order: latest values before a backlog, a bounded share of the network, the words."""

import json

from batch_reader import cbor, qualities, signed, sums, varints
from publishing_box import UTC_MS, Box


def batches(box):
    """(ms of publishing, payload bytes, [(UTC ms of the sample, value)]) of every data message; groups are whole rows,
    as the box's schema is in no file."""
    out = []
    for at, topic, payload in box.messages:
        if topic != "data":
            continue
        top, _ = cbor(payload)
        samples = []
        if 0 in top[8]:
            steps, runs, rows = top[8][0]
            assert not any(qualities(runs)) and rows[0] == 3
            time = 0
            for i, step in enumerate(sums(varints(steps))):
                time += signed(step)
                samples.append((top[7] and top[7] + time, int.from_bytes(rows[1 + 4 * i : 5 + 4 * i], "big")))
        out.append((at, len(payload), samples))
    return out


def latest(box):
    """(ms of publishing, message) of every latest message."""
    return [(at, json.loads(payload)) for at, topic, payload in box.messages if topic == "latest/plc/0"]


def after_outage(minutes=20, **settings):
    """A box that was without a broker for so long, and is connected now."""
    box = Box(**settings)
    box.run(minutes * 60000)
    assert box.log.depth() >= 60 * minutes - 5
    box.connect()
    return box


def test_latest_is_current_while_a_long_backlog_drains():
    box = after_outage(backfill_bytes_per_s=512)
    connected = box.now_ms()
    box.run(60000)
    old = 0
    told = latest(box)
    assert told[0][0] - connected < 500
    for at, _, samples in batches(box):
        age_ms = UTC_MS + at - samples[-1][0]
        if age_ms < 60000:
            continue
        old += 1
        at_latest, message = [entry for entry in told if entry[0] <= at + 500][-1]
        assert message["quality"] == 0
        assert UTC_MS + at - message["utc_ms"] < 2600, "latest is as old as the backlog"
        assert message["values"]["count"] >= samples[-1][1] + 50
    assert old > 5
    ages = sorted([UTC_MS + at - message["utc_ms"] for at, message in told])
    print("REPORT: latest during a backlog of 20 minutes: %d messages, at most %d ms old" % (len(told), ages[-1]))


def test_everything_arrives_in_order_and_live_data_catch_up():
    box = after_outage()
    box.run(60000)
    values = [value for _, _, samples in batches(box) for _, value in samples]
    assert values == list(range(1, len(values) + 1))
    assert box.value - values[-1] <= 4
    at, _, samples = batches(box)[-1]
    assert UTC_MS + at - samples[-1][0] < 3500


def busiest_second(sent):
    """Most payload bytes in any second."""
    return max([sum([size for at, size, _ in sent if start <= at < start + 1000]) for start, _, _ in sent])


def test_a_backlog_keeps_to_its_share_of_the_network():
    limit = 1024
    paced = after_outage(backfill_bytes_per_s=limit)
    paced.run(30000)
    sent = batches(paced)
    largest = max([size for _, size, _ in sent])
    assert busiest_second(sent) <= limit + largest
    free = after_outage(backfill_bytes_per_s=0)
    free.run(30000)
    assert busiest_second(batches(free)) > 4 * limit, "the control must exceed the limit"
    print("REPORT: backlog limited to %d B/s: busiest second %d B, without limit %d B" % (
        limit, busiest_second(sent), busiest_second(batches(free))))  # fmt: skip


def test_a_limit_below_the_live_rate_does_not_keep_data_back_for_ever():
    box = after_outage(minutes=6, backfill_bytes_per_s=1, latest_s=0)
    box.run(8 * 60000)
    sent = batches(box)
    values = [value for _, _, samples in sent for _, value in samples]
    assert values == list(range(1, len(values) + 1)) and box.value - values[-1] <= 70


def test_live_data_are_not_paced():
    box = Box(period_ms=100, backfill_bytes_per_s=1024)
    box.connect()
    box.run(60000)
    for at, _, samples in batches(box)[1:]:
        if samples:
            assert UTC_MS + at - samples[-1][0] < 2500


def terms(box):
    return [topic for _, topic, _ in box.messages if topic.startswith("glossary/")]


def connect(box, known):
    box.session.known = known
    box.session.ready = True
    box.session.connects += 1
    box.publisher.greet("{}", box.schema)


def test_the_glossary_follows_what_is_urgent_and_is_told_once_to_a_broker_that_keeps_it():
    box = Box(latest_s=0, backfill_bytes_per_s=0)
    box.run(120000)
    connect(box, False)
    box.run(20000)
    topics = [topic for _, topic, _ in box.messages]
    count = len(terms(box))
    assert count > 40 and len(set(terms(box))) == count
    assert topics[:2] == ["status", "glossary"] and topics.index(terms(box)[0]) > topics.index("data")
    connect(box, True)
    box.run(20000)
    assert len(terms(box)) == count
    connect(box, False)  # another broker, or one that has forgotten
    box.run(20000)
    assert len(terms(box)) == 2 * count
