"""Every mistake in a configuration half gives one line: file, key path, what was found, what is allowed."""

import json
import os

from gateway import config, errors, rules
from gateway.ot import Ot
from ot_half import Half


def _ot():
    point = {"name": "voltage", "fc": 4, "address": 0, "type": "float32", "unit": "V"}
    unit = {"name": "meter", "unit_id": 1, "points": [point]}
    return {"format": 1, "owner": "controls", "revision": 3, "buses": [{"name": "line1", "units": [unit]}]}


def _it():
    place = {"enterprise": "acme", "site": "lyon", "area": "hall", "line": "l1", "cell": "c3", "asset": "press-7"}
    return {
        "format": 1,
        "owner": "it",
        "revision": 1,
        "box": "fg-0001",
        "place": place,
        "mqtt": {"brokers": [{"host": "127.0.0.1"}]},
    }


def _unit(ot):
    return ot["buses"][0]["units"][0]


def _point(ot):
    return _unit(ot)["points"][0]


def _ot_lines(ot):
    return Half(ot).errors


def _it_lines(it):
    errors = []
    filled = rules.check(it, rules.IT, "", errors)
    return errors or config.check_it(filled)


def _write(name, text):
    with open(name, "w") as file:
        file.write(text)


def _start(folder):
    """What the start says to the files in that folder."""
    it_lines, lines = [], []
    config.it_half(folder, it_lines)
    file = config.opened(folder, config.OT_FILE, lines)
    if file:
        with file:
            assert len(list(Ot(file, 1, lines).units())) or lines
    return errors.ConfigError(lines + it_lines).lines


def _load(ot, it):
    """The lines of a load from real files in the current folder; [] when it is accepted."""
    _write("ot.json", ot if isinstance(ot, str) else json.dumps(ot))
    _write("it.json", it if isinstance(it, str) else json.dumps(it))
    try:
        return _start("")
    finally:
        os.remove("ot.json")
        os.remove("it.json")


def test_a_good_configuration_is_accepted_and_filled_with_defaults():
    half = Half(_ot())
    assert half.errors == []
    assert half.head["buses"][0]["baud"] == 19200
    assert half.head["buses"][0]["serial_format"] == "8E1"
    assert half.units[0]["retries"] == 1
    assert half.units[0]["points"][0]["order"] == "ABCD"
    errors = []
    it = rules.check(_it(), rules.IT, "", errors)
    assert errors == []
    assert it["publish"]["flush_ms"] == 1000
    assert it["mqtt"]["brokers"][0]["port"] == 1883
    assert config.check_it(it) == []


def test_unknown_key():
    ot = _ot()
    _point(ot)["perod_ms"] = 5
    assert len(_ot_lines(ot)) == 1
    line = _ot_lines(ot)[0]
    assert line.startswith("buses[0].units[0].points[0].perod_ms: unknown key, allowed ")
    assert "period_ms" in line


def test_missing_key():
    ot = _ot()
    del _unit(ot)["unit_id"]
    assert _ot_lines(ot) == ["buses[0].units[0].unit_id: missing, required: a whole number 1..247"]


def test_wrong_types():
    for key, wrong, line in (
        ("fc", "4", 'fc: found "4", allowed a whole number 1..4'),
        ("fc", True, "fc: found true, allowed a whole number 1..4"),
        ("fc", 4.0, "fc: found 4.0, allowed a whole number 1..4"),
        ("address", None, "address: found null, allowed a whole number 0..65535"),
        ("scale", "1", 'scale: found "1", allowed a number other than 0'),
        ("scale", False, "scale: found false, allowed a number other than 0"),
        ("unit", 5, "unit: found 5, allowed a unit of at most 16 characters"),
        ("name", {}, "name: found an object, allowed 1..32 characters out of a-z 0-9 _ -"),
        (
            "type",
            "float",
            'type: found "float", allowed bool uint16 int16 uint32 int32 float32 uint64 int64 float64 bcd16 bcd32 '
            "or string2 to string120 (bytes, even)",
        ),
    ):
        ot = _ot()
        _point(ot)[key] = wrong
        assert _ot_lines(ot) == ["buses[0].units[0].points[0]." + line], _ot_lines(ot)


