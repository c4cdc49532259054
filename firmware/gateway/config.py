"""The two halves of the configuration: opens their files, reads it.json whole, and checks what no single key shows.

ot.json is read unit by unit (gateway.ot). Mistakes are one line each: file, key path, what was found, what is allowed.
Nothing is applied in part. What was checked has all defaults; its "hash" is the first 8 hex digits of the file's
SHA-256.
"""

import os
from binascii import hexlify
from hashlib import sha256

from gateway import jsonscan, rules
from modbus.widths import words_of

OT_FILE = "ot.json"
IT_FILE = "it.json"
MAX_FILE_BYTES = 65536
USUAL_KEYS = 10  # of a point; one with more has something that few points have
_MEANING = ("bit", "bits", "scale_from", "scale_as", "na", "low", "high", "names")  # keys that few points have


def opened(folder, name, errors):
    """The file of a half in `folder` ("" is the current one), to be closed by the caller; None where `errors` says
    why."""
    path = folder + "/" + name if folder else name
    try:
        if os.stat(path)[6] > MAX_FILE_BYTES:
            errors.append("%s: longer than %d bytes" % (name, MAX_FILE_BYTES))
            return None
        return open(path, "rb")
    except OSError:
        errors.append("%s: no such file; it holds one half of the configuration" % name)
        return None


def hash_of(file):
    """Of an open half, from its begin."""
    digest = sha256()
    buf = bytearray(256)
    view = memoryview(buf)
    file.seek(0)
    size = file.readinto(buf)
    while size:
        digest.update(view[:size])
        size = file.readinto(buf)
    return str(hexlify(digest.digest()[:4]), "ascii")


def it_half(folder, errors):
    """The IT half; None where `errors` says what is wrong."""
    file = opened(folder, IT_FILE, errors)
    if file is None:
        return None
    with file:
        scan = jsonscan.Scanner(file)
        try:
            tree = scan.value(0)
            scan.end()
        except jsonscan.NotJson:
            errors.append("%s: line %d: not valid JSON" % (IT_FILE, scan.line()))
            return None
        lines = []
        tree = rules.check(tree, rules.IT, "", lines)
        lines = lines or check_it(tree)
        if lines:
            errors += ["%s: %s" % (IT_FILE, line) for line in lines]
            return None
        tree["hash"] = hash_of(file)
    return tree


def check_unit(errors, path, unit, mode):
    """What no single key of an OT half's unit shows. mode: of its bus."""
    points = unit["points"]
    if mode == "poll" and unit["comm_loss_ms"]:
        shortest = min([point["period_ms"] for point in points])
        if unit["comm_loss_ms"] <= shortest:
            line = "%s.comm_loss_ms: found %d, allowed more than its shortest period_ms, %d, or 0"
            errors.append(line % (path, unit["comm_loss_ms"], shortest))
    seen = {}
    lines = []
    for p, point in enumerate(points):
        name = point["name"]
        if name in seen:
            line = "%s.points[%d].name: found %s, allowed a value not used before (%s.points[%d].name)"
            errors.append(line % (path, p, rules.shown(name), path, seen[name]))
        seen[name] = p
        _check_point(lines, "", point, unit)
        if len(point) > USUAL_KEYS:
            _check_more(lines, "", point, unit)
        if lines:
            errors += ["%s.points[%d]%s" % (path, p, line) for line in lines]
            lines = []


def _check_more(errors, path, point, unit):
    # What few points have.
    if any([key in point for key in _MEANING]):
        from gateway import config_points  # only where it is configured

        config_points.check(errors, path, point, unit)
    if "deadband" in point or "deadband_percent" in point or "heartbeat_s" in point:
        from gateway import silence

        silence.check(errors, path, point)


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
    if point["type"][:6] == "string" and (point["scale"] != 1 or point["offset"]):
        errors.append("%s.scale: found scale or offset of a %s, allowed none" % (path, point["type"]))


def check_it(it):
    """What no single key shows in the IT half."""
    errors = []
    mqtt = it["mqtt"]
    if mqtt["password"] is not None and mqtt["user"] is None:
        errors.append("mqtt.user: found null, allowed a name when mqtt.password is given (MQTT 3.1.1, 3.1.2.9)")
    publish = it["publish"]
    if publish["homeassistant"] and (not publish["latest_s"] or publish["payload"] == "sparkplug"):
        errors.append("publish.homeassistant: needs latest_s of 1 or more and another payload than sparkplug")
    for i, broker in enumerate(mqtt["brokers"]):
        tls = broker["tls"]
        if tls and (tls["cert"] is None) != (tls["key"] is None):
            errors.append("mqtt.brokers[%d].tls: found only one of cert and key, allowed both or none" % i)
    return errors
