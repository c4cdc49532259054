"""The newest sample of every group, for <base>/latest/<unit>/<group>: current while a backlog drains.

`note` keeps the reply's bytes as they come and allocates nothing; the text is made from them when it is published,
point by point, so that others can run between. Loaded only when it.json asks for it (`latest_s`).
"""

import json
from array import array

from gateway.decimals import text_of
from modbus.codes import GOOD, NOT_ASKED, NOT_AVAILABLE
from uplink.points import KINDS, kind_of, micropython, ptr8

_MORE = ("bit", "bits", "scale_from", "na", "low", "high", "names")  # keys that gateway.meaning knows


@micropython.viper
def _copy(source: ptr8, count: int, target: ptr8, at: int):
    for i in range(count):
        target[at + i] = source[i]


class Latest:
    """One per box. lines: the meta lines of the schema in use (gateway.schema)."""

    def __init__(self, lines):
        self.describe(lines)

    def describe(self, lines):
        """Begin anew with these groups: nothing is known of any."""
        self._index = {}  # group: place in the lists below
        self._units = []
        self._heads = []  # the constant part of the text
        self._points = []  # "name,at,kind,scale,offset" of each point, one per line: 25 bytes instead of a dict's 250
        self._at = array("H")  # in _data
        at = 0
        for line in lines:
            meta = json.loads(line)
            self._index[meta["group"]] = len(self._units)
            self._units.append(meta["unit"])
            self._heads.append(
                '{"format":1,"schema":"%s","group":%d,"unit":%s,"unit_id":%d'
                % (meta["schema"], meta["group"], json.dumps(meta["unit"]), meta["unit_id"])
            )
            self._points.append("\n".join([_described(point, meta["points"]) for point in meta["points"]]))
            self._at.append(at)
            at += (meta["count"] + 7) // 8 if 0 < meta["fc"] <= 2 else 2 * meta["count"]
        self._at.append(at)
        self._data = bytearray(at)
        self._quality = bytearray([NOT_ASKED] * len(self._units))
        self._ticks = array("i", bytes(4 * len(self._units)))  # ticks_ms; polls are at most a day apart
        self._known = bytearray(len(self._units))  # 1: there was a sample
        self._fresh = bytearray(len(self._units))  # 1: it is not published yet

    def note(self, group, quality, ticks_ms, data, nbytes):
        """One poll's outcome, as for the recorder."""
        i = self._index.get(group, -1)
        if i < 0:
            return
        if quality == GOOD:
            if nbytes != self._at[i + 1] - self._at[i]:
                return
            _copy(data, nbytes, self._data, self._at[i])
        self._quality[i] = quality
        self._ticks[i] = ticks_ms
        self._known[i] = self._fresh[i] = 1

    def refresh(self):
        """A broker that may know nothing is to get everything."""
        for i in range(len(self._fresh)):
            self._fresh[i] = self._known[i]

    def next(self):
        """Place of a group with something to publish, -1 if there is none."""
        for i in range(len(self._fresh)):
            if self._fresh[i]:
                return i
        return -1

    def topic(self, i):
        """Below the base."""
        name = self._heads[i]
        start = name.index('"group":') + 8
        return "latest/%s/%s" % (self._units[i], name[start : name.index(",", start)])

    def pieces(self, i, clock):
        """The text of place i as a generator of its pieces; what arrives meanwhile does not get into it."""
        self._fresh[i] = 0
        quality = self._quality[i]
        data = bytes(self._data[self._at[i] : self._at[i + 1]])
        utc_ms = clock.utc_ms()
        if utc_ms is not None:
            utc_ms -= clock.ticks_diff(clock.ticks_ms(), self._ticks[i])
        yield '%s,"quality":%d,"utc_ms":%s,"values":{' % (self._heads[i], quality, json.dumps(utc_ms))
        comma = ""
        qualities = []  # of values that are not good in a sample that is
        names = []
        for line in self._points[i].split("\n"):
            fields = line.split(",", 9)
            text = None
            if quality == GOOD:
                text, good, name = _value(fields, data)
                if good != GOOD:
                    qualities.append('"%s":%d' % (fields[0], good))
                if name is not None:
                    names.append('"%s":%s' % (fields[0], json.dumps(name)))
            yield '%s"%s":%s' % (comma, fields[0], text or "null")
            comma = ","
        if qualities:
            yield '},"qualities":{' + ",".join(qualities)
        if names:
            yield '},"names":{' + ",".join(names)
        yield "}}"


def _value(fields, data):
    # (text, quality, name of the number), as of gateway.meaning.
    if len(fields) > 5:
        from gateway import meaning  # only where there is such a point

        return meaning.value(fields, data)
    _, at, kind, scale, offset = fields
    text = text_of(int(kind), data, int(at), scale, offset)
    return text, NOT_AVAILABLE if text is None else GOOD, None


def _described(point, points):
    if point["type"] not in KINDS or any([key in point for key in _MORE]):
        from gateway import meaning

        return meaning.text_of(point, points)
    plain = point["scale"] == 1 and not point["offset"]
    scale, offset = ("", "") if plain else (json.dumps(point["scale"]), json.dumps(point["offset"]))
    at = point["at"] if point["type"] == "bool" else 2 * point["at"]
    return "%s,%d,%d,%s,%s" % (point["name"], at, kind_of(point["type"], point["order"]), scale, offset)
