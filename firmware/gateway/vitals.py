"""The health of the box: the JSON texts of <base>/telemetry and <base>/telemetry/<unit>, within a byte budget.

Loaded for each round and forgotten, unless rounds come more often than every KEEP_MS.
"""

import json
import os

from gateway import unload
from gateway.telemetry import FIRMWARE, half
from modbus.codes import PAUSE_FLASH

KEEP_MS = 30000
# Payload bytes in one telemetry period, whatever is connected: the box, then as many units as fit, in turn.
BUDGET_BYTES = 3328
BOX_BYTES = 2896  # longest possible text of the box, with two buses
UNIT_BYTES = 432  # of one unit
_AUDIT = "config/audit"
_HEAD_BYTES = 16
FILE_US = 10000  # to look for that file
MAX_SILENT = 4  # names of silent units that a bus lists; beyond that it counts


def forget():
    """Give the memory of this module back."""
    unload.unload("gateway.vitals")


async def tell(gateway, turn, sleep_ms, say):
    """One round: the box, then units in turn as far as the budget goes, at least one, by `await say(topic, pieces,
    sleep_ms)`, which returns the length, 0 when the session has gone. turn: what the last round returned, first 0."""
    head = await gateway.keeper.do(PAUSE_FLASH, _audit_head, FILE_US, sleep_ms)
    used = await say("telemetry", report(gateway, head), sleep_ms)
    units = [(bus, i) for bus in gateway.buses for i in range(len(bus.plan.units))]
    for _ in units:
        if not used or used + UNIT_BYTES > BUDGET_BYTES:
            break
        turn = (turn + 1) % len(units)
        bus, i = units[turn]
        said = await say("telemetry/" + bus.plan.units[i].name, unit(bus, i), sleep_ms)
        used = used + said if said else 0
    return turn


def _audit_head():
    """The digits at the end of the console's record of logins and changes (console.audit_chain), "" for none: who
    keeps what was published sees when somebody who has the box's key has written the record anew."""
    try:
        with open(_AUDIT, "rb") as file:
            file.seek(max(0, os.stat(_AUDIT)[6] - _HEAD_BYTES - 1))
            head = file.read(_HEAD_BYTES)
    except OSError:
        return ""
    whole = len(head) == _HEAD_BYTES and all([byte in b"0123456789abcdef" for byte in head])
    return str(head, "ascii") if whole else ""


def report(gateway, head):
    """The text about the box, as a generator of its pieces: each takes 1 to 3 ms, between them others can run.

    gateway: the app's Gateway. head: of the console's record, see _audit_head."""
    utc_ms = gateway.clock.utc_ms()
    free = gateway.keeper.heap_free_bytes
    yield '{"format":1,' + ('"audit":"%s",' % head if head else "")
    yield '"boot":%d,"reset":"%s","firmware":"%s","ot":%s,"it":%s,' % (
        gateway.boot,
        gateway.reset_cause,
        FIRMWARE,
        half(gateway.halves[0]),
        half(gateway.halves[1]),
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
        stats = bus.stats(False)
        yield "," if number else ""
        yield json.dumps(stats)[:-1]
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
    )
    yield ',"net":{"signal_dbm":%s}' % json.dumps(gateway.net.link and gateway.net.link.signal_dbm())
    reader = gateway.reader
    if gateway.scada:
        yield (
            ","
            + _part(
                "modbus_tcp",
                ("connects", reader.connects),
                ("requests", reader.requests),
                ("exceptions", reader.exceptions),
                ("refused", reader.refused),
                ("cut", reader.cut),
            )
        )
    yield ',"suppressed":%d}' % gateway.edge.suppressed if gateway.edge else "}"


def unit(bus, i):
    """The text about unit i of a bus, as pieces."""
    yield '{"format":1,"bus":%s,' % json.dumps(bus.line.name)
    yield json.dumps(bus.unit_stats(i))[1:]


def _part(name, *counts):
    return '"%s":{%s}' % (name, ",".join(['"%s":%d' % count for count in counts]))
