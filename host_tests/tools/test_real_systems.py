"""The examples for other systems: Telegraf's configuration and its decoder, the Node-RED function.

Telegraf itself is not run (no package of it can be had here): its TOML is parsed, its keys are those that the plugins
know, its XPath expressions are evaluated by libxml2 on the document that Telegraf's JSON parser makes, and its execd
program runs as Telegraf would run it.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from lxml import etree
from paho.mqtt.enums import CallbackAPIVersion

from fieldgate import points
from fieldgate.broker import HOST, Broker
from fieldgate.envelope import decode
from fieldgate.points import point_from_meta
from reference_rows import POINTS, rows
from uplink.envelope import BatchEncoder
from uplink.points import layout_of
from uplink.typed import TypedEncoder

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "tools" / "examples"
BASE = "acme/lyon/press-shop/line-1/cell-3/press-7"
UTC_MS = 1_795_313_755_000
TANK = [
    {"name": "level", "at": 0, "type": "uint16", "order": "ABCD", "scale": 0.1, "offset": -5, "unit": "m"},
    {"name": "total", "at": 1, "type": "uint32", "order": "CDAB", "scale": 1, "offset": 0, "unit": ""},
]
METER = [{**point, "scale": 1, "offset": 0, "unit": "V"} for point in POINTS]
METAS = {
    number: {"format": 1, "schema": "a1b2c3d4", "group": number, "unit": unit, "points": points}
    for number, (unit, points) in enumerate((("meter", METER), ("tank", TANK)))
}


def payload(make: type, utc_ms: int | None = UTC_MS) -> bytes:
    encoder = make(0x9F3C12AA, 8192, 255)
    layouts = {number: layout_of(meta["points"]) for number, meta in METAS.items()}
    encoder.begin(7, bytes.fromhex("a1b2c3d4"), layouts, 4711, 0, 61000)
    for i, (at, row) in enumerate(rows(True)):
        assert encoder.sample(0, 1 if i % 7 == 3 else 0, 0, 61000 + at, row)
        assert encoder.sample(1, 0, 0, 61000 + at, bytes((0, i, 0xFF, 0xFF, 0x80 + i, 0)))
    return bytes(encoder.finish(utc_ms))


def expected(data: bytes) -> dict[tuple[str, int], dict[str, float]]:
    """(unit, UTC in ms): what must be told of that sample, by `fieldgate.envelope`, the host's own decoder."""
    found = {}
    for sample in decode(data, METAS).samples:
        meta = METAS[sample.group]
        described = [point_from_meta(p) for p in meta["points"]] if sample.words else []
        values = {p.name: found.number for p, found in zip(described, points.values(described, sample.words))}
        found[meta["unit"], sample.utc_ms] = {"quality": sample.quality, **values}
    return found


# Telegraf


def telegraf_conf() -> dict:
    tomllib = pytest.importorskip("tomllib", reason="TOML is read by Python 3.11 and newer")
    return tomllib.loads((EXAMPLES / "telegraf.conf").read_text())


