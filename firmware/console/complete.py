"""Tab completion of verbs, keys and values."""

from console import edit, jsonfile, keys, verbs

_KEY_VERBS = ("set", "unset", "show")


def complete(shell, text):
    """(what to add to the line, or choices to show): one of them is ""."""
    words = text.split(" ")
    if len(words) == 1:
        return _pick(words[0], list(verbs.MODULES), " ")
    verb = verbs.find(words[0])
    if verb == "help":
        return _pick(words[1], list(verbs.MODULES), "")
    if verb not in _KEY_VERBS:
        return "", ""
    if len(words) == 2:
        head, dot, last = words[1].rpartition(".")
        names = [name for name in _names(head) if name.startswith(last)]
        added, choices = _pick(last, names, "")
        if len(names) == 1 and verb == "set" and _takes_value(words[1] + added):
            added += " "
        return added, choices
    if verb == "set" and len(words) == 3:
        try:
            rule = keys.find(words[1]).rule
        except keys.BadKey:
            return "", ""
        if rule[0] in ("one", "type"):
            return _pick(words[2], [str(value) for value in rule[1]], "")
    return "", ""


def _takes_value(name):
    """True for a whole key with nothing inside it."""
    try:
        return keys.find(name).rule[0] not in ("map", "list", "lazy", "or_null")
    except keys.BadKey:
        return False


def _pick(begin, names, end):
    found = sorted([name for name in names if name.startswith(begin)])
    if not found:
        return "", ""
    shared = found[0]
    for name in found:
        while not name.startswith(shared):
            shared = shared[:-1]
    if len(found) == 1:
        return found[0][len(begin) :] + end, ""
    return (shared[len(begin) :], "") if len(shared) > len(begin) else ("", keys.listed(found))


def _names(head):
    """What can follow the key `head`: keys that the rules know, and names that the file has."""
    from gateway import rules

    names = []
    if not head:
        names += list(rules.OT[1]) + list(rules.IT[1])
        half, path, rule = "ot", ["buses"], None
    else:
        try:
            key = keys.find(head)
        except keys.BadKey:
            return []
        half, path, rule = key.half, key.path, key.rule
        if rule[0] == "map":
            names += list(rule[1])
            inner = [name for name in ("units", "points") if name in rule[1]]
            path = path + inner if inner else None
    if path is None:
        return names
    with open(edit._file_of(half), "rb") as file:
        scan = jsonfile.Scanner(file)
        try:
            place = jsonfile.find(scan, path)
        except jsonfile.NotFound:
            return names
        scan.seek(place.start)
        if scan.token() == 91:
            for number, inner in jsonfile.items(scan):
                names.append(jsonfile.name_of(scan, inner) or str(number))
    return names
