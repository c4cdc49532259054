"""What rules need to know of a configuration's points, and the types of those they make. For the start and `check`."""

DERIVED = "derived"  # the unit names of what the box computes
WINDOWS = "windows"
# Types that a computed point can have itself; others become a number of one that has room for it.
WHOLE = ("uint16", "int16", "uint32", "int32", "uint64", "int64")


def note(points, unit):
    """Take down in the dict `points` what the rules need to know of a unit's points."""
    for point in unit["points"]:
        about = (point["type"], point["scale"], point["offset"], "bit" in point or "bits" in point)
        points["%s.%s" % (unit["name"], point["name"])] = about


def note_all(ot):
    """`note` of the whole configuration."""
    points = {}
    for bus in ot["buses"]:
        for unit in bus["units"]:
            note(points, unit)
    return points


def note_derived(points, ot):
    """The same for the derived points."""
    for entry in ot.get("derived", ()):
        points["%s.%s" % (DERIVED, entry["name"])] = (entry["type"], 1, 0, False)


def type_of(about, what):
    """The type of an aggregate's point. about: from `note`."""
    type_name, _, _, is_field = about
    if what in ("mean", "std", "rate"):
        return "float32"
    if what in ("count", "covered_s", "increase"):
        return "uint32"
    if what == "energy":
        return "int32"
    if type_name in WHOLE and not is_field:
        return type_name
    return "float32" if type_name[:5] == "float" else "uint32"
