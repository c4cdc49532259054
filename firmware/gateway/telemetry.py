"""What the box says about itself: the JSON texts of <base>/status, <base>/telemetry and <base>/telemetry/<unit>."""

import gc
import json

from gateway import schema as schemas

FIRMWARE = "0.1.0"

# Payload bytes in one telemetry period, whatever is connected: the box, then as many units as fit, in turn.
BUDGET_BYTES = 3328
BOX_BYTES = 2816  # longest possible text of the box, with two buses
UNIT_BYTES = 448  # of one unit
MAX_SILENT = 4  # names of silent units that a bus lists; beyond that it counts


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


def report(gateway):
    """The text about the box, as a generator of its pieces: each takes a few ms, between them others can run.

    gateway: the app's Gateway."""
    utc_ms = gateway.clock.utc_ms()
    free = gc.mem_free()
    yield '{"format":1,"boot":%d,"reset":"%s","firmware":"%s","ot":%s,"it":%s,' % (
        gateway.boot,
        gateway.reset_cause,
        FIRMWARE,
        _half(gateway.halves[0]),
        _half(gateway.halves[1]),
    )
    yield (
        '"uptime_s":%d,"clock":"%s","utc_ms":%s,"heap_free_bytes":%d,"heap_low_bytes":%d,"hold_max_ms":%d,"bus":['
        % (
            (gateway.uptime.ms() - gateway.started_ms) // 1000,
            "unset" if utc_ms is None else "set",
            json.dumps(utc_ms),
            free,
            min(free, gateway.keeper.heap_low_bytes),
            gateway.keeper.hold_max_ms,
        )
    )
    for number, bus in enumerate(gateway.buses):
        yield ("," if number else "") + json.dumps(bus.stats(False))[:-1]
        silent = [unit.name for i, unit in enumerate(bus.plan.units) if bus.unit_stats(i, False)["state"] == "silent"]
        yield ',"silent_units":%d,"silent":%s}' % (len(silent), json.dumps(silent[:MAX_SILENT]))
    stats = gateway.log.stats
    yield "]," + _part(
        "log",
        ("depth", gateway.log.depth()),
        ("sectors", gateway.log.sectors),
        ("records", gateway.recorder.records),
        ("erases", stats.erases),
        ("wear_max", stats.wear_max),
        ("wear_sum", stats.wear_sum),
        ("starved", stats.starved),
        ("deferred", stats.deferred),
        ("dropped", stats.dropped),
        ("dropped_in_ram", gateway.recorder.dropped_total),
        ("retired", stats.retired),
        ("damaged", stats.damaged),
    )
    session = gateway.session
    yield (
        ","
        + _part(
            "mqtt",
            ("connects", session.connects),
            ("failures", session.failures),
            ("published", session.published),
            ("acked", session.acked),
            ("resent", session.resent),
            ("strays", session.strays),
        )
        + "}"
    )


def unit(bus, i):
    """The text about unit i of a bus, as pieces."""
    yield '{"format":1,"bus":%s,' % json.dumps(bus.line.name)
    yield json.dumps(bus.unit_stats(i))[1:]


def _part(name, *counts):
    return '"%s":{%s}' % (name, ",".join(['"%s":%d' % count for count in counts]))
