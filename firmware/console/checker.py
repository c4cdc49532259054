"""Checks a candidate unit by unit: while the box polls, a whole ot.json would not fit into memory.

The rules are those of the start (gateway.rules, gateway.config, modbus.planner), given one unit at a time; what only
the whole shows (names and unit ids used twice, the share of the bus) is kept in small tables. The start checks once
more, and a candidate that it refuses goes back by itself.
"""

from console import jsonfile, strict
from flashlog.layout import outlook
from gateway import config, revisions, rules
from modbus import planner
from modbus.line import Line
from modbus.plan import MAX_GROUPS, Plan

_NO_ITEMS = ("list", ("int", 0, 0), 0, 0)
_DAY_MS = 86400000


def check(ports, errors, costs, sectors=0):
    """A generator of Nones, between which others run. Mistakes go to `errors`, what it costs to `costs`, as lines.
    sectors: of the flash log."""
    for name in (config.IT_FILE, config.OT_FILE):
        try:
            yield from strict.check(revisions.EDIT + "/" + name)
        except ValueError as error:
            errors.append("%s: not valid JSON, or a key twice: %s" % (name, error.args[0] if error.args else ""))
    if errors:
        return
    config.half(revisions.EDIT, config.IT_FILE, ports, errors)
    yield None
    try:
        with open(revisions.EDIT + "/" + config.OT_FILE, "rb") as file:
            yield from _Ot(jsonfile.Scanner(file), ports, errors, costs, sectors).check()
    except (ValueError, jsonfile.NotFound) as error:
        errors.append("%s: not valid JSON: %s" % (config.OT_FILE, error))


class _Ot:
    """One pass over ot.json."""

    def __init__(self, scan, ports, errors, costs, sectors):
        self._scan = scan
        self._ports = ports
        self._errors = errors
        self._costs = costs
        self._sectors = sectors
        self._seen = {}  # names and, by bus, ports and unit ids
        self._records = 0
        self._bytes = 0  # of flash a day, at most: columns take less

    def check(self):
        scan = self._scan
        head, buses = self._head(jsonfile.find(scan, []), "buses", rules.OT, "")
        number = 0
        for bus_place in self._items(buses):
            path = "buses[%d]" % number
            bus, units = self._head(bus_place, "units", rules.OT[1]["buses"][0][1], path)
            self._once(path + ".name", bus.get("name"))
            self._once(path + ".port", bus.get("port"), "port")
            yield None
            yield from self._units(path, number, bus, units)
            number += 1
        if not number:
            self._say("buses: found a list of 0, allowed a list of 1..2")
        if head and not self._errors:
            self._costs.append("about %d records a day" % self._records)
            if self._sectors:
                blocks = min(self._records, 86400)  # one a second
                self._costs.append("at most " + outlook(self._sectors, self._bytes + 32 * blocks))

    def _units(self, path, number, bus, place):
        reads = share = 0
        count = 0
        for unit_place in self._items(place):
            unit_path = "%s.units[%d]" % (path, count)
            unit = self._load(unit_place)
            lines = []
            unit = rules.check(unit, rules.OT[1]["buses"][0][1][1]["units"][0][1], unit_path, lines)
            for line in lines:
                self._say(line)
            self._once(unit_path + ".name", unit.get("name"))
            self._once(unit_path + ".unit_id", unit.get("unit_id"), number)
            if not lines and bus:
                bus["units"] = [unit]
                lines = config.check_ot({"buses": [bus]}, self._ports)
                for line in lines:
                    self._say(line.replace("buses[0].units[0]", unit_path).replace("buses[0]", path))
                yield None
                if not lines:
                    more, permille = self._cost(bus, unit)
                    reads += more
                    share += permille
            count += 1
            yield None
        if not count:
            self._say("%s.units: found a list of 0, allowed a list of 1..64" % path)
        allowed = bus.get("max_busy_percent", 100) * 10
        if share > allowed:
            self._say(
                "%s: polling needs at least %d.%d %% of the bus, allowed %d.%d %%: longer periods, or more baud"
                % ((bus["name"],) + divmod(share, 10) + divmod(allowed, 10))
            )
        elif not self._errors:
            self._costs.append(
                "%s: %d units in %d reads use %d.%d %% of the bus" % ((bus["name"], count, reads) + divmod(share, 10))
            )

    def _cost(self, bus, unit):
        """(reads, permille of the bus) of one unit."""
        line = Line(bus["name"], bus["baud"], bus["serial_format"], 1000)
        try:
            plan = Plan(line, [unit], (), 0, MAX_GROUPS, False)
        except planner.PlanError as error:
            self._say(str(error))
            return 0, 0
        for read in plan.reads:
            records = _DAY_MS // read.period_ms
            self._records += records
            self._bytes += records * read.need  # tag, group, time and size take what address, function and CRC did
        return len(plan.reads), plan.share_permille()

    def _head(self, place, inner, rule, path):
        """(the checked object without its list `inner`, empty if it has mistakes; Place of that list or None)."""
        scan = self._scan
        scan.seek(place.start)
        tree = {}
        found = None
        for key, item in jsonfile.items(scan):
            if key == inner:
                found = item
            else:
                tree[key] = self._load(item)
        keys = dict(rule[1])
        keys[inner] = (_NO_ITEMS, [])
        lines = []
        tree = rules.check(tree, ("map", keys), path, lines)
        for line in lines:
            self._say(line)
        return {} if lines else tree, found

    def _items(self, place):
        if place is None:
            return
        self._scan.seek(place.start)
        if self._scan.token() != 91:
            raise ValueError("byte %d: a list is required" % place.start)
        for _, item in jsonfile.items(self._scan):
            yield item

    def _load(self, place):
        self._scan.seek(place.start)
        self._scan.skip()
        return config.parsed(jsonfile.text_of(self._scan, place.start, self._scan.tell()))

    def _once(self, where, value, among=None):
        if value is None or isinstance(value, (list, dict)):
            return  # missing or wrong, which has been said
        key = (among, value)
        if key in self._seen:
            self._say(
                "%s: found %s, allowed a value not used before (%s)" % (where, rules.shown(value), self._seen[key])
            )
        self._seen[key] = where

    def _say(self, line):
        if len(self._errors) < 40:
            self._errors.append("%s: %s" % (config.OT_FILE, line))
