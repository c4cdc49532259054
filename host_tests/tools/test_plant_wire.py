"""The line in virtual time: pacing to the bit, half duplex, what is recorded. No test here sleeps."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest
from plant_bench import START_NS, UTC_OFFSET_MS, Bench, adu, echoing_units, read_request

from fieldgate.plant.timing import SerialTiming
from fieldgate.plant.transmission import Transmission
from fieldgate.plant.wire import Wire

MS = 1_000_000
LINES = [(9600, "8N1", 10), (19200, "8E1", 11), (19200, "8N2", 11), (115200, "8E1", 11), (115200, "8N1", 10)]


def char_end_ns(start_ns: int, index: int, baud: int, bits: int) -> Fraction:
    """Exact end of a character, from the number of bits alone."""
    return start_ns + Fraction((index + 1) * bits * 1_000_000_000, baud)


def pacing_errors(bench: Bench, baud: int, bits: int, count: int) -> list[str]:
    """Every way in which one read of `count` registers was not paced as its bits demand."""
    errors = []
    sent_ns = bench.now_ns
    bench.send(read_request(1, 3, 0, count))
    bench.run_ms(1000)
    request_end = char_end_ns(sent_ns, 7, baud, bits)
    reply_start = request_end + 5 * MS
    index = 0
    for time_ns, data in bench.heard:
        for _ in data:
            if time_ns < char_end_ns(int(reply_start), index, baud, bits) - 2:
                errors.append(f"byte {index} came too early")
            index += 1
    last_ns = bench.heard[-1][0]
    wanted_ns = char_end_ns(int(reply_start), 5 + 2 * count - 1, baud, bits)
    if abs(last_ns - wanted_ns) > 3:
        errors.append(f"last byte at {last_ns}, wanted {float(wanted_ns)}")
    if index != 5 + 2 * count:
        errors.append(f"{index} bytes")
    return errors


@pytest.mark.parametrize(("baud", "serial_format", "bits"), LINES)
def test_bytes_take_the_time_of_their_bits(baud: int, serial_format: str, bits: int) -> None:
    for count in (1, 16, 120):
        assert pacing_errors(Bench(baud, serial_format), baud, bits, count) == []


def test_mutant_line_without_parity_bit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SerialTiming, "bits_per_char", property(lambda self: 10))
    assert pacing_errors(Bench(19200, "8E1"), 19200, 11, 16) != []


def test_mutant_drift_of_added_character_times_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # what adding up whole microseconds per character would do
    monkeypatch.setattr(SerialTiming, "chars_ns", lambda self, count: count * 95_000)
    assert pacing_errors(Bench(115200, "8E1"), 115200, 11, 120) != []


def test_a_late_host_does_not_add_up() -> None:
    bench, rng = Bench(115200, "8N1"), random.Random(3)
    for _ in range(20):
        bench.heard.clear()
        sent_ns = bench.now_ns
        bench.send(read_request(1, 3, 0, 120))
        bench.run_until(sent_ns + 100 * MS, lambda: rng.randrange(2 * MS))
        planned_end = char_end_ns(int(char_end_ns(sent_ns, 7, 115200, 10)) + 5 * MS, 244, 115200, 10)
        # at most: units asked late and reply planned then, last chunk late
        assert planned_end - 2 <= bench.heard[-1][0] <= planned_end + 2 * MS + 2
    assert bench.wire.counts["served"] == 20


def test_chunks_are_small_enough_for_an_inter_byte_timeout() -> None:
    for baud in (9600, 19200, 115200):
        bench = Bench(baud)
        bench.read(count=120, wait_ms=500)
        times = [time_ns for time_ns, _ in bench.heard]
        char_ns = bench.timing.chars_ns(1)
        assert len(bench.heard[0][1]) == 1
        assert max(b - a for a, b in zip(times, times[1:])) <= max(2 * MS, char_ns) + char_ns


def test_units_hear_the_request_when_its_last_bit_has_passed() -> None:
    heard_ns = []
    bench = Bench(units=lambda request: heard_ns.append(bench.now_ns))  # type: ignore[func-returns-value]
    bench.send(read_request(1, 3, 0, 4))
    bench.run_ms(100)
    assert heard_ns == [START_NS + SerialTiming().chars_ns(8)]


def test_request_in_pieces_is_one_request() -> None:
    bench = Bench()
    request = read_request(2, 4, 1, 2)
    bench.send(request[:3])
    bench.run_ms(1)
    bench.send(request[3:])  # while the first piece is still leaving
    bench.run_ms(100)
    assert bench.wire.counts["requests"] == 1 and bench.wire.counts["served"] == 1
    assert bench.wire.counts["char_gaps"] == 0
    frame = bench.book.frames[0]
    assert frame.data == request and frame.end_us == 8 * 11 * 1_000_000 // 19200


def test_request_with_a_hole_is_counted_and_with_a_pause_is_two_broken_ones() -> None:
    bench, request = Bench(), read_request(2, 4, 1, 2)
    first_ms = SerialTiming().chars_ns(3) / MS
    bench.send(request[:3])
    bench.run_ms(first_ms + 1.2)  # t1.5 is 0.86 ms, t3.5 is 2.0 ms
    bench.send(request[3:])
    bench.run_ms(100)
    assert (bench.wire.counts["char_gaps"], bench.wire.counts["served"]) == (1, 1)
    bench.send(request[:3])
    bench.run_ms(first_ms + 2.5)
    bench.send(request[3:])
    bench.run_ms(100)
    assert (bench.wire.counts["bad_requests"], bench.wire.counts["served"]) == (2, 1)


def test_served_reply_has_its_data_and_the_time_of_its_end() -> None:
    bench = Bench()
    heard = bench.read(3, 4, 0x2103, 4)
    (reply,) = bench.book.served
    assert (reply.unit_id, reply.fc, reply.address, reply.count) == (3, 4, 0x2103, 4)
    assert reply.data == heard[3:-2] and reply.faults == () and reply.whole and reply.exception == 0
    end_ns = bench.heard[-1][0]
    assert reply.utc_ms == UTC_OFFSET_MS + end_ns // MS
    assert reply.request_utc_ms == UTC_OFFSET_MS + (START_NS + SerialTiming().chars_ns(8)) // MS


def test_exception_reply_is_served_without_data() -> None:
    bench = Bench(units=lambda request: adu(request[0], request[1] | 0x80, 2))
    bench.read(1, 3, 9, 1)
    (reply,) = bench.book.served
    assert (reply.exception, reply.data) == (2, b"")


def test_broken_request_absent_unit_and_babbling_are_not_answered() -> None:
    bench = Bench()
    bench.send(read_request(1, 3, 0, 4)[:-1] + b"\x00")
    bench.run_ms(100)
    assert bench.wire.counts["bad_requests"] == 1
    bench.send(read_request(1, 3, 0, 4) + b"\x00\x00")  # two zeros after a CRC keep it right
    bench.run_ms(100)
    assert bench.wire.counts["bad_requests"] == 2 and bench.asked_in_all == 0
    assert bench.read(9) == b"" and bench.wire.counts["absent_unit"] == 1
    bench.send(bytes(5000))
    bench.send(bytes(5000))
    bench.run_ms(5000)
    assert bench.wire.counts["too_long"] == 1 and bench.heard == []
    assert bench.read(1) != b""


def test_gap_before_each_frame_is_recorded_and_short_ones_are_counted() -> None:
    bench = Bench()
    bench.read(1, wait_ms=50)
    assert bench.wire.counts["short_gaps"] == 0
    bench = Bench()
    bench.send(read_request(1, 3, 0, 4))
    bench.run_until(START_NS + bench.timing.chars_ns(8) + 5 * MS + bench.timing.chars_ns(13) + 1 * MS)
    bench.send(read_request(1, 3, 0, 4))
    bench.run_ms(100)
    frames = list(bench.book.frames)
    assert [frame.gap_us for frame in frames[1:]] == [5000, 1000, 5000]
    assert [frame.notes for frame in frames] == [(), (), ("short_gap",), ()]
    assert bench.wire.counts["short_gaps"] == 1


def test_client_that_sends_into_a_reply_destroys_both() -> None:
    bench = Bench()
    bench.send(read_request(1, 3, 0, 60))
    bench.run_ms(20)  # the reply of 125 bytes is under way
    heard_before = sum(len(data) for _, data in bench.heard)
    bench.send(read_request(2, 3, 0, 4))
    bench.run_ms(300)
    assert bench.wire.counts["collisions"] == 1
    assert bench.wire.counts["bad_requests"] == 1 and len(bench.book.served) == 0
    (reply,) = bench.book.faulted
    assert reply.faults == ("collision",) and not reply.whole
    heard = sum(len(data) for _, data in bench.heard)
    assert 0 < heard_before < heard <= 125 - 8  # while it sends, it hears nothing
    assert [frame.collision for frame in bench.book.frames] == [False, True, True]


def test_two_units_at_once_garble_each_other() -> None:
    bench = Bench()
    bench.faults.set("late_reply", unit=1, ms=30, count=1)
    bench.send(read_request(1, 3, 0, 20))
    bench.run_ms(28)
    bench.send(read_request(2, 3, 0, 20))  # its reply meets the late one
    bench.run_ms(300)
    assert bench.wire.counts["collisions"] == 1
    assert sorted(reply.faults for reply in bench.book.faulted) == [("collision",), ("late_reply", "collision")]
    assert not any(reply.whole for reply in bench.book.faulted)


class CollisionsPassUnharmed(Wire):
    """Mutant: overlapping transmissions do not harm each other."""

    def _as_heard(self, sent: Transmission, first: int, until: int) -> bytes:
        return bytes(sent.data[first:until])


def test_mutant_wire_without_collisions_is_caught() -> None:
    bench = Bench(wire_class=CollisionsPassUnharmed)
    bench.send(read_request(1, 3, 0, 60))
    bench.run_ms(20)
    bench.send(read_request(2, 3, 0, 4))
    bench.run_ms(300)
    assert sum(len(data) for _, data in bench.heard) == 125  # the test above demands at most 117


def test_client_that_goes_away_is_not_called_served() -> None:
    bench = Bench()
    bench.send(read_request(1, 3, 0, 60))
    bench.run_ms(20)
    bench.wire.client_gone()
    bench.run_ms(300)
    (reply,) = bench.book.faulted
    assert reply.faults == ("no_listener",) and not reply.whole and len(bench.book.served) == 0
    bench.send(read_request(1, 3, 0, 4)[:4])  # killed in the middle of a request
    bench.wire.client_gone()
    bench.wire.client_back()
    assert bench.read(1) != b"" and len(bench.book.served) == 1


def test_client_that_does_not_read_overruns() -> None:
    bench = Bench()
    bench.receive_limit = 1
    bench.read(1)
    (reply,) = bench.book.faulted
    assert reply.faults == ("overrun",) and bench.wire.counts["overrun"] == 1


@pytest.mark.parametrize(("late_ms", "served"), [(5, 1), (9, 0)])
def test_reply_that_the_host_delivered_late_is_not_called_served(late_ms: int, served: int) -> None:
    bench = Bench()
    bench.send(read_request(1, 3, 0, 60))
    bench.run_ms(30)
    bench.run_until(bench.now_ns + 40 * MS, lambda: late_ms * MS)
    bench.run_ms(300)
    assert len(bench.book.served) == served and bench.wire.counts["host_stalls"] == 1 - served
    assert all(reply.faults == ("host_stall",) and reply.whole for reply in bench.book.faulted)


def test_server_that_answers_out_of_step_or_never_is_counted_and_recovered_from() -> None:
    silent = Bench(units=lambda request: None)
    silent.read(1, wait_ms=1500)
    assert silent.wire.counts["server_silent"] == 1
    silent.units = echoing_units
    assert silent.read(1) != b""
    wrong = Bench(units=lambda request: echoing_units(adu(4, *request[1:-2])))
    wrong.read(1)
    assert wrong.wire.counts["server_out_of_step"] == 1 and wrong.heard == []
    wrong.units = echoing_units
    assert wrong.read(1) != b""


@pytest.mark.parametrize(
    ("baud", "serial_format", "t1_5_us", "t3_5_us"),
    [(9600, "8N1", 1562, 3645), (19200, "8E1", 859, 2005), (38400, "8N1", 750, 1750), (115200, "8E1", 750, 1750)],
)
def test_silences_of_the_standard(baud: int, serial_format: str, t1_5_us: int, t3_5_us: int) -> None:
    # Modbus over Serial Line V1.02, 2.5.1.1; computed by hand: 1.5 and 3.5 characters, fixed above 19200 baud
    timing = SerialTiming(baud, serial_format)
    assert (timing.t1_5_ns // 1000, timing.t3_5_ns // 1000) == (t1_5_us, t3_5_us)


@pytest.mark.parametrize(("baud", "serial_format"), [(0, "8E1"), (19201, "8E1"), (9600, "7E1"), (9600, "")])
def test_impossible_line_is_refused_in_one_line(baud: int, serial_format: str) -> None:
    with pytest.raises(ValueError, match="found .* allowed") as error:
        SerialTiming(baud, serial_format)
    assert "\n" not in str(error.value)
