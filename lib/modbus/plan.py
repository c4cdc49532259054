"""The poll plan: points of the units merged into reads, with the bus time they need.

Points of one unit, function and period become one read as long as the hole between them is
at most `max_gap` registers (16 times as many coils) and the read stays within `max_registers`
(16 times as many coils, at most 2000). The time on the wire is computed before anything is
polled; a plan that does not fit is refused with the numbers.
"""

from modbus import adu, pdu

MAX_GROUPS = 255
_WORDS = {"bool": 1, "uint16": 1, "int16": 1, "uint32": 2, "int32": 2, "float32": 2}
_SPREAD_LIMIT_MS = 10000


class PlanError(ValueError):
    """The plan cannot be run; the text names what was found and what is allowed."""


class Unit:
    """One unit of the line: its settings and the latency that the engine learns.

    first_byte_timeout_ms counts from the last byte of the request to the first of the reply;
    inter_byte_timeout_ms is the longest silence inside a reply. retries: further tries before
    a poll has failed.
    """

    def __init__(self, config, index):
        self.index = index  # in plan.units
        self.name = config["name"]
        self.unit_id = config["unit_id"]
        self.first_byte_timeout_ms = config.get("first_byte_timeout_ms", 200)
        self.inter_byte_timeout_ms = config.get("inter_byte_timeout_ms", 10)
        self.retries = config.get("retries", 1)
        self.max_registers = min(config.get("max_registers", 60), 125)
        self.max_gap = config.get("max_gap", 8)
        self.comm_loss_ms = config.get("comm_loss_ms", 0)  # it acts after so long without a request; 0: it does not
        self.latency_min_us = 0


class Read:
    """One read request, built once. `group` is its number in the plan, `need` the reply's length in bytes."""

    def __init__(self, group, unit, fc, address, count, period_ms, points, line, frame=None):
        self.group = group
        self.unit = unit
        self.fc = fc
        self.address = address
        self.count = count
        self.period_ms = period_ms
        self.points = points
        self.priority = max([point.get("priority", 1) for point in points])  # 0..3
        self.frame = frame or adu.build(unit.unit_id, pdu.build(fc, address, count))
        self.need = adu.reply_bytes(fc, count)
        self.request_us = line.chars_us(len(self.frame))
        self.reply_us = line.chars_us(self.need)
        self.wire_us = self.request_us + self.reply_us
        self.first_us = self.request_us + unit.first_byte_timeout_ms * 1000
        self.inter_us = unit.inter_byte_timeout_ms * 1000 + line.char_us
        self.cycle_us = self.request_us + self.reply_us + 2 * line.t35_us  # the least it takes
        self.active = True


