"""Alarms in virtual time: hysteresis, delays, latching over restarts, stale inputs, floods; unknown is never normal."""

from edge import alarms as alarms_module
from edge.alarms import EVENTS_PER_ALARM, EVENTS_PER_MIN
from edge_plant import Plant, clear, ot_of
from gateway import words
from mutants import Mutant, survives

T = {"t": ("int16", {"scale": 0.1})}
RAISED, CLEARED = words.ALARM_RAISED, words.ALARM_CLEARED


def alarm(kind="high", limit=80, **more):
    made = {"name": "a", "point": "m.t", "kind": kind, "limit": limit}
    made.update(more)
    return made


def plant_of(*alarms, points=T, **more):
    clear()
    return Plant({"alarms": list(alarms)}, points, **more)


def states(plant):
    return [(entry["name"], entry["state"]) for entry in plant.listed()["alarms"]]


def test_high_with_hysteresis():
    plant = plant_of(alarm(hysteresis=5))
    assert plant.listed()["unknown"] == 1
    for raw, events in ((790, 0), (800, 0), (801, RAISED), (900, 0), (751, 0), (750, CLEARED), (790, 0), (801, RAISED)):
        plant.feed(t=raw)
        found = [code for code, _ in plant.events()]
        assert found == ([events] if events else []), (raw, found)
    assert plant.listed()["unknown"] == 0 and states(plant) == [("a", "active")]


def test_low_and_a_negative_scale():
    plant = plant_of(alarm("low", 10, hysteresis=2))
    seen = []
    for raw in (100, 99, 119, 120):
        plant.feed(t=raw)
        seen += [code for code, _ in plant.events()]
    assert seen == [RAISED, CLEARED]
    plant = plant_of(alarm("high", 10, hysteresis=2), points={"t": ("int16", {"scale": -0.1})})
    for raw, listed in ((-100, 0), (-101, 1), (-81, 1), (-80, 0)):  # 10, 10.1, 8.1, 8
        plant.feed(t=raw)
        assert plant.listed()["listed"] == listed, raw


def test_limits_are_exact_where_floats_are_not():
    for limit, raw in ((0.3, 3), (23.7, 237), (16.1, 161), (1638.3, 16383)):
        plant = plant_of(alarm(limit=limit))
        plant.feed(t=raw)
        assert plant.listed()["listed"] == 0, limit
        plant.feed(t=raw + 1)
        assert plant.listed()["listed"] == 1, limit
    plant = plant_of(alarm(limit=16777217), points={"t": "uint32"})
    plant.feed(t=16777217)  # a board's float cannot tell this from the next
    assert plant.listed()["listed"] == 0
    plant.feed(t=16777218)
    assert plant.listed()["listed"] == 1


def test_delays_on_and_off():
    plant = plant_of(alarm(delay_on_s=3, delay_off_s=2))
    start = plant.clock.us
    times = []
    for second in range(1, 20):
        plant.feed(t=900 if 5 <= second < 12 and second != 6 else 0)
        for code, _ in plant.events():
            times.append((code, round((plant.clock.us - start) / 1e6)))
    assert times == [(RAISED, 10), (CLEARED, 14)]  # 7 + 3: what was over before its delay counts for nothing


def test_a_delay_ends_without_a_sample():
    plant = plant_of(alarm(delay_on_s=5), period_ms=60000)
    plant.feed(t=900)
    plant.run(4.7)
    assert not plant.events()
    plant.run(0.6)
    assert [code for code, _ in plant.events()] == [RAISED]


def test_a_failed_read_keeps_the_state_and_a_delay_begins_anew():
    plant = plant_of(alarm(delay_on_s=3))
    for t in (900, 900):
        plant.feed(t=t)
    plant.feed(quality=1)
    plant.feed(t=900)
    plant.feed(t=900)
    plant.feed(t=900)
    assert not plant.events()
    plant.feed(t=900)
    assert [code for code, _ in plant.events()] == [RAISED]
    plant.feed(quality=1)
    (entry,) = plant.listed()["alarms"]
    assert entry["state"] == "active" and entry["known"] is False and entry["value"] == "not known"
    plant.feed(t=0)
    assert [code for code, _ in plant.events()] == [CLEARED]


def test_an_alarm_whose_input_never_was_good_is_unknown():
    plant = plant_of(alarm(), alarm("low", 5, name="b"))
    for _ in range(5):
        plant.feed(quality=5)
    found = plant.listed()
    assert found["unknown"] == 2 and found["listed"] == 0 and not plant.events()


