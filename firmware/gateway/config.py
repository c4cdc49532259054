"""Loads the two halves of the configuration, ot.json and it.json, and checks them whole.

`load(...)` returns (ot, it) with all defaults filled in and the first 8 hex digits of each
file's SHA-256 under "hash", or raises `ConfigError` whose `lines` hold one line per mistake:
file, key path, what was found, what is allowed. Nothing is applied in part.
"""

import json
import os
from binascii import hexlify
from hashlib import sha256

from gateway import rules
from gateway.errors import ConfigError
from modbus.widths import words_of

OT_FILE = "ot.json"
IT_FILE = "it.json"
MAX_FILE_BYTES = 65536
_MEANING = ("bit", "bits", "scale_from", "scale_as", "na", "low", "high", "names")  # keys that few points have


def load(folder, ports):
    """Read both halves from `folder` ("" is the current one).

    ports: number of RS-485 ports that the board has. Raises ConfigError.
    """
    errors = []
    ot = half(folder, OT_FILE, ports, errors)
    it = half(folder, IT_FILE, ports, errors)
    if errors:
        raise ConfigError(errors)
    return ot, it


def half(folder, name, ports, errors):
    """One half, checked for itself; mistakes go to `errors` as lines, then what is returned is of no use."""
    before = len(errors)
    tree = _read(folder, name, rules.OT if name == OT_FILE else rules.IT, errors)
    if len(errors) == before:
        errors += [name + ": " + line for line in (check_ot(tree, ports) if name == OT_FILE else check_it(tree))]
    return tree


def _read(folder, name, rule, errors):
    path = folder + "/" + name if folder else name
    try:
        # read(n) takes n bytes of memory at once, however short the file is
        size_bytes = os.stat(path)[6]
        with open(path, "rb") as file:
            text = file.read(min(size_bytes, MAX_FILE_BYTES) + 1)
    except OSError:
        errors.append("%s: no such file; it holds one half of the configuration" % name)
        return None
    if len(text) > MAX_FILE_BYTES:
        errors.append("%s: longer than %d bytes" % (name, MAX_FILE_BYTES))
        return None
    try:
        tree = parsed(text)
    except ValueError:
        errors.append("%s: line %d: not valid JSON" % (name, _line_of_syntax_error(path)))
        return None
    lines = []
    tree = rules.check(tree, rule, "", lines)
    errors.extend("%s: %s" % (name, line) for line in lines)
    tree["hash"] = str(hexlify(sha256(text).digest()[:4]), "ascii")
    return tree


def parsed(text):
    """The JSON tree. Raises ValueError."""
    try:
        return json.loads(text)
    except TypeError:  # MicroPython's reader takes any value as a key, until it is a list
        raise ValueError


def _line_of_syntax_error(path):
    # MicroPython's parser reads byte by byte and does not say where it stopped; the file position does.
    with open(path, "rb") as file:
        try:
            json.load(file)
        except (ValueError, TypeError) as error:
            line = getattr(error, "lineno", 0)
            if line:
                return line
        end = file.tell()
        file.seek(0)
        return file.read(end).count(b"\n") + 1


def check_ot(ot, ports):
    """What no single key shows: duplicates, types that do not fit their function code, ranges."""
    errors = []
    seen = {}
    _no_repeat(errors, seen, ot["buses"], "buses", "name")
    _no_repeat(errors, {}, ot["buses"], "buses", "port")
    for b, bus in enumerate(ot["buses"]):
        path = "buses[%d]" % b
        if bus["port"] >= ports:
            errors.append("%s.port: found %d, allowed 0..%d on this board" % (path, bus["port"], ports - 1))
        _no_repeat(errors, {}, bus["units"], path + ".units", "unit_id")
        _no_repeat(errors, seen, bus["units"], path + ".units", "name")
        for u, unit in enumerate(bus["units"]):
            shortest = min([point["period_ms"] for point in unit["points"]] or [0])
            if bus["mode"] == "poll" and 0 < unit["comm_loss_ms"] <= shortest:
                line = "%s.units[%d].comm_loss_ms: found %d, allowed more than its shortest period_ms, %d, or 0"
                errors.append(line % (path, u, unit["comm_loss_ms"], shortest))
            unit_path = "%s.units[%d].points" % (path, u)
            _no_repeat(errors, {}, unit["points"], unit_path, "name")
            for p, point in enumerate(unit["points"]):
                _check_point(errors, "%s[%d]" % (unit_path, p), point, unit)
                if any([key in point for key in _MEANING]):
                    from gateway import config_points  # only where it is configured

                    config_points.check(errors, "%s[%d]" % (unit_path, p), point, unit)
    if not errors and (ot.get("derived") or ot.get("aggregates") or ot.get("alarms") or ot.get("anomaly")):
        from gateway import edge_points, edge_rules

        errors = edge_rules.check(ot, edge_points.note_all(ot))
    if not errors and ot.get("machine"):
        from gateway import machine_rules

        errors = machine_rules.check(ot["machine"], machine_rules.note_all(ot))
    return errors


