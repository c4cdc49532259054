"""A mistake of the candidate in a technician's words: its key as he types it, and what was meant by a near miss.

    ot.json: buses[0].units[1].serial: unknown key, allowed ...      as gateway.rules says it
    line1.meter.serial: unknown key, allowed ...                     as the console says it

Loaded where there are mistakes only. An item whose name is missing, or is what is wrong, is named by its number.
"""

from console import jsonfile, keys
from gateway import revisions
from gateway.alike import nearest

_BOTH = ("format", "owner", "revision")  # keys of both halves


class Names:
    """Names of the items of the candidate; each is looked for once."""

    def __init__(self):
        self._known = {}

    def told(self, line):
        """The line, of at most one mistake, in other words."""
        half, _, text = line.partition(": ")
        path, found, text = text.partition(": ")
        if half not in ("ot.json", "it.json") or not found or " " in path:
            return line
        other = text.find("(buses[")
        if other >= 0:
            end = text.find(")", other)
            text = text[: other + 1] + self._typed(half, text[other + 1 : end]) + text[end:]
        key = self._typed(half, path)
        return "%s%s: %s" % (half[:3] if path in _BOTH else "", key, _suggested(path, text))

    def _typed(self, half, path):
        typed, seen = [], ""
        words = path.split(".")
        for word in words:
            seen += "." + word if seen else word
            name, _, number = word.partition("[")
            if not number:
                typed.append(name)
                continue
            number = number[:-1]
            if words[-1] != "name" or word != words[-2]:
                number = self._name(half, seen) or number
            typed.append(number if name in keys.LISTS else "%s.%s" % (name, number))
        return ".".join(typed)

    def _name(self, half, path):
        # Of the item at path, as rules write it.
        if path not in self._known:
            name = None
            steps = path.replace("[", ".").replace("]", "").split(".")
            steps = [int(step) if step.isdigit() else step for step in steps]
            try:
                with open("%s/%s" % (revisions.EDIT, half), "rb") as file:
                    scan = jsonfile.Scanner(file)
                    name = jsonfile.name_of(scan, jsonfile.find(scan, steps))
            except jsonfile.NotFound:
                pass  # another program's mistake
            self._known[path] = name
        return self._known[path]


def _suggested(path, text):
    head, _, allowed = text.partition(", allowed ")
    if head == "unknown key":
        words = allowed.split(", ")
        close = nearest(path.split(".")[-1], words)
        return "unknown key, did you mean %s?" % close if close else "unknown key, keys are " + keys.listed(words, 100)
    if head[:7] == 'found "' and (allowed[:1] == '"' or allowed[:5] == "bool "):
        close = nearest(head[7:-1], [word for word in allowed.replace('"', "").split() if word != "or"])
        if close:
            return "%s; did you mean %s?" % (text, close)
    return text
