"""Random configurations: sound ones of many shapes, then mistakes in them, of meaning and of form.

Seeded; `cases(seed, count)` yields (half, text). `run` has the firmware's own code judge them on MicroPython and
compares with `config_judge`; see host_tests/tools/test_config_fuzz.py and host_tests/soak/config_soak.py.
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import config_judge

ROOT = Path(__file__).resolve().parents[2]
HEAP = "4M"  # the sources are compiled in it; the tree of the largest case takes 2.5 MB there
SLACK_BYTES = 512  # of heap, after 900 configurations: a few letters seen for the first time; measured 0 to 64
_NUMBERS = (-1, 0, 1, 2, 3, 4, 5, 19, 20, 126, 247, 248, 255, 256, 1199, 65534, 65535, 65536, 1000001, 86400001)
_NUMBERS += (2**30, 2**31, 2**62, 2**64, 10**40, 0.5, -0.0, 1e29, 1e30, 1e31, 1.0)  # type: ignore[assignment]
_TEXTS = ("", "a", "x" * 33, "x" * 65, "\u00b0C", "a/b", "$a", "a+", "\n", "\x7f", "8N1", "uint64", "CDAB", "1.2.3.4")
_TEXTS += ("1.2.3.256", "1..2", "-a.b", "a-.b", "a.b", "x:foo", "x:", "Volt", "null", "true", "V", "\U0001f600")
_TEXTS += ("\u0663.1.1.1",)
_ODD = b"\x00 \xff \xc3 \\u0000 \\ \" { } [ ] , : NaN Infinity 01 1e999 - +1 .5 1. 'a' // /* true nul".split(b" ")
_ODD += [b"0x10", b"\\ud800", b"\xef\xbb\xbf", b"\t", b"[" * 3000]


class Figures(NamedTuple):
    """cases: given; taken: by check and start; sound: that the judge finds sound; late: taken by check, refused by the
    start (such a trial goes back at once); heap: bytes more at the end than after the first hundred."""

    cases: int
    taken: int
    sound: int
    late: int
    heap: int


def _point(rng: random.Random, number: int) -> dict[str, Any]:
    function = rng.choice((1, 2, 3, 3, 4, 4))
    kind = "bool" if function < 3 else rng.choice([kind for kind in config_judge.TYPES if kind != "bool"])
    point: dict[str, Any] = {"name": f"p{number}", "fc": function, "address": number * 4 + 20, "type": kind}
    for key, values in (
        ("order", ("ABCD", "CDAB")), ("scale", (1, 0.1, 10)), ("offset", (0, -40)), ("unit", ("", "V", "kWh", "x:foo")),
        ("period_ms", (250, 1000, 60000)), ("priority", (0, 3)),
    ):  # fmt: skip
        if rng.random() < 0.4:
            point[key] = rng.choice(values)
    return point


def _unit(rng: random.Random, number: int) -> dict[str, Any]:
    unit: dict[str, Any] = {"name": f"u{number}", "unit_id": number}
    for key, values in (
        ("first_byte_timeout_ms", (50, 200)), ("inter_byte_timeout_ms", (5, 20)), ("retries", (0, 2)),
        ("max_registers", (4, 60, 125)), ("max_gap", (0, 8)), ("comm_loss_ms", (0, 3600000)),
        ("functions", ([1, 2, 3, 4],)), ("holes", ([], [{"fc": 3, "address": 5}])),
    ):  # fmt: skip
        if rng.random() < 0.3:
            unit[key] = rng.choice(values)
    unit["points"] = [_point(rng, at) for at in range(rng.randrange(1, 5))]
    if "comm_loss_ms" in unit and rng.random() < 0.5:
        unit["comm_loss_ms"] = 120000
    return unit


def sound_ot(rng: random.Random) -> dict[str, Any]:
    buses = []
    for number in range(rng.choice((1, 1, 2))):
        bus: dict[str, Any] = {"name": f"line{number}", "port": number}
        for key, values in (
            ("baud", (9600, 19200)), ("serial_format", ("8N1", "8E1")), ("identify", (True, False)),
            ("mode", ("poll", "listen")), ("max_busy_percent", (90, 100)),
        ):  # fmt: skip
            if rng.random() < 0.4:
                bus[key] = rng.choice(values)
        bus["units"] = [_unit(rng, 1 + at + 10 * number) for at in range(rng.randrange(1, 4))]
        buses.append(bus)
    return {"format": 1, "owner": "controls", "revision": rng.randrange(9), "buses": buses}


def sound_it(rng: random.Random) -> dict[str, Any]:
    it: dict[str, Any] = {
        "format": 1, "owner": "it", "revision": 1, "box": "fg-1", "place": dict.fromkeys(config_judge._PLACE, "a"),
        "mqtt": {"brokers": [{"host": "10.0.0.1", "port": 1883}], "user": "u", "password": None, "keep_alive_s": 20},
    }  # fmt: skip
    if rng.random() < 0.5:
        it["mqtt"]["brokers"].append({"host": "b.example", "tls": {"ca": "ca.der", "cert": "c", "key": "k"}})
    if rng.random() < 0.5:
        it["network"] = {"wifi": [{"ssid": "hall", "key": "12345678"}], "country": "FR", "address": None}
    if rng.random() < 0.3:
        it["network"] = {"address": dict.fromkeys(("ip", "netmask", "gateway", "dns"), "10.0.0.9")}
    if rng.random() < 0.3:
        it["time_servers"] = [{"host": "10.0.0.1"}]
    if rng.random() < 0.7:
        it["publish"] = {"batch_records": 64, "latest_s": 5, "payload": "typed"}
        it["publish"]["homeassistant"] = rng.choice((None, "ha"))
    return it


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside."""
    found = []
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        found.append((tree, key))
        if isinstance(tree[key], (dict, list)):
            found += _places(tree[key])
    return found


