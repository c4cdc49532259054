"""The verbs scan and identify: which units are on a line, and who they say they are. Reads only, between polls."""

import asyncio

from console import verbs
from console.verbs import bus_of

_LONG_MS = 600000  # PAUSE_HOLD's bound
_SIGNS = 6  # lines of progress, whatever the search: it is to fit a screen
_TELL = 20  # waits of 0.1 s between two looks at what was found
_KINDS = ("known", "units", "common", "whole")
_FOREIGN = "foreign traffic"


def scan(shell, words):
    """scan [bus] [known [baud format]|units|common|whole]"""
    number, words = bus_of(shell.gateway, words)
    bus = shell.gateway.buses[number]
    if hasattr(bus, "learned"):
        yield "%s only listens; what it has heard:" % bus.line.name
        heard = False
        for line in bus.learned():
            heard = True
            yield line
        if not heard:
            yield "nothing yet: does another client ask, at %d %s?" % (bus.line.baud, bus.line.serial_format)
        return
    shell.flows = True
    kind = words.pop(0) if words else "known"
    if kind not in _KINDS:
        raise verbs.Refused(verbs.VALUE, "no search %s: there is %s" % (kind, " ".join(_KINDS)))
    if kind == "units" and not bus.plan.units:
        raise verbs.Refused(verbs.MISSING, "no units are configured there: scan common")
    baud, serial_format = _setting(words) if kind == "known" else (None, None)
    if kind != "known" or baud:
        shell.need("ot")
        if shell.gateway.log is not None:  # else nobody polls
            from console import stopping

            if not (yield from stopping.agreed([bus], "polling of %s stops meanwhile" % bus.line.name, _LONG_MS)):
                return
    found = []
    job = Job(shell.gateway, number, (kind, baud, serial_format), found)
    try:
        yield from follow(job, found)
    finally:
        job.end()
    if kind == "units":
        from console import parity

        for line in parity.conclusions(bus, found):
            yield line


def follow(job, found):
    told = 0
    waits = sign = 0
    asked = False
    while not job.over:
        yield None
        waits += 1
        if job.state == _FOREIGN and not asked:
            asked = True
            yield "somebody else is heard on the line: nothing is sent until it is silent"
            answer = yield verbs.Ask("ask all the same, in a tenth of the time? y: ")
            if answer is None:
                return
            if answer.strip()[:1] in ("y", "Y"):
                job.searching.confirm()
        if waits % _TELL:
            continue
        if told < len(found):
            yield from _told(found[told:])
            told = len(found)
        elif job.total and job.position * _SIGNS >= job.total * sign:
            sign = job.position * _SIGNS // job.total + 1
            yield "%s: %d of %d" % (job.state, job.position, job.total)
    yield from _told(found[told:])
    if job.error:
        raise verbs.Refused(job.code, job.error)
    yield "%s: %d of %d asked, %d units found" % (job.state, job.position, job.total, len(found))


def _told(found):
    """A line for those that were found at one setting one after the other."""
    ids, before = [], ""
    for unit in found:
        how = "" if unit.asked else ", heard answering somebody else"
        setting = "%d %s%s" % (unit.baud, unit.serial_format, how)
        if ids and setting != before:
            yield _group(ids, before)
            ids = []
        ids.append(str(unit.unit_id))
        before = setting
    if ids:
        yield _group(ids, before)


def _group(ids, setting):
    return "unit%s %s: %s" % ("s"[: len(ids) > 1], " ".join(ids), setting)


class Job:
    """The search as a task of its own."""

    def __init__(self, gateway, number, what, found):
        self.over = False
        self.error = None
        self.code = verbs.BUSY
        self.state = "starting"
        self.position = self.total = 0
        self.searching = None
        self._module = None
        self._task = asyncio.create_task(self._run(gateway, number, what, found))

    async def _run(self, gateway, number, what, found):
        try:
            self._module = await gateway.load_search()
            make = self._module.Searching
            self.searching = make(gateway, number, *what, on_progress=self._progress, on_found=found.append)
            await self.searching.run(asyncio.sleep_ms)
        except ValueError as error:
            self.error = str(error)
        except MemoryError:
            self.error = "not enough memory for a search now"
            self.code = verbs.MEMORY
        except OSError as error:
            self.error = "the port failed: %s" % error.args[-1]
            self.code = verbs.STORAGE
        finally:
            self.over = True

    def _progress(self, state, position, total, units):
        self.state, self.position, self.total = state, position, total

    def end(self):
        """Whatever runs is over; the bus polls."""
        self._task.cancel()
        if self._module:
            self._module.forget()


def identify(shell, words):
    """identify [bus] unit_id"""
    number, words = bus_of(shell.gateway, words)
    if not words or not words[0].isdigit() or not 1 <= int(words[0]) <= 247:
        raise verbs.Refused(verbs.VALUE, "name a unit id, 1..247: identify 5")
    unit_id = int(words[0])
    if hasattr(shell.gateway.buses[number], "learned"):
        name = shell.gateway.buses[number].line.name
        raise verbs.Refused(verbs.BUSY, "%s only listens: the box never sends on it" % name)
    says = yield from ask_who(shell.gateway, number, unit_id)
    for name in sorted(says):
        yield "%-14s %s" % (name, says[name])
    if not says:
        yield "unit %d does not say (no answer to FC 43/14 and FC 17)" % unit_id


def ask_who(gateway, number, unit_id):
    """Yields None; returns what the unit says of itself: texts by name."""
    answers = []
    task = asyncio.create_task(_ask_who(gateway, number, unit_id, answers))
    try:
        while not task.done():
            yield None
    finally:
        task.cancel()
    if isinstance(answers[0], str):
        raise verbs.Refused(verbs.BUSY, answers[0])
    return answers[0]


async def _ask_who(gateway, number, unit_id, answers):
    module = None
    try:
        module = await gateway.load_search()
        answers.append(await module.identify(gateway, number, unit_id, asyncio.sleep_ms))
    except MemoryError:
        answers.append("not enough memory for that now")
    except OSError as error:
        answers.append("the port failed: %s" % error.args[-1])
    finally:
        if module:
            module.forget()


def _setting(words):
    if not words:
        return None, None
    if len(words) == 2 and words[0].isdigit() and words[1].upper() in ("8N1", "8E1", "8O1", "8N2"):
        if 1200 <= int(words[0]) <= 1000000:
            return int(words[0]), words[1].upper()
    raise verbs.Refused(verbs.VALUE, "a setting is a baud rate and a format: scan known 9600 8N1")
