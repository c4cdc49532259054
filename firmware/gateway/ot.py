"""Reads the OT half unit by unit from its file, checks it and fills in its defaults: all of it in memory at once would
not fit a Pico W with 200 points. The start and the console's `check` go through it in this way, and host tools too.

Order of the checks: keys and ranges of what is in hand (gateway.rules), then what no single key shows (gateway.config),
at the end what rules and machine say of points.
"""

from gateway import config, jsonscan, rules
from gateway.errors import MAX_LINES

_EMPTY = ("list", ("int", 0, 0), 0, 0)  # in place of a list whose items come one by one
SECTIONS = ("derived", "aggregates", "alarms", "anomaly")


def _head_rule(rule, inner):
    keys = dict(rule[1])
    keys[inner] = (_EMPTY, ())
    return "map", keys


class Ot:
    """The OT half in `file` (binary, seekable). Mistakes go to `errors`, one line each.

    After `units`: head, the whole half but its units, with defaults; head["buses"] lists the buses without theirs, and
    head["about"] says of each point that rules name what gateway.edge_points takes down. banded: how many points have a
    deadband. buses: how many there are, known with the first unit.
    """

    def __init__(self, file, ports, errors):
        self._scan = jsonscan.Scanner(file)
        self._ports = ports
        self._errors = errors
        self._bus_rule = _head_rule(rules.BUS, "units")
        self._unit_rule = _head_rule(rules.UNIT, "points")
        self.head = {}
        self.banded = self.buses = 0

    def units(self):
        """Yield (number of its bus, the unit) for each as long as there is no mistake, and None between points, for
        others to run. May be gone through again."""
        try:
            yield from self._all()
        except jsonscan.NotJson:
            self._errors.append("ot.json: line %d: not valid JSON" % self._scan.line())

    def _all(self):
        scan = self._scan
        scan.rewind()
        scan.token()
        self._seen = {}
        self._machine = {}  # points that the section "machine" names
        self.banded = 0
        self.head, buses = self._head(scan.tell(), rules.OT, _head_rule(rules.OT, "buses"), "buses", "")
        scan.end()
        head = self.head
        head["buses"] = []
        head["about"] = self._about = {}
        self._named = None  # what rules say, with the names of points
        if not self._errors:
            self._begin_rules(head)
        if buses is None:
            return
        scan.seek(buses)
        places = [place.start for _, place in jsonscan.items(scan)]
        self.buses = len(places)
        _, _, least, most = rules.OT[1]["buses"][0]
        self._count("buses", len(places), least, most)
        for number, place in enumerate(places[:most]):
            yield from self._bus(number, place)
        if not self._errors:
            self._end_rules(head)

    def _bus(self, number, start):
        path = "buses[%d]" % number
        bus, units = self._head(start, rules.BUS, self._bus_rule, "units", path)
        self.head["buses"].append(bus)
        if bus:
            self._once(path, bus, "name", "name")
            self._once(path, bus, "port", "port")
            if bus["port"] >= self._ports:
                self._say("%s.port: found %d, allowed 0..%d on this board" % (path, bus["port"], self._ports - 1))
        if units is None:
            return
        scan = self._scan
        scan.seek(units)
        count = 0
        _, _, least, most = rules.BUS[1]["units"][0]
        for _, place in jsonscan.items(scan):
            if count < most:
                unit = yield from self._unit(number, bus, place.start, "%s.units[%d]" % (path, count))
                if unit:
                    yield number, unit
            count += 1
        self._count(path + ".units", count, least, most)

    def _unit(self, number, bus, start, path):
        """Yields None; returns the checked unit, None where there are mistakes."""
        unit, points = self._head(start, rules.UNIT, self._unit_rule, "points", path)
        found = []
        lines = []
        bad = count = 0
        _, rule, least, most = rules.UNIT[1]["points"][0]
        where = path + ".points"
        if points is not None:
            for point in self._scan.values(points):
                if count < most:
                    at = "" if isinstance(point, dict) else "%s[%d]" % (where, count)
                    found.append(rules.check(point, rule, at, lines))
                    if lines:
                        bad += 1
                        self._say_all(lines if at else ["%s[%d].%s" % (where, count, line) for line in lines])
                        lines = []
                    yield None
                count += 1
            self._count(where, count, least, most)
        if not unit:
            return None
        self._once(path, unit, "name", "name")
        self._once(path, unit, "unit_id", number)
        if bad or not found or not bus:
            return None
        unit["points"] = found
        config.check_unit(lines, path, unit, bus["mode"])
        self._say_all(lines)
        if self._errors:
            return None
        self._note(unit)
        return unit

    def _head(self, start, rule, cut_rule, inner, path):
        """(the checked object at `start` without its list `inner`, empty if it has mistakes; where that list is, or
        None). The scanner then stands behind the object."""
        scan = self._scan
        scan.seek(start)
        cut = cut_end = -1
        if scan.token() == 123:
            for key, _ in jsonscan.items(scan):
                if key == inner:
                    cut = -1
                    if scan.token() == 91:
                        cut = scan.tell()
                        scan.skip()
                        cut_end = scan.tell()
        tree = scan.value(start, cut, cut_end)
        end = scan.tell()
        lines = []
        tree = rules.check(tree, rule if cut < 0 else cut_rule, path, lines)
        if cut < 0 and not lines:
            lines.append("%s: found escapes in the key %s, allowed none" % (path or "(whole file)", inner))
        self._say_all(lines)
        scan.seek(end)
        return {} if lines else tree, None if cut < 0 else cut

    def _count(self, path, count, least, most):
        if not least <= count <= most:
            self._say("%s: found a list of %d, allowed a list of %d..%d" % (path, count, least, most))

    def _once(self, path, tree, key, among):
        # Names of buses and units are of one kind, unit ids are of their bus.
        mine = (among, tree[key])
        where = "%s.%s" % (path, key)
        if mine in self._seen:
            line = "%s: found %s, allowed a value not used before (%s)"
            self._say(line % (where, rules.shown(tree[key]), self._seen[mine]))
        else:
            self._seen[mine] = where

    # Rules and machine: only where there are any

    def _begin_rules(self, head):
        if any([head.get(section) for section in SECTIONS]):
            from gateway import edge_points

            self._named = edge_points.mentioned(head)
        if head["machine"]:
            from gateway import machine_rules

            machine_rules.note_derived(self._machine, head)

    def _note(self, unit):
        for point in unit["points"]:
            if "deadband" in point or "deadband_percent" in point:
                self.banded += 1
        if self._named is not None:
            from gateway import edge_points

            edge_points.note(self._about, unit, self._named)
            if unit["name"] in (edge_points.DERIVED, edge_points.WINDOWS):
                line = 'units: found the name "%s", allowed others: it is the box\'s own'
                self._say(line % unit["name"])
        if self.head["machine"]:
            from gateway import machine_rules

            machine_rules.note(self._machine, unit, self.head["machine"])

    def _end_rules(self, head):
        if self._named is not None:
            from gateway import edge_points, edge_rules

            edge_points.note_machine(self._about, head, self._named)
            self._say_all(edge_rules.check(head, self._about))
        if head["machine"] and not self._errors:
            from gateway import machine_rules

            self._say_all(machine_rules.check(head["machine"], self._machine))

    def _say_all(self, lines):
        for line in lines:
            self._say(line)

    def _say(self, line):
        # Those that are not shown are only counted: hundreds of lines would not fit into memory.
        self._errors.append("ot.json: " + line if len(self._errors) < MAX_LINES else "")
