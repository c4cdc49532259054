"""Every fault of the line shows its named effect, is counted, and can be switched while the line runs."""

from __future__ import annotations

import pytest
from plant_bench import Bench, echoing_units, read_request

from fieldgate.plant.faults import FAULTS
from fieldgate.plant.rtu import crc_ok

GOOD = echoing_units(read_request(2, 3, 0, 4))
MS = 1_000_000


def test_without_a_fault_the_reply_is_the_reply() -> None:
    bench = Bench()
    assert bench.read(2) == GOOD and len(bench.book.served) == 1 and len(bench.book.faulted) == 0


def test_dead_unit_is_silent_and_the_others_are_not() -> None:
    bench = Bench()
    bench.faults.set("dead_unit", unit=2)
    bench.faults.set("dead_unit", unit=3)
    assert bench.read(2) == b"" and bench.read(3) == b"" and bench.read(1) != b""
    assert bench.faults.counts["dead_unit"] == 2 and bench.book.frames[0].notes == ("dead_unit",)
    bench.faults.clear("dead_unit", unit=2)
    assert bench.read(2) == GOOD and bench.read(3) == b""


def test_lost_reply_happens_as_often_as_told() -> None:
    bench = Bench()
    bench.faults.set("lost_reply", unit=2, count=2)
    assert [bench.read(2), bench.read(1) != b"", bench.read(2), bench.read(2)] == [b"", True, b"", GOOD]
    assert bench.faults.counts["lost_reply"] == 2
    assert [reply.faults for reply in bench.book.faulted] == [("lost_reply",)] * 2
    assert not bench.book.faulted[0].whole and bench.book.faulted[0].data == GOOD[3:-2]


def test_corrupt_reply_has_one_wrong_byte() -> None:
    bench = Bench()
    bench.faults.set("corrupt")
    for _ in range(50):
        heard = bench.read(2)
        assert len(heard) == len(GOOD) and sum(a != b for a, b in zip(heard, GOOD)) == 1 and not crc_ok(heard)
    assert bench.faults.counts["corrupt"] == 50 and len(bench.book.served) == 0
    assert all(reply.faults == ("corrupt",) and not reply.whole for reply in bench.book.faulted)


@pytest.mark.parametrize(("name", "byte"), [("stray_00", b"\x00"), ("stray_ff", b"\xff")])
def test_stray_byte_precedes_a_whole_reply(name: str, byte: bytes) -> None:
    bench = Bench()
    bench.faults.set(name, count=1)
    assert [bench.read(2), bench.read(2)] == [byte + GOOD, GOOD]
    (reply,) = bench.book.faulted
    assert reply.faults == (name,) and reply.whole and reply.data == GOOD[3:-2]


def test_late_reply_starts_later_by_what_was_said() -> None:
    bench = Bench()
    bench.read(2)
    normal_us = bench.book.frames[1].start_us - bench.book.frames[0].end_us
    bench.faults.set("late_reply", unit=2, ms=120, count=1)
    assert bench.read(2) == GOOD
    late_us = bench.book.frames[3].start_us - bench.book.frames[2].end_us
    assert late_us - normal_us == 120_000
    assert bench.book.faulted[0].faults == ("late_reply",) and bench.book.faulted[0].whole


def test_late_reply_arrives_in_the_time_of_the_next_request() -> None:
    bench = Bench()
    bench.faults.set("late_reply", unit=2, ms=120, count=1)
    assert bench.read(2, wait_ms=100) == b""  # the client gave up
    heard = bench.read(1, count=1, wait_ms=200)
    assert heard == echoing_units(read_request(1, 3, 0, 1)) + GOOD


