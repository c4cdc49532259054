"""Builds the machine's books from configuration, schema and what the log still holds of earlier boots.

Loaded at the start and after a split of a read. The log is read from the last checkpoint on (gateway.machine writes one
every `checkpoint_s`): the samples after it go through the same code as live ones, so no second that reached flash is
lost and none is counted twice. The time from the last of them to now is unknown.
"""

import json

from flashlog import tail
from flashlog.records import SAMPLE, TIME_MARK, Block
from gateway import schema as schemas
from gateway.machine import Production, Time
from production import books, layout, oee, restore
from production.calendar import DAY_S, EPOCH_S, Calendar
from production.signals import Counter, Source, Value
from production.state import Machine
from production.texts import clock_of, condition_of, moment_of, terms, zone_of

MAX_SECTORS = 16  # of the log that are searched for a checkpoint
_STATES = {name: code for code, name in enumerate(oee.STATES)}
_STATES["stopped"] = oee.STOPPED_UNPLANNED  # or planned, where the calendar says so


def texts_of(settings):
    """The conditions of a section "machine": those that decide the state, then the others."""
    states = [rule["when"] for rule in settings["states"]]
    return states, [settings[key] for key in ("noticed", "cycles", "good", "reject", "code") if settings[key]]


def build(gateway, settings, feed):
    """A Production that goes on where the boots before ended.

    gateway: log, recorder, clock, uptime, schema, boot are used. feed(): called now and then, for the watchdog."""
    time = Time(gateway.uptime)
    schema = gateway.schema
    machine, sources, groups = _make(schema, settings, time, oee.Account(calendar_of(settings)))
    _go_on(gateway.log, schema, machine, time, sources, groups, gateway.boot, feed)
    edge = getattr(gateway, "edge", None)
    put = edge.take if edge else None  # so that rules see what is published of the machine
    production = Production(gateway.recorder, gateway.clock, time, machine, sources, groups, settings, put)
    machine.note = production.note
    return production


def rebuild(production, schema):
    """A read was split: the same books, from other groups."""
    before = production.machine
    account = before.account
    machine, production.sources, production.groups = _make(schema, production.settings, production.time, account)
    machine.take_over(before)
    machine.note = production.note
    production.machine = machine


def _make(schema, settings, time, account):
    values, sources, groups = _resolve(schemas.lines(schema), settings)

    def value_of(key):
        return values[settings[key]] if settings[key] else None

    counters = {}
    for place, key in ((oee.CYCLES, "cycles"), (oee.GOOD, "good"), (oee.REJECT, "reject")):
        if settings[key]:
            counters[place] = Counter(value_of(key))
    machine = Machine(
        list(sources.values()),
        [(_STATES[rule["state"]], condition_of(rule["when"], values.get)) for rule in settings["states"]],
        _STATES[settings["otherwise"]],
        counters,
        condition_of(settings["noticed"], values.get) if settings["noticed"] else None,
        value_of("code"),
        account,
        time,
    )
    return machine, sources, groups


def calendar_of(settings):
    """The Calendar of a section "machine"; ValueError where its texts are no times."""
    shifts = []
    for shift in settings["shifts"]:
        days = 0
        for day in shift["days"]:
            days |= 1 << (day - 1)
        breaks = [(clock_of(pause["start"]), clock_of(pause["end"])) for pause in shift["breaks"]]
        shifts.append((days, clock_of(shift["start"]), clock_of(shift["end"]), breaks))
    planned = [(moment_of(span["from"]), moment_of(span["to"])) for span in settings["planned"]]
    return Calendar(zone_of(settings["zone"]), shifts, planned, clock_of(settings["day_start"]) % DAY_S)


