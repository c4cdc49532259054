"""Generated Modbus conversations of a foreign client, and what can be done to them on the way."""

from line import sealed


def exchange(rand):
    """(request, reply) of one exchange, both sound. Reads, writes, other functions, exceptions."""
    unit = 1 + rand(247)
    function = (1, 2, 3, 4, 3, 4, 3, 6, 5, 15, 16, 22, 23, 17, 43, 7)[rand(16)]
    address = rand(65000)
    head = (unit, function, address >> 8, address & 0xFF)
    if function <= 4:
        count = 1 + (rand(100) if function <= 2 else rand(20))
        data = [rand(256) for _ in range((count + 7) // 8 if function <= 2 else 2 * count)]
        request = sealed(head + (0, count))
        reply = sealed(bytes((unit, function, len(data))) + bytes(data))
    elif function in (5, 6):
        request = reply = sealed(head + (rand(256), rand(256)))
    elif function in (15, 16):
        count = 1 + rand(10)
        data = bytes(rand(256) for _ in range((count + 7) // 8 if function == 15 else 2 * count))
        request = sealed(bytes(head + (0, count, len(data))) + data)
        reply = sealed(head + (0, count))
    elif function == 22:
        request = reply = sealed(head + (1, 2, 3, 4))
    elif function == 23:
        request = sealed(bytes(head + (0, 3, 0, 9, 0, 1, 2, 7, 7)))
        reply = sealed(bytes((unit, 23, 6, 1, 2, 3, 4, 5, 6)))
    elif function == 43:
        request = sealed((unit, 43, 14, 1, 0))
        reply = sealed(bytes((unit, 43, 14, 1, 1, 0, 0, 1, 0, 3)) + b"abc")
    elif function == 17:
        request = sealed((unit, 17))
        reply = sealed((unit, 17, 3, 9, 255, 65))
    else:
        request = sealed((unit, 7))
        reply = sealed((unit, 7, 0x5A))
    if rand(8) == 0:
        reply = sealed((unit, function | 0x80, 1 + rand(6)))
    return request, reply


def damaged(rand, frame):
    """The frame with 1 to 3 bits flipped, cut, doubled, or replaced by noise. Never the same."""
    frame = bytearray(frame)
    kind = rand(6)
    if kind < 3:
        before = bytes(frame)
        while bytes(frame) == before:
            for _ in range(1 + rand(3)):
                frame[rand(len(frame))] ^= 1 << rand(8)
    elif kind == 3:
        frame = frame[: rand(len(frame))]
    elif kind == 4:
        frame = frame[: 1 + rand(len(frame) - 1)] + frame
    else:
        frame = bytearray(rand(256) for _ in range(rand(300)))
    return bytes(frame)