def test_state_and_rate():
    plant = plant_of(alarm("state", 3, name="s", point="m.s"), alarm("rate", 2, name="r", hysteresis=1), points={
        "s": "uint16", "t": ("int16", {"scale": 0.1})
    })  # fmt: skip
    seen = []
    for s, t in ((1, 100), (3, 119), (3, 140), (2, 155), (2, 160)):  # rates 1.9 2.1 1.5 0.5 a second
        plant.feed(s=s, t=t)
        seen.append([(code, text.split(":")[0]) for code, text in plant.events()])
    assert seen == [[], [(RAISED, "s")], [(RAISED, "r")], [(CLEARED, "s")], [(CLEARED, "r")]]


def test_a_rate_does_not_count_over_a_failed_read():
    plant = plant_of(alarm("rate", 2))
    plant.feed(t=100)
    plant.feed(quality=1)
    plant.feed(t=900)
    plant.feed(t=905)
    assert not plant.events()


def test_stale_says_when_no_good_sample_comes():
    plant = plant_of(alarm("stale", 10))
    for _ in range(20):
        plant.feed(t=1)
    assert not plant.events()
    for _ in range(9):
        plant.feed(quality=1)
    assert not plant.events()
    for _ in range(2):
        plant.feed(quality=1)
    assert [code for code, _ in plant.events()] == [RAISED]
    for _ in range(8):  # days: longer than ticks can tell
        plant.clock.advance_ms(86400000)
        plant.run(1)
    assert not plant.events()
    plant.feed(t=1)
    assert [code for code, _ in plant.events()] == [CLEARED]


def test_stale_counts_from_the_start_where_nothing_ever_came():
    plant = plant_of(alarm("stale", 10))
    plant.run(9)
    assert not plant.events()
    plant.run(2)
    assert [code for code, _ in plant.events()] == [RAISED]


def test_polling_that_stops_makes_values_unknown():
    plant = plant_of(alarm())
    plant.feed(t=900)
    plant.run(4)
    assert plant.listed()["alarms"][0]["known"] is True
    plant.run(3)
    assert plant.listed()["alarms"][0]["known"] is False
    assert plant.edge.inputs.quality[0] == 9  # stale


def test_acknowledging_and_latching():
    plant = plant_of(alarm(latching=True), alarm(name="b"))
    (first, second) = plant.edge.alarms.alarms
    plant.feed(t=900)
    assert states(plant) == [("a", "active"), ("b", "active")]
    assert plant.edge.acknowledge(second) and not plant.edge.acknowledge(second)
    assert states(plant) == [("a", "active"), ("b", "acknowledged")]
    plant.feed(t=0)
    assert states(plant) == [("a", "latched")]
    plant.feed(t=900)
    assert states(plant) == [("a", "active"), ("b", "active")]
    assert plant.edge.acknowledge(first)
    plant.feed(t=0)
    assert states(plant) == []
    found = [(code, text.split(":")[0]) for code, text in plant.events()]
    acknowledged = words.ALARM_ACKNOWLEDGED
    assert found == [
        (RAISED, "a"), (RAISED, "b"), (acknowledged, "b"), (CLEARED, "a"), (CLEARED, "b"), (RAISED, "a"), (RAISED, "b"),
        (acknowledged, "a"), (CLEARED, "a"), (CLEARED, "b"),
    ]  # fmt: skip


def test_latched_alarms_survive_a_restart_and_nothing_else_is_claimed():
    plant = plant_of(alarm(latching=True), alarm(name="b"))
    plant.feed(t=900)
    plant.feed(t=0)
    plant.run(1)
    again = Plant({"alarms": [alarm(latching=True), alarm(name="b")]}, T)
    found = again.listed()
    assert states(again) == [("a", "latched")] and found["unknown"] == 2
    assert found["alarms"][0]["known"] is False and found["alarms"][0]["since_utc_ms"] is None
    again.edge.acknowledge(again.edge.alarms.alarms[0])
    again.run(1)
    third = Plant({"alarms": [alarm(latching=True), alarm(name="b")]}, T)
    assert states(third) == []
    other = Plant({"alarms": [alarm(name="c", latching=True)]}, T)  # a file that fits no more
    assert states(other) == []


def test_what_is_kept_waits_for_a_pause_and_is_not_forgotten():
    plant = plant_of(alarm(latching=True))
    plant.keeper.busy = True
    plant.feed(t=900)
    plant.run(1)
    assert plant.keeper.chore
    plant.keeper._chore = None  # another's took its place
    plant.keeper.busy = False
    plant.run(1)
    assert states(Plant({"alarms": [alarm(latching=True)]}, T)) == [("a", "latched")]


