"""The balance sees what it must: one hidden, doubled, altered or swapped sample among hundreds of right ones.

The streams include one whose value never changes, the case in which a careless comparison pairs a lost sample
with its neighbour, and the times carry the jitter of two processes.
"""

import random
import struct

from fieldgate.summary import Balance, Delivered, Served, compare, match, percentile, project, report

METER = (1, 4, 0, 14)  # changing float32 values
DOOR = (4, 2, 0, 10)  # bits that never change
START_MS = 1_790_000_000_000
LAYOUTS = {METER: ((0, 4), (12, 4)), DOOR: ((0, 1), (9, 1))}


def served_record(seconds: int = 120) -> list[Served]:
    """One reply per stream and second."""
    rand, replies = random.Random(7), []
    for second in range(seconds):
        voltage = struct.pack(">f", 230 + rand.random())
        data = voltage + bytes(8) + struct.pack(">f", float(second)) + bytes(12)
        replies.append(Served(START_MS + second * 1000, METER, data))
        replies.append(Served(START_MS + second * 1000 + 60, DOOR, b"\x01\x02"))
    return replies


def delivered_record(replies: list[Served]) -> list[Delivered]:
    """What a flawless box makes of it: sample times off by up to 40 ms, arrivals a second later."""
    rand, samples = random.Random(8), []
    for reply in replies:
        layout = LAYOUTS[reply.stream]
        uptime = reply.utc_ms - START_MS + 5000
        samples.append(
            Delivered(
                utc_ms=reply.utc_ms + rand.randrange(-40, 40),
                stream=reply.stream,
                layout=layout,
                words=project(reply.data, reply.stream[1], layout),
                arrival_ms=reply.utc_ms + 1000,
                order=(1, uptime),
                identity=("log", 1, "schema", reply.stream, uptime),
            )
        )
    return samples


def balance_of(served: list[Served], delivered: list[Delivered]) -> Balance:
    return compare(served, delivered, end_ms=START_MS + 10_000_000)


def test_a_flawless_run_balances() -> None:
    served = served_record()
    result = balance_of(served, delivered_record(served))
    assert result.ok
    assert (result.served, result.delivered, result.duplicates) == (240, 240, 0)
    assert max(map(abs, result.differences_ms)) == 40
    assert result.streams == {METER: (120, 120), DOOR: (120, 120)}


def test_one_hidden_sample_is_seen_as_one_loss_wherever_it_was() -> None:
    served = served_record()
    for hidden in (0, 1, 100, 101, 238, 239):  # first, middle, last; changing and constant stream
        delivered = delivered_record(served)
        del delivered[hidden]
        result = balance_of(served, delivered)
        assert not result.ok
        assert result.lost == [served[hidden]] or (len(result.lost) == 1 and result.lost[0].stream == DOOR)
        assert (result.delivered, result.wrong, result.invented) == (239, [], [])


def test_a_hidden_publish_of_many_samples_is_seen_whole() -> None:
    served = served_record()
    delivered = delivered_record(served)
    result = balance_of(served, delivered[:60] + delivered[76:])
    assert len(result.lost) == 16
    assert not result.ok


def test_a_doubled_sample_is_a_duplicate_and_no_fault() -> None:
    served = served_record()
    delivered = delivered_record(served)
    delivered.insert(51, delivered[50])
    result = balance_of(served, delivered)
    assert (result.duplicates, result.reordered) == (1, 0)
    assert result.ok


def test_a_double_with_a_new_identity_was_never_served() -> None:
    served = served_record()
    delivered = delivered_record(served)
    copy = delivered[50]._replace(identity=("log", 1, "schema", METER, -1))
    delivered.insert(51, copy)
    result = balance_of(served, delivered)
    assert len(result.invented) == 1
    assert not result.ok


def test_an_altered_bit_is_wrong() -> None:
    served = served_record()
    for index, word in ((50, 0), (51, 1)):
        delivered = delivered_record(served)
        words = list(delivered[index].words)
        words[word] = bytes([*words[word][:-1], words[word][-1] ^ 1])
        delivered[index] = delivered[index]._replace(words=tuple(words))
        result = balance_of(served, delivered)
        assert [(pair[0], pair[1]) for pair in result.wrong] == [(served[index], delivered[index])]
        assert (result.lost, result.delivered, result.ok) == ([], 239, False)


