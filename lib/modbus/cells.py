"""Where the ints lie that the good way of a poll needs: numbers of places in arrays of ints, so that machine code
(`modbus.native.turn`, which has the same numbers) and the readable code beside it share them. Nothing is kept twice.

Times in us are ticks_us or differences of it, in ms ticks_ms; no place is ever negative, and all are below 2^30.
"""

from modbus.codes import const

# State of a line.
REST = const(0)  # no transaction
GAP = const(1)  # a request waits for t3.5
REPLY = const(2)  # a reply is awaited
DONE = const(3)  # the readable path has ended one: engine.quality and so on tell the outcome

# Places in the cells of a line (Evidence.cells); the first 32 are the ones that cost machine code least.
STATE = const(0)
READ = const(1)  # index in plan.reads of the transaction's read
PROBE = const(2)  # 1: it asks whether a silent unit is back
NEED = const(3)  # of that read, as of the moment at which the request left: length of a good reply
WIRE_US = const(4)  # time of request and reply on the wire
PERIOD_MS = const(5)
HEAD = const(6)  # unit id | function << 8
SENT_US = const(7)  # the request had been handed to the port
LOOK_US = const(8)  # after SENT_US: before that a look at the port is useless
SEEN_US = const(9)  # after SENT_US: the last look that found the reply not complete
WATCHED = const(10)  # 1: the reply was seen to come; else it was there at the first look, maybe for long
LAST_US = const(11)  # the line has been silent since
GAP_US = const(12)  # silence between the last byte and our request
BEHIND_US = const(13)  # by so much the last reply was seen later than it can have ended
MISSING = const(14)  # bytes without which a look is useless
COUNT = const(15)  # bytes in Engine.buf
ECHO = const(16)  # 1: the port hears what it sends
BACK_TO_BACK = const(17)  # 1: nothing but the gap lies before the next request
PENDING = const(18)  # 1 + index of the read whose result is not yet handed over; 0: there is none
PENDING_BYTES = const(19)
END_US = const(20)  # the last byte of the reply had arrived
END_MS = const(21)  # the same moment; this and what follows is of the last transaction that is accounted for
TOOK_US = const(22)  # since its request
LOST_US = const(23)  # by so much its request was later than allowed
LATENCY_US = const(24)  # from the end of the request to the begin of the reply
WHAT = const(25)  # quality << 8 | group
SILENCE_US = const(26)  # fixed: from the moment at which the last byte could be read to a request
SPIN_US = const(27)  # fixed: the last part of a wait is done tightly
FAR = const(28)  # how far `turn` may go: HOLD, FINISH or GO_ON
HANDING = const(29)  # 1: a result is being handed over
BUSY_US = const(30)  # time that transactions have taken, with t3.5, beside BUSY_S
IDEAL_US = const(31)  # time that good transactions needed
SLACK_US = const(32)  # by so much the reply may have been earlier than it was seen
DUE_US = const(33)  # after SENT_US: end of a reply of which bytes were seen; 0: none were
VAGUE = const(34)  # 1: no head of a reply was seen so far
HEARD = const(35)  # how many bytes of Engine.buf the last transaction got
OVERDUE = const(36)  # 1 + index of a read that timed out and whose answer may still come; 0: there is none
NOISE_US = const(37)  # begin of a wait for silence
STOP_US = const(38)  # fixed: so much before the end of its stop bit a byte can be read
EXACT = const(39)  # fixed: 1: bytes are seen when they arrive
FIRST_GROUP = const(40)  # fixed: of the plan
QUARANTINED = const(41)  # of the scheduler: units in quarantine
UNCLEAR = const(42)  # 1: silence of a unit is not yet attributed
ROW = const(43)  # timeouts since the last answer
ANSWERS = const(44)
SKIPPED = const(45)  # polls that were left out
T35_US = const(46)  # fixed: t3.5
BUSY_S = const(47)
LATE_US = const(48)  # by so much good transactions began later than allowed
NEXT_ROW = const(49)  # of Evidence.ring
READS = const(50)  # of the scheduler: how many there are
TICK_US = const(51)  # of Engine: ticks_us at which ticks_ms began to show TICK_MS
TICK_MS = const(52)
LINE_CELLS = const(53)

# Places in the cells of a unit (unit.cells). The first seven are counters, in the order of evidence.NAMES.
MAX_US = const(7)  # largest latency
SUM_US = const(8)  # of the last latencies that were seen to come
TIMES = const(9)  # how many they are, at most 64
LEAST_US = const(10)  # latency before which an answer need not be looked for
FAILS = const(11)  # failed polls in a row
SINCE_MS = const(12)  # its last answer
OWES = const(13)  # 1: it let a request time out, and has not answered since
UNIT_CELLS = const(14)

# What `turn` returns when it is not us until there is something to do.
ENDED = const(-1)  # a good reply is accounted for, and the caller wants to look before the next begins
CHOOSE = const(-2)  # no transaction, and none that simply is next
PART = const(-3)  # the reply is not there in one piece
STRANGE = const(-4)  # what came, it is in Engine.buf, is not simply the reply, seen as it came
STRAY = const(-5)  # there are bytes in the gap

# How far `turn` may go: FAR.
HOLD = const(0)  # no request may leave
FINISH = const(1)  # one that waits may
GO_ON = const(2)  # and the next may be chosen

# Places in what `turn` works with.
UNIT = const(16)  # cells of the unit that was asked last
