"""Makes the rules of ot.json ready to run; loaded at the start, where there are any, and dropped with it.

Only the code of what is configured is loaded. Prints what the rules take of the heap.
"""

import gc

from edge import limits
from edge.inputs import Inputs
from gateway import edge_points, unload
from gateway import schema as schemas
from gateway.edge import Edge
from points.numbers import kind_of

_LEAVE = "edge.limits edge.expression gateway.edge_groups gateway.edge_points gateway.virtual"


def make(gateway, ot):
    """The gateway's Edge."""
    gc.collect()
    before = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
    inputs = Inputs([])
    edge = Edge(gateway, inputs)
    about = ot["about"]
    if ot.get("derived") or ot.get("aggregates"):
        from gateway import virtual

        numbers = {(read.unit.name, read.period_ms): read for read in virtual.reads_of(ot)}
        _derived(edge, gateway, ot, about, numbers)
        _aggregates(edge, gateway, ot, about, numbers)
    if ot.get("alarms") or ot.get("anomaly"):
        _alarms(edge, gateway, ot, about)
    edge.describe(schemas.lines(gateway.schema))
    for name in _LEAVE.split():  # the rest of the start needs the room
        unload.unload(name)
    if before:
        gc.collect()
        print("rules: %d points looked at, %d bytes" % (len(inputs.names), gc.mem_alloc() - before))
    return edge


def _derived(edge, gateway, ot, about, numbers):
    from gateway import edge_groups

    periods = edge_groups.derived(ot)
    if not periods:
        return
    from edge.derived import Derived
    from edge.expression import parse

    def resolve(name):
        known = about.get(name)
        return known and (edge.inputs.index_of(name), known[1], known[2])

    edge_points.note_derived(about, ot)
    items = {period_ms: [] for period_ms in periods}
    for entry in ot["derived"]:  # in this order: one may be made of those before it
        name = "%s.%s" % (edge_points.DERIVED, entry["name"])
        expression = parse(entry["expression"], resolve)
        points = numbers[edge_points.DERIVED, entry["period_ms"]].points
        (address,) = [point["address"] for point in points if point["name"] == entry["name"]]
        items[entry["period_ms"]] += [expression, edge.inputs.index_of(name), entry["type"], 2 * address]
    now = gateway.clock.ticks_ms()
    for period_ms in sorted(periods):
        read = numbers[edge_points.DERIVED, period_ms]
        edge.timed.append(Derived(read.group, period_ms, tuple(items[period_ms]), 2 * read.count, now))


def _aggregates(edge, gateway, ot, about, numbers):
    from gateway import edge_groups

    windows = edge_groups.aggregates(ot)
    if not windows:
        return
    from edge.aggregate import NAMES, Aggregate
    from edge.windows import Windows
    from edge.words import registers_of

    edge_points.note_derived(about, ot)
    sums = []
    for window_s in sorted(windows):
        read = numbers[edge_points.WINDOWS, window_s * 1000]
        items = []
        at = 0
        for entry in windows[window_s]:
            known = about[entry["point"]]
            types = tuple([(NAMES[what], edge_points.type_of(known, what)) for what in entry["of"]])
            one = Aggregate(
                edge.inputs.index_of(entry["point"]),
                sum([bit for bit, _ in types]),
                entry["weighted"] == "time",
                limits.fraction(known[1]),
                limits.fraction(known[2]),
                entry.get("wraps_at", _modulus(known)),
                0,
            )
            sums.append(one)
            items += [one, types, at]
            at += 2 * sum([registers_of(type_name) for _, type_name in types])
        edge.timed.append(Windows(read.group, window_s, tuple(items), 2 * read.count, gateway.clock))
    edge.sums = tuple(sums)


def _modulus(about):
    # Where a counter of that type goes back to 0 by itself.
    type_name = about[0]
    if type_name[:3] == "bcd":
        return 10 ** (4 if type_name == "bcd16" else 8)
    return 1 << int(type_name.lstrip("uint")) if type_name in edge_points.WHOLE else 0


def _alarms(edge, gateway, ot, about):
    from edge.alarms import ANOMALY, KINDS, Alarm, Alarms
    from gateway import edge_files

    edge_points.note_derived(about, ot)
    made = []
    texts = []
    for entry in ot.get("alarms", ()):
        kind, limit, clear = _limits(KINDS.index(entry["kind"]), entry, about[entry["point"]])
        index = edge.inputs.index_of(entry["point"])
        on_ms, off_ms = entry["delay_on_s"] * 1000, entry["delay_off_s"] * 1000
        made.append(Alarm(entry["name"], index, kind, limit, clear, on_ms, off_ms, entry["latching"]))
        texts.append((entry["severity"], entry["text"]))
    if ot.get("anomaly"):
        from edge.anomaly import Watch  # only where it is configured
    for entry in ot.get("anomaly", ()):
        scale = about[entry["point"]][1]
        index = edge.inputs.index_of(entry["point"])
        state = edge.inputs.index_of(entry["state"]) if "state" in entry else -1
        least = limits.quotient(*limits.divided(limits.fraction(entry["least_spread"]), limits.fraction(scale)))
        alarm = Alarm(entry["name"], index, ANOMALY, 0, 0, entry["persist_s"] * 1000, entry["persist_s"] * 1000)
        alarm.latching = entry["latching"]
        alarm.watch = Watch(
            edge.inputs, state, entry["learn_s"], entry["score"], abs(least), entry["settle_s"] * 1000
        )
        made.append(alarm)
        texts.append((entry["severity"], entry["text"]))
    edge.alarms = Alarms(gateway.clock, gateway.uptime, made, edge.alarm_event, edge.events_held)
    edge.about = texts
    edge_files.read(made, edge.inputs.names)
    edge.kept = edge.alarms.latched()


def _limits(kind, entry, about):
    """(kind, limit, clear) in raw numbers."""
    from edge.alarms import HIGH, LOW, RATE, STALE

    type_name, scale, offset, is_field, _ = about
    shape = kind_of({"type": "uint16" if is_field else type_name})
    limit, hysteresis = entry["limit"], limits.fraction(entry["hysteresis"])
    if kind == STALE:
        return kind, int(limit * 1000), 0
    if kind == RATE:
        found = []
        for top, bottom in (limits.fraction(limit), limits.minus(limits.fraction(limit), hysteresis)):
            top, bottom = limits.divided((top, bottom), limits.fraction(scale))
            found.append(limits.quotient(abs(top), bottom))
        return kind, found[0], found[1]
    back = limits.minus(limits.fraction(limit), hysteresis)
    if kind == LOW:
        back = limits.minus(limits.fraction(limit), (-hysteresis[0], hysteresis[1]))
    first = limits.raw_of(limits.fraction(limit), scale, offset)
    back = limits.raw_of(back, scale, offset)
    if kind in (HIGH, LOW) and limits.fraction(scale)[0] < 0:
        kind = HIGH + LOW - kind
    if kind == HIGH:  # active above `limit`, inactive at `clear` or below
        return kind, limits.at_most(first, shape), limits.at_most(back, shape)
    if kind == LOW:
        return kind, limits.at_least(first, shape), limits.at_least(back, shape)
    top, bottom = first
    if limits.is_float(shape):
        return kind, limits.quotient(top, bottom), 0
    return kind, top // bottom if top % bottom == 0 else None, 0  # None: no raw number stands for it
