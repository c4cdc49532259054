"""Event codes of the application, and the glossary as it is published: <base>/glossary and <base>/glossary/<term>.

Quality codes and the bus's event codes stand in `modbus.codes`. Codes are stored on flash and published, so they
never change. The texts lie in glossary.jsonl beside this module and are read line by line: the first line names all
codes, each further one is a term. GLOSSARY.md is made from the same file.
"""

from gateway.schema import raw_lines

FILE = "glossary.jsonl"

BOOT = 1  # (boot id, 0)
BROKER_DOWN = 6  # (text)
BROKER_UP = 7  # (text)
RECORDS_DROPPED = 8  # (how many, 0: found no room in RAM, 1: the oldest on a full log)
LOG_DAMAGED = 11  # (records lost, sectors out of use)
ALARM_RAISED = 20  # (text: name and value)
ALARM_CLEARED = 21  # (the same)
ALARM_ACKNOWLEDGED = 22  # (text: name)
ALARM_EVENTS_HELD = 23  # (events of alarms in the last minute that were not recorded, 0)
ANOMALY_LEARNED = 24  # (text: name of the watch)
MACHINE_STATE = 30  # (state: production.oee.STATES; cause: what the machine's code says, of unknown: 2 device ...)
COUNTER_SET = 31  # (0 cycles, 1 good, 2 rejects; what it showed before)
FAULT_BEGINS = 32  # (cause << 16 | reason << 8 | subject, see gateway.faults; confidence in percent)
FAULT_ENDS = 33  # (the same, duration in s)


def glossary():
    """The names of all quality and event codes, as published; an empty object where the file is missing."""
    for line in _lines():
        return bytes(line)
    return b'{"format":1,"quality":{},"event":{}}'


def messages():
    """Yield (topic, text as a memoryview) of that, then of each term. The file stays open; the first takes 10 ms, the
    others 1."""
    lines = _lines()
    yield "glossary", next(lines, None) or glossary()
    for line in lines:
        yield "glossary/" + str(line[9 : bytes(line[:48]).index(b'"', 9)], "ascii"), line  # it begins with {"term":"


def _lines():
    try:
        with open(__file__[: __file__.rfind("/") + 1] + FILE, "rb") as file:
            for line in raw_lines(file):
                yield memoryview(line)[:-1]
    except OSError:
        pass