def document(value: object, parent: etree._Element) -> etree._Element:
    """The tree that Telegraf's xpath_json makes: an element per key, null an element without text."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        child = etree.SubElement(parent, key)
        if isinstance(inner, dict):
            document(inner, child)
        elif isinstance(inner, bool):
            child.text = "true" if inner else "false"
        elif inner is not None:
            child.text = str(inner)
    return parent


LATEST = {"format": 1, "schema": "a1b2c3d4", "group": 1, "unit": "tank", "unit_id": 3, "quality": 0, "utc_ms": UTC_MS,
          "values": {"level": 18.7, "total": 4294967295, "open": True, "lost": None, "zero": 0,
                     "shut": False}}  # fmt: skip


# Written from the `toml` names of Telegraf 1.40's mqtt_consumer, parsers/xpath and execd; others are refused.
CONSUMER_KEYS = {"servers", "topics", "topic_tag", "topic_parsing", "username", "password", "qos", "connection_timeout",
                 "max_reconnect_interval", "keepalive", "ping_timeout", "max_undelivered_messages",
                 "persistent_session",
                 "client_trace", "client_id", "data_format", "xpath", "xpath_native_types", "xpath_print_document",
                 "xpath_allow_empty_selection"}  # fmt: skip
XPATH_KEYS = {"metric_name", "metric_selection", "timestamp", "timestamp_format", "timezone", "tags", "fields",
              "fields_int", "field_selection", "field_name", "field_value", "field_name_expansion", "tag_selection",
              "tag_name", "tag_value", "tag_name_expansion"}  # fmt: skip
EXECD_KEYS = {"command", "environment", "buffer_size", "signal", "restart_delay", "stop_on_error", "data_format"}


def test_telegraf_knows_every_key() -> None:
    inputs = telegraf_conf()["inputs"]
    assert inputs.keys() == {"mqtt_consumer", "execd"}
    for consumer in inputs["mqtt_consumer"]:
        assert consumer.keys() <= CONSUMER_KEYS
        assert all(xpath.keys() <= XPATH_KEYS for xpath in consumer["xpath"])
    for execd in inputs["execd"]:
        assert execd.keys() <= EXECD_KEYS and execd["signal"] in ("none", "STDIN", "SIGHUP", "SIGUSR1", "SIGUSR2")


def test_telegraf_reads_latest_by_its_expressions() -> None:
    (consumer,) = telegraf_conf()["inputs"]["mqtt_consumer"]
    assert consumer["data_format"] == "xpath_json" and consumer["xpath_native_types"] is True
    assert mqtt.topic_matches_sub(consumer["topics"][0], BASE + "/latest/tank/1")
    (xpath,) = consumer["xpath"]
    root = document(LATEST, etree.Element("root"))
    (selected,) = root.xpath(xpath["metric_selection"].removeprefix("/"))
    assert selected.xpath(xpath["metric_name"]) == "fieldgate"
    assert selected.xpath(f"string({xpath['timestamp']})") == str(UTC_MS) and xpath["timestamp_format"] == "unix_ms"
    assert {field.tag: field.text for field in selected.xpath(xpath["field_selection"])} == {
        "level": "18.7", "total": "4294967295", "open": "true", "zero": "0", "shut": "false"
    }  # fmt: skip
    assert selected.xpath(f"string({xpath['tags']['unit']})") == "tank"
    assert selected.xpath(f"number({xpath['fields_int']['quality']})") == 0


def test_telegraf_makes_nothing_of_a_sample_without_time() -> None:
    (consumer,) = telegraf_conf()["inputs"]["mqtt_consumer"]
    assert consumer["xpath_allow_empty_selection"] is True, "it would be told as an error, each time"
    (xpath,) = consumer["xpath"]
    root = document({**LATEST, "utc_ms": None}, etree.Element("root"))
    assert root.xpath(xpath["metric_selection"].removeprefix("/")) == []


def lines_of(text: str) -> dict[tuple[str, int], dict[str, float]]:
    """Line protocol as InfluxDB's documentation describes it, for names without escapes."""
    found = {}
    for line in text.splitlines():
        head, fields, stamp = line.split(" ")
        tags = dict(tag.split("=") for tag in head.split(",")[1:])
        assert head.startswith("fieldgate,") and tags["base"] == BASE and stamp.endswith("000000")
        values = dict(one.split("=") for one in fields.split(","))
        found[tags["unit"], int(stamp) // 1_000_000] = {
            name: float(value.removesuffix("i")) for name, value in values.items()
        }
    return found


