"""The verb time: what the clock says, and how a technician sets it where no time server can be reached."""

from console.look import utc_text
from console.verbs import VALUE, Refused

_FIRST_YEAR, _LAST_YEAR = 2025, 2099
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def time(shell, words):
    """time, time 2026-11-23 23:30:05"""
    gateway = shell.gateway
    keeper = gateway.timekeeper
    if words:
        shell.need("it")
        utc_ms = utc_ms_of(words)
        if keeper and utc_ms < keeper.floor_ms:
            raise Refused(VALUE, "this box has known %s already: it takes no time before" % utc_text(keeper.floor_ms))
        gateway.clock.set_utc_ms(utc_ms)
    utc_ms = keeper.utc_ms() if keeper else gateway.clock.utc_ms()
    if utc_ms is None:
        yield "the clock is not set: type time 2026-11-23 23:30:05 (in UTC)"
    else:
        yield utc_text(utc_ms) + " UTC"


def utc_ms_of(words):
    """UTC in ms of ["2026-11-23", "23:30:05"]. Raises Refused."""
    try:
        year, month, day = [int(part) for part in words[0].split("-")]
        hour, minute, second = [int(part) for part in words[1].split(":")]
    except (ValueError, IndexError):
        raise Refused(VALUE, "a time looks like 2026-11-23 23:30:05, in UTC")
    leap = year % 4 == 0  # no century from 2025 to 2099
    right = _FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12
    right = right and 1 <= day <= _DAYS[month - 1] + (leap and month == 2)
    if not (right and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        raise Refused(VALUE, "there is no such time from %d to %d" % (_FIRST_YEAR, _LAST_YEAR))
    days = (year - 1970) * 365 + (year - 1969) // 4 + sum(_DAYS[: month - 1]) + (leap and month > 2) + day - 1
    return (days * 86400 + hour * 3600 + minute * 60 + second) * 1000
