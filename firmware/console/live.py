"""The verb watch: values as they are read, with what went wrong where none came."""

import json
import sys

from console import verbs
from gateway import schema as schemas
from modbus.codes import GOOD
from modbus.names import quality_name

# What decodes values, if nobody else has it: it goes when the verb has ended.
_DECODERS = "gateway.meaning gateway.decimals points.exact points.digits points.numbers"
OURS = [name for name in _DECODERS.split() if name not in sys.modules]
from gateway import meaning, unload  # noqa: E402  (after the look at what was there before)

_QUEUE = 16  # results that may wait for the terminal; what comes faster is left out and counted


def watch(shell, words):
    """Ends by Ctrl-C or after the given number of lines."""
    shell.flows = True
    try:
        yield from _watch(shell, words)
    finally:
        shell.gateway.tap = None
        for name in OURS:
            unload.unload(name)


def _watch(shell, words):
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
    while left > 0:
        if shell.crowded:  # a Ctrl-C behind all that would not be seen
            raise verbs.Refused(verbs.STOPPED, "more lines wait: watch goes on until Ctrl-C, so it comes last")
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
            text = value_text(data, each, meta["points"])
            yield "%-32s %s %s" % (meta["unit"] + "." + each["name"], text, each["unit"])


def value_text(data, point, points):
    """The value for people: every digit, the name of a number, why there is none. points: all of the group."""
    text, quality, name = meaning.value(meaning.text_of(point, points).split(",", 9), data)
    if text is None:
        return quality_name(quality)
    if text == "true" or text == "false":
        text = "on" if text == "true" else "off"
    if name is not None:
        text = "%s (%s)" % (name, text)
    return text if quality == GOOD else "%s (%s)" % (text, quality_name(quality))
