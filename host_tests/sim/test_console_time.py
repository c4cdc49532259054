"""The console's verb time: every day of a century's calendar, what is refused, and the floor."""

from console import timeset
from console.verbs import Refused


class Clock:
    def __init__(self, utc_ms=None):
        self.now_ms = utc_ms

    def utc_ms(self):
        return self.now_ms

    def set_utc_ms(self, utc_ms):
        self.now_ms = utc_ms


class Keeper:
    def __init__(self, clock, floor_ms):
        self.clock = clock
        self.floor_ms = floor_ms

    def utc_ms(self):
        now_ms = self.clock.utc_ms()
        return None if now_ms is None or now_ms < self.floor_ms else now_ms


class Shell:
    def __init__(self, utc_ms=None, floor_ms=None):
        self.gateway = self
        self.clock = Clock(utc_ms)
        self.timekeeper = None if floor_ms is None else Keeper(self.clock, floor_ms)
        self.needed = []

    def need(self, half):
        self.needed.append(half)

    def type(self, line):
        try:
            return list(timeset.time(self, line.split()))[-1]
        except Refused as error:
            return error.text


def test_set_and_shown():
    shell = Shell()
    assert shell.type("") == "the clock is not set: type time 2026-11-23 23:30:05 (in UTC)" and not shell.needed
    assert shell.type("2026-11-23 23:41:37") == "2026-11-23 23:41:37 UTC" and shell.needed == ["it"]
    assert shell.clock.now_ms == 1795477297000  # date -u -d "2026-11-23 23:41:37" +%s


def test_every_day():
    """Each day is 86400 s after the one before; first and last as `date -u` (GNU coreutils) says."""
    before = timeset.utc_ms_of(["2025-01-01", "00:00:00"])
    assert before == 1735689600000
    for year in range(2025, 2100):
        for month in range(1, 13):
            for day in range(1, 32):
                try:
                    now = timeset.utc_ms_of(["%d-%02d-%02d" % (year, month, day), "00:00:00"])
                except Refused:
                    continue
                assert now - before in (0, 86400000)
                before = now
    assert before == 4102358400000


def test_what_is_no_time():
    for line in (
        "2026-11-23",
        "2026-11-23 24:00:00",
        "2026-02-29 00:00:00",
        "2026-13-01 0:0:0",
        "1999-01-01 0:0:0",
        "a b",
    ):
        shell = Shell()
        assert "time" in shell.type(line) and shell.clock.now_ms is None, line


def test_not_below_the_floor():
    shell = Shell(floor_ms=1795477297000)
    assert shell.type("2026-11-22 00:00:00").startswith("this box has known 2026-11-23 23:41:37 already")
    assert shell.clock.now_ms is None
    assert shell.type("2026-11-24 00:00:00") == "2026-11-24 00:00:00 UTC"
