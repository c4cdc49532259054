"""What the rules of a configuration take of the heap, by feature, for `check`: code as long as its file, and data.

Loaded for the answer only. On stock images a module takes about half more than its .mpy file (firmware/DESIGN.md);
frozen or source modules count as nothing. Data: bytes of an entry on a board, measured on an emulated RP2040.
"""

import os
import sys

# key: (modules that it loads, bytes of an entry)
_FEATURES = {
    "derived": (("edge/derived", "edge/evaluate", "edge/words"), 260),
    "aggregates": (("edge/aggregate", "edge/windows", "edge/words"), 400),
    "alarms": (("edge/alarms",), 300),
    "anomaly": (("edge/alarms", "edge/anomaly"), 750),
    "deadband": (("edge/deadband",), 90),
}
_ALWAYS = ("gateway/edge", "edge/inputs", "points/numbers")


def lines(counts):
    """Yield a line for each feature that is used. counts: {feature: entries, of deadband points}."""
    told = set()
    used = [feature for feature in sorted(counts) if counts[feature]]
    if used:
        yield "rules: about %d bytes of heap for all of them, and" % _code(_ALWAYS, told)
    for feature in used:
        modules, each = _FEATURES[feature]
        total = _code(modules, told) + counts[feature] * each
        yield "  %s: %d, about %d bytes" % (feature, counts[feature], total)


def _code(modules, told):
    """Heap bytes of the modules that were not told of."""
    total = 0
    for name in modules:
        if name not in told:
            told.add(name)
            total += _size(name + ".mpy") * 3 // 2
    return total


def _size(place):
    for folder in sys.path:
        try:
            return os.stat((folder + "/" if folder else "") + place)[6]
        except OSError:
            continue
    return 0
