"""Random traffic, faults, late hosts and leaving clients on the wire in virtual time: its promises always hold.

The oracle looks only at what the client really heard and sent, with times.
"""

from __future__ import annotations

import random

import pytest
from plant_bench import UTC_OFFSET_MS, Bench, adu, echoing_units, read_request

from fieldgate.plant.faults import FAULTS
from fieldgate.plant.record import Reply
from fieldgate.plant.transmission import Transmission
from fieldgate.plant.wire import Wire

MS = 1_000_000
UNIT_FAULTS = ("lost_reply", "corrupt", "stray_00", "stray_ff", "late_reply")
LINE_FAULTS = ("noise", "cable_cut", "echo")


def play(seed: int, wire_class: type[Wire] = Wire, steps: int = 120) -> Bench:
    """A random hour in the life of a line, in seconds."""
    rng = random.Random(seed)
    baud, serial_format = rng.choice([(9600, "8N1"), (19200, "8E1"), (115200, "8E1")])
    bench = Bench(baud, serial_format, wire_class=wire_class, seed=seed)
    lateness_ns = rng.choice([0, 0, 1 * MS, 12 * MS])
    for _ in range(steps):
        act = rng.random()
        if act < 0.15:
            name = rng.choice(UNIT_FAULTS)
            bench.faults.set(
                name, rng.choice([None, 1, 2]), count=rng.choice([None, 1, 2]), permille=rng.choice([1000, 300])
            )
        elif act < 0.22:
            bench.faults.set(rng.choice(LINE_FAULTS))
        elif act < 0.24:
            bench.faults.set("dead_unit", rng.randint(1, 4))
        elif act < 0.40:
            bench.faults.clear(rng.choice([None, None, None, *FAULTS]))
        elif act < 0.44:
            bench.wire.client_gone()
        elif act < 0.50:
            bench.wire.client_back()
        elif act < 0.54:
            bench.send(bytes(rng.randrange(256) for _ in range(rng.randint(1, 12))))
        else:
            bench.wire.client_back()
            request = read_request(rng.randint(1, 5), rng.choice([3, 4]), rng.randrange(65000), rng.randint(1, 120))
            cut = rng.choice([len(request), len(request), 3])
            bench.send(request[:cut])
            if request[cut:]:
                bench.run_ms(rng.uniform(0, 3))
                bench.send(request[cut:])
        pause_ms = rng.choice([0.1, 3, 30, 300])
        bench.run_until(bench.now_ns + round(pause_ms * MS), lambda: rng.randrange(lateness_ns + 1))
    bench.faults.clear()
    bench.run_ms(200_000)
    return bench


def broken_promises(bench: Bench) -> list[str]:
    """Everything that the wire promises and did not keep."""
    broken = []
    for reply in bench.book.served:
        wanted = echoing_units(read_request(reply.unit_id, reply.fc, reply.address, reply.count))
        if wanted[3:-2] != reply.data:
            broken.append(f"served data that no unit sent: {reply}")
        if wanted not in heard_around(bench, reply):
            broken.append(f"served, but the client did not hear it: {reply}")
    counts = bench.wire.counts
    if counts["replies"] != bench.book.served.total + bench.book.faulted.total:
        broken.append(
            f"{counts['replies']} replies, {bench.book.served.total} served, {bench.book.faulted.total} faulted"
        )
    for reply in bench.book.faulted:
        if not reply.faults:
            broken.append(f"faulted without a name: {reply}")
        if reply.whole and adu_of(reply) not in heard_around(bench, reply):
            broken.append(f"called whole, but not heard so: {reply}")
    frames = list(bench.book.frames)
    for frame in frames:
        if frame.end_us < frame.start_us or (frame.gap_us < 0) > frame.collision:
            broken.append(f"overlap that is no collision: {frame}")
    if bench.wire.next_due_ns() is not None or bench.wire.unanswered:
        broken.append("a quiet line still plans something")
    return broken


def adu_of(reply: Reply) -> bytes:
    return adu(reply.unit_id, reply.fc, len(reply.data), *reply.data)


def heard_around(bench: Bench, reply: Reply) -> bytes:
    """What the client heard from the request's end until the reply's, host lateness included."""
    first_ns = (reply.request_utc_ms - UTC_OFFSET_MS) * MS
    last_ns = (reply.utc_ms - UTC_OFFSET_MS + 1) * MS + (reply.late_us + 1) * 1000
    return b"".join(data for time_ns, data in bench.heard if first_ns <= time_ns <= last_ns)


@pytest.mark.parametrize("seed", range(60))
def test_promises_hold(seed: int) -> None:
    assert broken_promises(play(seed)) == []


class CallsCorruptServed(Wire):
    """Mutant: a corrupted reply is booked as served."""

    def _record_reply(self, sent: Transmission) -> None:
        if "corrupt" in sent.notes:
            sent.notes.clear()
        super()._record_reply(sent)


class ForgetsLostReplies(Wire):
    """Mutant: a lost reply appears nowhere."""

    def _record_reply(self, sent: Transmission) -> None:
        if "lost_reply" not in sent.notes:
            super()._record_reply(sent)


class DeliversToNobody(Wire):
    """Mutant: what nobody received counts as received."""

    def _deliver(self, sent: Transmission, due_ns: int) -> None:
        listening, self.listening = self.listening, True
        to_client, self._to_client = self._to_client, (self._to_client if listening else len)
        super()._deliver(sent, due_ns)
        self.listening, self._to_client = listening, to_client


class HearsWhileSending(Wire):
    """Mutant: what two sent at once is called whole."""

    def _as_heard(self, sent: Transmission, first: int, until: int) -> bytes:
        heard = super()._as_heard(sent, first, until)
        sent.whole = sent.whole or bool(sent.overlaps)
        return heard


@pytest.mark.parametrize("mutant", [CallsCorruptServed, ForgetsLostReplies, DeliversToNobody, HearsWhileSending])
def test_mutants_are_caught(mutant: type[Wire]) -> None:
    assert any(broken_promises(play(seed, mutant)) for seed in range(12))


def test_the_random_life_meets_everything() -> None:
    seen = dict.fromkeys(FAULTS, 0)
    counts: dict[str, int] = {}
    for seed in range(20):
        bench = play(seed)
        for name, count in bench.faults.counts.items():
            seen[name] += count
        for name, count in bench.wire.counts.items():
            counts[name] = counts.get(name, 0) + count
    assert min(seen.values()) > 0
    wanted = (
        "served",
        "faulted",
        "collisions",
        "bad_requests",
        "absent_unit",
        "char_gaps",
        "no_listener",
        "host_stalls",
    )
    assert min(counts[name] for name in wanted) > 0 and counts["served"] > 50
