"""Time zones of the device's shift calendar against the system's zone data: offsets, local times."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from production.calendar import EPOCH_S
from production.texts import moment_of, zone_of

START = datetime(2020, 1, 1)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"),
        ("EST5EDT,M3.2.0,M11.1.0", "America/New_York"),
        ("AEST-10AEDT,M10.1.0,M4.1.0/3", "Australia/Sydney"),
        ("<+0530>-5:30", "Asia/Kolkata"),
        ("+05:30", "Asia/Kolkata"),
        ("UTC", "UTC"),
    ],
)
def test_zone_equals_zone_data(rule: str, name: str) -> None:
    zone, true = zone_of(rule), ZoneInfo(name)
    rng = random.Random(1)
    for _ in range(5000):
        utc_s = rng.randrange(30 * 365 * 86400)
        there = datetime.fromtimestamp(utc_s + EPOCH_S, true)
        offset = there.utcoffset()
        assert offset is not None and zone.offset(utc_s) == offset.total_seconds(), there
        local_s = rng.randrange(30 * 365 * 86400)
        naive = START + timedelta(seconds=local_s)
        assert zone.utc(local_s) == int(naive.replace(tzinfo=true).timestamp()) - EPOCH_S, naive


def test_both_nights_of_a_year_in_every_minute() -> None:
    zone, true = zone_of("CET-1CEST,M3.5.0,M10.5.0/3"), ZoneInfo("Europe/Berlin")
    for day in (datetime(2026, 3, 29), datetime(2026, 10, 25)):
        for minute in range(360):
            naive = day + timedelta(minutes=minute)
            assert zone.utc(moment_of(f"{naive:%Y-%m-%d %H:%M}")) + EPOCH_S == naive.replace(tzinfo=true).timestamp()
            utc = naive.replace(tzinfo=timezone.utc)
            offset = utc.astimezone(true).utcoffset()
            assert offset is not None and zone.offset(int(utc.timestamp()) - EPOCH_S) == offset.total_seconds()


@pytest.mark.parametrize("text", ["", "CE-1", "CET", "CET-1CEST", "CET-1CEST,J60,M10.5.0", "+1:00", "+25:00", "X,Y,Z"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        zone_of(text)
