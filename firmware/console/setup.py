"""The verb setup: from a blank box to a configuration in a few answers. Nothing is written to a device.

Steps: lines and devices (console.devices), place, network and broker (console.outside), passwords, summary, commit.
Each half is asked for only where it is missing, so IT may bring its half as a file. What is given is tried at once.
"""

import os

from console import jsonfile, keys, people, verbs
from console.verbs import Ask, Refused
from gateway import revisions, unload

_SEARCHING = "console.devices console.finder console.reading console.live"
MAX_UNITS = 16  # that are looked at
_SCREEN_BYTES = 390  # of what is shown of them before somebody has read it


def setup(shell, words):
    """setup"""
    gateway = shell.gateway
    if gateway.log is not None:
        raise Refused(verbs.BUSY, "this box is set up: change it with set, check and commit; find units with scan")
    shell.flows = True
    source = revisions.folder(revisions.now().current)
    revisions.edit()
    yield from people.need_both(shell)
    yield "1 board: %s, %d RS-485 port%s" % (gateway.chip, gateway.rs485, "s"[: gateway.rs485 > 1])
    if _is_missing(source, "ot.json"):
        yield from _machine_side(gateway)
        _forget()
    if _is_missing(source, "it.json"):
        from console import outside

        yield from outside.it_side(shell, _candidate("it"))
        del outside
        for name in ("console.outside", "console.links", "uplink.session"):
            unload.unload(name)
    yield from _passwords(shell)
    yield from _summary(shell)


def _forget():
    """What the search has needed makes room for what the network needs."""
    from console import live

    for name in live.OURS + _SEARCHING.split():
        unload.unload(name)
    from gateway import search

    search.forget()


def _is_missing(folder, name):
    try:
        return os.stat(folder + "/" + name if folder else name)[6] < 8
    except OSError:
        return True


def _candidate(half):
    return "%s/%s.json" % (revisions.EDIT, half)


def _machine_side(gateway):
    """Both lines; the answer of a person to each. Writes ot.json."""
    from console import devices

    lines = []
    for number in range(gateway.rs485):
        name = gateway.buses[number].line.name
        units = []
        kind = "common"
        while not units:
            yield "2 bus: searching %s, %s" % (name, "usual settings, 10 s" if kind == "common" else "all, 9 minutes")
            yield from devices.search(gateway, number, kind, units)
            if units or (lines and not number + 1 < gateway.rs485):
                break
            yield "nothing answers on %s: power? cable? A and B swapped? unit ids above 16?" % name
            answer = yield Ask("Enter: search again, a: all settings, n: nothing is wired there: ")
            if answer is None or answer.strip()[:1] == "n":
                break
            kind = "whole" if answer.strip()[:1] == "a" else "common"
        if units:
            lines.append((number, (yield from _offer(gateway, number, units[:MAX_UNITS]))))
    if not lines:
        raise Refused(verbs.MISSING, "no devices, no configuration: wire one, then type setup again")
    with open(_candidate("ot"), "w") as file:
        file.write('{"format": 1, "owner": "ot", "revision": 1, "buses": [')
        names = {}
        for count, (number, chosen) in enumerate(lines):
            file.write(", " if count else "")
            _write_bus(file, number, gateway.buses[number].line, chosen, names)
        file.write("]}")
    revisions.note_change("ot half: set up at the console")


def _offer(gateway, number, units):
    """Shows what the units may be; returns [(unit id, profile file or None, (fc, address))] that a person agrees to."""
    from console import devices

    found = []
    room = _SCREEN_BYTES
    yield "3 devices:"
    for unit in units:
        device = yield from devices.look(gateway, number, unit.unit_id)
        found.append([device, 0 if device.choices else -1])
        for line in _shown(device):
            room -= len(line) + 2
            if room < 0:
                yield Ask("Enter: more ")
                room = _SCREEN_BYTES
            yield line
    while True:
        yield "y or Enter: take them so; or a unit id and a profile or none: 3 none"
        answer = yield Ask("devices: ")
        words = (answer or "").split()
        if not words or words[0] in ("y", "yes"):
            break
        try:
            yield _choose(found, words)
        except (ValueError, IndexError):
            yield "no such unit or profile; for example: %d none" % units[0].unit_id
    chosen = []
    for device, choice in found:
        if choice >= 0:
            chosen.append((device.unit_id, device.choices[choice][0], None))
        elif choice == -1 and device.plain:
            chosen.append((device.unit_id, None, device.plain))
    if not chosen:
        raise Refused(verbs.MISSING, "no device is left: type setup again")
    return chosen


