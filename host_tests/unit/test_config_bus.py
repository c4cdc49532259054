"""Keys of buses, units and points that say how a line is used: mode, priority, limits, supervision."""

from ot_half import Half


def lines(bus=None, unit=None, points=None):
    """What is wrong with a bus of one unit that has these keys besides the least."""
    point = {"name": "voltage", "fc": 4, "address": 10, "type": "float32", "unit": "V"}
    whole = {"name": "meter", "unit_id": 1, "points": points or [point]}
    whole.update(unit or {})
    line = {"name": "line1", "units": [whole]}
    line.update(bus or {})
    return Half({"format": 1, "owner": "controls", "revision": 1, "buses": [line]}).errors


def point(**more):
    made = {"name": "p", "fc": 3, "address": 0, "type": "uint16"}
    made.update(more)
    return made


def test_mode():
    assert lines() == lines({"mode": "poll"}) == lines({"mode": "listen"}) == []
    assert lines({"mode": "scan"}) == ['buses[0].mode: found "scan", allowed "poll" or "listen"']


def test_priority_and_period_have_ranges():
    for good in ({"priority": 0}, {"priority": 3}, {"period_ms": 20}, {"period_ms": 86400000}):
        assert lines(points=[point(**good)]) == []
    for key, bad, allowed in (
        ("priority", 4, "0..3"),
        ("priority", -1, "0..3"),
        ("period_ms", 19, "20..86400000"),
        ("period_ms", 86400001, "20..86400000"),
    ):
        expected = "buses[0].units[0].points[0].%s: found %d, allowed a whole number %s" % (key, bad, allowed)
        assert lines(points=[point(**{key: bad})]) == [expected]


def test_a_supervised_unit_must_be_polled_more_often_than_it_stands():
    assert lines(unit={"comm_loss_ms": 1001}) == []
    assert lines(unit={"comm_loss_ms": 1000}) == [
        "buses[0].units[0].comm_loss_ms: found 1000, allowed more than its shortest period_ms, 1000, or 0"
    ]
    fast = [point(period_ms=100), point(name="q", address=9)]
    assert lines(unit={"comm_loss_ms": 1000}, points=fast) == []
    assert lines({"mode": "listen"}, {"comm_loss_ms": 500}) == []  # the other client's business


def test_function_codes_that_a_unit_does_not_know():
    assert lines(unit={"functions": [3, 4]}) == []
    assert lines(unit={"functions": [1, 3]}) == [
        "buses[0].units[0].points[0].fc: found 4, allowed 1 3: functions of the unit"
    ]
    assert len(lines(unit={"functions": []})) == 1 and len(lines(unit={"functions": [6]})) == 1


def test_points_in_a_hole_are_refused():
    hole = {"fc": 4, "address": 11, "count": 1}
    assert lines(unit={"holes": [hole]}) == [
        "buses[0].units[0].points[0].address: found 10, allowed none of 11..11: holes of the unit"
    ]
    for other in ({"fc": 3, "address": 11}, {"fc": 4, "address": 12}, {"fc": 4, "address": 5, "count": 5}):
        assert lines(unit={"holes": [other]}) == []
    assert len(lines(unit={"holes": [{"fc": 4}]})) == 1
