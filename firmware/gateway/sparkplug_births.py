"""What a Sparkplug node says of itself when it is born: names, aliases, types, units and the newest values."""

import json

from uplink import sparkplug as spb
from uplink.points import KINDS, layout_of

EVENT_ALIAS = 0xFFFF  # above those of all groups, which are 0..254
PAYLOAD_BYTES = 6144  # a birth is one message, whatever the device has
_METRIC_BYTES = 61  # longest metric of DBIRTH without properties, name of 32 characters included; see _weight
_DESCRIBED_BYTES = 170  # the same with properties
MAX_POINTS = PAYLOAD_BYTES // _METRIC_BYTES


def alias_of(group, index):
    """Unique within the node (6.4.6), never 0."""
    return (group << 8) + index + 1


def put_bd_seq(writer, time, bd_seq):
    """The number that ties NDEATH to NBIRTH."""
    writer.metric("bdSeq", 0, time, spb.INT64, bytes((0, 0, 0, bd_seq)))


def put_node(writer, time, bd_seq):
    """All metrics of NBIRTH."""
    put_bd_seq(writer, time, bd_seq)
    writer.metric("Node Control/Rebirth", 0, time, spb.BOOLEAN, bytes(4))
    writer.metric("Event", EVENT_ALIAS, time, spb.STRING, None)


def quality_properties(quality):
    """Of a value that could not be read: bad for every host, and our own code for why (the glossary names it)."""
    bad, code = spb.number_property(spb.BAD), spb.number_property(quality)
    return spb.property_set([("Quality", bad), ("quality_code", code)])


def layouts_of(lines):
    """{group: what each of its points is} of a schema's meta lines: a column as in uplink.points, or for points that
    are more an entry of gateway.sparkplug_points."""
    layouts = {}
    for line in lines:
        meta = json.loads(line)
        layouts[meta["group"]] = _layout(meta["points"])
    return layouts


def _layout(points):
    if not any([len(point) > 7 or point["type"] not in KINDS for point in points]):
        return layout_of(points)
    from gateway import sparkplug_points as special  # only where there is such a point

    return tuple([
        special.entry_of(point, points) if special.is_special(point) else layout_of([point])[0] for point in points
    ])  # fmt: skip


def datatype_of(point):
    """point: one of a layout."""
    if isinstance(point, int):
        return spb.DATATYPES[point & 7]
    from gateway import sparkplug_points as special

    return special.datatype_of(point)


def metric_bytes(point):
    """What a metric of `point` in a data message may take."""
    if isinstance(point, int):
        return spb.METRIC_BYTES
    from gateway import sparkplug_points as special

    return special.metric_bytes(point)


def _weight(text):
    # Points, with what is longer counted as more of them: the text of a group's meta.
    longer = 4 * text.count('"type":"string') + text.count('64","order"') + text.count('"scale_from"')
    return text.count('"at":') + longer


def units_of(lines):
    """{group: (unit name, unit id)} of a schema's meta lines."""
    return {meta["group"]: (meta["unit"], meta["unit_id"]) for meta in map(json.loads, lines)}


def too_many(lines):
    """Lines about units whose birth would not fit. lines: the schema's meta lines."""
    counts = {}
    for line in lines:
        meta = json.loads(line)
        _layout(meta["points"])  # what it needs is loaded now instead of between polls
        counts[meta["unit"]] = counts.get(meta["unit"], 0) + _weight(line)
    return [
        "it.json: publish.payload: unit %s has %d points, sparkplug allows %d: they are born in one message"
        % (unit, count, MAX_POINTS)
        for unit, count in counts.items()
        if count > MAX_POINTS
    ]


def put_device(writer, time, unit, lines, last, read):
    """All metrics of DBIRTH, as a generator of steps.

    lines(): the schema's meta lines; last: {group: (time, quality, data)} of the newest samples that are known;
    read(data, point): (value, quality) of a point of a layout.
    Properties are left out when there might not be room for those of all points; metrics never are (`too_many`).
    """
    mark = '"unit":%s,' % json.dumps(unit)
    count = sum([_weight(line) for line in lines() if mark in line])
    described = count * _DESCRIBED_BYTES <= PAYLOAD_BYTES
    for line in lines():
        if mark not in line:
            continue
        meta = json.loads(line)
        group = meta["group"]
        told, quality, data = last.get(group, (time, None, None))
        for index, point in enumerate(_layout(meta["points"])):
            entry = meta["points"][index]
            word, good = (None, quality) if data is None else read(data, point)
            properties = _properties(entry, good) if described else None
            writer.metric(entry["name"], alias_of(group, index), told, datatype_of(point), word, False, properties)
        yield None


def _properties(described, quality):
    pairs = []
    if quality is None:
        pairs.append(("Quality", spb.number_property(spb.STALE)))
    elif quality:
        pairs.append(("Quality", spb.number_property(spb.BAD)))
    if described["unit"]:
        pairs.append(("engUnit", spb.text_property(described["unit"])))
    if described["scale"] != 1 or described["offset"] != 0:
        # As text: a board's floats would round them.
        pairs.append(("scale", spb.text_property(json.dumps(described["scale"]))))
        pairs.append(("offset", spb.text_property(json.dumps(described["offset"]))))
    if "scale_from" in described:
        pairs.append(("scale_from", spb.text_property(described["scale_from"])))
        pairs.append(("scale_as", spb.text_property(described["scale_as"])))
    return spb.property_set(pairs) if pairs else b""
