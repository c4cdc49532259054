"""What a technician types as key and value: where it leads, what is suggested, what is refused."""

from console import keys
from gateway import rules


def refusal(text):
    try:
        keys.find(text)
    except keys.BadKey as error:
        return str(error)
    raise AssertionError("%s was taken" % text)


def test_keys_lead_to_the_halves():
    for text, half, path in (
        ("line1.baud", "ot", ["buses", "line1", "baud"]),
        ("buses.0.baud", "ot", ["buses", 0, "baud"]),
        ("line1.meter.unit_id", "ot", ["buses", "line1", "units", "meter", "unit_id"]),
        ("line1.meter.voltage.period_ms", "ot", ["buses", "line1", "units", "meter", "points", "voltage", "period_ms"]),
        ("mqtt.brokers.0.host", "it", ["mqtt", "brokers", 0, "host"]),
        ("place.site", "it", ["place", "site"]),
        ("it.owner", "it", ["owner"]),
        ("ot.owner", "ot", ["owner"]),
    ):
        key = keys.find(text)
        assert (key.half, key.path, key.new) == (half, path, 0), (text, key.half, key.path)


def test_a_plus_marks_what_is_added():
    key = keys.find("line1.+pump.+speed.fc")
    assert key.path == ["buses", "line1", "units", "pump", "points", "speed", "fc"] and key.new == 4


def test_a_key_that_leads_nowhere_is_told_with_what_is_there():
    assert "did you mean site?" in refusal("place.sitee")
    assert "nothing inside" in refusal("line1.baud.x")
    assert "ot.owner or it.owner" in refusal("owner")
    assert "empty name" in refusal("line1..baud")
    assert keys.find("line1.bauds").close == "baud"
    assert keys.find("line1.baud").close is None


def test_values():
    def parsed(name, text):
        return keys.parse(text, keys.find(name).rule, name)

    assert parsed("line1.baud", "9600") == (9600, None)
    assert parsed("line1.meter.voltage.scale", "0.1") == (0.1, None)
    assert parsed("line1.serial_format", "8N1") == ("8N1", None)
    assert parsed("mqtt.user", "null") == (None, None)
    assert parsed("mqtt.user", "joe") == ("joe", None)
    assert parsed("line1.meter.voltage.unit", "x:deg of grey") == ("x:deg of grey", None)
    assert "allowed a unit as degC" in parsed("line1.meter.voltage.unit", "deg C")[1]
    assert parsed("line1.meter.state.names", "0=stop, 1=run") == ({"0": "stop", "1": "run"}, None)
    assert 'as {"0": "stop"}' in parsed("line1.meter.state.names", "stop")[1]
    assert parsed("line1.meter.state.na.0", "-32768") == (-32768, None)
    assert parsed("line1.meter.state.na.0", "ff") == ("ff", None)
    assert "did you mean float64?" in parsed("line1.meter.voltage.type", "floaty64")[1]
    assert parsed("line1.meter.voltage.unit", '""') == ("", None)
    assert parsed("line1.baud", "fast") == (None, 'line1.baud: found "fast", allowed a whole number 1200..1000000')
    assert "meant 8E1?" in parsed("line1.serial_format", "8e1")[1]
    assert "other keys" in parsed("line1.meter", "7")[1]


def test_a_mistake_fits_a_narrow_terminal():
    for name, text, said in (
        ("line1.serial_format", "8E3", 'found "8E3", allowed 8N1 8E1 8O1 8N2; meant 8E1?'),
        ("publish.payload", "colums", 'found "colums", did you mean columns?'),
        ("line1.meter.voltage.type", "float23", 'found "float23", did you mean float32?'),
        ("line1.meter.voltage.period_ms", "1", "found 1, allowed 20..86400000"),
        ("line1.meter.name", "a/b", 'found "a/b", allowed 1..32 of a-z 0-9 _ -'),
        ("place.site", "a/b", 'found "a/b", allowed 1..32 without / + # and no leading $'),
        ("mqtt.brokers.0.port", "70000", "found 70000, allowed a whole number 1..65535"),
        ("line1.identify", "maybe", "allowed false true"),
    ):
        mistake = keys.parse(text, keys.find(name).rule, name)[1]
        assert said in mistake and len("ERR 2 " + mistake) <= 78, (mistake, len(mistake))
    for name in ("line1.meter.voltage.typ", "line1.meter.voltage.frobnicate", "mqtt.brokers.0.frob", "publish.paylode"):
        try:
            keys.find(name)
            raise AssertionError(name)
        except keys.BadKey as error:
            assert len("ERR 1 " + str(error)) <= 78, str(error)


def test_every_value_of_the_rules_can_be_typed():
    """A key that the tables hold and the console cannot set would need a file for a small change."""

    def walk(rule, name):
        kind = rule[0]
        if kind == "map":
            for key, (inner, _) in rule[1].items():
                walk(inner, name + [key])
        elif kind == "list":
            walk(rule[1], name + ["0"])
        else:
            found = keys.find(".".join(name))
            assert found.rule[0] in (kind, "or_null", "one"), (name, found.rule)
            value, mistake = keys.parse("\x7f" * 200, found.rule, "k")
            assert value is None and mistake, (name, rule)

    walk(rules.OT, ["ot"])
    walk(rules.IT, ["it"])


def test_nearest():
    assert keys.nearest("bauds", ["baud", "name"]) == "baud"
    assert keys.nearest("xyz", ["baud", "name"]) is None
    assert keys.nearest("prot", ["port", "units"]) == "port"


def test_a_value_that_is_wrong_by_itself_is_refused_at_once():
    for name, wrong, right in (
        ("mqtt.brokers.0.host", "a..b", "a.b"),
        ("mqtt.brokers.0.host", "-a.b", "10.0.0.5"),
        ("time_servers.0.host", "1.2.3", "1.2.3.4"),
        ("line1.meter.voltage.scale", "0", "0.1"),
        ("line1.meter.voltage.deadband", "-1", "0"),
        ("line1.meter.voltage.deadband_percent", "100.5", "100"),
        ("alarms.hot.hysteresis", "-0.5", "0.5"),
        ("anomaly.pump.score", "0.5", "6"),
        ("anomaly.pump.least_spread", "-1", "0"),
        ("derived.sum.expression", "meter.a +", "meter.a + meter.b"),
        ("derived.sum.deadband", "-1", "1"),
        ("machine.zone", "Mars", "+01:00"),
        ("machine.day_start", "25:00", "06:00"),
        ("machine.noticed", "plc", "plc.hand"),
        ("machine.states.0.when", "plc.a >", "plc.a > 3"),
        ("machine.shifts.early.start", "6:00", "06:00"),
        ("machine.planned.0.from", "2026-11-23", "2026-11-23 06:00"),
    ):
        key = keys.find(name)
        value, mistake = keys.parse(wrong, key.rule, name)
        assert mistake and ": found " in mistake and "allowed" in mistake, (name, mistake)
        assert keys.parse(right, key.rule, name)[1] is None, name
