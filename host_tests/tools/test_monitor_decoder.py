"""From the device's own encoder through CBOR and the published metadata to the words that were on the wire."""

import json
import random

from fieldgate.monitor.decoder import decode
from fieldgate.monitor.store import Delivery, Store
from fieldgate.summary import project
from uplink.envelope import BatchEncoder, layout_of

POINTS = {
    0: [("voltage", 0, "float32", "ABCD"), ("power", 12, "float32", "CDAB"), ("energy", 20, "uint32", "CDAB")],
    1: [("temperature", 0, "int16", "ABCD"), ("count", 2, "uint16", "ABCD"), ("low", 3, "int32", "ABCD")],
    2: [("running", 0, "bool", "ABCD"), ("fault", 9, "bool", "ABCD")],
}
SIZES = {0: 44, 1: 10, 2: 2}
LOG, SCHEMA, UTC_MS = 0x9F3C12AA, "a1b2c3d4", 1_790_000_000_000


def meta(group: int) -> dict[str, object]:
    points = [{"name": n, "at": at, "type": t, "order": o, "scale": 1, "offset": 0, "unit": ""}
              for n, at, t, o in POINTS[group]]  # fmt: skip
    fc = 2 if group == 2 else 3
    return {"format": 1, "schema": SCHEMA, "group": group, "bus": "line1", "unit": f"u{group}", "unit_id": group + 1,
            "fc": fc, "address": 100, "count": SIZES[group] // 2, "period_ms": 500, "points": points}  # fmt: skip


def test_words_come_back_as_they_were_on_the_wire() -> None:
    rand = random.Random(9)
    deliveries: list[Delivery] = []
    store = Store(decode, deliveries.append)
    encoder = BatchEncoder(LOG)
    layouts = {group: layout_of(meta(group)["points"]) for group in POINTS}
    wire: dict[tuple[int, int], bytes] = {}
    encoder.begin(7, bytes.fromhex(SCHEMA), layouts, 40, 1, 500)
    for k in range(8):
        for group in POINTS:
            ticks = 500 + 100 * k + group
            data = rand.randbytes(SIZES[group])
            wire[group, (1 << 30) + ticks] = data
            assert encoder.sample(group, 0, 1, ticks, data)
    assert encoder.sample(0, 1, 1, 1400, b"")
    assert encoder.event(6, 1, 1500, "refused")
    payload = bytes(encoder.finish(UTC_MS))

    store.feed("a/data", payload, 5)  # before its metadata: kept
    for group in POINTS:
        assert not deliveries
        store.feed(f"a/meta/{SCHEMA}/{group}", json.dumps(meta(group)).encode(), 0)
    assert store.counts["rubbish"] == 0, store.last_rubbish
    assert (store.counts["samples"], store.counts["failed"]) == (24, 1)
    for one in deliveries:
        assert (one.log, one.boot, one.seq) == ("9f3c12aa", 7, 40)
        if one.sample.words:
            group = one.group
            layout = tuple((p.at, 1) if group.fc == 2 else (2 * p.at, p.width_bytes) for p in group.points)
            data = wire.pop((one.sample.group, one.sample.uptime_ms))
            assert one.sample.words == project(data, group.fc, layout)
    assert not wire
    assert deliveries[0].utc_ms == UTC_MS
    assert store.event_text(store.events[0].event) == "event 6 refused"


def test_damaged_envelopes_are_counted_and_never_raise() -> None:
    rand = random.Random(10)
    encoder = BatchEncoder(LOG)
    encoder.begin(7, bytes.fromhex(SCHEMA), {g: layout_of(meta(g)["points"]) for g in POINTS}, 40, 0, 500)
    for k in range(20):
        assert encoder.sample(k % 3, 0, 0, 500 + k, rand.randbytes(SIZES[k % 3]))
    payload = bytes(encoder.finish(UTC_MS))
    store = Store(decode)
    for group in POINTS:
        store.feed(f"a/meta/{SCHEMA}/{group}", json.dumps(meta(group)).encode(), 0)
    for _ in range(3000):
        damaged = bytearray(payload)
        for _ in range(rand.randrange(1, 4)):
            damaged[rand.randrange(len(damaged))] = rand.randrange(256)
        store.feed("a/data", bytes(damaged[: rand.randrange(1, len(damaged) + 1)]), 0)
    assert store.counts["rubbish"] > 1000
    before = store.counts["batches"]
    store.feed("a/data", payload, 0)
    assert store.counts["batches"] == before + 1
