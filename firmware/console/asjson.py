"""Answers for programs: `verb --json`. JSON in one or several lines, then OK or ERR as always.

Keys carry units; a number that is not known is null. Secrets are masked as in `show`.
"""

import json

from console import verbs
from console.verbs import Refused
from gateway import revisions
from modbus.evidence import NAMES

_MAX_SHOW_BYTES = 6000


def answer(shell, verb, words):
    """The verb's answer as lines."""
    form = _FORMS.get(verb)
    if form is None:
        raise Refused(verbs.VALUE, "%s has no --json, but %s" % (verb, " ".join(sorted(_FORMS))))
    return form(shell, words)


def _status(shell, words):
    from console import look

    states = [{"rank": ("fault", "look", "good")[rank], "text": text} for rank, text in look.states(shell.gateway)]
    yield json.dumps({"ok": all([state["rank"] != "fault" for state in states]), "states": states})


def _bus(shell, words):
    from console import lines

    number, _ = verbs.bus_of(shell.gateway, words)
    yield "["
    chosen = shell.gateway.buses[number : number + 1] if words else shell.gateway.buses
    for place, bus in enumerate(chosen):
        head = {
            "name": bus.line.name,
            "baud": bus.line.baud,
            "serial_format": bus.line.serial_format,
            "efficiency_permille": bus.evidence.efficiency_permille(),
            "stray_bytes": bus.engine.stray_bytes,
            "hints": list(lines.hints(bus, shell.gateway.clock)),
        }
        yield json.dumps(head)[:-1] + ', "units": ['
        last = len(bus.plan.units) - 1
        for unit, tally, health in zip(bus.plan.units, bus.evidence.tallies, bus.scheduler.health):
            row = {"name": unit.name, "unit_id": unit.unit_id, "state": "silent" if health.quarantined else "ok"}
            row["mean_us"], row["max_us"] = tally.mean_us(), tally.max_us
            for name, count in zip(NAMES, tally.counts):
                row[name] = count
            yield json.dumps(row) + ("," if unit is not bus.plan.units[last] else "")
        yield "]}" + ("," if place + 1 < len(chosen) else "")
    yield "]"


def _log(shell, words):
    log, recorder = shell.gateway.log, shell.gateway.recorder
    stats = log.stats
    yield json.dumps(
        {
            "sectors": log.sectors,
            "depth": log.depth(),
            "records": recorder.records,
            "erases": stats.erases,
            "dropped": stats.dropped,
            "dropped_in_ram": recorder.dropped_total,
            "retired": stats.retired,
            "damaged": stats.damaged,
        }
    )


def _about(shell, words):
    from gateway import schema, telemetry

    gateway = shell.gateway
    now = revisions.now()
    yield json.dumps(
        {
            "firmware": telemetry.FIRMWARE,
            "box": gateway.box,
            "boot": gateway.boot,
            "base": gateway.base,
            "schema": schema.hex_of(gateway.schema),
            "ot": {"revision": gateway.halves[0][0], "hash": gateway.halves[0][1]},
            "it": {"revision": gateway.halves[1][0], "hash": gateway.halves[1][1]},
            "configuration": now.current,
            "on_trial": revisions.on_trial(),
        }
    )


def _show(shell, words):
    from console import edit, jsonfile

    if not words:
        raise Refused(verbs.VALUE, "name a part: show line1.meter --json")
    key = edit._key(words[0])
    with open(edit._file_of(key.half), "rb") as file:
        scan = jsonfile.Scanner(file)
        try:
            place = jsonfile.find(scan, key.path)
        except jsonfile.NotFound:
            yield json.dumps(key.default)
            return
        if place.end - place.start > _MAX_SHOW_BYTES:
            raise Refused(verbs.VALUE, "%s is too long for one answer: name a part of it" % words[0])
        value = json.loads(jsonfile.text_of(scan, place.start, place.end))
    yield json.dumps(_masked(words[0].split(".")[-1], value))


def _masked(name, value):
    from console.edit import MASKED, SECRETS

    if isinstance(value, dict):
        return {key: _masked(key, value[key]) for key in value}
    if isinstance(value, list):
        return [_masked(name, each) for each in value]
    return MASKED if name in SECRETS and value is not None else value


def _check(shell, words):
    if not revisions.has_candidate():
        raise Refused(verbs.CHECK, "no candidate: change something with set first")
    from console import checker

    errors, costs = yield from checker.check_box(shell.gateway)
    yield json.dumps({"errors": errors, "costs": costs})
    if errors:
        raise Refused(verbs.CHECK, "mend it with set, or discard")


def _diff(shell, words):
    yield json.dumps(list(revisions.changes()))


def _audit(shell, words):
    from console import audit_chain

    count, bad = audit_chain.verify()
    yield json.dumps({"lines": count, "bad_line": bad, "head": audit_chain.head()})


_FORMS = {
    "status": _status,
    "bus": _bus,
    "log": _log,
    "about": _about,
    "show": _show,
    "check": _check,
    "diff": _diff,
    "audit": _audit,
}
