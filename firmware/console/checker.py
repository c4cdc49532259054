"""Checks a candidate unit by unit: while the box polls, a whole ot.json would not fit into memory.

The rules are those of the start (gateway.rules, gateway.config, modbus.planner), given one unit at a time; what only
the whole shows (names and unit ids used twice, the share of the bus) is kept in small tables. One round looks for
mistakes, a second one for the cost: the code of both at once would not fit either. The start checks once more, and a
candidate that it refuses goes back by itself.
"""

import gc
import json

from console import jsonfile
from flashlog.layout import outlook
from gateway import revisions, rules, unload
from gateway.planning import MAX_READS_PER_BUS, SURELY_SHORT
from gateway.publisher import MAX_META_BYTES
from gateway.schema_store import USUAL_KEYS
from modbus.line import Line
from modbus.plan import MAX_GROUPS, Plan

_NO_ITEMS = ("list", ("int", 0, 0), 0, 0)
_DAY_MS = 86400000
_OT_PATH = revisions.EDIT + "/ot.json"


def check(ports, errors, costs, sectors=0):
    """A generator of Nones, between which others run, and functions for a pause (console.verbs) with the heap
    collected. Mistakes go to `errors`, what it costs to `costs`, as lines. sectors: of the flash log, 0: not known."""
    it = _it_half(ports, errors)  # kept: to read it again takes more memory than it does
    yield None
    try:
        with open(_OT_PATH, "rb") as file:
            ot = _Ot(jsonfile.Scanner(file), ports, errors, costs, sectors)
            yield from ot.check()
            if not errors:
                _forget("gateway.config", "gateway.config_points", "gateway.edge_rules", "gateway.machine_rules")
                yield _load_planner
                ot.price()
                yield from ot.check()
    except (ValueError, jsonfile.NotFound) as error:
        errors.append("ot.json: not valid JSON: %s" % error)
    if not errors:
        _forget("gateway.config", "gateway.config_points", "modbus.planner", "gateway.schema_store", "gateway.units")
        from console import expense

        yield None
        costs.append(expense.network(it["publish"], ot.records, ot.reply_bytes, ot.values))
        free = yield _free  # before a collection it would count what was only used for the check
        costs += expense.memory(it, ot.listens, free or 0)


def _load_planner():
    from modbus import planner  # noqa: F401  (later no room is left in one piece)


def _free():
    return gc.mem_free()


def _it_half(ports, errors):
    from gateway import config

    return config.half(revisions.EDIT, config.IT_FILE, ports, errors)


def _forget(*names):
    for name in names:
        unload.unload(name)