def test_lists_and_objects_of_the_wrong_kind():
    ot = _ot()
    _unit(ot)["points"] = []
    assert _ot_lines(ot) == ["buses[0].units[0].points: found a list of 0, allowed a list of 1..200"]
    ot = _ot()
    ot["buses"] = {}
    assert _ot_lines(ot) == ["buses: found an object, allowed a list of 1..2"]
    errors = []
    rules.check([], rules.IT, "", errors)
    assert errors[0] == "(whole file): found a list of 0, allowed an object"
    it = _it()
    it["place"] = "lyon"
    assert _it_lines(it) == ['place: found "lyon", allowed an object']


def test_point_outside_the_address_space():
    ot = _ot()
    _point(ot)["address"] = 65536
    assert _ot_lines(ot) == ["buses[0].units[0].points[0].address: found 65536, allowed a whole number 0..65535"]
    _point(ot)["address"] = -1
    assert "found -1" in _ot_lines(ot)[0]
    _point(ot)["address"] = 65535  # two registers do not fit
    assert _ot_lines(ot) == ["buses[0].units[0].points[0].address: found 65535, allowed 0..65534 for float32"]
    _point(ot)["type"] = "uint16"
    assert _ot_lines(ot) == []


def test_duplicate_unit_id_and_overlapping_names():
    ot = _ot()
    second = _ot()["buses"][0]["units"][0]
    second["name"] = "meter2"
    ot["buses"][0]["units"].append(second)
    assert _ot_lines(ot) == [
        "buses[0].units[1].unit_id: found 1, allowed a value not used before (buses[0].units[0].unit_id)"
    ]
    second["unit_id"] = 2
    assert _ot_lines(ot) == []
    second["name"] = "meter"
    assert _ot_lines(ot) == [
        'buses[0].units[1].name: found "meter", allowed a value not used before (buses[0].units[0].name)'
    ]
    second["name"] = "meter2"
    second["points"] = second["points"] + [dict(second["points"][0])]
    assert _ot_lines(ot)[0].startswith('buses[0].units[1].points[1].name: found "voltage"')


def test_function_code_must_fit_the_type():
    ot = _ot()
    _point(ot)["fc"] = 2
    assert _ot_lines(ot) == [
        'buses[0].units[0].points[0].type: found "float32" with fc 2, allowed "bool" with fc 1 or 2'
    ]
    _point(ot)["fc"] = 3
    _point(ot)["type"] = "bool"
    assert "allowed a register type with fc 3 or 4" in _ot_lines(ot)[0]


def test_port_that_the_board_does_not_have():
    ot = _ot()
    ot["buses"][0]["port"] = 1
    assert _ot_lines(ot) == ["buses[0].port: found 1, allowed 0..0 on this board"]


def test_topics_cannot_be_broken_by_a_name():
    for wrong in ("", "a/b", "+", "x#", "$SYS", "a\nb"):
        it = _it()
        it["place"]["cell"] = wrong
        assert len(_it_lines(it)) == 1
        assert _it_lines(it)[0].startswith("place.cell: found ")


def test_broker_host_and_login():
    for wrong in ("1.2.3", "1.2.3.4.5", "1.2.3.256", "", "a..b", "-a.b", "a-.b", "a b", "tcp://x", "h:1883", "a" * 64):
        it = _it()
        it["mqtt"]["brokers"][0]["host"] = wrong
        assert len(_it_lines(it)) == 1, wrong
        assert "mqtt.brokers[0].host: found" in _it_lines(it)[0]
    for right in ("10.0.0.7", "localhost", "broker", "mqtt-1.plant.example", "3com.example"):
        it = _it()
        it["mqtt"]["brokers"][0]["host"] = right
        assert _it_lines(it) == []
    it = _it()
    it["mqtt"]["password"] = "x"
    assert _it_lines(it)[0].startswith("mqtt.user: found null")