def _choose(found, words):
    # Returns a line that says what it will be. Raises ValueError or IndexError for what is not there.
    for entry in found:
        if entry[0].unit_id == int(words[0]):
            if words[1] == "none":
                entry[1] = -2
                return "unit %s: left out" % words[0]
            files = [choice[0].rsplit("/", 1)[1][:-5] for choice in entry[0].choices]
            entry[1] = files.index(words[1])
            return "unit %s: %s" % (words[0], words[1])
    raise ValueError


def _shown(device):
    names = [file.rsplit("/", 1)[1][:-5] for file, _, _, _ in device.choices]
    for _, name, how, values in device.choices[:1]:
        line = "  unit %d: %s (%s), %s: %s" % (device.unit_id, name, names[0], how, ", ".join(values))
        yield line if len(line) <= verbs.WIDTH else line[: verbs.WIDTH - 3] + "..."
    if len(names) > 1:
        yield "    or " + keys.listed(names[1:], verbs.WIDTH - 8)
    if not device.choices:
        says = " ".join([device.says[key] for key in sorted(device.says)])
        plain = "its register 0 as a start" if device.plain else "left out, no register 0"
        says = says and ", says " + says
        yield "  unit %d: no profile fits%s: %s" % (device.unit_id, says, plain)


def _write_bus(file, number, line, chosen, names):
    """JSON of one bus; points are copied as the profile has them."""
    file.write('{"name": "%s", "port": %d, "baud": %d, "serial_format": "%s", "units": [' % (
        line.name, number, line.baud, line.serial_format,
    ))  # fmt: skip
    for count, (unit_id, path, plain) in enumerate(chosen):
        name = _name(path, unit_id, names)
        file.write('%s{"name": "%s", "unit_id": %d, ' % (", " if count else "", name, unit_id))
        if path is None:
            file.write('"points": [{"name": "register_0", "fc": %d, "address": %d, "type": "uint16"}]}' % plain)
            continue
        with open(path, "rb") as source:
            scan = jsonfile.Scanner(source)
            for key in ("unit", "points"):
                try:
                    place = jsonfile.find(scan, [key])
                except jsonfile.NotFound:
                    continue
                text = jsonfile.text_of(scan, place.start, place.end)
                if key == "points":
                    file.write('"points": ' + text)
                elif text[:1] == "{" and text[1:-1].strip():
                    file.write(text[1:-1] + ", ")
        file.write("}")
    file.write("]}")


def _name(path, unit_id, names):
    """A name of the unit that no other has."""
    name = path.rsplit("/", 1)[1][:-5] if path else "unit-%d" % unit_id
    if name in names:
        name = "%s-%d" % (name[:24], unit_id)
    while name in names:
        name += "b"
    names[name] = True
    return name


def _passwords(shell):
    """Asked for once; Enter skips them, and that is said."""
    if revisions.exists("config/people"):
        return
    for role in ("ot", "it"):
        while True:
            first = yield Ask("7 password of the %s half (Enter: none): " % role.upper(), True)
            if not first:
                what = "everything" if role == "ot" else "that half, and give it a password"
                yield "no password: whoever is at the console may change " + what
                return
            try:
                yield from people.set_password(shell, role, first)
                break
            except Refused as error:
                yield error.text


def _summary(shell):
    from console import checker

    yield "8 summary:"
    errors, costs = yield from checker.check_box(shell.gateway)
    for line in errors or costs:
        yield "  " + line
    if errors:
        raise Refused(verbs.CHECK, "that cannot be used: mend it with set, then check and commit")
    answer = yield Ask("use it? y or Enter, n: keep it as candidate: ")
    if answer is None or answer.strip()[:1] == "n":
        yield "the candidate waits: show, set, check, commit; or discard"
        return
    from console import audit_chain as chain

    number = revisions.commit(shell.who(), chain.when(shell), 600, costs)
    chain.note(shell, "setup, revision %d" % number)
    yield "the box starts with it now; then press Enter and type status"
    shell.gateway.restart()
