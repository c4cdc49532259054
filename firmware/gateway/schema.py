"""What the samples mean, as kept in files: schema/<number>-<id>.jsonl, one canonical JSON line per group.

A sample in the log names its schema by 4 bytes, so what was written before a change of
configuration is still published with its meaning. `gateway.schema_store` makes these files.
"""

import os
from binascii import hexlify
from hashlib import sha256

FOLDER = "schema"
_PIECE_BYTES = 1024  # hashing that takes an RP2040 1 ms
_READ_BYTES = 512  # a term of the glossary has 220


def lines(schema, folder=FOLDER):
    """Yield the meta lines of a schema, as published; nothing when it is not kept any more or its file is damaged."""
    for line in steps(schema, folder):
        if line:
            yield line


def steps(schema, folder=FOLDER):
    """The same with "" in between, where others may run: a step takes an RP2040 up to 3 ms; one behind None, which
    looks for a file, up to 10."""
    yield None
    try:
        name = find(schema, names_in(folder))
    except OSError:
        name = None
    if name is None:
        return
    yield None
    with open(folder + "/" + name, "rb") as file:
        for whole in _check(file, schema):
            yield ""
            if whole:
                file.seek(0)
                for line in raw_lines(file):
                    yield str(memoryview(line)[:-1], "utf-8")


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
    with open(path, "rb") as file:
        return list(_check(file, schema))[-1]


def _check(file, schema):
    """In steps, the last of which is True if the file holds this schema whole."""
    # The lines between head and bracket are what the id is the hash of.
    start = head(schema).encode()
    digest = sha256()
    for line in raw_lines(file):
        if not line.startswith(start) or not line.endswith(b"}\n"):
            yield False
            return
        text = memoryview(line)[len(start) : -2]
        for at in range(0, len(text), _PIECE_BYTES):
            yield False
            digest.update(text[at : at + _PIECE_BYTES])
        digest.update(b"\n")
    yield digest.digest()[:4] == schema


def raw_lines(file):
    """Yield the lines of a file with their ends. `readline` takes 4 us for each byte, and this a tenth."""
    start = 0  # of the next line in the file
    piece, at = b"", 0  # what is read of it is piece[at:]
    while True:
        end = piece.find(b"\n", at) + 1
        if not end:
            file.seek(start)
            piece, at = file.read(_READ_BYTES), 0
            end = piece.find(b"\n") + 1
        if end:
            yield piece[at:end]
            start += end - at
            at = end
            continue
        length, more = len(piece), piece  # a line longer than a piece
        while more and not end:
            more = file.read(_READ_BYTES)
            end = more.find(b"\n") + 1
            length += end or len(more)
        if not length:
            return
        file.seek(start)
        piece = more = b""
        yield file.read(length)
        start += length
