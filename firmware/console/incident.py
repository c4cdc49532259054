"""The verb incident: one timeline of bus, machine, network, alarms and audit around a moment, for OT and IT together.

Sources: the events in the flash log (published ones too, as long as their sector is there), the record of logins and
changes, and the transactions that were kept when the last fault of a line began.
"""

import json

from console import audit_chain, verbs
from console.look import utc_text
from console.verbs import Refused
from flashlog import history
from flashlog.records import EVENT, TIME_MARK, Block
from gateway import words as glossary
from gateway.clock import uptime_ms
from modbus.names import quality_name

FILE = "incident.txt"
_MINUTES = 30
_MOST_MINUTES = 1440
_MOST_EVENTS = 80
_MOST_ROWS = 12
_MOST_SECTORS = 48
_ROWS_PER_SLICE = 3  # a row takes about 1 ms on an RP2040
# (codes below this, area); see modbus.codes and gateway.words.
_AREAS = ((2, "box"), (6, "bus"), (8, "network"), (12, "log"), (20, "bus"), (30, "alarm"), (40, "machine"))


def incident(shell, words):
    """incident [date time] [minutes]"""
    gateway = shell.gateway
    now_ms = gateway.clock.utc_ms()
    if now_ms is None:
        raise Refused(verbs.MISSING, "the clock is not set, nothing has a time: type time")
    words = list(words)
    minutes = _MINUTES
    if len(words) in (1, 3):
        last = words.pop()
        if not last.isdigit() or not 1 <= int(last) <= _MOST_MINUTES:
            raise Refused(verbs.VALUE, "minutes: found %s, allowed 1..%d" % (last[:20], _MOST_MINUTES))
        minutes = int(last)
    start_ms, end_ms = now_ms - minutes * 60000, now_ms
    if words:
        from console import timeset

        moment_ms = timeset.utc_ms_of(words)
        start_ms, end_ms = moment_ms - minutes * 60000, moment_ms + minutes * 60000
    yield gateway.recorder.write  # what is not in flash yet
    lines = []
    faults = yield from _events(gateway, now_ms, start_ms, end_ms, lines)
    _audit(start_ms, end_ms, lines)
    if faults:
        _evidence(gateway, now_ms, start_ms, end_ms, lines)
    lines.sort()
    head = "box %s, %s to %s UTC" % (gateway.box, utc_text(start_ms), utc_text(end_ms)[11:])
    def write():  # in a pause of the bus
        with open(FILE, "w") as file:
            file.write("%s, %s\n" % (head, gateway.base))
            for utc_ms, area, text in lines:
                file.write("%s %s %s\n" % (utc_text(utc_ms), area, text))
        return True

    written = yield write
    yield head
    for utc_ms, area, text in lines:
        yield "%s %-8s%s" % (utc_text(utc_ms)[11:], area, text)
    if not lines:
        yield "nothing happened that this box knows of"
    if written:
        yield "also in %s; after repl: mpremote resume fs cp :%s ." % (FILE, FILE)


def _events(gateway, now_ms, start_ms, end_ms, lines):
    """Yields 0 between slices; returns True if a fault of a line is among them."""
    zeros = {gateway.boot: now_ms - gateway.uptime.ms()}  # UTC of uptime 0 by boot, as time marks say
    kept = []
    oldest_ms = start_ms - zeros[gateway.boot]  # in uptime of this boot
    places = []
    for place, sequence in history.sectors(gateway.log, _MOST_SECTORS):
        places.append((place, sequence))
        first = next(history.payloads(gateway.log, place, sequence), None)
        if first is not None:
            block = Block(first)
            if block.boot == gateway.boot and uptime_ms(block.era, block.ticks) < oldest_ms:
                break  # what lies before is older
        yield 0
    for place, sequence in reversed(places):
        for payload in history.payloads(gateway.log, place, sequence):
            try:
                yield from _rows(Block(payload), zeros, kept)
            except ValueError:
                continue  # damaged: counted by the log
    names = json.loads(glossary.glossary())["event"]
    fault = False
    for boot, at_ms, code, data in kept:
        utc_ms = at_ms + zeros.get(boot, -1 << 50)
        if start_ms <= utc_ms <= end_ms:
            fault = fault or (boot == gateway.boot and code in (2, 4))
            lines.append((utc_ms, _area(code), _text(gateway, names.get(str(code), "event %d" % code), code, data)))
    return fault


def _rows(block, zeros, kept):
    count = 0
    for kind, name, _, era, ticks, data in block:
        if kind == TIME_MARK:
            zeros[block.boot] = data - uptime_ms(era, ticks)
        elif kind == EVENT:
            kept.append((block.boot, uptime_ms(era, ticks), name, data))
            if len(kept) > _MOST_EVENTS:
                kept.pop(0)
        count += 1
        if count % _ROWS_PER_SLICE == 0:
            yield 0


def _area(code):
    for below, area in _AREAS:
        if code < below:
            return area
    return "box"


def _text(gateway, name, code, data):
    if len(data) == 1:
        return "%s: %s" % (name, data[0])
    if code in (2, 3):
        for bus in gateway.buses:
            for unit in bus.plan.units:
                if unit.unit_id == data[0]:
                    return "%s: %s (%d)" % (name, unit.name, data[0])
    return "%s %d %d" % ((name,) + tuple(data))


def _audit(start_ms, end_ms, lines):
    for line in audit_chain.lines():
        words = line.split(" ")
        if words[1].isdigit() and start_ms <= int(words[1]) * 1000 <= end_ms:
            lines.append((int(words[1]) * 1000, "audit", " ".join(words[2:-1])))


def _evidence(gateway, now_ms, start_ms, end_ms, lines):
    """The transactions before the last fault of each line that did not go well."""
    now = gateway.clock.ticks_ms()
    for bus in gateway.buses:
        bad = [row for row in bus.frozen or () if row[2]]
        for ticks, group, quality, took_us in bad[-_MOST_ROWS:]:
            utc_ms = now_ms - gateway.clock.ticks_diff(now, ticks)
            units = [read.unit.name for read in bus.plan.reads if read.group == group]
            if start_ms <= utc_ms <= end_ms:
                who = units[0] if units else "group %d" % group
                lines.append((utc_ms, "bus", "%s: %s, %d ms" % (who, quality_name(quality), took_us // 1000)))