def _resolve(lines, settings):
    """({name: Value}, {group: Source}, numbers of the virtual groups) from the meta lines of a schema."""
    states, others = texts_of(settings)
    deciding = [term[0] for text in states for term in terms(text)]
    names = set(deciding + [term[0] for text in others for term in terms(text)])
    units = set([name.split(".")[0] for name in names])
    values, sources = {}, {}
    groups = [255] * len(layout.NAMES)
    for line in lines:
        start = line.index('"unit":"') + 8
        unit = line[start : line.index('"', start)]
        if '"fc":0,' in line and unit in layout.NAMES:
            groups[layout.NAMES.index(unit)] = schemas.group_of(line)
        elif unit in units:
            meta = json.loads(line)
            for point in meta["points"]:
                name = unit + "." + point["name"]
                if name in names:
                    group = meta["group"]
                    if group not in sources:
                        count = meta["count"]
                        nbytes = (count + 7) // 8 if 0 < meta["fc"] <= 2 else 2 * count
                        sources[group] = Source(group, meta["period_ms"], nbytes)
                    values[name] = Value(sources[group], point)
                    sources[group].states = sources[group].states or name in deciding
    return values, sources, groups


def _go_on(log, schema, machine, time, sources, groups, boot, feed):
    """Take the books of earlier boots from the log; afterwards the machine is where this boot begins."""
    places = tail.sectors(log, MAX_SECTORS)
    roles = _Roles(schema, groups)
    found = None
    for i, place in enumerate(places):
        if any([_ends_checkpoint(block, roles, boot) for block in _blocks(log, place, feed)]):
            found = i
            break
    if found is not None:
        # What the sources said before is in the sector before, at the latest; a checkpoint that is not whole is none.
        for first in (min(found + 1, len(places) - 1), len(places) - 1):
            machine.account = oee.Account(machine.account.calendar)
            if _replay(log, places[first::-1], schema, machine, time, sources, roles, boot, feed):
                break
        else:
            machine.account = oee.Account(machine.account.calendar)
            machine.unplaced_ms = 0
    time.past = None
    machine.begin()


def _blocks(log, place, feed):
    for payload in tail.payloads(log, place):
        feed()
        yield Block(payload)


def _ends_checkpoint(block, roles, boot):
    kinds = roles.of(block.schema)
    if block.boot == boot or not kinds:
        return False
    for kind, name, _, _, _, data in block:
        if kind == SAMPLE and kinds.get(name) == books.STATE_GROUP and restore.is_checkpoint(data):
            return True
    return False


def _replay(log, places, schema, machine, time, sources, roles, boot, feed):
    """Run the machine over what the log holds; True if a whole checkpoint was met."""
    restorer = restore.Restorer()
    last = None
    whole = False
    for place in places:
        for block in _blocks(log, place, feed):
            if block.boot == boot:
                continue
            kinds = roles.of(block.schema)
            for kind, name, quality, era, ticks, data in block:
                if block.boot != last:
                    if last is not None:
                        machine.end()
                    time.past = era * 0x40000000 + ticks
                    machine.begin()
                    last = block.boot
                time.past = era * 0x40000000 + ticks
                if kind == TIME_MARK:
                    machine.step(data - EPOCH_S * 1000 - time.past)
                elif kind == SAMPLE and name in kinds:
                    if kinds[name] != books.STATE_GROUP:
                        restorer.window(kinds[name], data)
                    elif restorer.state(data, machine, time.past):
                        whole = True
                elif kind == SAMPLE and block.schema == schema and name in sources:
                    machine.sample(sources[name], quality, ticks, data or b"", len(data or b""))
    if last is not None:
        machine.end()
    return whole


class _Roles:
    """Which groups of a schema are the machine's own: {group: place in layout.NAMES}."""

    def __init__(self, schema, groups):
        self._known = {schema: {group: i for i, group in enumerate(groups)}}

    def of(self, schema):
        if schema not in self._known:
            roles = {}
            for line in schemas.lines(schema):
                if '"fc":0,' in line:
                    for i, name in enumerate(layout.NAMES):
                        if '"unit":"%s"' % name in line:
                            roles[schemas.group_of(line)] = i
            self._known[schema] = roles
        return self._known[schema]
