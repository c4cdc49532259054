"""The record of logins and changes: each line carries an HMAC over itself and the line before (RFC 2104, SHA-256).

A line: number, UTC seconds or -, who, what, 16 hex digits. The key is made by the box and lies in its flash: the chain
shows a change by somebody who does not have it, and the published head shows a change by somebody who does.
Two files of at most MAX_BYTES each; the older one is dropped when the newer is full.
"""

import os
from binascii import hexlify
from hashlib import sha256

from gateway import revisions

FILE = "config/audit"
KEY = "config/audit.key"
MAX_BYTES = 8192


def when(shell):
    """UTC as seconds, or "-" while the clock is not set."""
    utc_ms = shell.gateway.clock.utc_ms()
    return "-" if utc_ms is None else str(utc_ms // 1000)


def _mac(key, text):
    inner = sha256(bytes([byte ^ 0x36 for byte in key]) + text).digest()
    return str(hexlify(sha256(bytes([byte ^ 0x5C for byte in key]) + inner).digest()[:8]), "ascii")


def _key():
    try:
        with open(KEY, "rb") as file:
            key = file.read()
    except OSError:
        key = b""
    if len(key) != 64:  # the block of SHA-256
        key = os.urandom(64)
        with open(KEY + ".new", "wb") as file:
            file.write(key)
        os.rename(KEY + ".new", KEY)
    return key


def lines():
    """The newer file's lines, oldest first."""
    try:
        with open(FILE) as file:
            for line in file:
                yield line.rstrip()
    except OSError:
        return


def _last():
    last = "0 - - begin -"
    for line in lines():
        last = line
    return last


def head():
    """The last line's digits, "-" while there is none."""
    return _last().split(" ")[-1]


def note(shell, what):
    """Add a line."""
    if not revisions.exists(revisions.FOLDER):
        os.mkdir(revisions.FOLDER)
    words = _last().split(" ")
    text = "%d %s %s %s" % (int(words[0]) + 1, when(shell), shell.who(), what)
    line = "%s %s" % (text, _mac(_key(), (words[-1] + text).encode()))
    mode = "a"
    try:
        if os.stat(FILE)[6] + len(line) > MAX_BYTES:
            os.rename(FILE, FILE + ".old")
            mode = "w"
    except OSError:
        pass
    with open(FILE, mode) as file:
        file.write(line + "\n")


def verify():
    """(lines, number of the first that does not fit or 0). What comes before the first is in the older file."""
    key = _key()
    before = None
    count = 0
    for line in lines():
        text, _, mac = line.rpartition(" ")
        if before is not None and mac != _mac(key, (before + text).encode()):
            return count, count + 1
        before = mac
        count += 1
    return count, 0
