"""Verbs that put a candidate into use and take it back: diff, check, commit, confirm, rollback, discard; and those that
end the run: reboot, repl, update."""

from console import verbs
from console.verbs import Refused
from gateway import revisions, unload

_MINUTES = 10
_MAX_MINUTES = 60
_PROMPT_MS = 900000  # the Python prompt is there for 15 minutes
_COSTS_BYTES = 200  # of what `commit` repeats of `check`


def check(shell, words):
    """Every mistake on a line of its own; else what the candidate costs."""
    errors, costs = yield from _checked(shell)
    for line in errors or costs:
        yield line
    sound(errors)


def sound(errors):
    """Raises Refused unless there are none."""
    if errors:
        count = "%d mistakes" % len(errors) if len(errors) > 1 else "1 mistake"
        raise Refused(verbs.CHECK, count + ": mend it with set, or discard")


def diff(shell, words):
    """What was changed, then mistakes, or what it costs beside what the configuration in use cost when it came."""
    if not revisions.has_candidate():
        yield "no candidate: the configuration in use is unchanged"
        return
    for line in revisions.changes():
        yield line
    errors, costs = yield from _checked(shell)
    before = revisions.costs(revisions.now().current)
    for line in errors:
        yield "!! " + line
    for line in before:
        if line not in costs:
            yield "now:  " + line
    for line in costs:
        if line not in before and line[:7] != "memory:":
            yield "then: " + line


def _checked(shell):
    """Yields None; returns (mistakes, costs) of the candidate. Raises Refused where there is none."""
    if not revisions.has_candidate():
        raise Refused(verbs.CHECK, "no candidate: change something with set first")
    from console import checker

    return (yield from checker.check_box(shell.gateway))


def commit(shell, words):
    """commit [minutes] [yes]"""
    yes = words[-1:] == ["yes"]
    words = words[: len(words) - yes]
    minutes = _MINUTES
    if words:
        if len(words) > 1 or not words[0].isdigit() or not 1 <= int(words[0]) <= _MAX_MINUTES:
            raise Refused(verbs.VALUE, "minutes: found %s, allowed 1..%d" % (" ".join(words), _MAX_MINUTES))
        minutes = int(words[0])
    if revisions.on_trial():
        raise Refused(verbs.BUSY, "a trial runs: type confirm or rollback first")
    errors, costs = yield from _checked(shell)
    for line in errors[:1]:
        yield line
    sound(errors)
    yield from _told(costs)
    for name in ("console.checker", "console.expense", "modbus.planner", "gateway.units"):
        unload.unload(name)  # their memory is needed for what follows
    halves = sorted({half_of(line) for line in revisions.changes()})
    if len(halves) > 1:
        from console import people

        yield from people.need_both(shell)
    for half in halves[: len(halves) & 1]:
        shell.need(half)
    from console import stopping

    yield from stopping.sure(shell.gateway, yes, stopping.START_MS)
    from console import audit_chain  # not beside the check: memory

    number = revisions.commit(shell.who(), audit_chain.when(shell), minutes * 60, costs)
    _note(shell, "commit of revision %d" % number)
    if revisions.now().state == "first":
        yield "revision %d is the first: it stays if the box can start with it" % number
    else:
        yield "revision %d is on trial from the next start: type confirm within %d minutes" % (number, minutes)
    yield "the gateway starts again now"
    shell.gateway.restart()


def _told(costs):
    """Warnings and the use of the lines: the screen has to show as well what happens next."""
    room = _COSTS_BYTES
    for line in sorted(costs):  # ! comes first
        room -= len(line) + 6
        if room > 0 and (line[:1] == "!" or line[-10:] == "of the bus"):
            yield line


def half_of(change):
    """The half that a line of `diff` is about."""
    from console import keys

    name = change.split(":")[0]
    if name in ("ot half", "it half"):
        return name[:2]
    return keys.find(name).half


def confirm(shell, words):
    """confirm"""
    if not revisions.confirm():
        raise Refused(verbs.CHECK, "nothing is on trial")
    shell.gateway.trial_over()
    _note(shell, "confirm")
    yield "revision %d is kept" % revisions.now().current


def _note(shell, what):
    from console import audit_chain

    audit_chain.note(shell, what)


def rollback(shell, words):
    """rollback [revision]"""
    if words in ([], ["yes"]):
        if revisions.on_trial():
            from console import stopping

            yield from stopping.sure(shell.gateway, words == ["yes"], stopping.START_MS)
        if revisions.roll_back("by " + shell.who()):
            _note(shell, "rollback")
            yield "revision %d is back" % revisions.now().current
            yield "the gateway starts again now"
            shell.gateway.restart()
            return
        from console import look

        shell.flows = False  # nothing was done: this may be long, and `more` may run it again
        for number in sorted(revisions.numbers()):
            about = revisions.about(number)
            who, _, second = about[0].partition(" ") if about else ("incomplete", "", "")
            yield "%d: %s, %s, %d changes" % (number, who, look.second_text(second), max(0, len(about) - 1))
        raise Refused(verbs.VALUE, "nothing is on trial: name the revision to go back to")
    if not words[0].isdigit() or int(words[0]) not in revisions.numbers():
        raise Refused(verbs.VALUE, "no revision %s: type rollback to list them" % words[0])
    for half in ("ot", "it"):
        shell.need(half)
    if revisions.has_candidate():
        raise Refused(verbs.BUSY, "a candidate waits: commit or discard it first")
    revisions.edit(int(words[0]))
    revisions.note_change("ot half: from revision %s by %s" % (words[0], shell.who()))
    revisions.note_change("it half: from revision %s by %s" % (words[0], shell.who()))
    yield "revision %s is the candidate: type check, then commit" % words[0]


def discard(shell, words):
    """discard"""
    if not revisions.has_candidate():
        raise Refused(verbs.CHECK, "no candidate")
    revisions.forget_candidate()
    yield "the candidate is gone; what runs is unchanged"


def reboot(shell, words):
    """reboot [yes]"""
    from console import stopping

    yield from stopping.sure(shell.gateway, words[-1:] == ["yes"], stopping.START_MS)
    yield "the gateway starts again now"
    shell.gateway.restart()


def repl(shell, words):
    """At the prompt everything can be done, so it takes both roles."""
    from console import people

    yield from people.need_both(shell)
    yield from _leave(shell, words, "the Python prompt")
    yield "the gateway ends; at the prompt: exit starts it again"


def update(shell, words):
    """What can be done here: whoever copies the code must be able to trust the cable; signed updates are not there."""
    from console import people

    yield from people.need_both(shell)
    yield from _leave(shell, words, "an update")
    yield "now, on the laptop: fieldgate deploy (make deploy); it starts the gateway again"
    yield "code is not signed: whoever may do this may change everything"


def _leave(shell, words, why):
    from console import stopping

    yield from stopping.sure(shell.gateway, words[-1:] == ["yes"], _PROMPT_MS)
    _note(shell, "left to " + why)
    shell.gateway.restart(True)
    yield "polling and publishing stop; at most 15 minutes"
