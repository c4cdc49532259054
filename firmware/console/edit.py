"""Verbs that show and change the candidate: show, set, unset, dump, load. Files only; memory stays small."""

import json
import os

from console import jsonfile, keys, verbs
from console.verbs import Refused
from gateway import revisions, rules
from gateway.alike import nearest

SECRETS = ("password", "psk", "key")
MASKED = "********"
MAX_FILE_BYTES = 65536  # as gateway.config allows


def _file_of(half):
    """Path of the half that show and set look at: the candidate's, else the one in use."""
    if revisions.has_candidate():
        return _candidate(half)
    folder = revisions.folder(revisions.now().current)
    if revisions.blank(folder):
        revisions.edit()
        return _candidate(half)
    return (folder + "/" if folder else "") + half + ".json"


def _candidate(half):
    """Path of the half that is changed: never of one in use."""
    return "%s/%s.json" % (revisions.EDIT, half)


def _key(text):
    try:
        return keys.find(text)
    except keys.BadKey as error:
        raise Refused(verbs.UNKNOWN, str(error))


def _plain(text):
    # A JSON value as it is typed: strings without quotes, but for the empty one.
    return json.loads(text) if text[:1] == '"' and text != '""' else text


def _shown(label, text):
    return MASKED if label.split(".")[-1] in SECRETS and text != "null" else _plain(text)


def show(shell, words):
    """show [key]"""
    if not words:
        for half in ("ot", "it"):
            with open(_file_of(half), "rb") as file:
                scan = jsonfile.Scanner(file)
                yield half + ":"
                for name, place in jsonfile.items(scan):
                    yield "  " + name + _outline(scan, place, name)
        yield "more: show key, for example show mqtt"
        return
    key = _key(words[0])
    with open(_file_of(key.half), "rb") as file:
        scan = jsonfile.Scanner(file)
        try:
            place = jsonfile.find(scan, key.path)
        except jsonfile.NotFound:
            if key.close:
                raise Refused(verbs.UNKNOWN, "%s: unknown key, did you mean %s?" % (words[0], key.close))
            if key.rule[0] == "map":
                raise Refused(verbs.UNKNOWN, "there is no %s: show lists what there is" % words[0])
            if key.default is None:
                raise Refused(verbs.UNKNOWN, "%s is not set: type set %s ?" % (words[0], words[0]))
            yield "%s %s (default)" % (words[0], json.dumps(key.default))
            return
        scan.seek(place.start)
        if scan.token() not in b"{[":
            yield "%s %s" % (words[0], _shown(words[0], jsonfile.text_of(scan, place.start, place.end)))
            return
        for name, inner in jsonfile.items(scan):
            opening = scan.token()
            if opening == 123:
                name = jsonfile.name_of(scan, inner) or name
            yield "%s.%s%s" % (words[0], name, _outline(scan, inner, str(name)))


def _outline(scan, place, label):
    # A plain value, or the names of what is inside.
    scan.seek(place.start)
    opening = scan.token()
    if opening not in b"{[":
        scan.skip()
        return " " + str(_shown(label, jsonfile.text_of(scan, place.start, scan.tell())))
    names = []
    for name, inner in jsonfile.items(scan):
        names.append(str(jsonfile.name_of(scan, inner) or name) if opening == 91 else name)
    return ": " + keys.listed(names)


def set(shell, words):
    """set key value"""
    if len(words) < 2:
        raise Refused(verbs.VALUE, "set needs a key and a value: set line1.baud 9600")
    name = words[0]
    key = _key(name)
    if words[1:] == ["?"]:
        yield from _explain(name, key)
        return
    shell.need(key.half)
    if key.rule[0] == "map" and key.close:
        raise Refused(verbs.UNKNOWN, "%s: unknown key, did you mean %s?" % (name, key.close))
    value, mistake = keys.parse(" ".join(words[1:]), key.rule, name)
    if mistake:
        raise Refused(verbs.VALUE, mistake)
    if name.endswith(".port") and key.path[0] == "buses" and value >= shell.gateway.rs485:
        raise Refused(verbs.VALUE, "%s: found %d, allowed 0..%d on this board" % (name, value, shell.gateway.rs485 - 1))
    revisions.edit()
    path = _candidate(key.half)
    text = json.dumps(value)
    with open(path, "rb") as file:
        scan = jsonfile.Scanner(file)
        try:
            place = jsonfile.find(scan, key.path)
            old = jsonfile.text_of(scan, place.start, place.end)
            start, end, new = place.start, place.end, text
        except jsonfile.NotFound as missing:
            old = "not set" if key.default is None else json.dumps(key.default)
            start, end, new = _insertion(scan, missing, key, name, text)
        if old == text:
            yield "%s is %s already" % (name, _shown(name, text))
            return
        _rewrite(file, path, start, end, new)
    line = "%s: %s -> %s" % (name, _shown(name, old), _shown(name, text))
    revisions.note_change("%s by %s" % (line, shell.who()))
    yield line


def _explain(name, key):
    if key.rule[0] in ("map", "list"):
        rule = key.rule[1] if key.rule[0] == "list" else key.rule
        yield "%s holds: %s" % (name, keys.listed(rule[1]) if rule[0] == "map" else "a list")
        return
    mistakes = []
    rules.check(object(), key.rule, name, mistakes)
    allowed = mistakes[0] if mistakes else "anything"
    default = "" if key.default is None else ", default %s" % json.dumps(key.default)
    yield "%s: %s%s" % (name, allowed[allowed.find("allowed") :], default)