def test_a_flood_is_held_back_and_counted_and_the_list_stays_right():
    alarms = [alarm(name="a%d" % i) for i in range(20)]
    plant = plant_of(*alarms, period_ms=100)
    for i in range(300):
        plant.feed(t=900 if i % 2 else 0)
    texts = [event for event in plant.events() if event[0] in (RAISED, CLEARED)]
    assert len(texts) == EVENTS_PER_MIN
    for i in range(20):
        assert len([1 for _, text in texts if text.startswith("a%d:" % i)]) <= EVENTS_PER_ALARM
    assert plant.listed()["listed"] == 20
    plant.run(60)
    held = [event for event in plant.events() if event[0] == words.ALARM_EVENTS_HELD]
    changes = 299 * 20
    assert held == [(words.ALARM_EVENTS_HELD, changes - EVENTS_PER_MIN, 0)]
    assert plant.listed()["events_held"] == changes - EVENTS_PER_MIN


def test_one_alarm_that_flutters_leaves_room_for_others():
    plant = plant_of(alarm(), alarm(name="b", limit=100), period_ms=100)
    for i in range(100):
        plant.feed(t=(900 if i % 2 else 0) if i < 99 else 1001)
    names = [text.split(":")[0] for code, text in plant.events()]
    assert names.count("a") == EVENTS_PER_ALARM and names[-1] == "b"


def test_the_list_is_sorted_bounded_and_carries_times():
    alarms = [alarm(name="a%d" % i, text='say "%d"' % i) for i in range(40)]
    alarms[7]["severity"] = "critical"
    plant = plant_of(*alarms)
    plant.feed(t=900)
    plant.feed(t=900)
    found = plant.listed()
    assert found["listed"] == 40 and len(found["alarms"]) == 16 and found["configured"] == 40
    first = found["alarms"][0]
    assert first["name"] == "a7" and first["severity"] == "critical" and first["text"] == 'say "7"'
    assert first["since_utc_ms"] == found["utc_ms"] - 1000 and first["value"] == "90"
    plant = plant_of(alarm(), utc=False)
    plant.feed(t=900)
    assert plant.listed()["alarms"][0]["since_utc_ms"] is None and plant.listed()["utc_ms"] is None


def test_mistakes_are_one_line_each():
    for entry, line in (
        (alarm(point="m.x"), 'alarms[0].point: found "m.x", allowed a point as unit.point'),
        (alarm(kind="hot"), 'alarms[0].kind: found "hot", allowed "high" or "low" or "rate" or "state" or "stale"'),
        (alarm("stale", 0), "alarms[0].limit: found 0, allowed 1..86400"),
        (alarm("rate", 0), "alarms[0].limit: found 0, allowed more than 0 and than the hysteresis"),
        (alarm("state", 1, hysteresis=1), "alarms[0].hysteresis: found 1 with kind state, allowed 0"),
        (alarm("state", 0.25), "alarms[0].limit: found 0.25, allowed a value that the point can have"),
        (alarm(hysteresis=-1), "alarms[0].hysteresis: found -1, allowed 0 or more"),
        (alarm(severity="bad"), 'alarms[0].severity: found "bad", allowed "info" or "warning" or "critical"'),
    ):
        errors = ot_of({"alarms": [entry]}, T).errors
        assert errors == [line], errors
    errors = ot_of({"alarms": [alarm(), alarm()]}, T).errors
    assert errors == ['alarms[1].name: found "a", allowed a name not used before']


def test_mutants_are_caught():
    for what, old, new, test in (
        ("no hysteresis", "value <= self.clear, t", "value <= self.limit, t", test_high_with_hysteresis),
        ("too quiet", "= -_FAR, self.limit", "= -_FAR, _FAR", test_high_with_hysteresis),
        ("a delay goes on over a failed read", "self.known = self._waits = False", "self.known = False",
         test_a_failed_read_keeps_the_state_and_a_delay_begins_anew),
        ("a rate over a gap", "            self._last = None\n            self._quiet()", "            self._quiet()",
         test_a_rate_does_not_count_over_a_failed_read),
        ("unknown is normal", "self.state = UNKNOWN\n", "self.state = NORMAL\n",
         test_an_alarm_whose_input_never_was_good_is_unknown),
        ("no latch", "self.latched = self.latching", "self.latched = False", test_acknowledging_and_latching),
        ("no limit for events", "if alarm.events >= EVENTS_PER_ALARM or", "if",
         test_one_alarm_that_flutters_leaves_room_for_others),
        ("no limit for all", " or self._events >= EVENTS_PER_MIN:", ":",
         test_a_flood_is_held_back_and_counted_and_the_list_stays_right),
    ):  # fmt: skip
        with Mutant(alarms_module, old, new, "Alarm", "Alarms"):
            assert not survives(test), what
