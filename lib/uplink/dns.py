"""DNS messages for one question: the IPv4 address of a name (RFC 1035).

Promises: no allocation beyond the message; whatever the bytes are, `answer` returns or raises ValueError, in bounded
time. An answer counts only if it repeats our question (RFC 5452, 9.1); aliases (CNAME) are followed inside one message.
"""

TYPE_A = 1
TYPE_CNAME = 5
_MAX_JUMPS = 16  # compression pointers in one name
_MAX_RECORDS = 32

# Results beside an address.
NO_SUCH_NAME = 3  # NXDOMAIN, or a name without an address
SERVER_FAILED = 2


def is_name(text):
    """True if the text can be a host name: labels of 1..63 bytes, 253 in all (RFC 1035, 2.3.4)."""
    if text.endswith("."):
        text = text[:-1]
    return 0 < len(text) <= 253 and all(0 < len(label.encode()) <= 63 for label in text.split("."))


def is_address(text):
    """True if the text is a numeric IPv4 address."""
    parts = text.split(".")
    return len(parts) == 4 and all(part.isdigit() and len(part) <= 3 and int(part) < 256 for part in parts)


def query(name, number):
    """The question for the address of a name; `number` 0..65535 is the message's id."""
    assert is_name(name)
    out = bytearray(b"\0\0\x01\0\0\x01\0\0\0\0\0\0")  # recursion desired, one question
    out[0] = number >> 8
    out[1] = number & 0xFF
    out.extend(_question(name))
    return out


def answer(name, number, message):
    """What a server says: (address, seconds that it holds), or (None, NO_SUCH_NAME or SERVER_FAILED).

    Raises ValueError if the message does not answer this question or is damaged."""
    question = _question(name)
    if len(message) < 12 + len(question) or message[0] << 8 | message[1] != number or not message[2] & 0x80:
        raise ValueError("not an answer to this question")
    if _16(message, 4) != 1 or bytes(message[12 : 12 + len(question)]).lower() != question:
        raise ValueError("another question")
    code = message[3] & 15
    if code:
        return None, NO_SUCH_NAME if code == NO_SUCH_NAME else SERVER_FAILED
    wanted = _name(message, 12)[0]
    at = 12 + len(question)
    lifetime_s = 65535
    for _ in range(min(_16(message, 6), _MAX_RECORDS)):
        owner, at = _name(message, at)
        kind = _16(message, at)
        length = _16(message, at + 8)
        data = at + 10
        at = data + length
        if at > len(message):
            raise ValueError("record is cut short")
        if owner != wanted or _16(message, data - 8) != 1:
            continue
        # Lifetime in s, 32 bits, the highest of which means zero (RFC 2181, 8). More than 65535 is cut.
        if message[data - 6] & 0x80:
            lifetime_s = 0
        elif not message[data - 6] and not message[data - 5]:
            lifetime_s = min(lifetime_s, _16(message, data - 4))
        if kind == TYPE_CNAME:
            wanted = _name(message, data)[0]
        elif kind == TYPE_A and length == 4:
            return "%d.%d.%d.%d" % tuple(message[data : data + 4]), lifetime_s
    return None, SERVER_FAILED if message[2] & 2 else NO_SUCH_NAME


def _question(name):
    out = bytearray()
    for label in name.lower().rstrip(".").split("."):
        label = label.encode()
        out.append(len(label))
        out.extend(label)
    out.extend(b"\0\0\x01\0\x01")  # root, type A, class IN
    return bytes(out)


def _16(message, at):
    if at + 2 > len(message):
        raise ValueError("message is cut short")
    return message[at] << 8 | message[at + 1]


def _name(message, at):
    """(labels in lower case, place after the name); follows compression pointers (RFC 1035, 4.1.4)."""
    labels = []
    end = 0
    jumps = size = 0
    while True:
        if at >= len(message):
            raise ValueError("name is cut short")
        length = message[at]
        if length >= 0xC0:
            end = end or at + 2
            at = _16(message, at) & 0x3FFF
            jumps += 1
            if jumps > _MAX_JUMPS:
                raise ValueError("name turns in circles")
            continue
        at += 1
        if not length:
            return labels, end or at
        size += 1 + length
        if length > 63 or size > 255 or at + length > len(message):
            raise ValueError("name is damaged")
        labels.append(bytes(message[at : at + length]).lower())
        at += length
