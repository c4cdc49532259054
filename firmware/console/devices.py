"""Set-up of the machine side: finds the setting of a line and its units, and what they may be. Reads only.

A profile (firmware/profiles/FORMAT.md) is offered for a unit that names itself as the profile says, or whose reading
lies where the profile's probe expects it and that answers the profile's points; what it reads then is shown, and a
person says yes.
"""

import json
import os

from console import finder, jsonfile, live, reading
from modbus.widths import words_of

FOLDER = "profiles"
_HEAD = ("profile", "maker", "model", "confidence", "identity", "probe")
_CONFIDENCE = ("community", "documented", "cross-checked", "verified")
_SHOWN = 3  # values that a person is shown of each unit


class Device:
    """A unit that was found. choices: profiles that fit, best first, each (file, name, how, values as text)."""

    def __init__(self, unit_id, says):
        self.unit_id = unit_id
        self.says = says  # its identity by name
        self.choices = []
        self.plain = None  # (fc, address) of a register that can be read, where no profile fits


def folder():
    """Where the profiles lie: beside the code."""
    for path in ("", __file__[: __file__.rfind("console/")]):
        try:
            os.stat(path + FOLDER)
            return path + FOLDER
        except OSError:
            continue
    return None


def profiles():
    """(file, head) of each profile; what cannot be read is left out."""
    path = folder()
    if path is None:
        return
    for name in sorted(os.listdir(path)):
        if name[-5:] != ".json":
            continue
        head = {}
        try:
            with open(path + "/" + name, "rb") as file:
                scan = jsonfile.Scanner(file)
                for key, place in jsonfile.items(scan):
                    if key == "points":
                        break
                    if key in _HEAD:
                        scan.seek(place.start)
                        scan.skip()
                        head[key] = json.loads(jsonfile.text_of(scan, place.start, scan.tell()))
            if "profile" in head and "model" in head:
                yield path + "/" + name, head
        except (OSError, ValueError):
            continue


def search(gateway, number, kind, units):
    """Yields lines and None; the units found (modbus.scan.Found) go to `units`, all of one setting: the one with
    most of them, to which the line is tuned then."""
    found = []
    job = finder.Job(gateway, number, (kind, None, None), found)
    try:
        yield from finder.follow(job, found)
    finally:
        job.end()
    best = ()
    for one in found:
        same = [each for each in found if (each.baud, each.serial_format) == (one.baud, one.serial_format)]
        if len(same) > len(best):
            best = same
    units.extend(sorted(best, key=lambda each: each.unit_id))
    if best:
        gateway.buses[number].tune(best[0].baud, best[0].serial_format)
        ids = [each.unit_id for each in best]
        for each in found:
            if each.unit_id not in ids:
                yield "!  unit %d answers at %d %s, most at %d %s: it is left out until it is set so" % (
                    each.unit_id, each.baud, each.serial_format, best[0].baud, best[0].serial_format,
                )


def look(gateway, number, unit_id):
    """Yields None; returns the Device that this unit is."""
    says = yield from finder.ask_who(gateway, number, unit_id)
    device = Device(unit_id, says)
    cache = {}
    said = " ".join([says[key] for key in sorted(says)]).lower()
    for file, head in profiles():
        identity, probe = head.get("identity"), head.get("probe")
        how = None
        if identity and identity.get("vendor") and identity["vendor"].lower() in said:
            if not identity.get("product") or identity["product"].lower() in said:
                how = "it says so"
        if how is None and probe and not identity:
            value = yield from _value(gateway, number, unit_id, probe, cache)
            if value[0] and _lies_in(value[1], probe):
                how = "its values fit"
        if how is None:
            continue
        values = []
        yield from _values(gateway, number, unit_id, file, cache, values)
        if values:
            name = "%s %s" % (head.get("maker", ""), head["model"])
            trust = _CONFIDENCE.index(head["confidence"]) if head.get("confidence") in _CONFIDENCE else 0
            device.choices.append((-trust - 10 * (how == "it says so"), file, name[:40], how, values))
    device.choices = [choice[1:] for choice in sorted(device.choices)]
    if not device.choices:
        for fc in (3, 4):
            answer = yield from _ask(gateway, number, unit_id, fc, 0, 1, cache)
            if answer[0]:
                device.plain = (fc, 0)
                break
    return device


def _lies_in(text, probe):
    try:
        return probe["low"] <= float(text) <= probe["high"]
    except ValueError:
        return False  # not a number


def _values(gateway, number, unit_id, file, cache, values):
    """The profile's first points as texts to `values`; none when the unit refuses one of them or does not answer."""
    with open(file, "rb") as opened:
        scan = jsonfile.Scanner(opened)
        place = jsonfile.find(scan, ["points"])
        scan.seek(place.start)
        for count, item in jsonfile.items(scan):
            if count == _SHOWN:
                return
            scan.seek(item.start)
            scan.skip()
            point = json.loads(jsonfile.text_of(scan, item.start, scan.tell()))
            value = yield from _value(gateway, number, unit_id, point, cache)
            if not value[0]:
                values.clear()
                return
            values.append("%s %s %s" % (point["name"], value[1], point.get("unit", "")))


def _value(gateway, number, unit_id, point, cache):
    """Yields None; returns (True, the point's value as text) or (False, "")."""
    count = words_of(point["type"])
    answer = yield from _ask(gateway, number, unit_id, point["fc"], point["address"], count, cache)
    if not answer[0]:
        return answer
    form = {"name": "", "at": 0, "order": "ABCD", "scale": 1, "offset": 0}
    form.update(point)
    return True, live.value_text(answer[1], form, (form,))


def _ask(gateway, number, unit_id, fc, address, count, cache):
    """Yields None; returns (True, data) or (False, None). Each question is asked once, and again if it was lost."""
    key = (fc, address, count)
    if key not in cache:
        for _ in range(2):
            answer = yield from reading.ask(gateway, number, reading.frame_of(unit_id, fc, address, count))
            if answer[0] == reading.ANSWER:
                break
        data = reading.data_of(answer[1]) if answer[0] == reading.ANSWER else None
        cache[key] = (data is not None, data)
    return cache[key]
