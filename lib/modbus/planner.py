"""Makes a poll plan: points of the units merged into reads, with the bus time they need; splits reads later.

Points of one unit, function and period become one read as long as the hole between them is
at most `max_gap` registers (16 times as many coils), contains none of the unit's `holes`, and the
read stays within `max_registers` (16 times as many coils, at most 2000). A point and the one that scales it
(`scale_from`) are never parted, whatever lies between them. The time on the wire is
computed before anything is polled; a plan that does not fit is refused with the numbers.

Loaded by modbus.plan when it is needed, and released by the application after the start.
"""

from array import array

from modbus import adu, pdu
from modbus.plan import Read, Unit
from modbus.widths import words_of

_SPREAD_LIMIT_MS = 10000
_NO_FRAME = bytes(8)  # every request of a read has 8 bytes; its builder takes 13 KB of heap


class PlanError(ValueError):
    """The plan cannot be run; the text names what was found and what is allowed."""


def add(plan, config, frames):
    """Take one more unit (a dict as in ot.json) into `plan`; returns its reads. Without `frames` the plan's cost can be
    asked, and no more."""
    first = len(plan.reads)
    unit = _unit(config, len(plan.units))
    plan.units.append(unit)
    for fc, period_ms, points in _classes(config["points"]):
        holes = [hole for hole in config.get("holes", ()) if hole["fc"] == fc]
        _merge(plan, unit, fc, period_ms, points, holes, frames)
    return plan.reads[first:]


def finish(plan, frames):
    """All units are there: see whether the line has the time."""
    if not plan.reads:
        raise PlanError("%s: found no point, allowed at least 1" % plan.line.name)
    _check(plan)
    if frames:
        plan._phases = phases(plan)  # now: this module leaves before they are wanted


def _unit(config, index):
    unit = Unit()
    unit.index = index  # in plan.units
    unit.name = config["name"]
    unit.unit_id = config["unit_id"]
    unit.first_byte_timeout_ms = config.get("first_byte_timeout_ms", 200)
    unit.inter_byte_timeout_ms = config.get("inter_byte_timeout_ms", 10)
    unit.retries = config.get("retries", 1)
    unit.max_registers = min(config.get("max_registers", 60), 125)
    unit.max_gap = config.get("max_gap", 8)
    unit.comm_loss_ms = config.get("comm_loss_ms", 0)
    unit.resyncs = unit.late = 0  # see modbus.engine
    return unit


def _classes(points):
    """Points by function and period, each sorted by address: list of (fc, period_ms, points)."""
    classes = {}
    for point in points:
        key = (point["fc"], point.get("period_ms", 1000))
        classes.setdefault(key, []).append(point)
    return [(key[0], key[1], sorted(classes[key], key=lambda point: point["address"])) for key in sorted(classes)]


def _merge(plan, unit, fc, period_ms, points, holes, frames):
    frame = None if frames else _NO_FRAME
    scale = 16 if fc <= 2 else 1
    limit = min(unit.max_registers * scale, 2000)
    start = end = 0
    run = []
    for address, after, together in _inseparable(points):
        if len(together) > 1:
            _check_together(plan, unit, fc, address, after, together, limit, holes)
        if run and (
            address - end > unit.max_gap * scale
            or after - start > limit
            or (unit.unit_id, fc, address) in plan.splits
            or _touches(holes, end, address)
        ):
            _add_points(plan, unit, fc, start, end - start, period_ms, run, frame)
            run = []
        if not run:
            start = end = address
        run.append((address, after, together))
        end = max(end, after)
    _add_points(plan, unit, fc, start, end - start, period_ms, run, frame)


def _inseparable(points):
    """The points, sorted by address, as (first address, address behind, points that must share a read)."""
    items = [(point["address"], point["address"] + words_of(point["type"]), [point]) for point in points]
    scales = {}
    for point in points:
        name = point.get("scale_from")
        if name:
            scales.setdefault(name, []).append(point)
    for scale in points:
        for point in scales.get(scale["name"], ()) if scales else ():
            start = min(point["address"], scale["address"])
            end = max([each["address"] + words_of(each["type"]) for each in (point, scale)])
            inside = [item for item in items if item[0] < end and item[1] > start]
            at = items.index(inside[0])
            items = [item for item in items if item not in inside]
            merged = sorted([each for item in inside for each in item[2]], key=lambda each: each["address"])
            items.insert(at, (inside[0][0], max([item[1] for item in inside]), merged))
    return items


