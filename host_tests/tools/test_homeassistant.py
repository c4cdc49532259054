"""Home Assistant's discovery messages against its documented rules, and its templates on what the box publishes.

The rules are written from Home Assistant's documentation: "MQTT" (device discovery payload: device, origin and
components required; each component has a platform and a unique_id; state and availability topics may be shared), "MQTT
Sensor" and "MQTT binary sensor" (options), "Sensor entity" (which units and state classes a device class allows).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from jinja2 import Environment
from paho.mqtt.enums import CallbackAPIVersion
from virtual_box import VirtualBox

from fieldgate.broker import HOST, Broker
from gateway import homeassistant

BASE = "acme/lyon/press-shop/line-1/cell-3/press-7"
SHARED = {"device", "origin", "components", "state_topic", "command_topic", "qos", "encoding", "availability",
          "availability_topic", "availability_mode", "availability_template", "payload_available",
          "payload_not_available"}  # fmt: skip
DEVICE = {"identifiers", "connections", "manufacturer", "model", "model_id", "name", "hw_version", "sw_version",
          "serial_number", "via_device", "suggested_area", "configuration_url"}  # fmt: skip
ORIGIN = {"name", "sw_version", "support_url"}
ENTITY = {"platform", "name", "unique_id", "value_template", "state_topic", "device_class", "entity_category",
          "enabled_by_default", "expire_after", "icon", "object_id", "default_entity_id", "qos"}  # fmt: skip
OPTIONS = {
    "sensor": ENTITY | {"unit_of_measurement", "state_class", "suggested_display_precision"},
    "binary_sensor": ENTITY | {"payload_on", "payload_off", "off_delay"},
}  # fmt: skip
# "Sensor entity": units of measurement and state classes that go with a device class.
CLASSES = {
    "voltage": ({"V", "mV", "µV", "kV", "MV"}, {"measurement"}),
    "current": ({"A", "mA"}, {"measurement"}),
    "power": ({"W", "mW", "kW", "MW", "GW", "TW"}, {"measurement"}),
    "apparent_power": ({"VA", "mVA", "kVA"}, {"measurement"}),
    "reactive_power": ({"var", "mvar", "kvar"}, {"measurement"}),
    "energy": ({"Wh", "mWh", "kWh", "MWh", "GWh", "TWh", "J", "kJ", "MJ", "GJ"}, {"total", "total_increasing"}),
    "frequency": ({"Hz", "kHz", "MHz", "GHz"}, {"measurement"}),
    "temperature": ({"°C", "°F", "K"}, {"measurement"}),
    "pressure": ({"Pa", "hPa", "kPa", "bar", "cbar", "mbar", "mmHg", "inHg", "psi"}, {"measurement"}),
}


def problems(topic: str, text: str) -> list[str]:
    """What a discovery message does that the documentation does not allow."""
    found = []
    if not re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", topic):
        found.append("topic")
    message = json.loads(text)
    for what, keys, allowed in (("message", message, SHARED), ("device", message.get("device", {}), DEVICE),
                                ("origin", message.get("origin", {}), ORIGIN)):  # fmt: skip
        found += [f"{what}: unknown key {key}" for key in keys if key not in allowed]
    if not message.get("device", {}).get("identifiers"):
        found.append("device: no identifiers")
    if not isinstance(message.get("origin", {}).get("name"), str):
        found.append("origin: no name")
    if not message.get("components"):
        found.append("no components")
    for topic_key in ("state_topic", "availability_topic"):
        if topic_key in message and re.search(r"[+#\0]", message[topic_key]):
            found.append(f"{topic_key}: wildcard")
    for name, entity in message.get("components", {}).items():
        platform = entity.get("platform")
        if platform not in OPTIONS:
            found.append(f"{name}: platform {platform}")
            continue
        found += [f"{name}: unknown key {key}" for key in entity if key not in OPTIONS[platform]]
        if not entity.get("unique_id"):
            found.append(f"{name}: no unique_id")
        if "state_topic" not in entity and "state_topic" not in message:
            found.append(f"{name}: no state_topic")
        if entity.get("state_class") not in (None, "measurement", "total", "total_increasing"):
            found.append(f"{name}: state_class")
        if platform == "sensor" and entity.get("device_class"):
            units, classes = CLASSES[entity["device_class"]]
            if entity.get("unit_of_measurement") not in units or entity.get("state_class") not in classes:
                found.append(f"{name}: {entity['device_class']} in {entity.get('unit_of_measurement')}")
    return found


def meta(points: list[dict], group: int = 0) -> str:
    line = {"format": 1, "schema": "a1b2c3d4", "group": group, "bus": "line1", "unit": "meter", "unit_id": 1, "fc": 4,
            "address": 0, "count": 2 * len(points), "period_ms": 1000, "points": points}  # fmt: skip
    return json.dumps(line)


def point(name: str, unit: str = "", kind: str = "float32") -> dict:
    return {"name": name, "at": 0, "type": kind, "order": "ABCD", "scale": 1, "offset": 0, "unit": unit}


def messages(line: str) -> list[tuple[str, str]]:
    made = homeassistant.messages(line, "fg-0001", BASE, "homeassistant")
    return [(topic, "".join(pieces)) for topic, pieces in made]


def published(made: list[tuple[str, str]]) -> list[tuple[str, str]]:
    assert all(topic.startswith("/") for topic, _ in made)  # the publisher's mark: not below the base
    return [(topic[1:], text) for topic, text in made]


UNITS = ["", "1", "V", "mV", "A", "W", "kW", "VA", "var", "kWh", "Hz", "degC", "°C", "%RH", "%", "bar", "rpm", 'in"']


def test_every_message_keeps_the_documented_rules() -> None:
    points = [point(f"p{i}", unit) for i, unit in enumerate(UNITS)] + [point("running", kind="bool")]
    made = published(messages(meta(points)))
    assert [problem for one in made for problem in problems(*one)] == []
    entities = {}
    for _, text in made:
        message = json.loads(text)
        assert message["device"]["identifiers"] == ["fg-0001_meter"]
        entities |= message["components"]
    assert list(entities) == [one["name"] for one in points]
    assert len({entity["unique_id"] for entity in entities.values()}) == len(points)
    assert entities["p11"]["unit_of_measurement"] == "°C" and entities["p11"]["device_class"] == "temperature"
    assert entities["p9"]["state_class"] == "total"
    assert "unit_of_measurement" not in entities["p1"]


def test_the_rules_can_fail() -> None:
    topic, text = published(messages(meta([point("voltage", "V")])))[0]
    for old, new in (
        ('"identifiers":["fg-0001_meter"]', '"identifiers":[]'), ('"name":"Fieldgate"', '"title":"Fieldgate"'),
        ('"unique_id"', '"unique"'), ('"platform":"sensor"', '"platform":"gauge"'), ('"V"', '"volt"'),
        ('"state_topic"', '"stat_topic"'), ('"measurement"', '"total"'),
    ):  # fmt: skip
        assert old in text and problems(topic, text.replace(old, new)), old
    assert problems(topic.replace("meter", "me/ter"), text)


def test_no_message_is_larger_than_said() -> None:
    points = [point("p" * 30 + f"{i:02d}", "µ" * 16) for i in range(30)]
    made = homeassistant.messages(meta(points, 254), "b" * 23, "/".join(["x" * 32] * 6), "homeassistant")
    sizes = [len("".join(pieces).encode()) for _, pieces in made]
    assert len(sizes) == 3 and max(sizes) <= 5000, sizes


def test_the_real_box_is_discovered(tmp_path: Path, start_broker: Callable[..., Broker]) -> None:
    """Retained messages on a real broker; every template finds its value in what the box publishes as latest."""
    with VirtualBox(tmp_path / "run", start_broker()) as box:
        box.it["publish"] |= {"homeassistant": "homeassistant", "latest_s": 1}
        found: dict[str, bytes] = {}
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _client, _user, message: found.__setitem__(message.topic, message.payload)
        client.connect(HOST, box.broker.port)
        client.subscribe([("homeassistant/#", 1), ("+/+/+/+/+/+/latest/#", 1)])
        client.loop_start()
        try:
            box.start_plant()
            box.start_firmware()
            box.wait(lambda: len(found) >= 14, "7 discovery and 7 latest messages")
        finally:
            client.disconnect()
            client.loop_stop()
        points = sum(len(unit["points"]) for unit in box.ot["buses"][0]["units"])
    entities = 0
    for topic, payload in found.items():
        if not topic.startswith("homeassistant/"):
            continue
        assert problems(topic, payload.decode()) == []
        message = json.loads(payload)
        latest = json.loads(found[message["state_topic"]])
        for name, entity in message["components"].items():
            template = Environment().from_string(entity["value_template"])
            assert name in latest["values"] and template.render(value_json=latest, true=True, false=False)
            entities += 1
    assert entities == points


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [("float32", 230.1, "230.1"), ("uint32", 4294967295, "4294967295"), ("float32", None, "None"),
     ("bool", True, "ON"), ("bool", False, "OFF"), ("bool", None, "None")],
)  # fmt: skip
def test_templates_give_what_home_assistant_expects(kind: str, value: object, shown: str) -> None:
    """ "None" makes an entity unknown ("MQTT Sensor", "MQTT binary sensor"); a point may have any name."""
    for name in ("value", "values", "items", "x-1"):
        _, text = messages(meta([point(name, kind=kind)]))[0]
        message = json.loads(text)
        template = Environment().from_string(message["components"][name]["value_template"])
        latest = {"format": 1, "group": 0, "quality": 0 if value is not None else 1, "values": {name: value}}
        assert template.render(value_json=json.loads(json.dumps(latest)), true=True, false=False) == shown
    available = Environment().from_string(message["availability_template"])
    assert available.render(value_json={"state": "offline"}) == "offline"
    assert message["availability_topic"] == BASE + "/status" and message["state_topic"] == BASE + "/latest/meter/0"


def test_texts_bits_and_names() -> None:
    points = [
        point("serial", kind="string8"), {**point("ready", kind="uint16"), "bit": 3},
        {**point("state", kind="uint16"), "names": {"0": "stop", "1": "run"}}, point("level", "x:furlong"),
        point("volume", "m3", "uint64"),
    ]  # fmt: skip
    made = published(messages(meta(points)))
    assert [problem for one in made for problem in problems(*one)] == []
    entities = json.loads(made[0][1])["components"]
    platforms = [entity["platform"] for entity in entities.values()]
    assert platforms == ["sensor", "binary_sensor", "sensor", "sensor", "sensor"]
    for name in ("serial", "state"):
        assert "state_class" not in entities[name], "it is no measurement"
    assert [entities[name]["unit_of_measurement"] for name in ("level", "volume")] == ["furlong", "m³"]

    def shown(name: str, latest: dict) -> str:
        template = Environment().from_string(entities[name]["value_template"])
        return template.render(value_json=latest, true=True, false=False)

    latest = {"values": {"serial": "AB", "ready": True, "state": 1, "level": 1.5, "volume": 2**64 - 1}}
    assert [shown(name, latest) for name in entities] == ["AB", "ON", "1", "1.5", "18446744073709551615"]
    assert shown("state", {**latest, "names": {"state": "run"}}) == "run"
    assert shown("state", {"values": {"state": None}}) == "None"
