"""The demo's balance: what the plant served against what came out of the broker.

Two independent records are compared, and nothing that the firmware says about itself is believed: the plant
writes down every reply it delivered whole to the line, the consumer side every sample it received. Within one
stream (unit id, function code, address, count) both are in time order, so the balance is the largest
order-preserving matching of equal data whose times lie close together. Every served reply is then exactly one
of: delivered, wrong (a sample of that time arrived with other data), or lost; every sample received is one of:
a match, wrong, a duplicate, or invented (nothing like it was ever served).
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

# Sample time on the box and reply end at the plant may differ by this much: two processes on one busy host, either of
# which may be kept waiting for a processor. What they did differ by is reported.
TOLERANCE_MS = 500

Stream = tuple[int, int, int, int]  # unit id, function code, address, count
# Where the points lie in a reply: (offset, length) in bytes, or in bits for FC 1/2.
Layout = tuple[tuple[int, int], ...]


class Served(NamedTuple):
    """A reply that left the plant: UTC of its end, what was asked, the data bytes as on the wire.

    `owed` is False for a reply that arrived whole but too late or among noise: a client may use it or not.
    """

    utc_ms: int
    stream: Stream
    data: bytes
    owed: bool = True


class Delivered(NamedTuple):
    """A sample out of the broker. `words` are its points' raw words, one bytes object per entry of `layout`.

    `order` is (boot, uptime in ms); with `identity` (log, boot, schema, group, uptime) duplicates are found.
    """

    utc_ms: int
    stream: Stream
    layout: Layout
    words: tuple[bytes, ...]
    arrival_ms: int
    order: tuple[int, int]
    identity: tuple[object, ...]


@dataclass
class Balance:
    """The result; `ok` when every sample served up to the end mark was delivered once, right and in order."""

    served: int = 0
    delivered: int = 0
    lost: list[Served] = field(default_factory=list)
    lost_at_kill: list[Served] = field(default_factory=list)  # in the unflushed block of a kill -9
    wrong: list[tuple[Served, Delivered]] = field(default_factory=list)
    invented: list[Delivered] = field(default_factory=list)
    duplicates: int = 0
    reordered: int = 0
    latencies_ms: list[tuple[int, int]] = field(default_factory=list)  # (served at, arrival - served at)
    differences_ms: list[int] = field(default_factory=list)  # sample time - served at
    streams: dict[Stream, tuple[int, int]] = field(default_factory=dict)  # served, delivered

    @property
    def ok(self) -> bool:
        """False when anything was lost, wrong, invented or out of order. Duplicates are allowed by QoS 1."""
        return self.served > 0 and not (self.lost or self.wrong or self.invented or self.reordered)


def project(data: bytes, fc: int, layout: Layout) -> tuple[bytes, ...]:
    """The points' raw words out of a whole reply, in the form the consumer has them."""
    if fc in (1, 2):  # coils and discrete inputs: the first bit is the least significant one (Modbus 1.1b3, 6.1)
        return tuple(bytes([data[at >> 3] >> (at & 7) & 1]) if at >> 3 < len(data) else b"" for at, _ in layout)
    return tuple(data[at : at + size] for at, size in layout)


def compare(
    served: Iterable[Served],
    delivered: Iterable[Delivered],
    end_ms: int,
    kills_ms: Sequence[int] = (),
    unflushed_ms: int = 0,
) -> Balance:
    """Balance of all replies served until `end_ms`; `delivered` in order of arrival.

    After a kill -9 of the firmware at one of `kills_ms`, replies of the last `unflushed_ms` before it may be
    missing: they waited in RAM. They are counted apart.
    """
    balance = Balance()
    arrivals = _without_duplicates(delivered, balance)
    by_stream: dict[Stream, tuple[list[Served], list[Delivered]]] = defaultdict(lambda: ([], []))
    for reply in served:
        by_stream[reply.stream][0].append(reply)
    for sample in arrivals:
        by_stream[sample.stream][1].append(sample)
    for stream, (replies, samples) in sorted(by_stream.items()):
        replies.sort(key=lambda reply: reply.utc_ms)
        samples.sort(key=lambda sample: sample.utc_ms)
        _compare_stream(stream, replies, samples, end_ms, balance)
    for reply in list(balance.lost):
        if any(kill - unflushed_ms <= reply.utc_ms <= kill for kill in kills_ms):
            balance.lost.remove(reply)
            balance.lost_at_kill.append(reply)
    return balance


def _without_duplicates(delivered: Iterable[Delivered], balance: Balance) -> list[Delivered]:
    """First arrivals only; counts the others, and first arrivals that come after a younger one of their stream."""
    seen: set[tuple[object, ...]] = set()
    newest: dict[Stream, tuple[int, int]] = {}
    first: list[Delivered] = []
    for sample in delivered:
        if sample.identity in seen:
            balance.duplicates += 1
            continue
        seen.add(sample.identity)
        first.append(sample)
        if sample.order < newest.get(sample.stream, sample.order):
            balance.reordered += 1
        else:
            newest[sample.stream] = sample.order
    return first


