"""What the samples mean, as kept in files: schema/<number>-<id>.jsonl, one canonical JSON line per group.

A sample in the log names its schema by 4 bytes, so what was written before a change of
configuration is still published with its meaning. `gateway.schema_store` makes these files.
"""

import os
from binascii import hexlify
from hashlib import sha256

FOLDER = "schema"


def lines(schema, folder=FOLDER):
    """Yield the meta lines of a schema, as published; nothing when it is not kept any more or its file is damaged."""
    try:
        name = find(schema, names_in(folder))
    except OSError:
        name = None
    if name is None or not intact(folder + "/" + name, schema):
        return
    with open(folder + "/" + name) as file:
        for line in file:
            line = line.rstrip()  # and not beside the one with its end: lines are long
            yield line


def group_of(line):
    """The number of the group that a meta line describes, without parsing the rest."""
    start = line.index('"group":') + 8
    return int(line[start : line.index(",", start)])


def hex_of(schema):
    """A schema id as 8 hex digits, as it stands in topics and payloads."""
    return str(hexlify(schema), "ascii")


def names_in(folder):
    """Names of the schema files, the newest last."""
    # "000007-a1b2c3d4.jsonl": the number says which is newer, for boards without a clock.
    return sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))


def find(schema, names):
    """The one of `names` that holds this schema, or None."""
    for name in names:
        if name[7:15] == hex_of(schema):
            return name
    return None


def head(schema):
    """How each line of the schema begins."""
    return '{"format":1,"schema":"%s",' % hex_of(schema)


def intact(path, schema):
    """True if the file holds this schema whole."""
    # The lines between head and bracket are what the id is the hash of.
    start = head(schema).encode()
    digest = sha256()
    with open(path, "rb") as file:
        for line in file:
            if not line.startswith(start) or not line.endswith(b"}\n"):
                return False
            digest.update(memoryview(line)[len(start) : -2])
            digest.update(b"\n")
    return digest.digest()[:4] == schema