def _no_repeat(errors, seen, items, path, key):
    for i, item in enumerate(items):
        where = "%s[%d].%s" % (path, i, key)
        value = item[key]
        if value in seen:
            errors.append(
                "%s: found %s, allowed a value not used before (%s)" % (where, rules.shown(value), seen[value])
            )
        else:
            seen[value] = where


def _check_point(errors, path, point, unit):
    is_bit = point["type"] == "bool"
    if is_bit != (point["fc"] <= 2):
        allowed = '"bool" with fc 1 or 2' if point["fc"] <= 2 else "a register type with fc 3 or 4"
        errors.append('%s.type: found "%s" with fc %d, allowed %s' % (path, point["type"], point["fc"], allowed))
        return
    if point["fc"] not in unit["functions"]:
        allowed = " ".join([str(fc) for fc in unit["functions"]])
        errors.append("%s.fc: found %d, allowed %s: functions of the unit" % (path, point["fc"], allowed))
    words = words_of(point["type"])
    for hole in unit["holes"]:
        end = hole["address"] + hole["count"]
        if hole["fc"] == point["fc"] and point["address"] < end and point["address"] + words > hole["address"]:
            line = "%s.address: found %d, allowed none of %d..%d: holes of the unit"
            errors.append(line % (path, point["address"], hole["address"], end - 1))
    if point["address"] + words > 65536:
        errors.append(
            "%s.address: found %d, allowed 0..%d for %s" % (path, point["address"], 65536 - words, point["type"])
        )
    if not is_bit and words > unit["max_registers"]:
        errors.append(
            "%s.type: found %s, allowed types of %d register: max_registers of the unit"
            % (path, point["type"], unit["max_registers"])
        )
    if not point["scale"]:
        errors.append("%s.scale: found 0, allowed any other number" % path)
    if point["type"][:6] == "string" and (point["scale"] != 1 or point["offset"]):
        errors.append("%s.scale: found scale or offset of a %s, allowed none" % (path, point["type"]))
    if "deadband" in point or "deadband_percent" in point or "heartbeat_s" in point:
        from gateway import silence

        silence.check(errors, path, point)


def check_it(it):
    """What no single key shows in the IT half."""
    errors = []
    mqtt = it["mqtt"]
    if mqtt["password"] is not None and mqtt["user"] is None:
        errors.append("mqtt.user: found null, allowed a name when mqtt.password is given (MQTT 3.1.1, 3.1.2.9)")
    publish = it["publish"]
    if publish["homeassistant"] and (not publish["latest_s"] or publish["payload"] == "sparkplug"):
        errors.append("publish.homeassistant: needs latest_s of 1 or more and another payload than sparkplug")
    for path, servers in (("mqtt.brokers[%d]", mqtt["brokers"]), ("time_servers[%d]", it["time_servers"])):
        for i, server in enumerate(servers):
            if not is_host(server["host"]):
                errors.append(
                    (path + ".host: found %s, allowed an IPv4 address or a host name (letters, digits, - and .)")
                    % (i, rules.shown(server["host"]))
                )
            tls = server.get("tls")
            if tls and (tls["cert"] is None) != (tls["key"] is None):
                errors.append((path + ".tls: found only one of cert and key, allowed both or none") % i)
    return errors


def is_host(host):
    # RFC 1123, 2.1: labels of letters, digits and hyphens; digits only where it is a whole IPv4 address.
    labels = host.split(".")
    if all([label.isdigit() for label in labels]):
        return len(labels) == 4 and all([len(label) <= 3 and int(label) <= 255 for label in labels])
    for label in labels:
        if not 0 < len(label) <= 63 or label[0] == "-" or label[-1] == "-":
            return False
        if not all([c.isalpha() and ord(c) < 128 or c.isdigit() or c == "-" for c in label]):
            return False
    return True
