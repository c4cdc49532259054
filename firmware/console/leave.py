"""Verbs that end the gateway in good order and give the box to Python: repl, update."""

from console import audit_chain as chain
from console import people


def repl(shell, words):
    """At the prompt everything can be done, so it takes both roles."""
    yield from people.need_both(shell)
    yield from _leave(shell, "the Python prompt")
    yield "the gateway ends; at the prompt: exit starts it again"


def update(shell, words):
    """What can be done here: whoever copies the code must be able to trust the cable; signed updates are not there."""
    yield from people.need_both(shell)
    yield from _leave(shell, "an update")
    yield "now, on the laptop: fieldgate deploy (make deploy); it starts the gateway again"
    yield "code is not signed: whoever may do this may change everything"


def _leave(shell, why):
    chain.note(shell, "left to " + why)
    shell.gateway.restart(True)
    yield "polling and publishing stop; at most 15 minutes"
