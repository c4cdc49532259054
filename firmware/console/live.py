"""The verb watch: values as they are read, with what went wrong where none came."""

import json
import struct

from console import verbs
from gateway import schema as schemas
from modbus.codes import GOOD
from modbus.names import quality_name

_QUEUE = 16  # results that may wait for the terminal; what comes faster is left out and counted
_FORMS = {"uint16": ">H", "int16": ">h", "uint32": ">I", "int32": ">i", "float32": ">f"}


def watch(shell, words):
    """Ends by Ctrl-C or after the given number of lines."""
    gateway = shell.gateway
    left = 1 << 29
    if words and words[-1].isdigit():
        left = int(words.pop())
    unit, _, point = words[0].partition(".") if words else ("", "", "")
    groups = _groups(gateway, unit, point)
    if not groups:
        names = " ".join([each.name for bus in gateway.buses for each in bus.plan.units])
        raise verbs.Refused(verbs.VALUE, "nothing named %s: units are %s" % (words[0], names))
    queue = []
    missed = [0]

    def tap(read, quality, data, nbytes):
        if read.group in groups:
            if len(queue) < _QUEUE:
                queue.append((read.group, quality, bytes(data[:nbytes])))
            else:
                missed[0] += 1

    gateway.tap = tap
    try:
        while left > 0:
            if not queue:
                yield None
                continue
            group, quality, data = queue.pop(0)
            for line in _lines(groups[group], quality, data, point):
                yield line
                left -= 1
                if left <= 0:
                    break
            if missed[0]:
                yield "   (%d reads left out: the terminal is slower)" % missed[0]
                missed[0] = 0
    finally:
        gateway.tap = None


def _groups(gateway, unit, point):
    # group -> meta, of those that hold the wanted unit and point; read from the schema's file.
    found = {}
    for line in schemas.lines(gateway.schema):
        meta = json.loads(line)
        if unit and meta["unit"] != unit:
            continue
        if point and not any([each["name"] == point for each in meta["points"]]):
            continue
        found[meta["group"]] = meta
    return found


def _lines(meta, quality, data, point):
    if quality != GOOD:
        yield "%-32s no value: %s" % (meta["unit"], quality_name(quality))
        return
    for each in meta["points"]:
        if not point or each["name"] == point:
            yield "%-32s %s %s" % (meta["unit"] + "." + each["name"], value_text(data, each), each["unit"])


def value_text(data, point):
    """The value for people, with scale and offset."""
    at = point["at"]
    if point["type"] == "bool":
        return "on" if data[at >> 3] >> (at & 7) & 1 else "off"
    form = _FORMS.get(point["type"])
    if form is None:
        return "0x" + "".join(["%02x" % byte for byte in data[2 * at : 2 * at + 8]])
    size = struct.calcsize(form)
    raw = data[2 * at : 2 * at + size]
    if point["order"] == "CDAB" and size == 4:
        raw = raw[2:] + raw[:2]
    value = struct.unpack(form, raw)[0]
    if point["scale"] != 1 or point["offset"]:
        value = value * point["scale"] + point["offset"]
    return "%.6g" % value if isinstance(value, float) else str(value)
