"""The store drops duplicates, finds gaps, keeps late samples apart from new ones and survives any broker.

A toy codec (JSON) stands for the CBOR envelope: what is tested is what the store makes of a decoded batch.
"""

import json
import random
import struct
from collections.abc import Callable
from typing import Any

from fieldgate.monitor.batch import Batch, BatchError, Event, Group, Sample
from fieldgate.monitor.store import MAX_WAITING, Delivery, Store
from fieldgate.monitor.values import text

BASE = "acme/lyon/area/line/cell/press"
META = {
    "format": 1, "schema": "a1b2c3d4", "group": 0, "bus": "line1", "unit": "meter", "unit_id": 1, "fc": 4,
    "address": 0, "count": 2, "period_ms": 1000,
    "points": [{"name": "voltage", "at": 0, "type": "float32", "order": "ABCD", "scale": 1, "offset": 0, "unit": "V"}],
}  # fmt: skip
GLOSSARY = {"quality": {"0": "good", "1": "timeout", "16": "exception"}, "event": {"6": "broker down"}}


def toy_decoder(payload: bytes, groups_of: Callable[[str], dict[int, Group]]) -> Batch:
    try:
        m = json.loads(payload)
        groups = groups_of(m["schema"])
        samples = [Sample(g, q, up, (bytes.fromhex(w),) if w else ()) for g, q, up, w in m["samples"]]
        if any(sample.group not in groups for sample in samples):
            raise BatchError("unknown group")
    except (ValueError, TypeError) as error:
        raise BatchError(str(error)) from error
    events = [Event(code, up, tuple(args)) for code, up, args in m.get("events", [])]
    log, boot = m.get("log", "9f3c12aa"), m.get("boot", 1)
    return Batch(log, boot, m["schema"], m["seq"], m["n"], samples, events, m.get("marks", []))


def word(number: float) -> str:
    return struct.pack(">f", number).hex()


def batch(seq: int, numbers: list[float], **extra: Any) -> bytes:
    samples = [[0, 0, 1000 * (seq + k), word(number)] for k, number in enumerate(numbers)]
    return json.dumps({"schema": "a1b2c3d4", "seq": seq, "n": len(numbers), "samples": samples, **extra}).encode()


def new_store() -> tuple[Store, list[Delivery]]:
    out: list[Delivery] = []
    store = Store(toy_decoder, out.append)
    store.feed(f"{BASE}/glossary", json.dumps(GLOSSARY).encode(), 0)
    store.feed(f"{BASE}/meta/a1b2c3d4/0", json.dumps(META).encode(), 0)
    return store, out


def shown(store: Store, name: str = "meter.voltage") -> str:
    latest = store.latest[name]
    return text(latest.point, latest.words) if latest.words is not None else "-"


def test_values_arrive_with_their_metadata() -> None:
    store, out = new_store()
    store.feed(f"{BASE}/data", batch(0, [230.1, 230.2], marks=[[0, 10**12]]), 5)
    assert shown(store) == "230.2"
    assert [d.utc_ms for d in out] == [10**12, 10**12 + 1000]
    assert store.counts["samples"] == 2
    assert store.latest["meter.voltage"].point.unit == "V"


def test_duplicates_are_dropped_by_identity_even_in_other_batches() -> None:
    store, out = new_store()
    store.feed(f"{BASE}/data", batch(0, [1, 2, 3]), 0)
    store.feed(f"{BASE}/data", batch(0, [1, 2, 3]), 0)
    store.feed(f"{BASE}/data", batch(2, [3, 4]), 0)
    assert store.counts["samples"] == 4
    assert store.counts["duplicates"] == 4
    assert [d.duplicate for d in out] == [False] * 3 + [True] * 3 + [True, False]
    assert store.missing == 0


def test_a_gap_is_found_and_filled() -> None:
    store, _ = new_store()
    store.feed(f"{BASE}/data", batch(0, [1, 2]), 0)
    store.feed(f"{BASE}/data", batch(5, [6]), 0)
    assert store.missing == 3
    store.feed(f"{BASE}/data", batch(2, [3, 4, 5]), 0)
    assert store.missing == 0
    assert shown(store) == "6", "a late sample must not hide a newer one"


def test_a_new_log_begins_anew() -> None:
    """A box whose flash was cleared counts boots and records from the start."""
    store, _ = new_store()
    store.feed(f"{BASE}/data", batch(500, [1.5], boot=7), 0)
    store.feed(f"{BASE}/data", batch(0, [2.5], boot=1, log="00000001"), 0)
    assert shown(store) == "2.5"
    assert store.missing == 0
    assert store.counts["duplicates"] == 0


