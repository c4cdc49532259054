"""The virtual groups of derived points and aggregates: in the schema, and filled while running. For the start only."""

from edge.words import na_of, registers_of
from gateway.edge_points import DERIVED, WINDOWS, note_derived, type_of
from gateway.virtual import point


def derived(ot):
    """{period_ms: entries}, in the order of ot.json."""
    found = {}
    for entry in ot.get("derived", ()):
        found.setdefault(entry["period_ms"], []).append(entry)
    return found


def aggregates(ot):
    """{window_s: entries}."""
    found = {}
    for entry in ot.get("aggregates", ()):
        found.setdefault(entry["window_s"], []).append(entry)
    return found


def groups(ot):
    """[(unit name, period_ms, points)] for gateway.virtual, of the head that gateway.ot makes."""
    made = []
    periods = derived(ot)
    for period_ms in sorted(periods):
        made.append((DERIVED, period_ms, _derived_points(periods[period_ms])))
    windows = aggregates(ot)
    about = ot["about"]
    note_derived(about, ot)
    for window_s in sorted(windows):
        made.append((WINDOWS, window_s * 1000, _aggregate_points(windows[window_s], about)))
    return made


def _computed(name, address, type_name, unit, scale=1, offset=0):
    made = point(name, address, type_name, unit, scale)
    made["offset"] = offset
    made["na"] = na_of(type_name)
    return made


def _derived_points(entries):
    points = []
    address = 0
    for entry in entries:
        made = _computed(entry["name"], address, entry["type"], entry["unit"])
        for key in ("deadband", "deadband_percent", "heartbeat_s"):
            if key in entry:
                made[key] = entry[key]
        points.append(made)
        address += registers_of(entry["type"])
    return points


def _aggregate_points(entries, about):
    points = []
    address = 0
    for entry in entries:
        _, scale, offset, _, unit = about[entry["point"]]
        for what in entry["of"]:
            type_name = type_of(about[entry["point"]], what)
            scaling = (scale, offset)
            of_unit = unit
            if what in ("std", "increase", "rate"):
                scaling = (abs(scale) if what == "std" else scale, 0)
                of_unit = (unit + "/s")[:16] if what == "rate" else unit
            elif what == "count":
                scaling, of_unit = (1, 0), ""
            elif what == "covered_s":
                scaling, of_unit = (0.001, 0), "s"
            elif what == "energy":
                scaling, of_unit = (0.001, 0), (unit + "h")[:16]
            name = "%s_%s" % (entry["name"], what)
            points.append(_computed(name, address, type_name, of_unit, scaling[0], scaling[1]))
            address += registers_of(type_name)
    return points
