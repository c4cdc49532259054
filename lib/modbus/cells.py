"""Where the ints lie that the good way of a poll needs: numbers of places in arrays of ints, so that machine code
(`modbus.native.turn`, which has the same numbers) and the readable code beside it share them. Only the row of a read
repeats what modbus.plan.Read says.

Times in us are ticks_us or differences of it, in ms ticks_ms; none is ever negative where nothing else is said, and
all are below 2^30.
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
SENT_US = const(3)  # the request had been handed to the port
LOOK_US = const(4)  # after SENT_US: before that a look at the port is useless
SEEN_US = const(5)  # after SENT_US: the last look that found the reply not complete
WATCHED = const(6)  # 1: the reply was seen to come; else it was there at the first look, maybe for long
LAST_US = const(7)  # the line has been silent since
GAP_US = const(8)  # silence between the last byte and our request
BEHIND_US = const(9)  # by so much the last reply was seen later than it can have ended
MISSING = const(10)  # bytes without which a look is useless
COUNT = const(11)  # bytes in Engine.buf
ECHO = const(12)  # 1: the port hears what it sends
BACK_TO_BACK = const(13)  # 1: nothing but the gap lies before the next request
PENDING = const(14)  # 1 + index of the read whose result is not yet handed over; 0: there is none
PENDING_BYTES = const(15)
END_US = const(16)  # the last byte of the reply had arrived
END_MS = const(17)  # the same moment; this and the next two are of the last transaction that is accounted for
TOOK_US = const(18)  # since its request
WHAT = const(19)  # quality << 8 | group
SILENCE_US = const(20)  # fixed: from the moment at which the last byte could be read to a request
SPIN_US = const(21)  # fixed: the last part of a wait is done tightly
FAR = const(22)  # how far `turn` may go: HOLD, FINISH or GO_ON
HANDING = const(23)  # 1: a result is being handed over
BUSY_US = const(24)  # time that transactions have taken, with t3.5, beside BUSY_S
IDEAL_US = const(25)  # time that good transactions needed
SLACK_US = const(26)  # by so much the reply may have been earlier than it was seen
NOISE_US = const(27)  # begin of a wait for silence
STOP_US = const(28)  # fixed: so much before the end of its stop bit a byte can be read
EXACT = const(29)  # fixed: 1: bytes are seen when they arrive
NEXT = const(30)  # index of the read that is next; below 0: -1 - ms until there may be one
NEXT_ROW = const(31)  # of Evidence.ring
FIRST_GROUP = const(32)  # fixed: of the plan
QUARANTINED = const(33)  # of the scheduler: units in quarantine
UNCLEAR = const(34)  # 1: silence of a unit is not yet attributed
ROW = const(35)  # timeouts since the last answer
ANSWERS = const(36)
SKIPPED = const(37)  # polls that were left out
T35_US = const(38)  # fixed: t3.5
BUSY_S = const(39)
LATE_US = const(40)  # by so much good transactions began later than allowed
READS = const(41)  # of the scheduler: how many there are
TICK_US = const(42)  # of Engine: ticks_us at which ticks_ms began to show TICK_MS
TICK_MS = const(43)
DUE_US = const(44)  # after SENT_US: end of a reply of which bytes were seen; 0: none were
VAGUE = const(45)  # 1: no head of a reply was seen so far
HEARD = const(46)  # how many bytes of Engine.buf the last transaction got
OVERDUE = const(47)  # 1 + index of a read that timed out and whose answer may still come; 0: there is none
RING = const(48)  # the last 64 transactions: end in ticks_ms, duration in us, WHAT of each
UNITS = const(240)  # cells of the first unit, then of the next

# Places in the cells of a unit (unit.cells). The first seven are counters, in the order of evidence.NAMES.
MAX_US = const(7)  # largest latency
SUM_US = const(8)  # of the last latencies that were seen to come
TIMES = const(9)  # how many they are, at most 64
LEAST_US = const(10)  # latency before which an answer need not be looked for
FAILS = const(11)  # failed polls in a row
SINCE_MS = const(12)  # its last answer
OWES = const(13)  # 1: it let a request time out, and has not answered since
UNIT_CELLS = const(14)

# Places in the row of a read in Scheduler.table.
READY_MS = const(0)  # it may be polled from then on; -1: it is not polled
DEADLINE_MS = const(1)  # it should have been polled
RANK = const(2)  # priority
PERIOD_MS = const(3)
NEED = const(4)  # bytes of a good reply
HEAD = const(5)  # unit id | function << 8
WIRE_US = const(6)  # time of request and reply on the wire
FIRST_US = const(7)  # from the begin of the request: the first byte of the reply must have come
UNIT = const(8)  # place of its unit's cells in those of the line
TRIES = const(9)  # retries of the poll that is under way
READ_CELLS = const(10)

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