class Plan:
    """All reads of one line.

    line: modbus.line.Line. units: list of dicts in the form of ot.json, checked before.
    splits: addresses at which reads must not be merged, as (unit id, fc, address): what
    earlier refusals have taught (`splits` of a plan). first_group: number of the first read;
    end_group: the first number that is not this plan's. Raises PlanError when there is too much for
    the bus or there are more reads than numbers.
    """

    def __init__(self, line, units, splits=(), first_group=0, end_group=MAX_GROUPS):
        self.line = line
        self.units = []
        self.reads = []
        self.splits = list(splits)
        self.first_group = first_group
        self.end_group = end_group
        for config in units:
            unit = Unit(config, len(self.units))
            self.units.append(unit)
            for fc, period_ms, points in _classes(config["points"]):
                self._merge(unit, fc, period_ms, points)
        if not self.reads:
            raise PlanError("%s: found no point, allowed at least 1" % line.name)
        self._check()

    def _merge(self, unit, fc, period_ms, points):
        scale = 16 if fc <= 2 else 1
        limit = min(unit.max_registers * scale, 2000)
        start = end = 0
        run = []
        for point in points:
            address = point["address"]
            after = address + _WORDS[point["type"]]
            if run and (
                address - end > unit.max_gap * scale
                or after - start > limit
                or (unit.unit_id, fc, address) in self.splits
            ):
                self._add(unit, fc, start, end - start, period_ms, run)
                run = []
            if not run:
                start = end = address
            run.append(point)
            end = max(end, after)
        self._add(unit, fc, start, end - start, period_ms, run)

    def _add(self, unit, fc, address, count, period_ms, points, frame=None):
        group = self.first_group + len(self.reads)
        if group >= self.end_group:
            n = self.end_group - self.first_group
            raise PlanError("%s: found more than %d reads, allowed %d" % (self.line.name, n, n))
        read = Read(group, unit, fc, address, count, period_ms, points, self.line, frame)
        self.reads.append(read)
        return read

    def _check(self):
        need = self.share_permille()
        allowed = self.line.share_permille
        if need > allowed:
            worst = max(self.reads, key=lambda read: read.cycle_us * 1000 // read.period_ms)
            raise PlanError(
                "%s: polling needs at least %d.%d %% of the bus, allowed %d.%d %%: "
                "make the periods %d.%02d times as long "
                "(the most is taken by %s fc %d address %d: %d us of every %d ms) or raise the baud rate"
                % (
                    (self.line.name, need // 10, need % 10, allowed // 10, allowed % 10)
                    + divmod(-(-need * 100 // allowed), 100)
                    + (worst.unit.name, worst.fc, worst.address, worst.cycle_us, worst.period_ms)
                )
            )

    def share_permille(self):
        """The least part of the time that polling keeps the line busy, rounded up.

        It counts the wire and t3.5 on both sides of a reply; slower units need more.
        """
        total = 0
        for read in self.reads:
            if read.active:
                total += read.cycle_us * 1000 // read.period_ms
        return -(-total // 1000)

    def phases(self):
        """First due time of every read in ms after the start: reads of one period are spread over it."""
        counts = {}
        for read in self.reads:
            counts[read.period_ms] = counts.get(read.period_ms, 0) + 1
        seen = {}
        phases = []
        for read in self.reads:
            k = seen.get(read.period_ms, 0)
            seen[read.period_ms] = k + 1
            phases.append(min(read.period_ms, _SPREAD_LIMIT_MS) * k // counts[read.period_ms])
        return phases

    def split(self, read, near=None):
        """Replace a read by two; returns the address of the second, or None if it cannot be split.

        They meet at the point nearest to the address `near`, or to the middle. The two get new group
        numbers; the old number is not used again in this plan. Every point goes to one of them.
        Points that overlap stay together.
        """
        at = _boundary(read, read.address + read.count // 2 if near is None else near)
        if at is None or self.first_group + len(self.reads) + 2 > self.end_group:
            return None
        read.active = False
        for low in (True, False):
            points = [point for point in read.points if (point["address"] < at) == low]
            start = points[0]["address"]
            end = max(point["address"] + _WORDS[point["type"]] for point in points)
            frame = adu.retarget(read.frame, start, end - start)
            self._add(read.unit, read.fc, start, end - start, read.period_ms, points, frame)
        self.splits.append((read.unit.unit_id, read.fc, at))
        return at


def _classes(points):
    """Points by function and period, each sorted by address: list of (fc, period_ms, points)."""
    classes = {}
    for point in points:
        key = (point["fc"], point.get("period_ms", 1000))
        classes.setdefault(key, []).append(point)
    return [(key[0], key[1], sorted(classes[key], key=lambda point: point["address"])) for key in sorted(classes)]


def _boundary(read, near):
    """Address of a point that begins behind the end of all points before it, nearest to `near`."""
    best = None
    end = read.address
    for point in read.points:
        address = point["address"]
        if address > read.address and address >= end and (best is None or abs(address - near) < abs(best - near)):
            best = address
        end = max(end, address + _WORDS[point["type"]])
    return best
