"""What ot.json may say in its section "machine": keys, ranges, what no single key shows. Loaded where it has one."""

from gateway.rules import REQUIRED, shown
from production.texts import terms

_WHEN = ("form", "when", 120)  # a condition, see production.texts
_TIME = ("form", "clock", 5)
_MOMENT = ("form", "moment", 16)
_SPAN = ("map", {"start": (_TIME, REQUIRED), "end": (_TIME, REQUIRED)})

MACHINE = (
    "map",
    {
        "states": (
            (
                "list",
                (
                    "map",
                    {
                        "state": (("one", ("running", "idle", "stopped", "stopped_planned", "fault")), REQUIRED),
                        "when": (_WHEN, REQUIRED),
                    },
                ),
                1,
                16,
            ),
            REQUIRED,
        ),
        "otherwise": (("one", ("stopped", "idle", "running")), "stopped"),
        "noticed": (("or_null", _WHEN), None),  # somebody is at the failure; null: the machine reports the fault
        "code": (("or_null", ("text", 65)), None),  # unit.point: a number that says why it stands
        "cycles": (("or_null", ("text", 65)), None),  # unit.point of a counter
        "good": (("or_null", ("text", 65)), None),
        "reject": (("or_null", ("text", 65)), None),
        "ideal_cycle_ms": (("int", 0, 86400000), 0),  # 0: no performance
        "zone": (("form", "zone", 48), "UTC"),  # UTC, +hh:mm or a POSIX TZ rule
        "day_start": (_TIME, "00:00"),
        "shifts": (
            (
                "list",
                (
                    "map",
                    {
                        "name": (("name", 32), REQUIRED),
                        "days": (("list", ("int", 1, 7), 1, 7), REQUIRED),  # 1 is Monday; of the shift's begin
                        "start": (_TIME, REQUIRED),
                        "end": (_TIME, REQUIRED),
                        "breaks": (("list", _SPAN, 0, 8), ()),
                    },
                ),
                0,
                8,
            ),
            (),
        ),
        "planned": (
            ("list", ("map", {"from": (_MOMENT, REQUIRED), "to": (_MOMENT, REQUIRED)}), 0, 32),
            (),
        ),
        "checkpoint_s": (("int", 10, 3600), 120),
    },
)
_COUNTERS = ("uint16", "uint32")


def note(points, unit, settings):
    """Take down in the dict `points` those of a unit's points that the section names, by unit.point."""
    text = " ".join([rule["when"] for rule in settings["states"]])
    for key in ("noticed", "cycles", "good", "reject", "code"):
        text += " %s" % settings[key]
    for point in unit["points"]:
        name = unit["name"] + "." + point["name"]
        if name in text:
            points[name] = point


def note_derived(points, ot):
    """The same for what rules compute: unit "derived"."""
    unit = {"name": "derived", "points": [dict(entry) for entry in ot.get("derived", ())]}
    for entry in unit["points"]:
        entry["scale"], entry["offset"] = 1, 0
    note(points, unit, ot["machine"])


def check(settings, points):
    """Mistakes of the section as lines, for a configuration that is sound otherwise. points: from `note`."""
    errors = []
    for i, rule in enumerate(settings["states"]):
        _condition(errors, "machine.states[%d].when" % i, rule["when"], points)
    if settings["noticed"]:
        _condition(errors, "machine.noticed", settings["noticed"], points)
    for key in ("cycles", "good", "reject", "code"):
        name = settings[key]
        if name and _known(errors, "machine." + key, name, points):
            point = points[name]
            if point["type"] not in _COUNTERS or point["scale"] != 1 or point["offset"]:
                line = "machine.%s: found %s of type %s, allowed a point of type %s with scale 1 and offset 0"
                errors.append(line % (key, name, point["type"], " or ".join(_COUNTERS)))
    return errors


def _condition(errors, path, text, points):
    for name, operator, _, _ in terms(text):
        if _known(errors, path, name, points):
            kind = points[name]["type"]
            if kind.startswith("string") or (operator == "&" and kind.startswith("float")):
                errors.append("%s: found %s of type %s, allowed a type of whole numbers" % (path, name, kind))


def _known(errors, path, name, points):
    if name not in points:
        line = "%s: found %s, allowed the unit.point of a point of this file, or derived.point"
        errors.append(line % (path, shown(name)))
        return False
    for key in ("deadband", "deadband_percent"):
        if points[name].get(key) is not None:
            # The log must hold every poll: a restart goes on from it.
            errors.append("%s: found %s with a %s, allowed a point without" % (path, name, key))
            return False
    return True
