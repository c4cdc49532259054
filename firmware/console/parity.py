"""What `scan units` concludes: baud, parity or address of units that do not answer, from the setting at which they do.

No port tells of a wrong parity bit: a unit that is asked with one says nothing, as one without power does. So the
units that should be there were asked at every baud in all four formats (modbus.ways.units); each line here rests on a
sound reply, or says that there was none.
"""

from console import verbs


def conclusions(bus, found):
    """Lines for people. found: modbus.scan.Found of a search of kind units."""
    line = bus.line
    own = (line.baud, _format(line.serial_format))
    elsewhere, right, silent = [], 0, []
    for unit in bus.plan.units:
        settings = [(each.baud, each.serial_format) for each in found if each.unit_id == unit.unit_id]
        if own in [(baud, _format(form)) for baud, form in settings]:
            right += 1
        elif settings:
            elsewhere.append(settings[0])
            yield "%s (%d) answers at %d %s, the box asks at %d %s" % (
                (unit.name, unit.unit_id) + settings[0] + (line.baud, line.serial_format)
            )
        else:
            silent.append("%s (%d)" % (unit.name, unit.unit_id))
    if silent:
        yield "%s answer%s at no baud and no parity" % (verbs.few(silent), "s"[: len(silent) == 1])
    name = line.name
    if silent and not right and not elsewhere:
        yield "-> nobody answers at any setting: cable, A and B, power; or other addresses: scan %s common" % name
    elif silent:
        yield "-> who is silent has another address or no power: scan %s asks all addresses" % name
    if elsewhere and not right and min(elsewhere) == max(elsewhere):
        baud, form = elsewhere[0]
        yield "-> wrong %s: set %s.baud %d, set %s.serial_format %s, commit" % (
            "parity" if baud == line.baud else "baud", name, baud, name, form,
        )  # fmt: skip
    elif elsewhere:
        yield "-> one line has one setting: set those units to %d %s" % (line.baud, line.serial_format)
    elif not silent:
        yield "all units answer at the setting of %s, %d %s" % (name, line.baud, line.serial_format)


def _format(serial_format):
    # A unit set to 8N2 answers 8N1 as well, and is found so.
    return "8N1" if serial_format == "8N2" else serial_format