def _compare_stream(
    stream: Stream, replies: list[Served], samples: list[Delivered], end_ms: int, balance: Balance
) -> None:
    pairs = match(replies, samples)
    counted = sum(reply.owed and reply.utc_ms <= end_ms for reply in replies)
    right = 0
    for i, j in pairs:
        if replies[i].owed and replies[i].utc_ms <= end_ms:
            right += 1
            balance.latencies_ms.append((replies[i].utc_ms, samples[j].arrival_ms - replies[i].utc_ms))
            balance.differences_ms.append(samples[j].utc_ms - replies[i].utc_ms)
    balance.served += counted
    balance.delivered += right
    balance.streams[stream] = (counted, right)
    matched_replies, matched_samples = {i for i, _ in pairs}, {j for _, j in pairs}
    missing = [reply for i, reply in enumerate(replies) if i not in matched_replies]
    strange = [sample for j, sample in enumerate(samples) if j not in matched_samples]
    for sample in strange:
        near = [reply for reply in missing if abs(reply.utc_ms - sample.utc_ms) <= TOLERANCE_MS]
        if near:
            reply = min(near, key=lambda reply: abs(reply.utc_ms - sample.utc_ms))
            missing.remove(reply)
            balance.wrong.append((reply, sample))
        else:
            balance.invented.append(sample)
    balance.lost.extend(reply for reply in missing if reply.owed and reply.utc_ms <= end_ms)


def match(replies: Sequence[Served], samples: Sequence[Delivered]) -> list[tuple[int, int]]:
    """Index pairs of the largest order-preserving matching; of equally large ones, that with the least |dt|.

    Both lists in time order. A pair needs equal words and |dt| <= `TOLERANCE_MS`; replies that are owed come
    first. The best chain over the few pairs that qualify is found with a Fenwick tree of prefix maxima:
    O(pairs x log samples).
    """
    times = [sample.utc_ms for sample in samples]
    best: list[_Chain] = [(0, 0, 0, -1)] * (len(samples) + 1)
    nodes: list[tuple[int, int, int]] = []  # (i, j, previous node)
    for i, reply in enumerate(replies):
        low = bisect_left(times, reply.utc_ms - TOLERANCE_MS)
        high = bisect_right(times, reply.utc_ms + TOLERANCE_MS)
        for j in range(high - 1, low - 1, -1):  # downwards, so that a reply never follows itself in a chain
            sample = samples[j]
            if project(reply.data, reply.stream[1], sample.layout) != sample.words:
                continue
            owed, pairs, closeness, previous = _prefix_best(best, j)
            nodes.append((i, j, previous))
            closeness -= abs(reply.utc_ms - sample.utc_ms)
            _raise(best, j + 1, (owed + reply.owed, pairs + 1, closeness, len(nodes) - 1))
    node = _prefix_best(best, len(samples))[3]
    chain: list[tuple[int, int]] = []
    while node >= 0:
        i, j, node = nodes[node]
        chain.append((i, j))
    chain.reverse()
    return chain


_Chain = tuple[int, int, int, int]  # owed replies, pairs, minus the sum of |dt| in ms, last node


def _prefix_best(tree: list[_Chain], length: int) -> _Chain:
    found = tree[0]
    while length > 0:
        found = max(found, tree[length])
        length -= length & -length
    return found


def _raise(tree: list[_Chain], position: int, entry: _Chain) -> None:
    while position < len(tree):
        tree[position] = max(tree[position], entry)
        position += position & -position


def percentile(values: Sequence[int], permille: int) -> int:
    """The smallest value that `permille` of all do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * permille // 1000) - 1)] if ordered else 0


def report(balance: Balance, outages_ms: Sequence[tuple[int, int]] = ()) -> list[str]:
    """The balance in plain lines; samples that were on their way during an outage are told apart from live ones."""
    live: list[int] = []
    kept: list[int] = []
    for at, late in balance.latencies_ms:
        (kept if any(at <= high and at + late >= low for low, high in outages_ms) else live).append(late)
    lines = [
        f"samples taken       {balance.served:6d}   (replies that the plant delivered whole)",
        f"samples delivered   {balance.delivered:6d}   (equal bit for bit, once each)",
        f"samples lost        {len(balance.lost):6d}",
        f"samples wrong       {len(balance.wrong) + len(balance.invented):6d}",
        f"samples reordered   {balance.reordered:6d}",
        f"samples duplicated  {balance.duplicates:6d}   (resent by QoS 1, dropped by record identity)",
    ]
    if balance.lost_at_kill:
        lines.append(f"lost at kill -9     {len(balance.lost_at_kill):6d}   (the one block that was not yet in flash)")
    if live:
        lines.append(
            f"latency live        {median(live) / 1000:6.2f} s median, {percentile(live, 950) / 1000:.2f} s p95, "
            f"{max(live) / 1000:.2f} s worst"
        )
    if kept:
        longest = f"{max(kept) / 1000:.1f} s"
        lines.append(f"met the outage      {len(kept):6d}   (kept in the log, delivered up to {longest} later)")
    if balance.differences_ms:
        apart = [abs(difference) for difference in balance.differences_ms]
        lines.append(f"sample time off by  {median(apart):6.0f} ms median, {max(apart)} ms worst (box against plant)")
    for what, found in (("lost", balance.lost), ("wrong", [pair[0] for pair in balance.wrong])):
        lines += [f"  {what}: {describe(reply)}" for reply in found[:5]]
    lines += [
        f"  invented: unit {s.stream[0]} fc {s.stream[1]} address {s.stream[2]}, sample time {s.utc_ms} ms"
        for s in balance.invented[:5]
    ]
    return lines


def describe(reply: Served) -> str:
    """One served reply for a line of text."""
    unit_id, fc, address, count = reply.stream
    text = reply.data.hex() if len(reply.data) <= 16 else reply.data[:16].hex() + "..."
    return f"unit {unit_id} fc {fc} address {address} count {count}, served at {reply.utc_ms} ms: {text}"