def test_noise_comes_on_an_idle_line_and_stops_when_cleared() -> None:
    bench = Bench()
    bench.faults.set("noise", ms=20)
    bench.run_ms(2000)
    bursts = [frame for frame in bench.book.frames if frame.sender == "noise"]
    assert 60 < len(bursts) < 140 and bench.faults.counts["noise"] == pytest.approx(len(bursts), abs=1)
    assert all(1 <= len(frame.data) <= 8 for frame in bursts)
    assert b"".join(data for _, data in bench.heard) == b"".join(frame.data for frame in bursts)
    bench.faults.clear("noise")
    count = bench.faults.counts["noise"]
    bench.run_ms(2000)
    assert bench.faults.counts["noise"] == count and bench.read(2) == GOOD


def test_noise_destroys_requests_and_replies_it_meets() -> None:
    bench = Bench()
    bench.faults.set("noise", ms=5)
    for _ in range(30):
        bench.read(2, count=50)
    assert bench.wire.counts["bad_requests"] > 0 and len(bench.book.faulted) > 0
    for reply in bench.book.faulted:
        assert reply.faults == ("collision",)


def test_cable_cut_silences_everything_and_breaks_a_reply_off() -> None:
    bench = Bench()
    bench.send(read_request(2, 3, 0, 60))
    bench.run_ms(30)
    heard = sum(len(data) for _, data in bench.heard)
    assert 0 < heard < 125
    bench.faults.set("cable_cut")
    bench.run_ms(200)
    assert sum(len(data) for _, data in bench.heard) == heard
    assert bench.book.faulted[0].faults == ("cable_cut",) and not bench.book.faulted[0].whole
    assert bench.read(1) == b"" and bench.faults.counts["cable_cut"] == 2
    bench.faults.clear()
    assert bench.read(2) == GOOD


def test_echo_returns_the_clients_bytes_at_their_own_pace() -> None:
    bench = Bench()
    bench.faults.set("echo")
    request = read_request(2, 3, 0, 4)
    sent_ns = bench.now_ns
    assert bench.read(2) == request + GOOD
    heard_ns = [time_ns for time_ns, data in bench.heard for _ in data][:8]
    for index, time_ns in enumerate(heard_ns):
        assert time_ns >= sent_ns + bench.timing.chars_ns(index + 1)
    assert heard_ns[-1] == sent_ns + bench.timing.chars_ns(8)
    assert len(bench.book.served) == 1 and bench.faults.counts["echo"] == 1  # a reply after an echo is whole


def test_echo_of_a_request_in_pieces_is_complete() -> None:
    bench, request = Bench(), read_request(2, 3, 0, 4)
    bench.faults.set("echo")
    bench.send(request[:3])
    bench.run_ms(2.4)
    bench.send(request[3:])
    bench.run_ms(200)
    assert b"".join(data for _, data in bench.heard) == request + GOOD


def test_permille_is_a_chance_that_the_seed_repeats() -> None:
    def run(seed: int) -> list[bool]:
        bench = Bench(seed=seed)
        bench.faults.set("lost_reply", permille=300)
        return [bench.read(2) == b"" for _ in range(200)]

    assert run(1) == run(1) != run(2)
    assert 30 < sum(run(1)) < 90


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        (("fire",), {}),
        ((None,), {}),
        (("dead_unit",), {}),
        (("dead_unit", 248), {}),
        (("lost_reply", 0), {}),
        (("lost_reply", "2"), {}),
        (("lost_reply", True), {}),
        (("lost_reply",), {"count": 0}),
        (("lost_reply",), {"permille": 1001}),
        (("lost_reply",), {"permille": None}),
        (("lost_reply",), {"ms": 5}),
        (("late_reply",), {"ms": 60_001}),
        (("cable_cut", 2), {}),
        (("noise",), {"count": 3}),
    ],
)
def test_nonsense_is_refused_in_one_line(arguments: tuple, parameters: dict) -> None:
    bench = Bench()
    with pytest.raises(ValueError) as error:
        bench.faults.set(*arguments, **parameters)
    assert "\n" not in str(error.value) and bench.faults.as_list() == []


def test_every_fault_has_a_test_here() -> None:
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    for name in FAULTS:
        assert f'"{name}"' in text
