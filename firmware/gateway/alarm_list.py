"""The list of alarms that want attention: the JSON text of <base>/alarms. Loaded for each round and forgotten."""

import json

from edge.alarms import ACTIVE, KINDS, UNKNOWN
from gateway import unload

MAX_LISTED = 16  # beyond that they are counted


def forget():
    """Give the memory of this module back."""
    unload.unload("gateway.alarm_list")


def state_of(alarm):
    """One word: unknown, normal, active, acknowledged (and still active), latched (was active, nobody has seen it)."""
    if alarm.state == ACTIVE:
        return "acknowledged" if alarm.acked else "active"
    if alarm.latched:
        return "latched"
    return "unknown" if alarm.state == UNKNOWN else "normal"


def order_of(edge):
    """Places of the alarms that want attention, the worst first: severity, then the newest first."""
    ranks = {"critical": 0, "warning": 1, "info": 2}
    found = []
    for i, alarm in enumerate(edge.alarms.alarms):
        if alarm.listed:
            found.append((ranks[edge.about[i][0]], alarm.acked, -(alarm.since_ms or 0), i))
    return [entry[3] for entry in sorted(found)]


def report(gateway):
    """The text as a generator of its pieces, between which others can run."""
    edge = gateway.edge
    alarms = edge.alarms.alarms
    utc_ms = gateway.clock.utc_ms()
    now_ms = gateway.uptime.ms()
    listed = order_of(edge)
    unknown = sum([alarm.state == UNKNOWN for alarm in alarms])
    yield '{"format":1,"boot":%d,"utc_ms":%s,"configured":%d,"unknown":%d,"listed":%d,"events_held":%d,"alarms":[' % (
        gateway.boot,
        json.dumps(utc_ms),
        len(alarms),
        unknown,
        len(listed),
        edge.alarms.suppressed,
    )
    comma = ""
    for i in listed[:MAX_LISTED]:
        alarm = alarms[i]
        since = None
        if utc_ms is not None and alarm.since_ms is not None:
            since = utc_ms - (now_ms - alarm.since_ms)
        yield '%s{"name":"%s","point":"%s","kind":"%s","severity":"%s","state":"%s","known":%s,"since_utc_ms":%s' % (
            comma,
            alarm.name,
            edge.inputs.names[alarm.index],
            KINDS[alarm.kind],
            edge.about[i][0],
            state_of(alarm),
            json.dumps(alarm.known),
            json.dumps(since),
        )
        yield ',"value":%s,"text":%s}' % (json.dumps(edge.shown(alarm)), json.dumps(edge.about[i][1]))
        comma = ","
    yield "]}"
