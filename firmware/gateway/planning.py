"""From the OT half, unit by unit, to what stays of it: poll plans, schema, columns. Loaded before all that stays.

Of a unit's points no more than that is kept when the next unit is read: a tree of 200 points does not fit a Pico W.
"""

from gateway import config, splits, unload, virtual
from gateway import schema_store as store
from gateway.errors import ConfigError
from gateway.ot import Ot
from gateway.planned import Planned
from gateway.publisher import MAX_META_BYTES
from gateway.recorder import columns_of
from modbus import pdu, planner
from modbus.line import Line
from modbus.plan import MAX_GROUPS, Plan
from modbus.planner import PlanError
from uplink.points import KINDS

MAX_READS_PER_BUS = 100  # leaves numbers for reads that are split later


def read(folder, ports, it, errors):
    """The start's: make the OT half in `folder` what it needs, and store the schema. it: the IT half, None if that has
    mistakes. Mistakes go to `errors` as lines; then what is returned is of no use."""
    file = config.opened(folder, config.OT_FILE, errors)
    if file is None:
        return None
    with file:
        ot = Ot(file, ports, errors)
        planned = make(ot, errors, it)
        if not errors and it:
            planned.ot["hash"] = config.hash_of(file)
            store.store(lambda: texts(ot, planned.computed), schema=planned.schema)
    return planned


def make(ot, errors, it=None, frames=True):
    """Planned of a gateway.ot.Ot whose mistakes go to `errors`, as those of the plan do. Without `frames` only its cost
    may be asked for."""
    planned = Planned()
    schema = store.Schema()
    if it and it["modbus_tcp"]:
        from gateway.scada import Map  # only where it is configured

        planned.map = Map()
    refused = None
    for step in ot.units():
        if step and not refused:
            try:
                _take(planned, schema, ot, step[0], step[1], frames)
            except PlanError as error:
                refused = error  # the rest is checked all the same
    planned.ot = ot.head
    planned.banded = ot.banded > 0
    if not errors and not refused:
        try:
            planner.finish(planned.plans[-1], frames)
            _finished(planned.plans[-1])
            planned.computed = virtual.reads_of(ot.head)
        except PlanError as error:
            refused = error
        except ConfigError as error:
            errors += error.lines
    pdu.release()
    if refused and not errors:
        errors.append("ot.json: %s" % refused)
    if not errors:
        for group in planned.computed:
            _describe(planned, schema, virtual.BUS, group)
            if planned.map:
                planned.map.add_virtual(group)
    if planned.map:
        planned.map = planned.map.whole()
        unload.unload("gateway.scada")
    planned.schema = schema.id()
    return planned


def _take(planned, schema, ot, number, unit, frames):
    plans = planned.plans
    if 0 < len(plans) == number:
        planner.finish(plans[-1], frames)
        _finished(plans[-1])
    plan, reads = _add(ot, plans, number, unit, frames)
    for one in reads:
        _describe(planned, schema, plan.line.name, one)
    if planned.map:
        planned.map.add_unit(ot.head["buses"][number], plan, unit, reads)
    for one in reads:
        one.points = None


def _add(ot, plans, number, unit, frames):
    """(the plan of bus `number`, the reads that this unit of it adds)."""
    if len(plans) == number:
        bus = ot.head["buses"][number]
        line = Line(bus["name"], bus["baud"], bus["serial_format"], bus["max_busy_percent"] * 10)
        polled = MAX_GROUPS - virtual.count(ot.head)
        per_bus = (polled + 1) // 2  # group numbers are one byte, and two buses share what the virtual groups leave
        end = polled if number + 1 == ot.buses else per_bus
        plans.append(Plan(line, None, splits.read(number), number * per_bus, end))
    return plans[number], planner.add(plans[number], unit, frames)


def _finished(plan):
    if len(plan.reads) > MAX_READS_PER_BUS:
        line = "%s: found %d reads, allowed %d: merge points by a larger max_gap or fewer different periods"
        raise PlanError(line % (plan.line.name, len(plan.reads), MAX_READS_PER_BUS))


def _describe(planned, schema, bus_name, group):
    text = store.read_text(bus_name, group, group.points)
    if len(text) > MAX_META_BYTES - 64:
        line = "one read of %d points needs %d bytes of metadata, allowed %d: lower max_registers of the unit (%s...)"
        raise PlanError(line % (len(group.points), len(text), MAX_META_BYTES - 64, text[:60]))
    schema.add(text)
    planned.columns[group.group] = columns_of(group)
    for point in group.points:
        if point["type"] not in KINDS or "bit" in point or "bits" in point:
            planned.special = True


def texts(ot, computed):
    """Yield the canonical text of every group: reads the OT half once more."""
    plans = []
    for step in ot.units():
        if step:
            plan, reads = _add(ot, plans, step[0], step[1], False)
            for one in reads:
                yield store.read_text(plan.line.name, one, one.points)
                one.points = None
    for group in computed:
        yield store.read_text(virtual.BUS, group, group.points)
