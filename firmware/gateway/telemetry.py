"""What the box says about itself: the JSON texts of <base>/status and <base>/telemetry."""

import gc
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
        _half(ot),
        _half(it),
    )


def offline(who):
    """The last will: what the broker says when the box has vanished."""
    return '{%s,"state":"offline"}' % who


def _half(half):
    return '{"revision":%d,"hash":"%s"}' % half


def report(boot, uptime_s, utc_ms, hold_max_ms, buses, log, recorder, session):
    """The telemetry text, as a generator of its pieces: each takes a few ms, between them others can run."""
    yield '{"format":1,"boot":%d,"uptime_s":%d,"utc_ms":%s,"heap_free_bytes":%d,"hold_max_ms":%d,"bus":[' % (
        boot,
        uptime_s,
        json.dumps(utc_ms),
        gc.mem_free(),
        hold_max_ms,
    )
    for number, bus in enumerate(buses):
        stats = bus.stats()
        units = stats.pop("units")
        yield ("," if number else "") + json.dumps(stats)[:-1] + ',"units":['
        for place, unit in enumerate(units):
            yield ("," if place else "") + json.dumps(unit)
        yield "]}"
    stats = log.stats
    yield "]," + _part(
        "log",
        ("depth", log.depth()),
        ("sectors", log.sectors),
        ("records", recorder.records),
        ("erases", stats.erases),
        ("starved", stats.starved),
        ("dropped", stats.dropped),
        ("dropped_in_ram", recorder.dropped_total),
        ("retired", stats.retired),
        ("damaged", stats.damaged),
    )
    yield (
        ","
        + _part(
            "mqtt",
            ("connects", session.connects),
            ("failures", session.failures),
            ("published", session.published),
            ("acked", session.acked),
            ("resent", session.resent),
        )
        + "}"
    )


def _part(name, *counts):
    return '"%s":{%s}' % (name, ",".join(['"%s":%d' % count for count in counts]))
