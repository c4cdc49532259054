"""What the samples mean: one canonical JSON line per group, an id over all lines, kept in files.

A sample in the log names its schema by 4 bytes, so what was written before a change of
configuration is still published with its meaning. At most `MAX_SCHEMAS` are kept; the one
in use is never removed. Files: schema/<id>.jsonl, one group per line, written aside and
renamed, so that a power cut leaves the old set or the new one; the number in the name says
which is newer.
"""

import json
import os
from binascii import hexlify
from hashlib import sha256

FOLDER = "schema"
MAX_SCHEMAS = 8
POINT_KEYS = ("name", "at", "type", "order", "scale", "offset", "unit")


def group_text(bus_name, unit_name, unit_id, group, fc, address, count, period_ms, points):
    """The canonical JSON object of one group without its schema id.

    points: the group's point configurations. Keys stand in a fixed
    order (MicroPython's dicts have none), so equal configurations give equal bytes on every port.
    """
    listed = ",".join(_point_text(point, point["address"] - address) for point in points)
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
    )


def _point_text(point, at):
    return "{%s}" % _pairs(*[(key, at if key == "at" else point[key]) for key in POINT_KEYS])


def _pairs(*pairs):
    return ",".join('"%s":%s' % (key, json.dumps(value)) for key, value in pairs)


def schema_of(texts):
    """The id (4 bytes) of the schema with these groups."""
    digest = sha256()
    for text in texts:
        digest.update(text.encode() + b"\n")
    return digest.digest()[:4]


def store(texts, folder=FOLDER):
    """Keep the groups' texts as the schema in use; returns its id. Raises OSError when the disk is full."""
    schema = schema_of(texts)
    if folder not in os.listdir():
        os.mkdir(folder)
    names = _names(folder)
    number = int(names[-1][:6]) + 1 if names else 1
    newest = "%06d-%s.jsonl" % (number, hex_of(schema))
    known = _find(schema, names)
    if known is None or not _intact(folder + "/" + known, schema):
        if known:
            os.remove(folder + "/" + known)
        _write(folder + "/new", texts, schema)
        known = "new"
    elif known == names[-1]:
        return schema
    os.rename(folder + "/" + known, folder + "/" + newest)
    for name in _names(folder)[:-MAX_SCHEMAS]:
        os.remove(folder + "/" + name)
    return schema


def lines(schema, folder=FOLDER):
    """Yield the meta lines of a schema, as published; nothing when it is not kept any more or its file is damaged."""
    try:
        name = _find(schema, _names(folder))
    except OSError:
        name = None
    if name is None or not _intact(folder + "/" + name, schema):
        return
    with open(folder + "/" + name) as file:
        for line in file:
            yield line.rstrip()


def group_of(line):
    """The number of the group that a meta line describes, without parsing the rest."""
    start = line.index('"group":') + 8
    return int(line[start : line.index(",", start)])


def hex_of(schema):
    """A schema id as 8 hex digits, as it stands in topics and payloads."""
    return str(hexlify(schema), "ascii")


def _names(folder):
    # "000007-a1b2c3d4.jsonl": the number says which is newer, for boards without a clock.
    return sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))


def _find(schema, names):
    for name in names:
        if name[7:15] == hex_of(schema):
            return name
    return None


def _head(schema):
    return '{"format":1,"schema":"%s",' % hex_of(schema)


def _write(path, texts, schema):
    head = _head(schema)
    with open(path, "w") as file:
        for text in texts:
            file.write(head + text + "}\n")


def _intact(path, schema):
    # The lines between head and bracket are what the id is the hash of.
    head = _head(schema).encode()
    digest = sha256()
    with open(path, "rb") as file:
        for line in file:
            if not line.startswith(head) or not line.endswith(b"}\n"):
                return False
            digest.update(line[len(head) : -2] + b"\n")
    return digest.digest()[:4] == schema
