"""Reads a JSON file value by value, so that memory does not grow with the file.

A box with 200 points has 20 to 40 KB of configuration; parsed, that is more than a Pico W has free. So the file is
passed over here, and only what is wanted of it becomes objects. Passing over is viper where MicroPython runs.
"""

import json
import sys

if sys.implementation.name == "micropython":
    import micropython
else:

    class micropython:
        """Stands in for the decorator that only MicroPython has."""

        @staticmethod
        def viper(function):
            return function


ptr8 = None  # CPython reads it in annotations; in viper it is the compiler's own word

_BLOCK = 256
_SPACE = b" \t\r\n"
_BATCH = 640  # bytes of a list that become objects at a time
_TOO_DEEP = 200  # brackets in each other


class NotJson(ValueError):
    """The file is not JSON; the scanner stands where that shows."""


@micropython.viper
def _past(buf: ptr8, at: int, end: int, state: ptr8) -> int:
    """Pass over what stands in buf[at:end], to behind the end of a text or of what is in brackets. state: depth, and 1
    in a text, 2 behind a backslash in it; it is 0, 0 when the end was met."""
    depth = int(state[0])
    mode = int(state[1])
    while at < end:
        byte = int(buf[at])
        at += 1
        if mode == 2:
            mode = 1
        elif mode == 1:
            if byte == 34:
                mode = 0
                if depth == 0:
                    break
            elif byte == 92:
                mode = 2
        elif byte == 34:
            mode = 1
        elif byte | 32 == 123:
            depth += 1
            if depth > 200:
                break
        elif byte | 32 == 125:
            depth -= 1
            if depth == 0:
                break
    state[0] = depth
    state[1] = mode
    return at


@micropython.viper
def _whole(buf: ptr8, end: int, state: ptr8) -> int:
    """The length of what stands in buf[:end] of a list's inside, up to its last comma; state[0] is 1 where the list
    ends there."""
    depth = 0
    mode = 0
    found = 0
    at = 0
    while at < end:
        byte = int(buf[at])
        if mode == 2:
            mode = 1
        elif mode == 1:
            if byte == 34:
                mode = 0
            elif byte == 92:
                mode = 2
        elif byte == 34:
            mode = 1
        elif byte | 32 == 123:
            depth += 1
        elif byte | 32 == 125:
            if depth == 0:
                state[0] = 1
                return at
            depth -= 1
        elif byte == 44 and depth == 0:
            found = at
        at += 1
    state[0] = 0
    return found


class Place:
    """A value in the file: its text is [start, end), with key [item, end); commas beside it or -1."""

    def __init__(self, item, start, end, left, right):
        self.item = item
        self.start = start
        self.end = end
        self.left = left
        self.right = right


class Scanner:
    """Reads a file (binary, seekable). Where it is not JSON its functions raise NotJson."""

    def __init__(self, file):
        self._file = file
        self._buf = bytearray(_BLOCK)
        self._state = bytearray(2)
        self.rewind()

    def rewind(self):
        """Go to the begin, also after others have read from the file."""
        self._file.seek(0)
        self._base = self._at = self._end = 0  # the file stands behind what is in the buffer

    def seek(self, at):
        if not self._base <= at <= self._base + self._end:
            self._file.seek(at)
            self._base = at
            self._end = 0
        self._at = at - self._base

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
            raise NotJson("the file ends too early")
        self._at += 1
        return byte

    def token(self):
        """Skip white space; the byte there, not taken."""
        while True:
            byte = self.peek()
            if byte < 0 or byte not in _SPACE:
                return byte
            self._at += 1

    def take(self, byte):
        if self.token() != byte:
            raise NotJson("byte %d: found %r" % (self.tell(), self.peek()))
        self._at += 1

    def string(self):
        """A string's text between the quotes, escapes as they stand."""
        self.take(34)
        text = bytearray()
        while True:
            byte = self.next()
            if byte == 34:
                try:
                    return str(text, "utf-8")
                except UnicodeError:
                    raise NotJson("byte %d: no UTF-8" % self.tell())
            text.append(byte)
            if byte == 92:
                text.append(self.next())

    def skip(self):
        """Pass over one value."""
        byte = self.token()
        if byte >= 0 and byte in b'{["':
            state = self._state
            state[0] = state[1] = 0
            while True:
                if self.peek() < 0:
                    raise NotJson("the file ends too early")
                self._at = _past(self._buf, self._at, self._end, state)
                if not state[0] and not state[1]:
                    return
                if state[0] > _TOO_DEEP:
                    raise NotJson("byte %d: too many brackets" % self.tell())
        else:
            while self.peek() >= 0 and self.peek() not in b",]} \t\r\n":
                self._at += 1

    def bytes(self, start, end):
        """What stands there."""
        self._base = start
        self._at = self._end = 0
        self._file.seek(start)
        text = self._file.read(end - start)
        self._base += len(text)
        return text

    def value(self, start, cut=-1, cut_end=-1):
        """The object at `start`, with an empty list in place of [cut, cut_end)."""
        self.seek(start)
        self.skip()
        end = self.tell()
        if cut < 0:
            return self._parsed(self.bytes(start, end), start)
        text = self.bytes(start, cut) + b"[]"
        length = len(text)
        return self._parsed(text + self.bytes(cut_end, end), start, length, cut_end - start)

    def _parsed(self, text, start, length=1 << 29, more=0):
        # more: what `text` leaves out of the file at `length`.
        try:
            return json.loads(text)
        except (ValueError, TypeError):  # MicroPython's reader takes any value as a key, until it is a list
            at = _stop(text)
            self.seek(start + (at if at < length else at - length + more))
            raise NotJson("byte %d" % self.tell())

    def values(self, start):
        """Yield the items of the list at `start`; others may use the scanner between them. Then it stands behind."""
        self.seek(start)
        self.take(91)
        at = self.tell()
        state = bytearray(1)
        while not state[0]:
            text = self.bytes(at, at + _BATCH)
            size = _whole(text, len(text), state)
            if state[0] and text[size] != 93:
                self.seek(at + size)
                raise NotJson("byte %d: found %r" % (at + size, text[size]))
            if size or state[0]:
                found = self._parsed(b"[" + text[:size] + b"]", at - 1)
                at += size + 1
            else:
                self.seek(at)
                text = None
                found = [self.value(at)]
                at = self.tell()
                byte = self.token()
                if byte != 44 and byte != 93:
                    raise NotJson("byte %d: found %r" % (self.tell(), byte))
                state[0] = byte == 93
                at = self.tell() + 1
            for item in found:
                yield item
        self.seek(at)

    def end(self):
        """Nothing may follow."""
        if self.token() >= 0:
            raise NotJson("byte %d: more than one value" % self.tell())

    def line(self):
        """The number of the line in which it stands."""
        at = self.tell()
        self._file.seek(0)
        count = 1
        while at > 0:
            text = self._file.read(min(at, _BLOCK))
            if not text:
                break
            count += text.count(b"\n")
            at -= len(text)
        return count


def _stop(text):
    # Where the parser stopped. MicroPython's reads byte by byte and does not say; the file's position does.
    import io

    file = io.BytesIO(text)
    try:
        json.load(file)
    except (ValueError, TypeError) as error:
        return getattr(error, "pos", file.tell())
    return len(text)


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
            raise NotJson("the file ends too early")
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
        elif scan.peek() != closing:  # else a bracket of the other kind would be passed over without end
            raise NotJson("byte %d: found %r" % (scan.tell(), scan.peek()))
