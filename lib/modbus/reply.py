"""Finds the reply to a request among the bytes that came in.

Works on whatever the wire delivers: stray bytes before the reply, the echo of the own
request, a damaged reply, somebody else's frame. Never raises on received bytes, never
allocates. A reply is accepted only with the request's unit, function and length, and a
right CRC.
"""

from modbus.codes import CRC, TIMEOUT, WRONG_REPLY, const
from modbus.crc import sound

_VAGUE = const(1000)  # more than any frame is long


def find(buf, n, request, need, final):
    """Look for the reply to `request` in buf[0:n]; `need` is the length of a good reply.

    Returns the offset of the reply (good, or an exception of 5 bytes). When there is none yet:
    minus the number of bytes missing if the head of a reply is there (unit, function and
    length match), else -1000 minus the number of bytes that a reply would need. With `final`
    no more bytes are coming: then a complete reply behind an incomplete one counts too.
    """
    unit = request[0]
    missing = 0
    i = len(request)
    if n < i or n == need or not same(buf, request):
        i = 0  # no echo of our own frame, or as long as a reply: then that is what it is
    while i + 1 < n:
        if buf[i] == unit:
            length = _length(buf, i, n, request[1], need)
            if length:
                if i + length > n:
                    missing = i + length - n
                    if not final:
                        return -missing if i + 2 < n else -_VAGUE - missing
                elif sound(buf, i, length):
                    return i
        i += 1
    if i < n and buf[i] == unit:
        return -_VAGUE - need + 1
    return -_VAGUE - need


def _length(buf, i, n, function, need):
    """Length that a reply at offset i would have, 0 if it cannot be one."""
    found = buf[i + 1]
    if found == function:
        if i + 2 >= n or buf[i + 2] == need - 5:
            return need
    elif found == function | 0x80:
        return 5
    return 0


def same(buf, frame):
    """True if buf starts with `frame`."""
    for i in range(len(frame)):
        if buf[i] != frame[i]:
            return False
    return True


def verdict(buf, n, request):
    """Quality code for buf[0:n] in which `find` saw no reply and to which nothing is added any more."""
    i = len(request)
    if n < i or not same(buf, request):
        i = 0  # else: behind the echo of our own frame
    if n - i < 4:
        return TIMEOUT
    if sound(buf, i, n - i):
        return WRONG_REPLY
    return CRC
