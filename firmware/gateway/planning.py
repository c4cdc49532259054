"""Poll plans from a checked OT half, and what of it would not fit. Loaded at the start, before all that stays."""

from gateway import schema_store as store
from gateway import splits, virtual
from gateway.errors import ConfigError
from gateway.publisher import MAX_META_BYTES
from modbus import pdu
from modbus.line import Line
from modbus.plan import MAX_GROUPS, Plan
from modbus.planner import PlanError

SURELY_SHORT = 16  # points whose text, 228 characters at most, fits MAX_META_BYTES in any case
MAX_READS_PER_BUS = 100  # leaves numbers for reads that are split later


def make_plans(ot, frames=True):
    """One poll plan per bus, without `frames` to see its cost only. Raises ConfigError with the plan's own words."""
    plans = []
    computed = virtual.reads_of(ot)
    polled = MAX_GROUPS - len(computed)
    per_bus = (polled + 1) // 2  # group numbers are one byte, and two buses share what the virtual groups leave
    try:
        for number, bus in enumerate(ot["buses"]):
            line = Line(bus["name"], bus["baud"], bus["serial_format"], bus["max_busy_percent"] * 10)
            last = number + 1 == len(ot["buses"])
            end = polled if last else per_bus
            plans.append(Plan(line, bus["units"], splits.read(number), number * per_bus, end, frames))
    except PlanError as error:
        raise ConfigError(["ot.json: %s" % error])
    pdu.release()
    for plan in plans:
        if len(plan.reads) > MAX_READS_PER_BUS:
            line = (
                "ot.json: %s: found %d reads, allowed %d: merge points by a larger max_gap or fewer different periods"
            )
            raise ConfigError([line % (plan.line.name, len(plan.reads), MAX_READS_PER_BUS)])
    for text in store.group_texts(plans, computed, SURELY_SHORT):
        if len(text) > MAX_META_BYTES - 64:
            raise ConfigError(
                [
                    "ot.json: one read of %d points needs %d bytes of metadata, allowed %d: lower max_registers "
                    "of the unit (%s...)" % (text.count('"at":'), len(text), MAX_META_BYTES - 64, text[:60])
                ]
            )
    return plans
