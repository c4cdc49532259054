"""What a load means for a log's flash: the line that whoever configures a box sees, against computed figures."""

from flashlog.layout import outlook


def test_the_reference_loads():
    """10 records of 32 B a second, 8 in a frame, take 340 B/s: 352 sectors last 12.7 years, 128 hold 24 minutes and
    last 4.6 years (issue "flash log")."""
    a_day = 340 * 86400
    assert outlook(352, a_day) == "29376000 bytes of flash a day: room for an outage of 1 h 6 min, 12.6 years of wear"
    assert outlook(128, a_day) == "29376000 bytes of flash a day: room for an outage of 0 h 23 min, 4.6 years of wear"
    assert outlook(32, 12900 * 864).endswith("room for an outage of 0 h 14 min, 3.0 years of wear")
    assert outlook(352, 1).endswith("years of wear")
