"""Virtual groups: what the box computes by itself, in the schema and on its way like a read of a unit.

A virtual group has fc 0, bus "box", unit id 0, address 0 and as many registers as its points take. Its samples are
register words as on the wire (big-endian), given to `Gateway.sample` by whoever computes them, so that rules and latest
values see them, too; flash log, columns, meta, births and every decoder carry them without knowing. Their numbers are
the highest: the polled groups of both buses share those below. Loaded at the start only.
"""

from flashlog.columns import MAX_DATA_BYTES
from gateway.errors import ConfigError
from modbus.plan import MAX_GROUPS, Read, Unit

BUS = "box"
_PERIODS = (("derived", "period_ms"), ("aggregates", "window_s"))  # entries that share one share a group
_MACHINE_GROUPS = 4  # production.layout.NAMES
MAX_VIRTUAL = 16  # leaves each of two buses 120 numbers: 100 reads and 10 splits of them


def count(ot):
    """How many groups the head of an OT half asks for, known before its units are read."""
    periods = [set([entry[key] for entry in ot.get(section, ())]) for section, key in _PERIODS]
    return sum([len(found) for found in periods]) + (_MACHINE_GROUPS if ot.get("machine") else 0)


def wanted(ot):
    """[(unit name, period_ms, points)] of the groups that a checked OT half (gateway.ot) asks for, always in the same
    order.

    points: as in ot.json; `address` is the register within the group."""
    found = []
    if ot.get("derived") or ot.get("aggregates"):
        from gateway import edge_groups  # only where it is configured

        found += edge_groups.groups(ot)
    if ot.get("machine"):
        from production import layout  # only where it is configured

        found += [(name, ot["machine"]["checkpoint_s"] * 1000, points) for name, points in layout.groups(point)]
    return found


def reads_of(ot):
    """`numbered` of what the configuration asks for."""
    return numbered(wanted(ot))


def numbered(groups):
    """modbus.plan.Reads of these groups, with points: what schema and recorder ask a read for. Raises ConfigError."""
    if len(groups) > MAX_VIRTUAL:
        line = "ot.json: found %d groups of values that the box computes, allowed %d: fewer different periods or units"
        raise ConfigError([line % (len(groups), MAX_VIRTUAL)])
    reads = []
    for number, (unit_name, period_ms, points) in enumerate(groups):
        read = Read()
        read.group = MAX_GROUPS - len(groups) + number
        read.unit = Unit()
        read.unit.name = unit_name
        read.unit.unit_id = 0
        read.fc = read.address = 0
        read.count = max([point["address"] + _registers(point["type"]) for point in points])
        read.period_ms = period_ms
        read.points = points
        read.need = 5 + 2 * read.count  # bytes of a reply with such data
        reads.append(read)
        if 2 * read.count > MAX_DATA_BYTES:
            line = "ot.json: found %d registers of values that the box computes for %s every %d ms, allowed %d"
            raise ConfigError([line % (read.count, unit_name, period_ms, MAX_DATA_BYTES // 2)])
    return reads


def point(name, address, type_name, unit="", scale=1):
    """One point of a virtual group, in the form of ot.json."""
    return {
        "name": name,
        "address": address,
        "type": type_name,
        "order": "ABCD",
        "scale": scale,
        "offset": 0,
        "unit": unit,
    }


def _registers(type_name):
    return 4 if type_name[-2:] == "64" else 2 if type_name[-2:] == "32" else 1
