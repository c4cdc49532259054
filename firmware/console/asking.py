"""One read of a unit for the console: between polls, through the gate, as a task of its own."""

import asyncio

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
        while not answers:
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
