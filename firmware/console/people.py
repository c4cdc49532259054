"""Verbs of identity: login, logout, lock, who, password, audit.

Passwords: 16 bytes of salt, SHA-256 repeated ROUNDS times. A box without the file config/people is open: a new box is
set up before anybody has a password. Whoever holds the box can read its flash; CONSOLE.md says so.
Failed tries make the next one wait longer; the count is in flash, so a power cut does not reset it.
"""

import os
from binascii import hexlify, unhexlify
from hashlib import sha256

from console import audit_chain as chain
from console import verbs
from console.shell import LOCK, PEOPLE
from console.verbs import Ask, Refused
from gateway import revisions

ROLES = ("ot", "it", "viewer")
ROUNDS = 1000
_SLICE = 25  # rounds between two looks at the loop: 3 ms on an RP2040
_TRIES = "config/tries"
_MIN_CHARS = 8
_WAIT_LIMIT_S = 60
_NEWEST = 5  # entries of the record that fit a screen
_NO_PASSWORD = "%s has no password yet: type password %s"


def _people():
    people = {}
    try:
        with open(PEOPLE) as file:
            for line in file:
                role, salt, rounds, digest = line.split()
                people[role] = (unhexlify(salt), int(rounds), unhexlify(digest))
    except (OSError, ValueError):
        pass
    return people


def _digest(salt, password, rounds):
    """Yields 0 between slices, at last the digest."""
    digest = salt + password.encode()
    for number in range(rounds):
        digest = sha256(digest + salt).digest()
        if number % _SLICE == 0:
            yield 0
    yield digest


def _tries():
    try:
        with open(_TRIES) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _set_tries(count):
    with open(_TRIES + ".new", "w") as file:
        file.write(str(count))
    os.rename(_TRIES + ".new", _TRIES)


def _role(words):
    if len(words) < 1 or words[0] not in ROLES:
        raise Refused(verbs.VALUE, "name a role: ot, it or viewer")
    return words[0]


def login(shell, words):
    """login role"""
    role = _role(words)
    if role not in _people():
        raise Refused(verbs.LOGIN, _NO_PASSWORD % (role, role))
    yield from _prove(shell, role, words[1] if len(words) > 1 else (yield Ask("password: ", True)))
    shell.role = role
    chain.note(shell, "login")
    yield "logged in as %s" % role


def need_both(shell, halves=("ot", "it")):
    """What concerns both halves: asks for the password of each of `halves` that has one and is not logged in.

    Yields questions. Raises Refused."""
    known = _people()
    for half in halves:
        if half in known and shell.role != half:
            yield from _prove(shell, half, (yield Ask("password of %s: " % half, True)))


def _prove(shell, role, password):
    known = _people().get(role)
    if known is None:
        raise Refused(verbs.LOGIN, _NO_PASSWORD % (role, role))
    if password is None:
        raise Refused(verbs.STOPPED, "stopped")
    tries = _tries()
    for _ in range(10 * min(_WAIT_LIMIT_S, (1 << min(tries, 6)) - 1)):
        yield None
    _set_tries(tries + 1)  # before the look, so that pulling the plug gains nothing
    digest = None
    for digest in _digest(known[0], password, known[1]):
        if not digest:
            yield 0
    if not _same(digest, known[2]):
        chain.note(shell, "refused login as %s" % role)
        raise Refused(verbs.LOGIN, "wrong password; the next try waits longer")
    _set_tries(0)


def _same(a, b):
    # Without leaving early: the time must not tell how much was right.
    different = len(a) ^ len(b)
    for x, y in zip(a, b):
        different |= x ^ y
    return not different


def logout(shell, words):
    """logout"""
    chain.note(shell, "logout")
    shell.role = None
    yield "logged out"


def lock(shell, words):
    """lock [off]"""
    if words not in ([], ["off"]):
        raise Refused(verbs.VALUE, "lock takes off or nothing")
    if not _people():
        raise Refused(verbs.LOGIN, "there is no password yet, nobody could unlock it: type password ot")
    if words:
        if shell.role not in ("ot", "it"):
            raise Refused(verbs.LOGIN, "ot or it may end the lock: type login first")
        if revisions.exists(LOCK):
            os.remove(LOCK)
        chain.note(shell, "lock off")
        yield "whoever is at the console may look again"
        return
    with open(LOCK, "w") as file:
        file.write("locked\n")
    chain.note(shell, "lock")
    shell.role = None
    yield "locked and logged out: until lock off, who has not logged in sees nothing"


def who(shell, words):
    """who"""
    roles = [role for role in ROLES if role in _people()]
    yield "logged in: %s" % (shell.role or "nobody")
    yield "roles with a password: %s" % (" ".join(roles) or "none: everybody may change everything")
    if revisions.exists(LOCK):
        yield "the console is locked: it shows nothing to who has not logged in"


def password(shell, words):
    """password role"""
    role = _role(words)
    if role in _people() and shell.role != role:
        raise Refused(verbs.LOGIN, "only %s can set this password: type login %s first" % (role, role))
    yield from set_password(shell, role, (yield Ask("new password: ", True)))


def set_password(shell, role, first):
    """`first` was typed; asks for it again and keeps it. Raises Refused."""
    people = _people()
    if first is None or len(first) < _MIN_CHARS:
        raise Refused(verbs.VALUE, "a password has at least %d characters" % _MIN_CHARS)
    if first != (yield Ask("again: ", True)):
        raise Refused(verbs.VALUE, "the two differ: nothing was changed")
    salt = os.urandom(16)
    digest = None
    for digest in _digest(salt, first, ROUNDS):
        if not digest:
            yield 0
    people[role] = (salt, ROUNDS, digest)
    if not revisions.exists(revisions.FOLDER):
        os.mkdir(revisions.FOLDER)
    with open(PEOPLE + ".new", "w") as file:
        for name, (salt, rounds, digest) in people.items():
            file.write("%s %s %d %s\n" % (name, str(hexlify(salt), "ascii"), rounds, str(hexlify(digest), "ascii")))
    os.rename(PEOPLE + ".new", PEOPLE)
    chain.note(shell, "password of %s set" % role)
    yield "password of %s is set" % role


def audit(shell, words):
    """audit [all | verify]"""
    if words not in ([], ["all"], ["verify"]):
        raise Refused(verbs.VALUE, "audit takes all, verify or nothing")
    if not revisions.exists(chain.FILE):
        yield "nothing is recorded yet"
        return
    if words == ["verify"]:
        count, bad = chain.verify()
        if bad:
            raise Refused(verbs.CHECK, "line %d does not fit to the chain: somebody changed the record" % bad)
        yield "%d lines, the chain is whole, head %s" % (count, chain.head())
        return
    from console import look  # not beside the set-up

    count = sum([1 for line in chain.lines()])
    if count > _NEWEST and not words:
        yield "the newest of %d; type audit all" % count
    for number, line in enumerate(chain.lines()):
        if words or number >= count - _NEWEST:
            parts = line.split(" ", 2)
            yield "%s %s %s" % (parts[0], look.second_text(parts[1]), parts[2])
