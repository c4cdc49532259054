"""Shift calendar: which hour, shift and day a moment belongs to and whether production was planned then.

Times are whole seconds of UTC since 2020-01-01 (small ints on the boards until 2054). A local time that a change of the
clock skips is taken as if the clock had not changed yet; one that comes twice is the first of the two. So a night shift
has an hour less or more on the two nights a year.
"""

EPOCH_S = 1577836800  # 2020-01-01 00:00:00 UTC, a Wednesday, in seconds since 1970
DAY_S = 86400
_FIRST_WEEKDAY = 2  # of that day; Monday is 0
_MONTHS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def days_before(year):
    """Days from 2020-01-01 to January 1st of `year` (2020..2099)."""
    return (year - 2020) * 365 + (year - 2017) // 4


def day_number(year, month, day):
    """Days from 2020-01-01 to a date."""
    return days_before(year) + _MONTHS[month - 1] + (month > 2 and year % 4 == 0) + day - 1


class Zone:
    """A time zone: seconds to add for standard and for summer time, and the rules (month, week, day, s) of the changes.

    `production.texts.zone_of` makes one from a text."""

    def __init__(self, std_s, dst_s, rules):
        self._std = std_s
        self._dst = dst_s
        self._rules = rules
        self._year = (0, 0, 0)  # what `_changes` found last: year, begin and end of summer time

    def offset(self, utc_s):
        """Seconds to add to UTC for local time."""
        if self._rules is None:
            return self._std
        year = 2020 + (utc_s + self._std) // DAY_S * 4 // 1461
        if self._year[0] != year:
            self._year = (year,) + self._changes(year)
        begin, end = self._year[1:]
        if begin <= end:
            return self._dst if begin <= utc_s < end else self._std
        return self._std if end <= utc_s < begin else self._dst  # south of the equator

    def _changes(self, year):
        begin, end = self._rules
        return _rule_s(begin, year) - self._std, _rule_s(end, year) - self._dst

    def utc(self, local_s):
        """The moment at which clocks show it; see above for times that they skip or show twice."""
        for offset in (max(self._std, self._dst), min(self._std, self._dst)):  # the earlier moment first
            if self.offset(local_s - offset) == offset:
                return local_s - offset
        return local_s - self._std if self._dst > self._std else local_s - self._dst


def _rule_s(rule, year):
    month, week, day, time_s = rule
    first = day_number(year, month, 1)
    length = 31 if month == 12 else day_number(year, month + 1, 1) - first
    at = (day - 1 - _FIRST_WEEKDAY - first) % 7 + 7 * (week - 1)
    while at >= length:
        at -= 7
    return (first + at) * DAY_S + time_s


class Calendar:
    """The calendar of one machine; `look(utc_s)` sets what holds then.

    zone: Zone. shifts: [(weekdays as bits, Monday is 1; start_s, end_s of the day; breaks as [(start_s, end_s)])]; an
    end that is not after its start is on the next day. planned: [(from, to)] local seconds in which no production is
    intended. day_start_s: when the plant's day begins. Without shifts all time is planned for production.
    """

    def __init__(self, zone, shifts, planned, day_start_s):
        self._zone = zone
        self._shifts = shifts
        self._planned = [(self._zone.utc(begin), self._zone.utc(end)) for begin, end in planned]
        self._day_start_s = day_start_s
        self.hour = self.shift = self.day = None  # (start, end) of each; shift is None between shifts
        self.shift_index = -1
        self.busy = False  # production is planned (planned busy time)
        self.until = 0  # for so long it stays so
        self._since = 1

    def look(self, utc_s):
        """Set hour, shift, shift_index, day, busy for this moment."""
        if self._since <= utc_s < self.until:
            return
        zone = self._zone
        local = utc_s + zone.offset(utc_s)
        hour = utc_s - local % 3600
        self.hour = (hour, hour + 3600)
        self._since, self.until = hour, hour + 3600
        number = (local - self._day_start_s) // DAY_S
        self.day = tuple([zone.utc((number + k) * DAY_S + self._day_start_s) for k in (0, 1)])
        self._cut(utc_s, self.day)
        self.shift, self.shift_index = None, -1
        self.busy = not self._shifts
        today = local // DAY_S
        for date in (today - 1, today):
            weekday = (date + _FIRST_WEEKDAY) % 7
            for index, (days, start_s, end_s, breaks) in enumerate(self._shifts):
                if days >> weekday & 1:
                    self._look_shift(utc_s, index, date * DAY_S, start_s, end_s, breaks)
        for span in self._planned:
            if self._cut(utc_s, span):
                self.busy = False

    def _look_shift(self, utc_s, index, midnight, start_s, end_s, breaks):
        utc = self._zone.utc
        span = utc(midnight + start_s), utc(midnight + end_s + (DAY_S if end_s <= start_s else 0))
        if not self._cut(utc_s, span) or self.shift:
            return
        self.shift, self.shift_index, self.busy = span, index, True
        for begin_s, stop_s in breaks:
            begin_s += DAY_S if begin_s < start_s else 0
            stop_s += DAY_S if stop_s < begin_s else 0
            if self._cut(utc_s, (utc(midnight + begin_s), utc(midnight + stop_s))):
                self.busy = False

    def _cut(self, utc_s, span):
        # What was found holds no longer than to the edges of this span; True if the moment lies in it.
        for edge in span:
            if utc_s < edge < self.until:
                self.until = edge
            elif self._since < edge <= utc_s:
                self._since = edge
        return span[0] <= utc_s < span[1]
