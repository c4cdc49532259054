"""Finds, shows and changes values in a JSON file without loading it: memory does not grow with the file.

A box with 200 points has 40 KB of configuration; parsed, that is more than a Pico W has free while it polls. So the
file is scanned, and a change copies it around the new value. Paths are lists: a text names a key of an object, or in a
list the item whose "name" it is; an int is a place in a list.
"""

from gateway.jsonscan import Place, Scanner, items  # noqa: F401  (verbs take all of it from here)

_BLOCK = 128
MAX_DEPTH = 8


class NotFound(Exception):
    """No such place; `depth` items of the path exist, `end` is where their container closes, `count` are in it."""

    def __init__(self, depth, end, count, kind):
        super().__init__(depth)
        self.depth = depth
        self.end = end
        self.count = count
        self.kind = kind  # ord of the container's bracket, 0 for a plain value


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
    return str(scan.bytes(start, end), "utf-8")


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
