"""Is a file JSON as RFC 8259 has it, with no key twice in an object? MicroPython's own reader forgives commas, colons,
odd numbers and double keys, of which it takes the last where the scanner finds the first. What `set` makes is sound;
this is asked of files that come from outside."""

from console import jsonfile

_WORDS = ("true", "false", "null")
_DIGITS = b"0123456789"
MAX_DEPTH = 12


def check(path):
    """A generator of zeros, between which others run. Raises ValueError at the first mistake."""
    with open(path, "rb") as file:
        scan = jsonfile.Scanner(file)
        yield from _value(scan, 0)
        if scan.token() >= 0:
            _wrong(scan)


def _wrong(scan):
    raise ValueError("byte %d" % scan.tell())


def _value(scan, depth):
    opening = scan.token()
    if opening == 34:
        _string(scan)
    elif opening == 123 or opening == 91:
        if depth == MAX_DEPTH:
            _wrong(scan)
        yield 0
        scan.next()
        names = []
        if scan.token() == opening + 2:  # { } and [ ] are 2 apart
            scan.next()
            return
        while True:
            if opening == 123:
                name = _string(scan)
                if name in names:
                    _wrong(scan)
                names.append(name)
                scan.take(58)
            yield from _value(scan, depth + 1)
            byte = scan.token()
            scan.next()
            if byte == opening + 2:
                return
            if byte != 44:
                _wrong(scan)
    else:
        _plain(scan)


def _string(scan):
    text = scan.string()
    at = 0
    while at < len(text):
        char = text[at]
        if char < " " or "\ud7ff" < char < "\ue000":
            _wrong(scan)
        at += 1
        if char == "\\":
            if text[at] == "u":
                code = text[at + 1 : at + 5]
                if len(code) < 4 or not all([c in "0123456789abcdefABCDEF" for c in code]):
                    _wrong(scan)
                if code[0] in "dD" and code[1] > "7":
                    _wrong(scan)  # half of a pair: MQTT takes none (3.1.1, 1.5.3), MicroPython does not join them
                at += 4
            elif text[at] not in '"\\/bfnrt':
                _wrong(scan)
            at += 1
    return text


def _plain(scan):
    word = bytearray()
    while scan.peek() >= 0 and scan.peek() not in b',]}[{":' and scan.peek() > 32 and len(word) < 64:
        word.append(scan.next())
    if str(word, "utf-8") not in _WORDS and not _number(word):
        _wrong(scan)


def _number(word):
    # [-] digits without a leading 0, [. digits], [e [sign] digits]
    at = 1 if word[:1] == b"-" else 0
    end = _digits(word, at)
    if end == at or (word[at] == 48 and end > at + 1):
        return False
    if word[end : end + 1] == b".":
        at = end + 1
        end = _digits(word, at)
        if end == at:
            return False
    if word[end : end + 1] in (b"e", b"E"):
        at = end + 1
        if word[at : at + 1] in (b"+", b"-"):
            at += 1
        end = _digits(word, at)
        if end == at:
            return False
    return end == len(word)


def _digits(word, at):
    while at < len(word) and word[at] in _DIGITS:
        at += 1
    return at