def _check_together(plan, unit, fc, address, after, points, limit, holes):
    names = [point["name"] for point in points if "scale_from" in point]
    text = "%s: %s.%s and what scales it (scale_from): " % (plan.line.name, unit.name, names[0])
    if after - address > limit:
        raise PlanError(text + "found %d registers apart, allowed %d in one read" % (after - address, limit))
    if _touches(holes, address, after):
        raise PlanError(text + "found a hole of the unit between them, allowed none in one read")


def _touches(holes, start, end):
    """True if an address from `start` to before `end` is one that the unit does not have."""
    return any([hole["address"] < end and hole["address"] + hole.get("count", 1) > start for hole in holes])


def _add_points(plan, unit, fc, address, count, period_ms, points, frame):
    sections = array("H")
    for start, end, together in points:
        start -= address
        end -= address
        priority = max([point.get("priority", 1) for point in together])  # 0..3
        if sections and start < sections[-2]:  # overlaps
            sections[-2] = max(sections[-2], end)
            sections[-1] = max(sections[-1], priority)
        else:
            sections.extend(array("H", (start, end, priority)))
    points = [point for item in points for point in item[2]]
    _add(plan, unit, fc, address, count, period_ms, points, sections, frame)


def _add(plan, unit, fc, address, count, period_ms, points, sections, frame):
    group = plan.first_group + len(plan.reads)
    if group >= plan.end_group:
        n = plan.end_group - plan.first_group
        raise PlanError("%s: found more than %d reads, allowed %d" % (plan.line.name, n, n))
    line = plan.line
    read = Read()
    read.group = group
    read.unit = unit
    read.fc = fc
    read.address = address
    read.count = count
    read.period_ms = period_ms
    read.priority = max([sections[i] for i in range(2, len(sections), 3)])
    read.points = points
    read.sections = sections
    read.frame = frame or adu.build(unit.unit_id, pdu.build(fc, address, count))
    read.need = adu.reply_bytes(fc, count)
    read.wire_us = line.chars_us(len(read.frame)) + line.chars_us(read.need)
    read.inter_us = unit.inter_byte_timeout_ms * 1000 + line.char_us
    read.cycle_us = read.wire_us + 2 * line.t35_us  # the least it takes
    read.active = True
    plan.reads.append(read)


def _check(plan):
    need = share_permille(plan)
    allowed = plan.line.share_permille
    if need > allowed:
        worst = max(plan.reads, key=lambda read: read.cycle_us * 1000 // read.period_ms)
        raise PlanError(
            "%s: polling needs at least %d.%d %% of the bus, allowed %d.%d %%: "
            "make the periods %d.%02d times as long "
            "(the most is taken by %s fc %d address %d: %d us of every %d ms) or raise the baud rate"
            % (
                (plan.line.name, need // 10, need % 10, allowed // 10, allowed % 10)
                + divmod(-(-need * 100 // allowed), 100)
                + (worst.unit.name, worst.fc, worst.address, worst.cycle_us, worst.period_ms)
            )
        )


def share_permille(plan):
    """See modbus.plan.Plan."""
    total = 0
    for read in plan.reads:
        if read.active:
            total += read.cycle_us * 1000 // read.period_ms
    return -(-total // 1000)


def phases(plan):
    """See modbus.plan.Plan."""
    counts = {}
    for read in plan.reads:
        counts[read.period_ms] = counts.get(read.period_ms, 0) + 1
    seen = {}
    found = []
    for read in plan.reads:
        k = seen.get(read.period_ms, 0)
        seen[read.period_ms] = k + 1
        found.append(min(read.period_ms, _SPREAD_LIMIT_MS) * k // counts[read.period_ms])
    return found


def split(plan, read, near):
    """See modbus.plan.Plan."""
    sections = read.sections
    at = _boundary(sections, read.count // 2 if near is None else near - read.address)
    if at < 0 or plan.first_group + len(plan.reads) + 2 > plan.end_group:
        return None
    read.active = False
    offset = sections[at]
    address = read.address + offset
    for low in (True, False):
        mine = array("H", sections[:at] if low else sections[at:])
        if not low:
            for i in range(0, len(mine), 3):
                mine[i] -= offset
                mine[i + 1] -= offset
        start = read.address if low else address
        points = read.points and [point for point in read.points if (point["address"] < address) == low]
        frame = adu.retarget(read.frame, start, mine[-2])
        _add(plan, read.unit, read.fc, start, mine[-2], read.period_ms, points, mine, frame)
    plan.splits.append((read.unit.unit_id, read.fc, address))
    return address


def _boundary(sections, near):
    """Place in `sections` of the one that begins nearest to the offset `near`; -1: there is only one."""
    best = -1
    for i in range(3, len(sections), 3):
        if best < 0 or abs(sections[i] - near) < abs(sections[best] - near):
            best = i
    return best
