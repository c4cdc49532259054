"""What rules need to know of a configuration's points, and the types of those they make. For the start and `check`."""

DERIVED = "derived"  # the unit names of what the box computes
WINDOWS = "windows"
# Types that a computed point can have itself; others become a number of one that has room for it.
WHOLE = ("uint16", "int16", "uint32", "int32", "uint64", "int64")


SECTIONS = ("derived", "aggregates", "alarms", "anomaly")


def mentioned(ot):
    """Everything in the rules of an OT half that may name a point, as one text."""
    words = []
    for section in SECTIONS:
        for entry in ot.get(section, ()):
            words += [entry.get(key, "") for key in ("expression", "point", "state")]
    return " ".join([word for word in words if isinstance(word, str)])


def note(points, unit, text):
    """Take down in the dict `points` what the rules need to know of those of a unit's points that `text` names."""
    for point in unit["points"]:
        name = "%s.%s" % (unit["name"], point["name"])
        if name in text:
            type_name = "number with a scale from a register" if "scale_from" in point else point["type"]
            is_field = "bit" in point or "bits" in point
            points[name] = (type_name, point["scale"], point["offset"], is_field, point["unit"])


def note_machine(points, ot, text):
    """The same for what the box publishes of the machine (lib/production)."""
    if ot.get("machine") and "machine" in text:
        from gateway.virtual import point
        from production import layout

        for name, made in layout.groups(point):
            note(points, {"name": name, "points": made}, text)


def note_derived(points, ot):
    """The same for the derived points."""
    for entry in ot.get("derived", ()):
        points["%s.%s" % (DERIVED, entry["name"])] = (entry["type"], 1, 0, False, entry["unit"])


def type_of(about, what):
    """The type of an aggregate's point. about: from `note`."""
    type_name, is_field = about[0], about[3]
    if what in ("mean", "std", "rate"):
        return "float32"
    if what in ("count", "covered_s", "increase"):
        return "uint32"
    if what == "energy":
        return "int32"
    if type_name in WHOLE and not is_field:
        return type_name
    return "float32" if type_name[:5] == "float" else "uint32"
