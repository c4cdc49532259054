"""Verbs that look: status, log, about. Every answer fits a screen, and a fault comes with the next step."""

from flashlog.layout import outlook
from gateway import revisions, telemetry
from gateway import schema as schemas
from modbus.evidence import CRC_ERRORS, REQUESTS, TIMEOUTS
from uplink.session import UP

_LINE = 75


def status(shell, words):
    """Worst first."""
    for rank, line in states(shell.gateway):
        yield ("!! ", "!  ", "   ")[rank] + line[:_LINE]


def states(gateway):
    """(rank, line), worst first: 0 fault, 1 to look at, 2 good."""
    lines = []
    for bus in gateway.buses:
        _bus_state(lines, gateway, bus)
    _log_state(lines, gateway)
    if gateway.edge and gateway.edge.alarms:
        listed = [alarm for alarm in gateway.edge.alarms.alarms if alarm.listed]
        if listed:
            lines.append((0, "alarms: %d want attention, %s first: type alarms" % (len(listed), listed[0].name)))
    if gateway.production:
        _machine_state(lines, gateway.production)
    session = gateway.session
    if session.state == UP:
        lines.append((2, "broker: connected, %d messages acknowledged" % session.acked))
    else:
        text = session.last_error or "no connection yet"
        lines.append((0, "%s: type mqtt" % (text if text[:7] == "broker " else "broker: " + text)))
    link = gateway.net.link
    up = gateway.net.up()
    text = link.text() if link else "the host's"
    lines.append((2, "network: up, %s" % text) if up else (0, "network: down, %s: type net" % text))
    utc_ms = gateway.clock.utc_ms()
    if utc_ms is None:
        lines.append((1, "clock: not set, samples wait for it: type time"))
    else:
        lines.append((2, "clock: %s UTC" % utc_text(utc_ms)))
    if revisions.on_trial():
        lines.append((1, "config: revision %d is on trial: type confirm" % revisions.now().current))
    if revisions.has_candidate():
        lines.append((1, "config: a candidate waits: type diff"))
    return sorted(lines)


def _machine_state(lines, production):
    from production.oee import FAULT, STATES, UNKNOWN

    machine = production.machine
    state = machine.state
    text = "machine: " + STATES[state].replace("_", " ")
    if state == UNKNOWN:
        text += ": its signals are not read, see bus"
    elif machine.cause:
        text += ", code %d" % machine.cause
    if machine.since is not None:
        text += ", for %d s" % max(0, (production.time.now() - machine.since) // 1000)
    lines.append((0 if state == FAULT else 1 if state == UNKNOWN else 2, text))


def _bus_state(lines, gateway, bus):
    name = bus.line.name
    silent = [health.unit for health in bus.scheduler.health if health.quarantined]
    if bus.scheduler.fault:
        lines.append((0, "bus %s: no unit answers: type bus" % name))
        return
    now = gateway.clock.ticks_ms()
    for health in bus.scheduler.health:
        if health.quarantined and len(silent) == 1:
            since_s = max(0, gateway.clock.ticks_diff(now, health.since_ms) // 1000)
            unit = health.unit
            text = "unit %s (%d): silent for %d s: type bus" % (unit.name, unit.unit_id, since_s)
            lines.append((0, text if len(text) + len(name) >= _LINE else text + " " + name))
    totals = bus.evidence.totals()
    if not totals[REQUESTS]:
        lines.append((1, "bus %s: nothing %s yet" % (name, "heard" if hasattr(bus, "learned") else "asked")))
        return
    bad = totals[TIMEOUTS] + totals[CRC_ERRORS]
    rank = 0 if len(silent) > 1 else 1 if bad * 100 > totals[REQUESTS] and not silent else 2
    lines.append(
        (rank, "bus %s: %d of %d units answer, %d reads, %d failed%s" % (
            name, len(bus.plan.units) - len(silent), len(bus.plan.units), totals[REQUESTS], bad,
            "" if rank == 2 else ": type bus",
        ))
    )  # fmt: skip


def _log_state(lines, gateway):
    log, stats = gateway.log, gateway.log.stats
    dropped = stats.dropped + gateway.recorder.dropped_total
    if dropped:
        lines.append((0, "log: %d records dropped, %d wait for the broker: type log" % (dropped, log.depth())))
    elif stats.retired or stats.damaged:
        lines.append((1, "log: %d sectors out of use, %d records damaged: type log" % (stats.retired, stats.damaged)))
    else:
        lines.append((2, "log: %d records wait for the broker" % log.depth()))


def log(shell, words):
    """What waits, and what the rate of the last minutes means."""
    gateway = shell.gateway
    log, stats = gateway.log, gateway.log.stats
    yield "%d sectors of 4 KB, %d retired; %d records wait for the broker" % (log.sectors, stats.retired, log.depth())
    yield "dropped: %d by a full log, %d for want of RAM; damaged: %d" % (
        stats.dropped,
        gateway.recorder.dropped_total,
        stats.damaged,
    )
    seconds = max(1, (gateway.uptime.ms() - gateway.started_ms) // 1000)
    rate = gateway.recorder.records * 10 // seconds
    yield "%d records taken since the start, %d.%d a second; %d erases" % (
        gateway.recorder.records,
        rate // 10,
        rate % 10,
        stats.erases,
    )
    if gateway.recorder.flash_units:
        yield outlook(log.sectors, max(1, gateway.recorder.flash_units * 16 * 86400 // seconds))


def about(shell, words):
    """Who the box is and what it runs."""
    gateway = shell.gateway
    now = revisions.now()
    yield "Fieldgate %s, box %s, boot %d" % (telemetry.FIRMWARE, gateway.box, gateway.boot)
    yield "schema %s, ot %s, it %s" % (
        schemas.hex_of(gateway.schema),
        "revision %d %s" % gateway.halves[0],
        "revision %d %s" % gateway.halves[1],
    )
    yield "configuration %s%s" % (
        "%d" % now.current if now.current else "as delivered",
        " on trial" if revisions.on_trial() else "",
    )


def second_text(second):
    """As `utc_text`, of what audit_chain.when gives."""
    return utc_text(int(second) * 1000) if second.isdigit() else "without a time"


def utc_text(utc_ms):
    """2026-11-23 23:30:05, without the time module: days to a date by Howard Hinnant's civil_from_days."""
    seconds = utc_ms // 1000
    days, seconds = seconds // 86400, seconds % 86400
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (1 if month <= 2 else 0)
    clock = (seconds // 3600, seconds // 60 % 60, seconds % 60)
    return "%d-%02d-%02d %02d:%02d:%02d" % ((year, month, doy - (153 * mp + 2) // 5 + 1) + clock)
