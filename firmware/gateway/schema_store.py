"""Makes and keeps the texts that say what samples mean; the id of a schema is a hash of them. See gateway.schema.

At most `MAX_SCHEMAS` are kept; the one in use is never removed. Files: schema/<number>-<id>.jsonl, one group per
line, written aside and renamed, so that a power cut leaves the old set or the new one; the number in the name says
which is newer. Loaded at the start and when a read was split.
"""

import json
import os
from hashlib import sha256

from gateway.config import USUAL_KEYS
from gateway.schema import FOLDER, find, head, hex_of, intact, names_in

MAX_SCHEMAS = 8


def read_text(bus_name, read, points):
    """`group_text` of a modbus.plan.Read with these points."""
    unit = read.unit
    return group_text(
        bus_name, unit.name, unit.unit_id, read.group, read.fc, read.address, read.count, read.period_ms, points
    )


def group_text(bus_name, unit_name, unit_id, group, fc, address, count, period_ms, points):
    """The canonical JSON object of one group without its schema id.

    points: the group's point configurations. Keys stand in a fixed
    order (MicroPython's dicts have none), so equal configurations give equal bytes on every port.
    """
    listed = ",".join(point_text(point, point["address"] - address) for point in points)
    return (
        _pairs(
            ("group", group),
            ("bus", bus_name),
            ("unit", unit_name),
            ("unit_id", unit_id),
            ("fc", fc),
            ("address", address),
            ("count", count),
            ("period_ms", period_ms),
        )
        + ',"points":[%s]' % listed
        + silence_text(points)
    )


def silence_text(points):
    """What `group_text` says about silence, where every point has a deadband: otherwise each sample is recorded."""
    for point in points:
        if "deadband" not in point and "deadband_percent" not in point:
            return ""
    if not points:
        return ""
    from gateway.silence import text_of

    return text_of(points)


def point_text(point, at):
    """What `group_text` says of one point."""
    # name, type and order need no escapes, whole numbers stay as they are: done for every point at every start
    scale, offset, unit = point["scale"], point["offset"], point["unit"]
    usual = len(point) == USUAL_KEYS and "priority" in point  # as gateway.ot gives it, with nothing rare
    return '{"name":"%s","at":%d,"type":"%s","order":"%s","scale":%s,"offset":%s,"unit":%s%s}' % (
        point["name"],
        at,
        point["type"],
        point["order"],
        scale if type(scale) is int else json.dumps(scale),
        offset if type(offset) is int else json.dumps(offset),
        json.dumps(unit) if unit else '""',
        "" if usual else _rare_text(point),
    )


def _rare_text(point):
    # What few points have, in this order.
    text = ""
    for key in ("bit", "bits", "scale_from", "scale_as", "na", "low", "high"):
        if key in point:
            text += ',"%s":%s' % (key, json.dumps(point[key]))
        elif key == "scale_as" and "scale_from" in point:
            text += ',"scale_as":"exponent"'
    if "names" in point:
        names = point["names"]
        listed = ['"%s":%s' % (key, json.dumps(names[key])) for key in sorted(names, key=int)]
        text += ',"names":{%s}' % ",".join(listed)
    return text


def _pairs(*pairs):
    return ",".join('"%s":%s' % (key, json.dumps(value)) for key, value in pairs)


class Schema:
    """Becomes the id (4 bytes) of the schema whose groups it is told of, in order."""

    def __init__(self):
        self._digest = sha256()

    def add(self, text):
        self._digest.update(text.encode())
        self._digest.update(b"\n")

    def id(self):
        return self._digest.digest()[:4]


def schema_of(texts):
    """The id of the schema with these groups."""
    schema = Schema()
    for text in texts:
        schema.add(text)
    return schema.id()


def store(texts, folder=FOLDER, schema=None):
    """Keep the groups' texts as the schema in use; returns its id. Raises OSError when the disk is full.

    texts: returns an iterable of them; called where they must be written, and for the id if that is not given."""
    schema = schema or schema_of(texts())
    if folder not in os.listdir():
        os.mkdir(folder)
    names = names_in(folder)
    number = int(names[-1][:6]) + 1 if names else 1
    newest = "%06d-%s.jsonl" % (number, hex_of(schema))
    known = find(schema, names)
    if known is None or not intact(folder + "/" + known, schema):
        if known:
            os.remove(folder + "/" + known)
        _write(folder + "/new", texts(), schema)
        known = "new"
    elif known == names[-1]:
        return schema
    os.rename(folder + "/" + known, folder + "/" + newest)
    for name in names_in(folder)[:-MAX_SCHEMAS]:
        os.remove(folder + "/" + name)
    return schema


def _write(path, texts, schema):
    start = head(schema)
    with open(path, "w") as file:
        for text in texts:
            file.write(start + text + "}\n")