def test_files_are_read_and_named_in_every_line():
    assert _load(_ot(), _it()) == []
    ot = _ot()
    _unit(ot)["unit_id"] = 0
    it = _it()
    it["box"] = "Box 1"
    assert _load(ot, it) == [
        "ot.json: buses[0].units[0].unit_id: found 0, allowed a whole number 1..247",
        'it.json: box: found "Box 1", allowed 1..23 characters out of a-z 0-9 _ -',
    ]


def test_rubbish_files_name_the_line():
    assert _load('{"format": 1,\n "owner": controls}', _it()) == ["ot.json: line 2: not valid JSON"]
    assert _load(_ot(), "")[0].startswith("it.json: line 1: not valid JSON")
    assert _load(_ot(), "\x00\x01")[0].startswith("it.json: line 1: not valid JSON")
    assert _start("no-such-folder") == [
        "ot.json: no such file; it holds one half of the configuration",
        "it.json: no such file; it holds one half of the configuration",
    ]


def test_many_mistakes_are_bounded():
    ot = _ot()
    _unit(ot)["points"] = [{"name": "Bad %d" % i, "fc": 9} for i in range(60)]
    lines = _load(ot, _it())
    assert len(lines) == errors.MAX_LINES + 1
    assert lines[-1].endswith(" more mistakes")


def test_tls_of_a_broker_and_time_servers():
    it = _it()
    it["mqtt"]["brokers"][0]["tls"] = {"ca": "ca.der"}
    it["time_servers"] = [{"host": "time.plant.example"}]
    errors = []
    filled = rules.check(it, rules.IT, "", errors)
    assert errors == [] and config.check_it(filled) == []
    assert filled["mqtt"]["brokers"][0]["tls"] == {"ca": "ca.der", "cert": None, "key": None, "server_name": None}
    assert filled["time_servers"][0]["port"] == 123
    it["mqtt"]["brokers"][0]["tls"] = {"ca": "ca.der", "cert": "box.der"}
    assert _it_lines(it) == ["mqtt.brokers[0].tls: found only one of cert and key, allowed both or none"]
    it["time_servers"][0]["host"] = "a b"
    assert _it_lines(it) == [
        'time_servers[0].host: found "a b", allowed an IPv4 address or a host name (letters, digits, - and .)'
    ]
    it["time_servers"] = []
    it["mqtt"]["brokers"][0]["tls"] = {}
    assert _it_lines(it)[0].startswith("mqtt.brokers[0].tls.ca: missing")


def test_modbus_tcp_names_who_may_read():
    it = _it()
    it["modbus_tcp"] = {"allowed": ["10.0.0.5", "192.168.0.0/16", "0.0.0.0/0"]}
    errors = []
    filled = rules.check(it, rules.IT, "", errors)
    assert errors == [] and filled["modbus_tcp"]["port"] == 502
    assert rules.check(_it(), rules.IT, "", errors)["modbus_tcp"] is None
    for allowed in ("10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.256", "/8", "x", 7, "10.0.0.0/8/8", "10.0.0.0/-1"):
        it["modbus_tcp"]["allowed"] = [allowed]
        errors = []
        rules.check(it, rules.IT, "", errors)
        assert len(errors) == 1 and errors[0].startswith("modbus_tcp.allowed[0]: found "), (allowed, errors)
    for value, line in (
        ({"allowed": []}, "modbus_tcp.allowed: found a list of 0, allowed a list of 1..8"),
        ({}, "modbus_tcp.allowed: missing, a list is required"),
        ({"allowed": ["10.0.0.5"], "port": 0}, "modbus_tcp.port: found 0, allowed a whole number 1..65535"),
    ):
        it["modbus_tcp"] = value
        errors = []
        rules.check(it, rules.IT, "", errors)
        assert errors == [line], errors