def _insertion(scan, missing, key, name, text):
    """(start, end, text) that puts the rest of the path in where it ended."""
    depth = missing.depth
    if missing.kind == 0:
        raise Refused(verbs.UNKNOWN, "%s: nothing can be added there" % name)
    wanted = key.path[depth]
    if missing.kind == 91:  # a list
        if isinstance(wanted, str) and not (key.new and depth >= key.new - 1):
            close = nearest(wanted, _names(scan, key.path[:depth]))
            what = "did you mean %s" % close if close else "check with show"
            raise Refused(verbs.UNKNOWN, "there is no %s: %s, or type +%s to add it" % (wanted, what, wanted))
        if isinstance(wanted, int) and wanted > missing.count:
            raise Refused(verbs.VALUE, "%s: found %d, the next one is %d" % (name, wanted, missing.count))
        item = _nested(key.path, depth + 1, text)
        if isinstance(wanted, str):
            item = _named(wanted, item)
    else:
        item = "%s: %s" % (json.dumps(wanted), _nested(key.path, depth + 1, text))
    return missing.end, missing.end, ", " + item if missing.count else item


def _names(scan, path):
    """Names of the items of the list at `path`."""
    scan.seek(jsonfile.find(scan, path).start)
    scan.token()
    return [name for name in [jsonfile.name_of(scan, item) for _, item in jsonfile.items(scan)] if name]


def _nested(path, at, text):
    """The JSON text of `path` from `at` on with the value at its end; lists are begun with one item."""
    for i in range(len(path) - 1, at - 1, -1):
        step = path[i]
        if isinstance(step, int):
            if step:
                raise Refused(verbs.VALUE, "%s: found %d, the first one is 0" % (path[i - 1], step))
            text = "[%s]" % text
        elif path[i - 1] in keys.LISTS:
            text = "[%s]" % _named(step, text)
        else:
            text = "{%s: %s}" % (json.dumps(step), text)
    return text


def _named(name, item):
    # The item of a list as it is found again: with its name in it.
    return '{"name": %s%s}' % (json.dumps(name), ", " + item[1:-1] if item[:1] == "{" else "")


def unset(shell, words):
    """unset key"""
    if len(words) != 1:
        raise Refused(verbs.VALUE, "unset needs one key: unset line1.pump")
    name = words[0]
    key = _key(name)
    shell.need(key.half)
    revisions.edit()
    path = _candidate(key.half)
    with open(path, "rb") as file:
        scan = jsonfile.Scanner(file)
        try:
            place = jsonfile.find(scan, key.path)
        except jsonfile.NotFound:
            what = "unknown key, did you mean %s?" % key.close if key.close else "not set"
            raise Refused(verbs.UNKNOWN, "%s: %s" % (name, what))
        start, end = place.item, place.end
        if place.right >= 0:
            end = place.right + 1
        elif place.left >= 0:
            start = place.left
        _rewrite(file, path, start, end, "")
    revisions.note_change("%s: removed by %s" % (name, shell.who()))
    yield "%s: removed" % name


def _rewrite(file, path, start, end, text):
    with open(path + ".new", "wb") as out:
        jsonfile.splice(file, out, start, end, text)
        if out.tell() > MAX_FILE_BYTES:
            raise Refused(verbs.VALUE, "the file would be longer than %d bytes" % MAX_FILE_BYTES)
    os.rename(path + ".new", path)


def dump(shell, words):
    """dump [ot|it]"""
    if words and words[0] not in ("ot", "it"):
        raise Refused(verbs.VALUE, "dump takes ot or it: dump ot")
    shell.flows = True
    for half in words or ("ot", "it"):
        with open(_file_of(half), "rb") as file:
            scan = jsonfile.Scanner(file)
            for name, place in jsonfile.items(scan):
                if name in ("format", "revision"):
                    continue
                for label, text in jsonfile.leaves(scan, place, name):
                    label = _typed(label)
                    prefix = half + "." if name == "owner" else ""
                    if label.endswith(".name"):
                        continue  # the name stands in the keys of the others
                    if label.split(".")[-1] in SECRETS and text != "null":
                        yield "# set %s is left out" % label
                    else:
                        yield "set %s%s %s" % (prefix, label, _plain(text))


def _typed(label):
    """A path of the file as a technician types it: buses, units and points by their names with +."""
    words = label.split(".")
    kept = []
    for word in words:
        if kept and kept[-1] in ("buses", "units", "points"):
            kept[-1] = "+" + word
        else:
            kept.append(word)
    return ".".join(kept)


def load(shell, words):
    """load ot|it file"""
    if len(words) != 2 or words[0] not in ("ot", "it"):
        raise Refused(verbs.VALUE, "load needs a half and a file: load ot new-ot.json")
    half, source = words
    shell.need(half)
    try:
        size = os.stat(source)[6]
    except OSError:
        raise Refused(verbs.STORAGE, "no file %s on the box: bring it with mpremote cp %s :" % (source, source))
    if size > MAX_FILE_BYTES:
        raise Refused(verbs.VALUE, "%s has %d bytes, allowed %d" % (source, size, MAX_FILE_BYTES))
    from console import strict

    try:
        yield from strict.check(source)
    except ValueError as error:
        raise Refused(verbs.VALUE, "%s is not JSON, or has a key twice: %s" % (source, error))
    with open(source, "rb") as file:
        scan = jsonfile.Scanner(file)
        wanted = "buses" if half == "ot" else "mqtt"
        if scan.token() != 123 or wanted not in [name for name, place in jsonfile.items(scan)]:
            raise Refused(verbs.VALUE, "%s has no %s: is it the %s half?" % (source, wanted, half.upper()))
    revisions.edit()
    path = _candidate(half)
    revisions.copy(source, path + ".new")
    os.rename(path + ".new", path)
    line = "%s half: loaded from %s, %d bytes" % (half, source, size)
    revisions.note_change("%s by %s" % (line, shell.who()))
    yield line