def test_tables_are_bounded() -> None:
    store, _ = new_store()
    for boot in range(3000):
        store.feed(f"{BASE}/data", batch(boot, [1.5], boot=boot, log=f"{boot:08x}", marks=[[0, 1]]), 0)
    tables = (store.coverage, store._identities, store._utc_offsets)
    assert max(map(len, tables)) <= 1024


def test_a_failed_read_is_never_a_number() -> None:
    store, out = new_store()
    store.feed(f"{BASE}/data", batch(0, [230.5], marks=[[0, 10**12]]), 0)
    failed = {"schema": "a1b2c3d4", "seq": 1, "n": 1, "samples": [[0, 1, 4000, ""]]}
    store.feed(f"{BASE}/data", json.dumps(failed).encode(), 0)
    latest = store.latest["meter.voltage"]
    assert store.quality_text(latest.quality) == "timeout"
    assert (latest.words_utc_ms, latest.read_utc_ms) == (10**12, 10**12 + 4000)
    assert store.counts["failed"] == 1
    assert out[-1].sample.words == ()


def test_no_time_is_invented_while_the_boot_has_no_mark() -> None:
    store, out = new_store()
    store.feed(f"{BASE}/data", batch(0, [1.0]), 0)
    assert out[0].utc_ms is None
    store.feed(f"{BASE}/data", batch(1, [1.0], marks=[[500, 10**12]]), 0)
    store.feed(f"{BASE}/data", batch(2, [1.0], boot=2), 0)
    assert out[1].utc_ms == 10**12 + 500
    assert out[2].utc_ms is None, "another boot has another uptime"


def test_data_before_its_metadata_waits_and_the_queue_is_bounded() -> None:
    out: list[Delivery] = []
    store = Store(toy_decoder, out.append)
    for seq in range(MAX_WAITING + 3):
        store.feed(f"{BASE}/data", batch(seq, [float(seq)]), seq)
    assert (store.waiting, out, store.counts["unexplained"]) == (MAX_WAITING, [], 3)
    store.feed(f"{BASE}/meta/a1b2c3d4/0", json.dumps(META).encode(), 9)
    assert (store.waiting, len(out)) == (0, MAX_WAITING)
    assert out[0].arrival_ms == 3


def test_events_use_the_published_glossary() -> None:
    store, _ = new_store()
    store.feed(f"{BASE}/data", batch(0, [1.0], events=[[6, 100, ["refused"]], [99, 200, [1, 2]]]), 0)
    assert [store.event_text(seen.event) for seen in store.events] == ["broker down refused", "event 99 1 2"]
    assert (store.quality_text(0), store.quality_text(18), store.quality_text(9)) == ("good", "exception 2", "q9")


def test_rubbish_is_counted_and_never_raises() -> None:
    store, _ = new_store()
    rand = random.Random(11)
    good = [
        (f"{BASE}/data", batch(0, [1.0])), (f"{BASE}/meta/a1b2c3d4/0", json.dumps(META).encode()),
        (f"{BASE}/status", b'{"format":1,"state":"online"}'), (f"{BASE}/telemetry", b'{"bus":[]}'),
        (f"{BASE}/glossary", json.dumps(GLOSSARY).encode()),
    ]  # fmt: skip
    for _ in range(5000):
        topic, payload = rand.choice(good)
        damaged = bytearray(payload)
        for _ in range(rand.randrange(1, 6)):
            damaged[rand.randrange(len(damaged))] = rand.randrange(256)
        store.feed(topic, bytes(damaged[: rand.randrange(len(damaged) + 1)]), 0)
    for topic, payload in (("data", b""), ("a/meta/b", b"{}"), ("", b"x"), (f"{BASE}/status", b"[1]")):
        store.feed(topic, payload, 0)
    assert store.counts["rubbish"] > 1000
    assert store.last_rubbish
    store.feed(f"{BASE}/glossary", json.dumps(GLOSSARY).encode(), 0)
    store.feed(f"{BASE}/data", batch(50, [7.5]), 0)
    assert shown(store) == "7.5", "it goes on working"


def test_metadata_under_a_wrong_topic_is_refused() -> None:
    store, _ = new_store()
    store.feed(f"{BASE}/meta/ffffffff/0", json.dumps(META).encode(), 0)
    assert store.counts["rubbish"] == 1
    assert "the topic says ffffffff/0" in store.last_rubbish


def test_rates_over_the_last_ten_seconds() -> None:
    store, _ = new_store()
    for second in range(30):
        store.feed(f"{BASE}/data", batch(second * 4, [1, 2, 3, 4]), second * 1000)
    samples, messages = store.rates(29_000)
    assert 4 <= samples <= 4.5
    assert 1 <= messages <= 1.1
