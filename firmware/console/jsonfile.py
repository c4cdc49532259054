"""Finds, shows and changes values in a JSON file without loading it: memory does not grow with the file.

A box with 200 points has 40 KB of configuration; parsed, that is more than a Pico W has free while it polls. So the
file is scanned, and a change copies it around the new value. Paths are lists: a text names a key of an object, or in a
list the item whose "name" it is; an int is a place in a list.
"""

_BLOCK = 128
_SPACE = b" \t\r\n"
MAX_DEPTH = 8


class NotFound(Exception):
    """No such place; `depth` items of the path exist, `end` is where their container closes, `count` are in it."""

    def __init__(self, depth, end, count, kind):
        super().__init__(depth)
        self.depth = depth
        self.end = end
        self.count = count
        self.kind = kind  # ord of the container's bracket, 0 for a plain value


class Place:
    """A value in the file: its text is [start, end), with key [item, end); commas beside it or -1."""

    def __init__(self, item, start, end, left, right):
        self.item = item
        self.start = start
        self.end = end
        self.left = left
        self.right = right


class Scanner:
    """Reads a file (binary, seekable) byte by byte."""

    def __init__(self, file):
        self._file = file
        self._buf = bytearray(_BLOCK)
        self._view = memoryview(self._buf)
        self.seek(0)

    def seek(self, at):
        self._file.seek(at)
        self._base = at
        self._at = self._end = 0

    def tell(self):
        return self._base + self._at

    def peek(self):
        """The next byte, -1 at the end."""
        if self._at == self._end:
            self._base += self._end
            self._end = self._file.readinto(self._buf)
            self._at = 0
            if not self._end:
                return -1
        return self._buf[self._at]

    def next(self):
        byte = self.peek()
        if byte < 0:
            raise ValueError("the file ends too early")
        self._at += 1
        return byte

    def token(self):
        """Skip white space; the byte there, not taken."""
        while self.peek() >= 0 and self.peek() in _SPACE:
            self._at += 1
        return self.peek()

    def take(self, byte):
        if self.token() != byte:
            raise ValueError("byte %d: found %r" % (self.tell(), self.peek()))
        self._at += 1

    def string(self):
        """A string's text between the quotes, escapes as they stand."""
        self.take(34)
        text = bytearray()
        while True:
            byte = self.next()
            if byte == 34:
                return str(text, "utf-8")
            text.append(byte)
            if byte == 92:
                text.append(self.next())

    def skip(self):
        """Pass over one value."""
        byte = self.token()
        if byte == 34:
            self.string()
        elif byte >= 0 and byte in b"{[":
            depth = 0
            while True:
                byte = self.token()
                if byte == 34:
                    self.string()
                    continue
                byte = self.next()
                if byte in b"{[":
                    depth += 1
                elif byte in b"}]":
                    depth -= 1
                    if not depth:
                        return
        else:
            while self.peek() >= 0 and self.peek() not in b",]} \t\r\n":
                self._at += 1


def items(scan):
    """Of the container at the scanner: (key or number, Place without end) for each item; the caller may move within.

    After the last one the scanner stands at the closing bracket.
    """
    scan.token()
    opening = scan.next()
    closing = opening + 2  # { } and [ ] are 2 apart
    number = 0
    left = -1
    while scan.token() != closing:
        if scan.peek() < 0:
            raise ValueError("the file ends too early")
        item = scan.tell()
        key = number
        if opening == 123:
            key = scan.string()
            scan.take(58)
        scan.token()
        place = Place(item, scan.tell(), -1, left, -1)
        yield key, place
        scan.seek(place.start)
        scan.skip()
        place.end = scan.tell()
        number += 1
        if scan.token() == 44:
            left = scan.tell()
            scan.next()


def name_of(scan, place):
    """The "name" of the object at `place`, None if it has none."""
    scan.seek(place.start)
    if scan.token() != 123:
        return None
    for key, _ in items(scan):
        if key == "name" and scan.token() == 34:
            return scan.string()
    return None


def find(scan, path):
    """Place of the value at `path`. Raises NotFound."""
    scan.seek(0)
    scan.token()
    place = Place(scan.tell(), scan.tell(), -1, -1, -1)
    for depth, wanted in enumerate(path):
        scan.seek(place.start)
        opening = scan.token()
        if opening < 0 or opening not in b"{[":
            raise NotFound(depth, -1, 0, 0)
        count = 0
        for key, inner in items(scan):
            count += 1
            if key == wanted or (opening == 91 and isinstance(wanted, str) and name_of(scan, inner) == wanted):
                place = inner
                break
        else:
            raise NotFound(depth, scan.tell(), count, opening)
    scan.seek(place.start)
    scan.skip()
    place.end = scan.tell()
    if scan.token() == 44:
        place.right = scan.tell()
    return place


def leaves(scan, place, label="", depth=0):
    """(path text, value text) of every plain value under `place`, in the file's order."""
    scan.seek(place.start)
    opening = scan.token()
    if opening < 0 or opening not in b"{[" or depth == MAX_DEPTH:
        scan.skip()
        end = scan.tell()
        yield label, text_of(scan, place.start, end)
        return
    for key, inner in items(scan):
        if opening == 91:
            key = name_of(scan, inner) or str(key)
        for pair in leaves(scan, inner, label + "." + key if label else key, depth + 1):
            yield pair


def text_of(scan, start, end):
    """The file's text from start to end."""
    scan.seek(start)
    text = bytearray(end - start)
    for i in range(end - start):
        text[i] = scan.next()
    return str(text, "utf-8")


def splice(file, out, start, end, text):
    """Copy `file` to `out` with [start, end) replaced by `text`."""
    file.seek(0)
    _copy(file, out, start)
    out.write(text.encode())
    file.seek(end)
    _copy(file, out, 1 << 29)


def _copy(file, out, count):
    buf = bytearray(_BLOCK)
    view = memoryview(buf)
    while count:
        n = file.readinto(view[: min(count, _BLOCK)])
        if not n:
            return
        out.write(view[:n])
        count -= n
