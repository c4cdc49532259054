"""Names of the verbs and the module that answers each; what they do and how stands in `console.manual`.

A verb is a generator function of its module, named as the verb: `verb(shell, words)` yields lines of text, None to
wait a moment (a number: so many ms, 0: let others run), an Ask to read a line, or a function that is called in a pause
of the bus: its result comes back from the yield, None where there was no memory. It raises Refused for an ERR. Modules
are loaded when needed and dropped after.
"""

MODULES = {
    "help": "manual",
    "more": "manual",
    "setup": "setup",
    "status": "look",
    "bus": "lines",
    "log": "look",
    "about": "look",
    "alarms": "alarms",
    "time": "timeset",
    "watch": "live",
    "read": "reading",
    "scan": "finder",
    "identify": "finder",
    "show": "edit",
    "set": "edit",
    "unset": "edit",
    "diff": "change",
    "check": "change",
    "commit": "change",
    "confirm": "change",
    "rollback": "change",
    "discard": "change",
    "dump": "edit",
    "load": "edit",
    "login": "people",
    "logout": "people",
    "who": "people",
    "password": "people",
    "audit": "people",
    "reboot": "change",
    "net": "links",
    "wifi": "links",
    "mqtt": "links",
    "test": "bench",
    "led": "led",
    "lock": "people",
    "incident": "incident",
    "repl": "change",
    "update": "change",
}
# Need what runs with a configuration only.
NOT_BLANK = "status bus log watch about net wifi mqtt test incident"
UNLOCKED = "help login who more"  # what a locked console answers

ALONE = "more setup status log about diff check confirm discard logout who net led"  # nothing may follow them
# `more` runs a line again, so the answers of these, which are short, are not cut.
ACTING = "set unset commit confirm rollback discard load login logout password lock reboot repl update time"

# Codes of ERR lines.
UNKNOWN = 1  # no such verb or key
VALUE = 2  # a value or its form
LOGIN = 3  # not allowed without login
CHECK = 4  # the configuration does not pass the check
BUSY = 5  # something else is going on
MISSING = 6  # this box has no such part
MEMORY = 7
STORAGE = 8  # flash or file system
STOPPED = 9  # by Ctrl-C
INTERNAL = 10  # a mistake of ours

WIDTH = 78  # columns of an answer


class Refused(Exception):
    """Ends a verb with ERR `code` `text`; the text says what to do next."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text


class Ask:
    """Yielded by a verb to read a line: the answer comes back from the yield. secret: shown as stars."""

    def __init__(self, text, secret=False):
        self.text = text
        self.secret = secret


def find(word):
    """The verb that `word` is or begins, None if there is none; a list if there are several."""
    if word in MODULES:
        return word
    found = sorted([name for name in MODULES if name.startswith(word)])
    return found[0] if len(found) == 1 else (found or None)


def hint(word):
    """What to type instead of `word`, which is no verb."""
    for name in sorted(MODULES):
        if _is_near(name, word):
            return "did you mean %s?" % name
    return "type help"


def _is_near(a, b):
    """True if one letter is wrong, missing or additional, or two neighbours are swapped."""
    at = 0
    while a[at : at + 1] == b[at : at + 1] != "":
        at += 1
    a, b = a[at:], b[at:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[2:] == b[2:] and a[:2] == b[1:2] + b[:1])


def bus_of(gateway, words):
    """(number of the bus that the first word names, the words behind it); the first bus if it names none."""
    names = [bus.line.name for bus in gateway.buses]
    words = list(words)
    if words and words[0] in names:
        return names.index(words.pop(0)), words
    return 0, words


def few(names, most=3):
    """The first of them, the others counted."""
    text = ", ".join(names[:most])
    return text if len(names) <= most else "%s and %d more" % (text, len(names) - most)


def wrapped(text):
    """`text` in ASCII and in lines of at most 78 columns."""
    text = _ascii(text)
    while len(text) > WIDTH:
        at = text.rfind(" ", 3, WIDTH + 1)
        at = WIDTH if at < 0 else at  # a word that is longer than a line
        yield text[:at]
        text = "  " + text[at:].lstrip()
    yield text


def shortened(text):
    """`text` as one line of at most 78 columns: its middle goes, as the end says what to do."""
    text = _ascii(text)
    over = len(text) + 3 - WIDTH
    return text if over <= 3 else text[:32] + "..." + text[32 + over :]


def _ascii(text):
    if len(text.encode()) == len(text):
        return text
    return "".join([char if char < "\x7f" else "?" for char in text])
