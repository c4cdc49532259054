"""Time and pieces per hour, shift and day: what OEE, MTTR and MTBF are made of. DESIGN.md has the definitions.

Everything is counted in ms and pieces, as whole numbers. `account` takes the machine's time line piece by piece, each
piece once: what it is not told of between two pieces is unknown time. Times are ms of UTC since 2020-01-01.
"""

import struct

from production.calendar import EPOCH_S

UNKNOWN = 0
RUNNING = 1
IDLE = 2
STOPPED_PLANNED = 3
STOPPED_UNPLANNED = 4
FAULT = 5
STATES = ("unknown", "running", "idle", "stopped_planned", "stopped_unplanned", "fault")
STATE_BITS = 7
DETECTED = 8  # beside the state: the failure was noticed
COUNTING = 16  # the counter of cycles can be read

# Places in the sums of a window. 0..5: ms in that state within planned busy time.
OFF_RUNNING = 6  # ms outside planned busy time
OFF_OTHER = 7
OFF_UNKNOWN = 8
COUNTED = 9  # ms running within planned busy time with cycles counted
CYCLES = 10  # pieces made in planned busy time that was seen
GOOD = 11
REJECT = 12
UNSEEN = 13  # cycles that the counter shows for time that was not seen
OFF_CYCLES = 14  # cycles outside planned busy time
STOPS = 15
FAILURES = 16
REPAIRS = 17  # failures whose begin, detection and end were seen
REPAIRS_UNSEEN = 18  # other failures that ended
DETECT = 19  # ms, of the REPAIRS
RESTORE = 20
SUMS = 21

HOUR = 0
SHIFT = 1
DAY = 2
COMPLETE = 1  # flags of a window
NONE = 0xFFFF  # a factor that cannot be told
NONE_LONG = 0xFFFFFFFF

STRETCH_MS = 2000  # steps of UTC below that are the clock's, not the machine's
_SKIP_MS = 172800000
_QUEUE = 9
HEAD = ">IIIHH"
WINDOW = ">21I"
WINDOW_BYTES = 16 + 4 * SUMS + 8 + 8


