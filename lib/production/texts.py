"""Texts of the configuration: times, dates, time zones. Loaded at the start only.

A zone is a fixed offset ("+01:00", "UTC") or a POSIX TZ rule ("CET-1CEST,M3.5.0,M10.5.0/3"; POSIX.1-2017, 8.3, with the
Mm.w.d form of dates).

A condition is terms joined by " and ", each of the form `unit.point`, `not unit.point`, or `unit.point` with one of
== != < <= > >= & and a number. A point alone holds when it is not 0. Numbers are those of the point after scale and
offset.
"""

from production.calendar import DAY_S, Zone, day_number
from production.signals import Condition

_OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "&")


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


def zone_of(text):
    """The Zone; ValueError for what is neither an offset nor a rule of the form above."""
    if text == "UTC":
        return Zone(0, 0, None)
    if text[:1] in ("+", "-"):
        offset_s = clock_of(text[1:]) * (1 if text[0] == "+" else -1)
        return Zone(offset_s, offset_s, None)
    head, *changes = text.split(",")
    at = _behind_name(head, 0)
    std_s, at = _time(head, at)
    if at == len(head):
        if changes:
            raise ValueError
        return Zone(std_s, std_s, None)
    at = _behind_name(head, at)
    dst_s = std_s + 3600
    if at < len(head):
        dst_s, at = _time(head, at)
    if at < len(head) or len(changes) != 2:
        raise ValueError
    return Zone(std_s, dst_s, (_rule(changes[0]), _rule(changes[1])))


def _behind_name(text, at):
    if text[at : at + 1] == "<":
        return text.index(">", at) + 1
    start = at
    while at < len(text) and text[at].isalpha():
        at += 1
    if at - start < 3:
        raise ValueError
    return at


def _time(text, at):
    # POSIX counts what is to be added to local time
    start = at
    while at < len(text) and text[at] in "+-0123456789:":
        at += 1
    return -_seconds(text[start:at]), at


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


def condition_of(text, find):
    """The Condition; find(name): the Value of a point."""
    return Condition([(find(term[0]),) + term[1:] for term in terms(text)])


def terms(text):
    """[(name of the point, operator or "", number, negated)] of a condition; ValueError with what is wrong."""
    found = []
    for term in text.split(" and "):
        term = term.strip()
        negated = term.startswith("not ")
        if negated:
            term = term[4:]
        operator, number = "", 0
        for candidate in _OPERATORS:
            if candidate in term:
                operator = candidate
                term, _, right = term.partition(candidate)
                number = _number(right.strip())
                break
        name = term.strip()
        if name.count(".") != 1 or " " in name:
            raise ValueError('"%s" is no unit.point' % name)
        found.append((name, operator, number, negated))
    return found


def _number(text):
    try:
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise ValueError('"%s" is no number' % text)
