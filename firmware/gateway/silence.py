"""Report by exception in configuration and meta: which points have a deadband, and what silence means then.

Loaded at the start, and at a split, where a point has a deadband.
"""

import json

HEARTBEAT_S = 60  # where a point does not say


def text_of(points):
    """The part of a group's meta text that says it: all of `points` have a deadband."""
    heartbeat_s = min([point.get("heartbeat_s", HEARTBEAT_S) for point in points])
    return ',"deadband":{"heartbeat_s":%d,"points":[%s]}' % (heartbeat_s, ",".join([_band(point) for point in points]))


def restore(meta, points):
    """Put back into `points` of a parsed meta line what `text_of` made of it."""
    for point, band in zip(meta["points"], meta["deadband"]["points"]):
        if point in points:
            point["heartbeat_s"] = meta["deadband"]["heartbeat_s"]
            if isinstance(band, dict):
                point["deadband_percent"] = band["percent"]
            else:
                point["deadband"] = band


def _band(point):
    if "deadband_percent" in point:
        return '{"percent":%s}' % json.dumps(point["deadband_percent"])
    return json.dumps(point["deadband"])


def check(errors, path, point):
    """Mistakes in the keys of one point."""
    if "deadband" in point and "deadband_percent" in point:
        errors.append("%s.deadband_percent: found beside deadband, allowed one of them" % path)
    if "heartbeat_s" in point:
        if "deadband" not in point and "deadband_percent" not in point:
            errors.append("%s.heartbeat_s: found without deadband, allowed beside deadband or deadband_percent" % path)
        elif point["heartbeat_s"] * 1000 < point["period_ms"]:
            line = "%s.heartbeat_s: found %d, allowed %d or more: it is asked for every %d ms"
            least_s = -(-point["period_ms"] // 1000)
            errors.append(line % (path, point["heartbeat_s"], least_s, point["period_ms"]))