@pytest.mark.parametrize("make", [BatchEncoder, TypedEncoder])
def test_telegrafs_program_on_a_real_broker(make: type, broker: Broker, tmp_path: Path) -> None:
    """Run as execd runs it; the data comes before its meta."""
    command = next(iter(telegraf_conf()["inputs"]["execd"]))["command"]
    assert Path(command[1]).name == "telegraf_fieldgate.py"
    words = [sys.executable, str(EXAMPLES / "telegraf_fieldgate.py"), f"{HOST}:{broker.port}", "telegraf-test"]
    output, errors = tmp_path / "lines", tmp_path / "errors"
    with output.open("w") as out, errors.open("w") as err:
        program = subprocess.Popen(words, stdout=out, stderr=err)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(HOST, broker.port)
    client.loop_start()
    data = payload(make)
    wanted = expected(data)

    def lines() -> dict[tuple[str, int], dict[str, float]]:
        text = output.read_text()
        return lines_of(text[: text.rfind("\n") + 1])

    try:
        deadline = time.monotonic() + 40
        while len(lines()) < len(wanted):
            assert time.monotonic() < deadline and program.poll() is None, errors.read_text()
            for message in (b"rubbish", payload(make, None), data):  # again: it may have subscribed only now
                client.publish(f"{BASE}/data", message, 1)
            for number, meta in METAS.items():
                topic = f"{BASE}/meta/a1b2c3d4/{number}"
                client.publish(topic, json.dumps(meta).encode(), 1, retain=True).wait_for_publish(20)
            time.sleep(0.3)
    finally:
        client.disconnect()
        client.loop_stop()
        program.send_signal(signal.SIGINT)
        program.wait(20)
    assert lines() == wanted
    assert "not understood" in errors.read_text() and "samples without UTC left out" in errors.read_text()
    assert "Traceback" not in errors.read_text()


def test_telegrafs_program_says_what_is_wrong() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "telegraf_fieldgate.py"), "nonsense"], capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "usage: telegraf_fieldgate.py HOST:PORT" in done.stderr
    assert "Traceback" not in done.stderr


# Node-RED

RUNNER = """
const fs = require("fs"), path = require("path");
const folder = process.argv[1];
const kept = {}, told = [];
const context = { get: (key) => kept[key], set: (key, value) => { kept[key] = value; } };
const decoders = { columns: require(path.join(folder, "decode_batch.js")).samples,
  typed: require(path.join(folder, "decode_typed.js")).samples };
const global_ = { get: (key) => ({ fieldgate: decoders })[key] };
const node = { warn: (text) => told.push(text) };
const run = new Function("msg", "context", "global", "node",
  fs.readFileSync(path.join(folder, "nodered_function.js"), "utf8"));
const out = [];
for (const line of fs.readFileSync(0, "utf8").split("\\n").filter(Boolean)) {
  const { topic, hex } = JSON.parse(line);
  const result = run({ topic, payload: Buffer.from(hex, "hex") }, context, global_, node);
  if (result !== null) out.push(...result[0]);
}
console.log(JSON.stringify({ out, told }));
"""


def node_red(messages: list[tuple[str, bytes]]) -> dict:
    if shutil.which("node") is None:
        if os.environ.get("CI"):
            pytest.fail("node is missing: install Node.js", pytrace=False)
        pytest.skip("node is missing: install Node.js to run the Node-RED function")
    lines = "".join(json.dumps({"topic": topic, "hex": data.hex()}) + "\n" for topic, data in messages)
    done = subprocess.run(
        ["node", "-e", RUNNER, str(EXAMPLES)], input=lines, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("make", [BatchEncoder, TypedEncoder])
def test_node_red_function(make: type) -> None:
    data = payload(make)
    metas = [(f"{BASE}/meta/a1b2c3d4/{number}", json.dumps(meta).encode()) for number, meta in METAS.items()]
    told = node_red(
        [(f"{BASE}/data", data), metas[0], (f"{BASE}/status", b"{}"), metas[1], (f"{BASE}/data", b"\xa1\0")]
    )
    found = {}
    for message in told["out"]:
        body = message["payload"]
        assert message["topic"].startswith(BASE + "/")
        utc_ms = round(time_of(body.pop("time")))
        assert body.pop("uptime_ms") == utc_ms - UTC_MS + 61000
        found[message["topic"].rpartition("/")[2], utc_ms] = body
    wanted = expected(data)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key].keys() == values.keys()
        for name, value in values.items():
            assert math.isclose(found[key][name], value, rel_tol=1e-11), (key, name)
    assert len(told["told"]) == 1 and "not a batch" in told["told"][0]


def time_of(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000


def test_node_red_function_drops_what_no_meta_explains_and_says_so() -> None:
    told = node_red([(f"{BASE}/data", payload(TypedEncoder))] * 102)
    assert told["out"] == [] and len(told["told"]) == 2 and "no meta came" in told["told"][0]