class _Ot:
    """One round over ot.json for mistakes; after `price` one for the cost."""

    def __init__(self, scan, ports, errors, costs, sectors):
        self._scan = scan
        self._ports = ports
        self._errors = errors
        self._costs = costs
        self._sectors = sectors
        self._rules = self._machine = None
        self._points = {}  # that rules name
        self._machine_points = {}  # that its section names
        self._counts = {}  # of rules, by feature
        self._pricing = False
        self._seen = {}  # names and, by bus, ports and unit ids
        self.listens = False  # a bus is in mode listen
        self.records = 0  # a day
        self.reply_bytes = 0  # a day, with 5 bytes of each that become tag, group, time and size
        self.values = 0  # a day

    def price(self):
        """The next round tells the cost."""
        self._pricing = True
        self._seen = {}

    def check(self):
        scan = self._scan
        head, buses = self._head(jsonfile.find(scan, []), "buses", rules.OT, "")
        number = 0
        if not self._pricing:
            self._rules = self._rule_text(head)
            self._machine = None if self._errors else head.get("machine")
            self._counts = {key: 1 for key in ("machine", "attribution") if head.get(key)}  # and of rules, by feature
            if self._machine:
                from gateway import machine_rules

                machine_rules.note_derived(self._machine_points, head)
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
        if not self._errors and not self._pricing:
            yield None
            self._check_rules(head)
        if self._pricing and not self._errors:
            self._costs.append("about %d records a day" % self.records)
            if self._sectors:
                blocks = min(self.records, 86400)  # one a second
                self._costs.append("at most " + outlook(self._sectors, self.reply_bytes + 32 * blocks))
            if any(self._counts.values()):
                from gateway import edge_cost

                self._costs.extend(edge_cost.lines(self._counts))

    def _rule_text(self, head):
        """Where rules name points, None without rules."""
        if not [key for key in ("derived", "aggregates", "alarms", "anomaly") if head.get(key)]:
            return None
        from gateway import edge_points

        return edge_points.mentioned(head)

    def _check_rules(self, head):
        if self._machine:
            from gateway import machine_rules

            for line in machine_rules.check(self._machine, self._machine_points):
                self._say(line)
        if self._rules is None:
            return
        from gateway import edge_points, edge_rules

        edge_points.note_machine(self._points, head, self._rules)
        for line in edge_rules.check(head, self._points):
            self._say(line)
        for key in edge_points.SECTIONS:
            self._counts[key] = len(head.get(key, ()))

    def _units(self, path, number, bus, place):
        reads = share = 0
        count = 0
        for unit_place in self._items(place):
            unit_path = "%s.units[%d]" % (path, count)
            unit, good = yield from self._unit(unit_place, unit_path)
            self._once(unit_path + ".name", unit.get("name"))
            self._once(unit_path + ".unit_id", unit.get("unit_id"), number)
            if self._pricing:
                more, permille = self._cost(bus, unit)
                reads += more
                share += permille
            elif good and bus:
                self._whole(bus, unit, path, unit_path)
            count += 1
            yield None
        if not count:
            self._say("%s.units: found a list of 0, allowed a list of 1..64" % path)
        if reads > MAX_READS_PER_BUS:
            line = "%s: found %d reads, allowed %d: merge points by a larger max_gap or fewer different periods"
            self._say(line % (path, reads, MAX_READS_PER_BUS))
        self.listens = self.listens or bus.get("mode") == "listen"
        allowed = bus.get("max_busy_percent", 100) * 10
        if share > allowed:
            self._say(
                "%s: polling needs at least %d.%d %% of the bus, allowed %d.%d %%: longer periods, or more baud"
                % ((bus["name"],) + divmod(share, 10) + divmod(allowed, 10))
            )
        elif self._pricing and not self._errors:
            self._costs.append(
                "%s: %d units in %d reads use %d.%d %% of the bus" % ((bus["name"], count, reads) + divmod(share, 10))
            )

    def _whole(self, bus, unit, path, unit_path):
        """What no single key of a unit shows."""
        from gateway import config

        bus["units"] = [unit]
        lines = config.check_ot({"buses": [bus]}, self._ports)
        for line in lines:
            self._say(line.replace("buses[0].units[0]", unit_path).replace("buses[0]", path))
        if not lines:
            self._note_rules(unit)

    def _note_rules(self, unit):
        banded = sum(["deadband" in point or "deadband_percent" in point for point in unit["points"]])
        self._counts["deadband"] = self._counts.get("deadband", 0) + banded
        if self._rules is not None:
            from gateway import edge_points

            edge_points.note(self._points, unit, self._rules)
        if self._machine:
            from gateway import machine_rules

            machine_rules.note(self._machine_points, unit, self._machine)

    def _cost(self, bus, unit):
        """(reads, permille of the bus) of one unit."""
        from modbus import planner

        line = Line(bus["name"], bus["baud"], bus["serial_format"], 1000)
        try:
            plan = Plan(line, [unit], (), 0, MAX_GROUPS, False)
        except planner.PlanError as error:
            self._say(str(error))
            return 0, 0
        for read in plan.reads:
            records = _DAY_MS // read.period_ms
            self.records += records
            self.reply_bytes += records * read.need
            self.values += records * len(read.points)
            if len(read.points) > SURELY_SHORT or any([len(point) > USUAL_KEYS for point in read.points]):
                from gateway import schema_store as store  # only where it may be too much

                size = len(store.read_text(bus["name"], read, ())) + 2  # its number may have more digits
                size += len(store.silence_text(read.points))
                for point in read.points:  # the whole text may not fit into memory now
                    size += 1 + len(store.point_text(point, point["address"] - read.address))
                if size > MAX_META_BYTES - 64:
                    self._say(
                        "%s: one read of %d points needs %d bytes of metadata, allowed %d: lower max_registers"
                        % (unit["name"], len(read.points), size, MAX_META_BYTES - 64)
                    )
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

    def _unit(self, place, path):
        """Yields 0; returns (the checked unit, whether it is without mistakes). Its points one by one: twice a large
        unit's points would not fit."""
        rule = rules.OT[1]["buses"][0][1][1]["units"][0][1]
        unit, points = self._head(place, "points", rule, path)
        good = bool(unit)
        rule = rule[1]["points"][0]
        unit["points"] = found = []
        lines = []
        for item in self._items(points):
            if len(found) == rule[3]:
                self._say("%s.points: found more than %d, allowed a list of %d..%d" % ((path,) + rule[3:] + rule[2:]))
                good = False
                break
            found.append(rules.check(self._load(item), rule[1], "%s.points[%d]" % (path, len(found)), lines))
            yield 0
        for line in lines:
            self._say(line)
        if not found:
            self._say("%s.points: found a list of 0, allowed a list of %d..%d" % ((path,) + rule[2:]))
        return unit, bool(good and found and not lines)

    def _load(self, place):
        self._scan.seek(place.start)
        self._scan.skip()
        return json.loads(jsonfile.text_of(self._scan, place.start, self._scan.tell()))

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
            self._errors.append("ot.json: " + line)
