"""Codes that leave the engine: qualities, events, causes of pauses. `modbus.names` has words for them.

The numbers of qualities and events are the ones of firmware/DESIGN.md; they are stored on
flash and published, so they never change.
"""

try:
    from micropython import const
except ImportError:  # CPython

    def const(value):
        return value


# Quality of one poll. 16 + n: the unit answered with exception code n.
GOOD = const(0)
TIMEOUT = const(1)  # no answer, or nothing that could be one
CRC = const(2)  # an answer came damaged or cut short
WRONG_REPLY = const(3)  # a sound frame came that does not answer the request
BUS_FAULT = const(4)  # no unit answers, or the port failed
NOT_ASKED = const(5)  # the unit is in quarantine
# Of single values, decided by whoever decodes a good sample (lib/points/DESIGN.md); never of a poll.
OUT_OF_RANGE = const(6)  # the value is there, beyond the limits of its point
NOT_AVAILABLE = const(7)  # the unit says that it has no value; also of a sample of a virtual group
SUBSTITUTED = const(8)  # set by a person or a program instead of being measured
STALE = const(9)  # older than it should be; of a consumer's view, as a record has its own time
EXCEPTION = const(16)

# Events; arguments in brackets.
UNIT_SILENT = const(2)  # (unit id, ms since its last answer, at most 2^29)
UNIT_BACK = const(3)  # (unit id, ms of silence, at most 2^29)
EVENT_BUS_FAULT = const(4)  # (1: no unit answers, 2: the port failed, 3: the line is never silent; 0)
BUS_BACK = const(5)  # (unit id that answered, 0)
READ_SPLIT = const(12)  # (group that was refused, address at which it is split)
SECOND_CLIENT = const(15)  # (unit id that somebody else asked, function code)
COMM_LOSS_RISK = const(16)  # (unit id that acts when polling stops; ms of the pause that is planned, 0: first poll)

# Causes for which the application may ask for a pause between transactions.
PAUSE_GC = const(0)
PAUSE_FLASH = const(1)
PAUSE_ERASE = const(2)
PAUSE_TLS = const(3)
PAUSE_MODULE = const(4)
PAUSE_SCAN = const(5)  # a question of a search or identification has the line: no other pause at the same time
PAUSE_HOLD = const(6)  # polling is off for a search at other settings; other pauses are granted meanwhile
PAUSE_NAMES = ("gc", "flash", "erase", "tls", "module", "scan", "hold")
# Longest time of each, in ms: gc 26 to 44 on a Pico W, a block and its acknowledgement in flash, a sector erase
# (W25Q16JV, 9.6: at most 400), a step of a TLS handshake 388 to 449, fifteen modules 359, one question, the search of
# the whole space.
PAUSE_BOUNDS_MS = (60, 20, 400, 600, 400, 300, 600000)
