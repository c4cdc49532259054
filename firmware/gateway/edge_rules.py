"""What ot.json may say of rules: keys, ranges, and what no single key shows. Loaded where it has any.

The tables have the form of gateway.rules. `check` needs to know of the points no more than `edge_points.note` takes
down, so the console can go through a configuration unit by unit.
"""

from edge.expression import ExpressionError, parse
from gateway.edge_points import DERIVED
from gateway.rules import ABSENT, REQUIRED, shown

SEVERITIES = ("info", "warning", "critical")
_COMPUTED = ("float32", "uint16", "int16", "uint32", "int32")
_AGGREGATES = ("min", "max", "mean", "std", "count", "last", "covered_s", "increase", "rate", "energy")
_POINT = ("text", 65)  # unit.point

_DERIVED = (
    "map",
    {
        "name": (("name", 32), REQUIRED),
        "expression": (("form", "expression", 255), REQUIRED),  # see lib/edge/DESIGN.md
        "type": (("one", _COMPUTED), "float32"),
        "unit": (("text", 16), ""),
        "period_ms": (("int", 100, 86400000), 1000),
        "deadband": (("number", 0, 1e30), ABSENT),
        "deadband_percent": (("number", 0, 100), ABSENT),
        "heartbeat_s": (("int", 1, 86400), ABSENT),
    },
)

_AGGREGATE = (
    "map",
    {
        "name": (("name", 22), REQUIRED),  # with _covered_s behind it a point's name
        "point": (_POINT, REQUIRED),
        "window_s": (("int", 1, 86400), 60),
        "of": (("list", ("one", _AGGREGATES), 1, 10), REQUIRED),
        "weighted": (("one", ("sample", "time")), "sample"),
        "wraps_at": (("int", 0, 1 << 64), ABSENT),  # of a counter: it follows wraps_at - 1; 0: it never wraps
    },
)

_ALARM = (
    "map",
    {
        "name": (("name", 32), REQUIRED),
        "point": (_POINT, REQUIRED),
        "kind": (("one", ("high", "low", "rate", "state", "stale")), REQUIRED),
        "limit": (("number",), REQUIRED),  # rate: per second, either way; stale: seconds
        "hysteresis": (("number", 0, 1e30), 0),
        "delay_on_s": (("int", 0, 86400), 0),
        "delay_off_s": (("int", 0, 86400), 0),
        "latching": (("one", (False, True)), False),
        "severity": (("one", SEVERITIES), "warning"),
        "text": (("text", 64), ""),
    },
)

_ANOMALY = (
    "map",
    {
        "name": (("name", 32), REQUIRED),
        "point": (_POINT, REQUIRED),
        "state": (_POINT, ABSENT),  # a point whose number says in which state the machine is
        "learn_s": (("int", 60, 604800), 86400),
        "score": (("number", 1, 100), 6),  # spreads from the mean
        "persist_s": (("int", 0, 86400), 30),
        "settle_s": (("int", 0, 3600), 10),  # after a change of state nothing is judged
        "least_spread": (("number", 0, 1e30), 0),
        "latching": (("one", (False, True)), False),
        "severity": (("one", SEVERITIES), "info"),
        "text": (("text", 64), ""),
    },
)

TABLES = {
    "derived": ("list", _DERIVED, 0, 32),
    "aggregates": ("list", _AGGREGATE, 0, 16),
    "alarms": ("list", _ALARM, 0, 64),
    "anomaly": ("list", _ANOMALY, 0, 16),
}
def check(ot, points):
    """Lines about mistakes in the rules of an OT half whose single keys are right. points: from `edge_points.note`; the
    derived ones are added."""
    errors = []
    for key in TABLES:
        _no_repeat(errors, ot.get(key, ()), key)
    for i, entry in enumerate(ot.get("derived", ())):
        _check_derived(errors, "derived[%d]" % i, entry, points)
    for i, entry in enumerate(ot.get("aggregates", ())):
        _check_aggregate(errors, "aggregates[%d]" % i, entry, points)
    for i, entry in enumerate(ot.get("alarms", ())):
        _check_alarm(errors, "alarms[%d]" % i, entry, points)
    alarms = [entry["name"] for entry in ot.get("alarms", ())]
    for i, entry in enumerate(ot.get("anomaly", ())):
        path = "anomaly[%d]" % i
        if entry["name"] in alarms:
            errors.append('%s.name: found "%s", allowed a name that no alarm has' % (path, entry["name"]))
        if _known(errors, path + ".point", entry["point"], points):
            _is_number(errors, path + ".point", entry["point"], points)
        if "state" in entry:
            _known(errors, path + ".state", entry["state"], points)
    return errors