class Window:
    """One hour, shift or day. span: (start, end) in s."""

    def __init__(self, kind, span, index):
        self.kind = kind
        self.span = span
        self.index = index  # of the shift
        self.sums = [0] * SUMS
        self.told = False  # published while it ran

    def worth(self):
        """False if the box saw nothing at all of it and has said nothing."""
        return self.told or any([n for i, n in enumerate(self.sums) if i != UNKNOWN and i != OFF_UNKNOWN])

    def factors(self, ideal_ms, good_by):
        """(availability, performance, quality rate, OEE) in 1/10000, NONE where the inputs are missing.

        good_by: 0 good pieces are not counted, 1 against cycles, 2 against good and rejected ones."""
        s = self.sums
        busy = s[RUNNING] + s[IDLE] + s[STOPPED_UNPLANNED] + s[FAULT]
        made = 0 if good_by == 0 else s[CYCLES] if good_by == 1 else s[GOOD] + s[REJECT]
        parts = (
            _ratio(s[RUNNING], busy),
            _ratio(ideal_ms * s[CYCLES], s[COUNTED] if ideal_ms else 0),
            _ratio(s[GOOD], made),
        )
        oee = NONE
        if NONE not in parts:
            oee = min((parts[0] * parts[1] // 100 * parts[2] + 500000) // 1000000, NONE - 1)
        return parts + (oee,)

    def pack(self, at_ms, ideal_ms, good_by):
        """The registers of its virtual group, as they stand at at_ms."""
        s = self.sums
        self.told = True
        start, end = self.span
        complete = COMPLETE if at_ms >= end * 1000 else 0
        flags = complete | (self.index + 1) << 8
        head = struct.pack(HEAD, start + EPOCH_S, end + EPOCH_S, at_ms // 1000 + EPOCH_S, at_ms % 1000, flags)
        down = s[DETECT] + s[RESTORE]
        running = s[RUNNING] + s[OFF_RUNNING]
        means = [down // n if n else NONE_LONG for n in (s[REPAIRS],)]
        means += [running // n if n else NONE_LONG for n in (s[FAILURES],)]
        return (
            head
            + struct.pack(WINDOW, *s)
            + struct.pack(">HHHH", *self.factors(ideal_ms, good_by))
            + struct.pack(">II", *means)
        )


def _ratio(part, whole):
    return min((part * 10000 + whole // 2) // whole, NONE - 1) if whole else NONE


class Account:
    """The books of one machine. calendar: production.calendar.Calendar."""

    def __init__(self, calendar):
        self.calendar = calendar
        self.at = None  # accounted up to here
        self.fresh = True  # nothing was accounted in this boot
        self.windows = [None, None, None]  # hour, shift, day
        self.closed = []  # windows that are complete, to be published
        self.busy = False  # the last of it was planned busy time
        self.lost = 0  # of these, more than could wait
        self.stop = 0  # 1: it stands, 2: and a failure was signalled
        self.stop_at = self.detect_at = None
        self.blind = False  # a part of this stop was not seen
        self.counted = False  # this stop is in STOPS
        self.before = None  # last state known
        self.gap = False  # unknown time since then

    def account(self, raw, begin, end):
        """The machine was in state `raw` (with DETECTED, COUNTING) from begin to end."""
        at = self.at
        if at is None:
            self.at = begin
        elif begin > at and (self.fresh or begin - at >= STRETCH_MS):
            self._unknown(at, begin)
        self.fresh = False
        self._spread(raw, self.at, end)

    def count(self, place, pieces, seen):
        """Pieces that a counter (CYCLES, GOOD, REJECT) shows more, made just before the end of what is accounted."""
        if not seen or not self.busy:
            if place != CYCLES:
                return
            place = UNSEEN if not seen else OFF_CYCLES
        self._add(place, pieces)

    def _add(self, place, n):
        for window in self.windows:
            if window:
                window.sums[place] += n

    def _unknown(self, begin, end):
        if end - begin > _SKIP_MS:  # the days between were not seen at all: there is nothing to say of them
            self.calendar.look(begin // 1000)
            day_end = self.calendar.day[1] * 1000
            self._spread(UNKNOWN, begin, day_end)
            self.calendar.look(end // 1000)
            begin = max(day_end, self.calendar.day[0] * 1000)
        self._spread(UNKNOWN, begin, end)

    def _spread(self, raw, begin, end):
        # A window ends when time goes on: a count read at this very moment still belongs to it.
        calendar = self.calendar
        while begin < end:
            calendar.look(begin // 1000)
            until = min(end, calendar.until * 1000)
            self._roll()
            state = self.classify(raw, begin)
            self._follow(state, raw & DETECTED, begin)
            self.busy = calendar.busy
            if self.busy:
                self._add(state, until - begin)
                if state == RUNNING and raw & COUNTING:
                    self._add(COUNTED, until - begin)
            else:
                place = OFF_UNKNOWN if state == UNKNOWN else OFF_RUNNING if state == RUNNING else OFF_OTHER
                self._add(place, until - begin)
            self.at = begin = until

    def classify(self, raw, at):
        """The state at this time: standing still outside planned busy time is planned."""
        self.calendar.look(at // 1000)
        state = raw & STATE_BITS
        return STOPPED_PLANNED if state == STOPPED_UNPLANNED and not self.calendar.busy else state

    def _roll(self):
        calendar = self.calendar
        for kind, span in enumerate((calendar.hour, calendar.shift, calendar.day)):
            window = self.windows[kind]
            if window and window.span != span:
                self._end(kind)
                window = None
            if not window and span:
                self.windows[kind] = Window(kind, span, calendar.shift_index if kind == SHIFT else -1)

    def _end(self, kind):
        window = self.windows[kind]
        self.windows[kind] = None
        if window.worth():
            if len(self.closed) >= _QUEUE:
                self.closed.pop(0)
                self.lost += 1
            self.closed.append(window)

    def _follow(self, state, detected, at):
        """Stops, failures and repairs, see DESIGN.md."""
        if state == UNKNOWN:
            self.gap = self.blind = True
            return
        if state == STOPPED_UNPLANNED or state == FAULT:
            if not self.stop:
                self.stop = 1
                self.stop_at = at
                self.detect_at = None
                self.blind = self.gap or self.before is None
                self.counted = self.before is not None
                if self.counted:
                    self._add(STOPS, 1)
            if state == FAULT and self.stop == 1:
                self.stop = 2
                if self.counted:
                    self._add(FAILURES, 1)
        elif self.stop and state == RUNNING:
            if self.stop == 2 and self.counted:
                self._repaired(at)
            self.stop = 0
        elif self.stop == 1:
            self.stop = 0
        if self.stop and detected and self.detect_at is None:
            self.detect_at = at
        self.before = state
        self.gap = False

    def _repaired(self, at):
        if self.blind or self.detect_at is None:
            self._add(REPAIRS_UNSEEN, 1)
            return
        self._add(REPAIRS, 1)
        self._add(DETECT, self.detect_at - self.stop_at)
        self._add(RESTORE, at - self.detect_at)
