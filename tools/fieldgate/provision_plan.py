"""Which lines turn the configuration that a box has into the one it is to have: pure, nothing is typed here.

`unset` comes before `set`: what is to hold other keys than now must be gone first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fieldgate.provision_file import Value, plain_key

_SET = re.compile(r"set (\S+) (.*)")
_SECRET = re.compile(r"# set (\S+) is left out")


def current(dump: Iterable[str]) -> dict[str, str | None]:
    """What the verb `dump` printed, by key without +; None for a secret that is there but not shown."""
    found: dict[str, str | None] = {}
    for line in dump:
        hidden = _SECRET.match(line)
        if hidden:
            found[plain_key(hidden.group(1))] = None
            continue
        shown = _SET.match(line)
        if shown:
            found[plain_key(shown.group(1))] = shown.group(2)
    return found


def lines(has: dict[str, str | None], wanted: dict[str, Value]) -> list[str]:
    """The lines to type; none when the box has it all. Secrets are always typed again: nobody can compare them."""
    gone: list[str] = []
    for key in has:
        if key in wanted or any(above in wanted for above in _above(key)):
            continue
        top = _top_unwanted(key, wanted)
        if top not in gone:
            gone.append(top)
    # From the end of each list: what stands behind a removed item gets its number.
    typed = [f"unset {key}" for key in reversed(gone)]
    typed += [f"set {value.typed} {value.text}" for key, value in wanted.items() if not _same(has.get(key), value.text)]
    return typed


def _above(key: str) -> list[str]:
    words = key.split(".")
    return [".".join(words[:count]) for count in range(1, len(words))]


def _top_unwanted(key: str, wanted: dict[str, Value]) -> str:
    # The whole part of the configuration of which nothing is wanted, else the key alone.
    for above in _above(key):
        if not any(other.startswith(above + ".") for other in wanted):
            return above
    return key


def _same(has: str | None, text: str) -> bool:
    if has == text:
        return True
    try:
        return has is not None and float(has) == float(text)
    except ValueError:
        return False
