"""Who the box is: the JSON texts of <base>/status. What it tells of its health is made by gateway.vitals."""

import json

from gateway import schema as schemas

FIRMWARE = "0.1.0"


def identity(box, boot, log_id):
    """Keys that both status texts carry, and who is speaking."""
    return '"format":1,"box":%s,"boot":%d,"log":"%08x"' % (json.dumps(box), boot, log_id)


def online(who, schema, groups, ot, it):
    """The birth: what is retained while the box is connected. ot, it: (revision, hash) of the halves."""
    return '{%s,"state":"online","firmware":"%s","schema":"%s","groups":%d,"ot":%s,"it":%s}' % (
        who,
        FIRMWARE,
        schemas.hex_of(schema),
        groups,
        half(ot),
        half(it),
    )


def offline(who):
    """The last will: what the broker says when the box has vanished."""
    return '{%s,"state":"offline"}' % who


def half(numbers):
    """One half of the configuration: (revision, hash) as a JSON object."""
    return '{"revision":%d,"hash":"%s"}' % numbers