def break_meaning(rng: random.Random, tree: Any) -> None:
    """One change that a tired person could make, or none at all."""
    container, key = rng.choice(_places(tree))
    what = rng.randrange(9)
    if what < 3:
        old = container[key]
        same = (_NUMBERS if isinstance(old, (int, float)) else _TEXTS) if rng.random() < 0.7 else (*_NUMBERS, *_TEXTS)
        container[key] = rng.choice((*same, None, True, False, [], {}))
    elif what == 3:
        del container[key]
    elif what == 4 and isinstance(container, dict):
        name = rng.choice(("x", "Name", "adress", "", "unit_id", "mode", "count", "port"))
        container[name] = rng.choice((1, "a", None))
    elif what == 5 and isinstance(container, list):
        container.insert(0, json.loads(json.dumps(container[key])))
    elif what == 6:
        other, other_key = rng.choice(_places(tree))
        container[key] = json.loads(json.dumps(other[other_key]))
    elif what == 7 and isinstance(container[key], list) and container[key]:
        item = json.dumps(container[key][0])
        container[key].extend([json.loads(item) for _ in range(rng.choice((1, 3, 70)))])
    elif isinstance(container[key], int) and not isinstance(container[key], bool):
        container[key] += rng.choice((-1, 1, 247, 65535))


def break_form(rng: random.Random, text: bytes) -> bytes:
    """One change of bytes."""
    at = rng.randrange(len(text) + 1)
    what = rng.randrange(5)
    if what == 0:
        return text[:at]
    if what == 1:
        return text[:at] + text[at + rng.randrange(1, 20) :]
    if what == 2:
        return text[:at] + rng.choice(_ODD) + text[at:]
    if what == 3:
        return text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
    end = at + rng.randrange(1, 60)
    return text[:end] + text[at:end] + text[end:]  # something stands twice


def cases(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(seed)
    for _ in range(count):
        half = rng.choice(("ot", "ot", "it"))
        tree = sound_ot(rng) if half == "ot" else sound_it(rng)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            break_meaning(rng, tree)
        text = json.dumps(tree, indent=rng.choice((None, None, 1)), ensure_ascii=rng.random() < 0.5).encode()
        for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
            text = break_form(rng, text)
        yield half, text


def run(micropython: str, folder: Path, seed: int, count: int, timeout_s: float) -> Figures:
    """Raises AssertionError with the first configuration that was taken though it is not sound, or did harm."""
    given = list(cases(seed, count))
    trees = {"ot": sound_ot(random.Random(1)), "it": sound_it(random.Random(1))}
    sound = {half: json.dumps(tree).encode() for half, tree in trees.items()}
    (folder / "cases").write_text("".join(f"{half} x{text.hex()}\n" for half, text in given))
    for half, text in sound.items():
        (folder / (half + ".good")).write_bytes(text)
        assert not (config_judge.faults_ot if half == "ot" else config_judge.faults_it)(text)
    path = ":".join(str(ROOT / part) for part in ("host_tests/fakes", "lib", "firmware", "build/device"))
    done = subprocess.run(
        [micropython, "-X", f"heapsize={HEAP}", str(Path(__file__).with_name("config_fuzz_box.py"))],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False,
        env={"MICROPYPATH": ".frozen:" + path},
    )  # fmt: skip
    assert done.returncode == 0, f"seed {seed}: {done.stdout[-300:]}{done.stderr[-2000:]}"
    *verdicts, heap = done.stdout.split("\n")[:-1]
    assert len(verdicts) == count, (len(verdicts), count)
    return compare(seed, given, verdicts, int(heap.split()[1]))


def compare(seed: int, given: list[tuple[str, bytes]], verdicts: list[str], heap: int) -> Figures:
    taken = sound = late = 0
    for number, ((half, text), verdict) in enumerate(zip(given, verdicts)):
        where = f"seed {seed}, case {number} ({half}): {text[:3000]!r}"
        check, start, *more = verdict.split(" ", 2)
        assert check in "+-" and start in "+-", f"{verdict}\n{where}"
        faults = (config_judge.faults_ot if half == "ot" else config_judge.faults_it)(text)
        sound += not faults
        if check == start == "+":
            taken += 1
            assert not faults, f"taken, although {faults}\n{where}"
        late += check == "+" and start == "-"
        assert faults or start == "+" or "of the bus" in verdict, f"sound, but refused: {more}\n{where}"
    assert heap <= SLACK_BYTES, f"seed {seed}: {heap} bytes of heap did not come back"
    return Figures(len(given), taken, sound, late, heap)
