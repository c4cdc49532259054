"""The verb read: one read request to a unit, its reply in every form that it may mean."""

import struct

from console import asking, verbs
from console.verbs import Refused

_EXAMPLE = "read 1 4 0 2: unit 1, function code 4, from address 0, two registers"


def read(shell, words):
    """read [bus] unit fc address [count]"""
    gateway = shell.gateway
    number, words = verbs.bus_of(gateway, words)
    if words and not words[0].isdigit():
        for unit in gateway.buses[number].plan.units:
            if unit.name == words[0]:
                words[0] = str(unit.unit_id)
    if not 3 <= len(words) <= 4 or not all([word.isdigit() for word in words]):
        raise Refused(verbs.VALUE, _EXAMPLE)
    unit_id, fc, address = [int(word) for word in words[:3]]
    count = int(words[3]) if len(words) == 4 else 1
    most = 125 if fc > 2 else 2000  # Modbus application protocol V1.1b3, 6.1 to 6.4
    for name, value, low, high in (
        ("unit", unit_id, 1, 247),
        ("fc", fc, 1, 4),
        ("address", address, 0, 65535),
        ("count", count, 1, min(most, 65536 - address)),
    ):
        if not low <= value <= high:
            raise Refused(verbs.VALUE, "%s: found %d, allowed %d..%d" % (name, value, low, high))
    outcome, adu = yield from asking.ask(gateway, number, asking.frame_of(unit_id, fc, address, count))
    if outcome == asking.ANSWER:
        data = asking.data_of(adu)
        if data is None:
            raise Refused(verbs.MISSING, "unit %d refuses: %s" % (unit_id, asking.refusal(adu)))
        yield from (_bits(data, address, count) if fc <= 2 else _registers(data, address, count))
        return
    line = gateway.buses[number].line
    if outcome == asking.SILENCE:
        setting = (unit_id, line.baud, line.serial_format)
        raise Refused(verbs.MISSING, "unit %d is silent at %d %s: its address? power? try scan" % setting)
    shown = " ".join(["%02x" % byte for byte in adu[:12]])
    raise Refused(verbs.BUSY, "no sound reply, but %d bytes: %s: try again, then bus" % (len(adu), shown))


def _bits(data, address, count):
    for first in range(0, count, 16):
        bits = [str(data[i >> 3] >> (i & 7) & 1) for i in range(first, min(count, first + 16))]
        yield "%5d  %s" % (address + first, " ".join(bits))


def _registers(data, address, count):
    """A line for each register; what it means together with the next one."""
    yield " addr  hex   uint16   int16  int32 ABCD    CDAB        float ABCD   CDAB"
    for i in range(count):
        raw = data[2 * i : 2 * i + 2]
        line = "%5d  %04x  %6d  %6d" % ((address + i,) + struct.unpack(">HHh", raw + raw + raw))
        if i + 1 < count:
            pair = data[2 * i : 2 * i + 4]
            swapped = pair[2:] + pair[:2]
            line += "  %-11d %-11d %-12s %s" % (
                struct.unpack(">i", pair)
                + struct.unpack(">i", swapped)
                + ("%.5g" % struct.unpack(">f", pair), "%.5g" % struct.unpack(">f", swapped))
            )
        yield line
