"""What a technician types as a key, found in the tables of gateway.rules: which half, which path, which rule.

    line1.baud                      bus line1 of ot.json
    line1.meter.unit_id             its unit meter
    line1.meter.voltage.period_ms   a point of it
    mqtt.brokers.0.host             it.json; lists without names by number
    line1.+pump.unit_id             a unit that is added; the + keeps a typing mistake from adding one

Keys that both halves have (owner, revision) take ot. or it. in front.
"""

from gateway import rules
from gateway.alike import nearest

_LINE = 72  # columns beside "ERR 2 "
_SHORT = (
    ("a whole number ", ""),
    (" characters out of ", " of "),
    (" characters without ", " without "),
    ("; did you mean ", "; meant "),
    (" (letters, digits, - and .)", ""),
    ("an IPv4 address or", "10.0.0.5 or"),
    ("a unit of measure", "a unit"),
    (", or any after x:", ""),
)
LISTS = ("buses", "units", "points")  # their items are found by name without naming the list


class BadKey(Exception):
    """The key leads nowhere; the text says where it stopped and what is there."""


class Key:
    """half: "ot" or "it"; path: for jsonfile; rule: of the value; default: None when there is none.

    new: depth of the first item that is to be added, 0 for none; close: a key that the last word may have been meant
    to be, although it can be the name of an item.
    """

    def __init__(self, half, path, rule, default, new, close):
        self.half = half
        self.path = path
        self.rule = rule
        self.default = default
        self.new = new
        self.close = close


def find(text):
    """The Key for what was typed. Raises BadKey."""
    words = text.split(".")
    half, words = _half_of(words)
    rule = (rules.OT if half == "ot" else rules.IT, None)
    path = []
    new = 0
    close = None
    for word in words:
        kind = rule[0][0]
        if kind == "or_null":
            rule = (rule[0][1], rule[1])
            kind = rule[0][0]
        if kind == "lazy":
            rule = (rules.opened(rule[0]), rule[1])
            kind = rule[0][0]
        if kind == "map":
            close = None if word in rule[0][1] else nearest(word, rule[0][1])
            rule, steps = _in_map(rule[0][1], word)
            path.extend(steps)
        elif kind == "list":
            rule = (rule[0][1], rules.REQUIRED)
            path.append(_item(word))
        else:
            raise BadKey("%s has nothing inside it" % text[: text.rfind("." + word)])
        if word[:1] == "+" and not new:
            new = len(path)
    default = None if rule[1] is rules.REQUIRED or rule[1] is rules.ABSENT else rule[1]
    return Key(half, path, rule[0], default, new, close)


def _half_of(words):
    first = words[0]
    if first in ("ot", "it") and len(words) > 1:
        return first, words[1:]
    ot, it = rules.OT[1], rules.IT[1]
    if first in ot and first in it:
        raise BadKey("%s: both halves have it: type ot.%s or it.%s" % (first, first, first))
    if first in it:
        return "it", words
    return "ot", words


def _in_map(keys, word):
    """(rule, default) behind `word` and the steps of the path that lead there."""
    if word in keys:
        return keys[word], [word]
    for name in LISTS:
        if name in keys:
            return (keys[name][0][1], rules.REQUIRED), [name, _item(word)]
    close = nearest(word, keys)
    more = "did you mean %s?" % close if close else "keys are " + listed(keys, 48 - len(word))
    raise BadKey("%s: unknown key, %s" % (word, more))


def _item(word):
    word = word[1:] if word[:1] == "+" else word
    if not word:
        raise BadKey("an empty name between two dots")
    return int(word) if word.isdigit() else word


def listed(words, room=160):
    """The words in order, cut where they would take more than `room` characters."""
    text = " ".join(sorted(words))
    return text if len(text) < room else text[: text.rfind(" ", 0, room - 4)] + " ..."


def parse(text, rule, key):
    """(value, None) or (None, one line that says what is allowed) for what was typed behind a key."""
    kind = rule[0]
    if kind == "or_null":
        if text in ("null", "none"):
            return None, None
        return parse(text, rule[1], key)
    if kind in ("map", "list", "lazy"):
        return None, "%s holds other keys: name one of them, or use load" % key
    value = "" if text == '""' else text
    if kind == "one" and not isinstance(rule[1][0], str):
        value = {"true": True, "on": True, "false": False, "off": False}.get(text, text)
        if value is text:
            value = _number(text)
    elif kind in ("int", "number", "raw"):
        value = _number(text)
    elif kind == "names":  # 0=stop, 1=run
        pairs = [pair.split("=") for pair in text.split(",")]
        if all([len(pair) == 2 for pair in pairs]):
            value = {name.strip(): of.strip() for name, of in pairs}
    mistakes = []
    rules.check(value, rule, key, mistakes)
    if not mistakes:
        return value, None
    return None, _shorter(mistakes[0], text, rule, key)


def _shorter(line, text, rule, key):
    """The mistake for a terminal: one line of at most 78 columns wherever the key leaves room for that."""
    close = nearest(text, [str(allowed) for allowed in rule[1]]) if rule[0] in ("one", "type") else None
    found = line[: line.find(", allowed ")]
    if rule[0] == "one":
        line = "%s, allowed %s" % (found, " ".join([rules.shown(allowed).strip('"') for allowed in rule[1]]))
    if close:
        line += "; did you mean %s?" % close
    for long, short in _SHORT:
        if len(line) > _LINE:
            line = line.replace(long, short)
    if close and len(line) > _LINE:
        line = "%s, did you mean %s?" % (found, close)
    over = len(line) + 3 - _LINE
    return line if over <= 3 or over > key.rfind(".") else "..." + line[over:]  # of a long key the end is enough


def _number(text):
    for form in (int, float):
        try:
            return form(text)
        except ValueError:
            continue
    return text
