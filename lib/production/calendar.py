"""Shift calendar: which hour, shift and day a moment belongs to and whether production was planned then.

Times are whole seconds of UTC since 2020-01-01 (small ints on the boards until 2054). Local time follows a fixed offset
("+01:00", "UTC") or a POSIX TZ rule ("CET-1CEST,M3.5.0,M10.5.0/3"; POSIX.1-2017, 8.3, with the Mm.w.d form of dates).
A local time that a change of the clock skips is taken as if the clock had not changed yet; one that comes twice is the
first of the two. So a night shift has an hour less or more on the two nights a year.
"""

EPOCH_S = 1577836800  # 2020-01-01 00:00:00 UTC, a Wednesday, in seconds since 1970
DAY_S = 86400
_FIRST_WEEKDAY = 2  # of that day; Monday is 0
_NEVER = 0x3FFFFFFF
_MONTHS = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


def days_before(year):
    """Days from 2020-01-01 to January 1st of `year` (2020..2099)."""
    return (year - 2020) * 365 + (year - 2017) // 4


def day_number(year, month, day):
    """Days from 2020-01-01 to a date."""
    return days_before(year) + _MONTHS[month - 1] + (month > 2 and year % 4 == 0) + day - 1


def clock_of(text):
    """"HH:MM" as seconds; ValueError."""
    if len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdigit():
        raise ValueError
    seconds = int(text[:2]) * 3600 + int(text[3:]) * 60
    if seconds > DAY_S or text[3:] >= "60":
        raise ValueError
    return seconds


def moment_of(text):
    """"YYYY-MM-DD HH:MM" as local seconds since 2020-01-01; ValueError."""
    if len(text) != 16 or text[4] != "-" or text[7] != "-" or text[10] != " ":
        raise ValueError
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    if not (2020 <= year <= 2053 and 1 <= month <= 12 and 1 <= day <= 31):
        raise ValueError
    return day_number(year, month, day) * DAY_S + clock_of(text[11:])


class Zone:
    """A time zone from its text; ValueError for what is neither an offset nor a rule of the form above."""

    def __init__(self, text):
        self._rules = None
        self._text = text
        self._year = (0, 0, 0)  # what `_changes` found last: year, begin and end of summer time
        if text == "UTC":
            self._std = self._dst = 0
        elif text[:1] in ("+", "-"):
            self._std = self._dst = (clock_of(text[1:])) * (1 if text[0] == "+" else -1)
        else:
            self._parse(text)

    def _parse(self, text):
        parts = text.split(",")
        self._at = 0
        self._text = parts[0]
        self._name()
        self._std = self._dst = -self._time()
        if self._at < len(self._text):
            self._name()
            self._dst = self._std + 3600
            if self._at < len(self._text):
                self._dst = -self._time()
            if len(parts) != 3:
                raise ValueError
            self._rules = _rule(parts[1]), _rule(parts[2])
        elif len(parts) != 1:
            raise ValueError

    def _name(self):
        text, start = self._text, self._at
        if text[start : start + 1] == "<":
            self._at = text.index(">", start) + 1
            return
        while self._at < len(text) and text[self._at].isalpha():
            self._at += 1
        if self._at - start < 3:
            raise ValueError

    def _time(self):
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in "+-0123456789:":
            self._at += 1
        return _seconds(self._text[start : self._at])

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


def _seconds(text):
    # [+-]h[h][:mm[:ss]]
    sign = -1 if text[:1] == "-" else 1
    parts = [int(part) for part in text.lstrip("+-").split(":")]
    if not 1 <= len(parts) <= 3 or parts[0] > 24 or max(parts[1:] or [0]) > 59:
        raise ValueError
    return sign * sum([part * unit for part, unit in zip(parts, (3600, 60, 1))])


def _rule(text):
    # Mm.w.d[/time]: day d (0 is Sunday) of week w of month m, week 5 is the last
    date, _, time = text.partition("/")
    if date[:1] != "M":
        raise ValueError
    month, week, day = [int(part) for part in date[1:].split(".")]
    if not (1 <= month <= 12 and 1 <= week <= 5 and 0 <= day <= 6):
        raise ValueError
    return month, week, day, _seconds(time) if time else 7200


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

    zone: text. shifts: [(weekdays as bits, Monday is 1; start_s, end_s of the day; breaks as [(start_s, end_s)])]; an
    end that is not after its start is on the next day. planned: [(from, to)] local seconds in which no production is
    intended. day_start_s: when the plant's day begins. Without shifts all time is planned for production.
    """

    def __init__(self, zone, shifts, planned, day_start_s):
        self._zone = Zone(zone)
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