def test_swapped_arrivals_are_reordered() -> None:
    served = served_record()
    delivered = delivered_record(served)
    delivered[50], delivered[52] = delivered[52], delivered[50]
    result = balance_of(served, delivered)
    assert result.reordered == 1
    assert not result.ok


def test_swapped_values_are_wrong() -> None:
    served = served_record()
    delivered = delivered_record(served)
    a, b = delivered[50].words, delivered[52].words
    delivered[50], delivered[52] = delivered[50]._replace(words=b), delivered[52]._replace(words=a)
    assert len(balance_of(served, delivered).wrong) == 2


def test_a_sample_of_another_time_was_never_served() -> None:
    served = served_record()
    delivered = delivered_record(served)
    delivered[50] = delivered[50]._replace(utc_ms=delivered[50].utc_ms + 1700)
    result = balance_of(served, delivered)
    assert (len(result.lost), len(result.invented)) == (1, 1)


def test_a_reply_is_matched_at_most_once() -> None:
    reply = served_record(1)[0]
    sample = delivered_record([reply])[0]
    twice = [sample, sample._replace(identity=("other",))]
    assert len(match([reply], twice)) == 1
    assert len(match([reply, reply], [sample])) == 1


def test_the_largest_matching_is_found_where_the_nearest_partner_is_a_trap() -> None:
    """Same values 300 ms apart: pairing each with its nearest would leave one alone."""
    base = served_record(1)[0]
    replies = [base._replace(utc_ms=START_MS), base._replace(utc_ms=START_MS + 300)]
    sample = delivered_record([base])[0]
    samples = [sample._replace(utc_ms=START_MS + 290), sample._replace(utc_ms=START_MS + 700, identity=("b",))]
    assert match(replies, samples) == [(0, 0), (1, 1)]


def test_after_the_end_mark_nothing_is_owed_but_all_is_checked() -> None:
    served = served_record(10)
    delivered = delivered_record(served)
    result = compare(served, delivered[:10], end_ms=served[9].utc_ms)
    assert result.ok
    assert (result.served, result.delivered) == (10, 10)
    delivered[19] = delivered[19]._replace(words=(b"\x00", b"\x00"))
    assert not compare(served, delivered, end_ms=served[9].utc_ms).ok


def test_a_kill_excuses_only_the_unflushed_block() -> None:
    served = served_record(60)
    delivered = delivered_record(served)
    kill = served[80].utc_ms + 500
    without = [d for d in delivered if not kill - 1000 <= d.utc_ms <= kill]
    result = compare(served, without, kill + 10**6, kills_ms=[kill], unflushed_ms=1100)
    assert result.ok
    assert len(result.lost_at_kill) == 2
    assert not compare(served, without[:-1], kill + 10**6, kills_ms=[kill], unflushed_ms=1100).ok
    assert not compare(served, without, kill + 10**6).ok


def test_nothing_served_is_no_success() -> None:
    assert not balance_of([], []).ok


def test_bits_are_taken_in_modbus_order() -> None:
    assert project(b"\x01\x02", 2, ((0, 1), (1, 1), (9, 1))) == (b"\x01", b"\x00", b"\x01")
    assert project(b"\x11\x22\x33\x44\x55\x66", 3, ((2, 4),)) == (b"\x33\x44\x55\x66",)


def test_the_report_names_what_is_wrong() -> None:
    served = served_record(10)
    lines = "\n".join(report(balance_of(served, delivered_record(served)[1:])))
    assert "samples lost             1" in lines
    assert "lost: unit 1 fc 4 address 0 count 14" in lines
    assert percentile([5, 1, 3, 2, 4], 950) == 5
    assert percentile([], 500) == 0


def test_a_late_reply_may_be_used_but_is_not_owed() -> None:
    served = served_record(20)
    late = served[10]._replace(utc_ms=served[10].utc_ms - 30, owed=False)
    used = compare([*served, late], delivered_record(served), START_MS + 10**7)
    assert used.ok
    assert (used.served, used.delivered) == (40, 40)
    only_late = [*served[:10], late, *served[11:]]
    for delivered in (delivered_record(served), delivered_record(served[:10] + served[11:])):
        result = compare(only_late, delivered, START_MS + 10**7)
        assert result.ok
        assert (result.served, result.delivered) == (39, 39)
