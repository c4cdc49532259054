"""Home Assistant's device-based MQTT discovery: every unit on the bus a device, every point an entity.

Promises: each message stands by itself, has at most `POINTS` entities (5 KB at most) and goes to
<prefix>/device/<box>_<unit>_<group>_<part>/config; those of one unit name the same device, which Home Assistant
merges. Values come from `latest`, whether they are current from `status`. Loaded only when it.json asks for it.
Sources: Home Assistant's pages "MQTT" (discovery payload), "MQTT Sensor", "MQTT binary sensor", "Sensor entity".
"""

import json

from gateway import telemetry

POINTS = 10

# Device classes that Home Assistant has for a unit of measurement; the unit must be one that the class allows.
_CLASSES = {
    "V": "voltage",
    "mV": "voltage",
    "A": "current",
    "mA": "current",
    "W": "power",
    "kW": "power",
    "VA": "apparent_power",
    "var": "reactive_power",
    "kvar": "reactive_power",
    "Wh": "energy",
    "kWh": "energy",
    "MWh": "energy",
    "Hz": "frequency",
    "°C": "temperature",
    "°F": "temperature",
    "K": "temperature",
    "bar": "pressure",
    "mbar": "pressure",
    "kPa": "pressure",
    "Pa": "pressure",
}
# As Home Assistant writes it.
_UNITS = {
    "degC": "°C", "degF": "°F", "%RH": "%", "1": "", "m3": "m³", "m3/h": "m³/h", "l": "L", "Ohm": "Ω", "deg": "°",
}  # fmt: skip


def messages(line, box, base, prefix):
    """Yield (topic, generator of the text's pieces) of one group. line: its meta line; base: topic of the box.

    The topic begins with "/": it does not stand below the base."""
    meta = json.loads(line)
    points = meta["points"]
    for start in range(0, len(points), POINTS):
        topic = "/%s/device/%s_%s_%d_%d/config" % (prefix, box, meta["unit"], meta["group"], start // POINTS)
        yield topic, _pieces(meta, points[start : start + POINTS], box, base)


def _pieces(meta, points, box, base):
    unit = meta["unit"]
    yield (
        '{"device":{"identifiers":["%s_%s"],"name":"%s %s","via_device":"%s"},'
        '"origin":{"name":"Fieldgate","sw_version":"%s"},"state_topic":%s,"availability_topic":%s,'
        '"availability_template":"{{ value_json.state }}","components":{'
        % (
            box,
            unit,
            box,
            unit,
            box,
            telemetry.FIRMWARE,
            json.dumps("%s/latest/%s/%d" % (base, unit, meta["group"])),
            json.dumps(base + "/status"),
        )
    )
    comma = ""
    for point in points:
        yield '%s"%s":{%s}' % (comma, point["name"], ",".join(_entity(point, "%s_%s" % (box, unit))))
        comma = ","
    yield "}}"


def _entity(point, device):
    """The members of one entity. "values" is looked up by its key: as an attribute it is a method of a mapping."""
    name = point["name"]
    value = "value_json['values']['%s']" % name
    yield '"name":"%s","unique_id":"%s_%s"' % (name, device, name)
    if point["type"] == "bool" or "bit" in point:
        yield '"platform":"binary_sensor"'
        yield "\"value_template\":\"{{ {true:'ON',false:'OFF'}.get(%s) }}\"" % value
        return
    unit = point["unit"]
    unit = unit[2:] if unit[:2] == "x:" else _UNITS.get(unit, unit)
    device_class = _CLASSES.get(unit)
    if "names" in point:  # the name where there is one; a number then and now is still a text
        yield (
            '"platform":"sensor","value_template":"{{ value_json.get(\'names\',{}).get(\'%s\',%s) }}"' % (name, value)
        )
        return
    yield '"platform":"sensor","value_template":"{{ %s }}"' % value
    if point["type"][:6] == "string":
        return
    # Energy is a running sum: Home Assistant refuses "measurement" for it.
    yield '"state_class":"%s"' % ("total" if device_class == "energy" else "measurement")
    if unit:
        yield '"unit_of_measurement":%s' % json.dumps(unit)
    if device_class:
        yield '"device_class":"%s"' % device_class
