"""The verb read: one read request to a unit, its reply in every form that it may mean; `ask` for others.

Reads go out between polls, through the gate, as a task of their own.
"""

import asyncio
import struct

from console import verbs
from console.verbs import Refused
from modbus.adu import build

SILENCE, ANSWER, RUBBISH = 0, 1, 2  # modbus.ask
EXCEPTIONS = (
    "",
    "it does not know this function",
    "it has no such address",
    "it does not give so many at once",
    "it failed",
    "it is busy with it",
    "it is busy",
)
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
    outcome, adu = yield from ask(gateway, number, frame_of(unit_id, fc, address, count))
    if outcome == ANSWER:
        data = data_of(adu)
        if data is None:
            raise Refused(verbs.MISSING, "unit %d refuses: %s" % (unit_id, refusal(adu)))
        yield from (_bits(data, address, count) if fc <= 2 else _registers(data, address, count))
        return
    line = gateway.buses[number].line
    if outcome == SILENCE:
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


# For others

def frame_of(unit_id, fc, address, count):
    """The ADU that reads `count` bits or registers."""
    return build(unit_id, bytes((fc, address >> 8, address & 255, count >> 8, count & 255)))


def ask(gateway, number, frame, patience_ms=250):
    """Yields None until it is over; returns (outcome, bytes), see gateway.search.read. Raises Refused."""
    answers = []

    async def run():
        module = None
        try:
            module = await gateway.load_search()
            answers.append(await module.read(gateway, number, frame, asyncio.sleep_ms, patience_ms))
        except MemoryError:
            answers.append("not enough memory for that now")
        except OSError as error:
            answers.append("the port failed: %s" % error.args[-1])
        finally:
            if module and gateway.log:
                module.forget()

    if hasattr(gateway.buses[number], "learned"):
        raise Refused(verbs.BUSY, "%s only listens: the box never sends on it" % gateway.buses[number].line.name)
    task = asyncio.create_task(run())
    try:
        while not task.done():
            yield None
    finally:
        task.cancel()
    if isinstance(answers[0], str):
        raise Refused(verbs.BUSY, answers[0])
    return answers[0]


def data_of(adu):
    """The data of a good reply to FC 1..4, None for an exception."""
    return adu[3 : 3 + adu[2]] if not adu[1] & 0x80 else None


def refusal(adu):
    """What an exception says."""
    code = adu[2]
    return "exception %d: %s" % (code, EXCEPTIONS[code] if code < len(EXCEPTIONS) else "see its manual")
