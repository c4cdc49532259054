"""The points of the virtual groups of a machine, as virtual.point takes them. Loaded at the start only."""

from production.oee import STATES

_STATE = (
    ("state", "uint16", "", 1),
    ("cause", "uint16", "", 1),
    ("since", "uint32", "s", 1),
    ("to", "uint32", "s", 1),
    ("to_ms", "uint16", "ms", 1),
    ("flags", "uint16", "", 1),
    ("stop_since", "uint32", "s", 1),
    ("stop_since_ms", "uint16", "ms", 1),
    ("noticed_at", "uint32", "s", 1),
    ("noticed_at_ms", "uint16", "ms", 1),
    ("counters", "uint16", "", 1),
    ("cycles_counter", "uint32", "", 1),
    ("good_counter", "uint32", "", 1),
    ("reject_counter", "uint32", "", 1),
    ("unplaced", "uint32", "s", 1),
    ("lag_ms", "uint32", "ms", 1),
)
_TIMES = tuple(STATES) + ("off_running", "off_other", "off_unknown", "counted")
_PIECES = ("cycles", "good", "reject", "cycles_unseen", "off_cycles", "stops", "failures", "repairs", "repairs_unseen")
_WINDOW = (
    (("start", "uint32", "s", 1), ("end", "uint32", "s", 1), ("to", "uint32", "s", 1), ("to_ms", "uint16", "ms", 1))
    + (("flags", "uint16", "", 1),)
    + tuple([(name, "uint32", "s", 0.001) for name in _TIMES])
    + tuple([(name, "uint32", "", 1) for name in _PIECES])
    + tuple([(name, "uint32", "s", 0.001) for name in ("detect", "restore")])
    + tuple([(name, "uint16", "%", 0.01) for name in ("availability", "performance", "quality_rate", "oee")])
    + tuple([(name, "uint32", "s", 0.001) for name in ("mttr", "mtbf")])
)
NAMES = ("machine_hour", "machine_shift", "machine_day", "machine")


def groups(point):
    """[(name, points)] in the order of NAMES; `point(name, address, type, unit, scale)` makes one."""
    return [(name, Points(_STATE if name == "machine" else _WINDOW, point)) for name in NAMES]


class Points:
    """The points of one group, made anew in every loop over them: as a list, all of them would take 40 KB of heap.

    Where a value may be missing its registers are all ones then, and the point says so by `na`."""

    def __init__(self, rows, point):
        self._rows = rows
        self._point = point

    def __len__(self):
        return len(self._rows)

    def __iter__(self):
        address = 0
        for label, kind, unit, scale in self._rows:
            made = self._point(label, address, kind, unit, scale)
            if label in ("availability", "performance", "quality_rate", "oee", "mttr", "mtbf"):
                made["na"] = ["ff"]
            yield made
            address += 2 if kind == "uint32" else 1