def _no_repeat(errors, entries, key):
    names = []
    for i, entry in enumerate(entries):
        if entry["name"] in names:
            errors.append('%s[%d].name: found "%s", allowed a name not used before' % (key, i, entry["name"]))
        names.append(entry["name"])


def _known(errors, path, name, points):
    if name in points:
        return True
    errors.append("%s: found %s, allowed a point as unit.point" % (path, shown(name)))
    return False


def _is_number(errors, path, name, points):
    if _no_number(points[name]):
        errors.append("%s: found a %s, allowed a point that is a number" % (path, points[name][0]))


def _no_number(about):
    # Strings; and what another register scales, as limits would have to move with it.
    return about[0][:6] == "string" or " " in about[0]


def _can_be(number, about):
    # A whole raw number stands for it.
    from edge.limits import raw_fraction

    top, bottom = raw_fraction(number, about[1], about[2])
    return about[0][:5] == "float" or _no_number(about) or not top % bottom


def _check_derived(errors, path, entry, points):
    def resolve(name):
        about = points.get(name)
        return None if about is None or _no_number(about) else (0, about[1], about[2])

    try:
        parse(entry["expression"], resolve)
    except ExpressionError as error:
        errors.append("%s.expression: %s" % (path, error))
    if "deadband" in entry or "deadband_percent" in entry or "heartbeat_s" in entry:
        from gateway import silence

        silence.check(errors, path, entry)
    points["%s.%s" % (DERIVED, entry["name"])] = (entry["type"], 1, 0, False, entry["unit"])


def _check_aggregate(errors, path, entry, points):
    if not _known(errors, path + ".point", entry["point"], points):
        return
    _is_number(errors, path + ".point", entry["point"], points)
    type_name = points[entry["point"]][0]
    if type_name[:5] == "float" or type_name == "bool":
        for what in ("increase", "rate"):
            if what in entry["of"]:
                line = "%s.of: found %s of a %s, allowed it of a whole number that counts"
                errors.append(line % (path, what, type_name))
    for i, what in enumerate(entry["of"]):
        if what in entry["of"][:i]:
            errors.append("%s.of[%d]: found %s again, allowed once" % (path, i, what))


def _check_alarm(errors, path, entry, points):
    if _known(errors, path + ".point", entry["point"], points):
        _is_number(errors, path + ".point", entry["point"], points)
        if entry["kind"] == "state" and not _can_be(entry["limit"], points[entry["point"]]):
            line = "%s.limit: found %s, allowed a value that the point can have"
            errors.append(line % (path, shown(entry["limit"])))
    if entry["hysteresis"] and entry["kind"] in ("state", "stale"):
        line = "%s.hysteresis: found %s with kind %s, allowed 0"
        errors.append(line % (path, shown(entry["hysteresis"]), entry["kind"]))
    if entry["kind"] == "stale":
        if not 1 <= entry["limit"] <= 86400:
            errors.append("%s.limit: found %s, allowed 1..86400" % (path, shown(entry["limit"])))
    elif entry["kind"] == "rate":
        if not entry["limit"] > entry["hysteresis"]:
            line = "%s.limit: found %s, allowed more than 0 and than the hysteresis"
            errors.append(line % (path, shown(entry["limit"])))
