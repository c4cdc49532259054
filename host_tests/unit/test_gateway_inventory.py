"""The inventory: who was seen, what changed, kept over restarts, bounded, and rarely written."""

import json
import os

from clock import Clock, VirtualLoop
from gateway import inventory, search

UTC_MS = 1795312800000
DAY_MS = 86400000


class Things:
    """An object with the attributes it is given."""

    def __init__(self, **things):
        for name in things:
            setattr(self, name, things[name])


class Bus:
    """Units by id: state and whether they have answered."""

    def __init__(self, name, units):
        self.line = Things(name=name)
        self.plan = Things(units=[Things(name=unit, unit_id=unit_id) for unit, unit_id in units])
        self.states = ["ok"] * len(units)
        self.answered_ms = [None] * len(units)

    def unit_stats(self, i, counters):
        unit = self.plan.units[i]
        return {
            "unit": unit.name,
            "unit_id": unit.unit_id,
            "state": self.states[i],
            "answered_ms": self.answered_ms[i],
        }


class Box:
    """A gateway; `restart` forgets everything but the file. `writes` counts how often the file was replaced."""

    def __init__(self, units=(("meter", 1), ("drive", 3)), utc_ms=UTC_MS, identify=False):
        for name in (inventory.FILE, inventory.FILE + ".new"):
            if name in os.listdir():
                os.remove(name)
        self.clock = Clock(utc_ms=utc_ms)
        self.identify = [identify]
        self.identities = {}
        self.writes = 0
        self.keeper = self
        self.restart(units)

    def restart(self, units):
        self.buses = [Bus("line1", units)]
        self.asked = {}

    async def pause(self, cause, sleep_ms):
        self.writes += 1

    def resume(self, cause):
        pass

    def answer(self, *places):
        for i in places or range(len(self.buses[0].states)):
            self.buses[0].answered_ms[i] = self.clock.ticks_ms()

    def update(self):
        """What is published, by topic."""
        told = {}

        async def say(topic, pieces, sleep_ms):
            told[topic] = json.loads("".join(pieces))
            return 1

        async def identity(gateway, number, unit_id, sleep_ms):
            return self.identities.get(unit_id, {})

        search.identify, before = identity, search.identify
        search.forget = lambda: None
        loop = VirtualLoop(self.clock)
        loop.spawn(inventory.update(self, self.asked, loop.sleep_ms, say))
        loop.run_ms(1000)
        search.identify = before
        return told


def test_who_has_answered_is_there_with_its_times():
    box = Box()
    assert box.update() == {} and box.writes == 0
    box.answer(0)
    box.clock.advance_ms(5000)
    told = box.update()
    assert list(told) == ["assets/line1/1"]
    asset = told["assets/line1/1"]
    assert (asset["unit"], asset["unit_id"], asset["bus"], asset["state"]) == ("meter", 1, "line1", "ok")
    assert asset["first_seen_utc_ms"] == asset["last_seen_utc_ms"] == UTC_MS
    assert asset["identity"] is None and asset["changes"][0]["what"] == "seen for the first time"


def test_it_is_kept_over_restarts_and_written_once_a_day():
    box = Box()
    box.answer()
    box.update()
    assert box.writes == 1
    for _ in range(23):
        box.clock.advance_ms(3600000)
        box.answer()
        told = box.update()
        assert told["assets/line1/1"]["last_seen_utc_ms"] > UTC_MS  # published as it is, though not written
    assert box.writes == 1
    box.restart((("meter", 1), ("drive", 3)))
    assert {asset["state"] for asset in box.update().values()} == {"gone"}
    box.clock.advance_ms(2 * 3600000)
    box.answer()
    told = box.update()
    assert box.writes == 2 and told["assets/line1/3"]["first_seen_utc_ms"] < UTC_MS + 10000
    assert len(told["assets/line1/3"]["changes"]) == 1
    print("REPORT: inventory of an unchanged plant: 2 writes of the file in 25 hours")


def test_without_a_clock_no_time_is_claimed_and_it_follows():
    box = Box(utc_ms=None)
    box.answer()
    asset = box.update()["assets/line1/1"]
    assert asset["first_seen_utc_ms"] is None and asset["last_seen_utc_ms"] is None
    assert asset["changes"][0]["utc_ms"] is None
    box.clock.set_utc_ms(UTC_MS)
    box.answer()
    assert box.update()["assets/line1/1"]["first_seen_utc_ms"] == UTC_MS


def test_identity_is_asked_once_and_what_changes_is_told():
    box = Box(identify=True)
    box.identities = {1: {"vendor": "ACME", "revision": "1.0"}}
    box.answer()
    asset = box.update()["assets/line1/1"]
    assert asset["identity"] == {"vendor": "ACME", "revision": "1.0"} and len(asset["changes"]) == 1
    box.identities = {}
    box.update()
    assert box.writes == 1, "asked again, or written again"
    for i in range(10):  # replaced by a newer one, again and again
        box.restart((("meter", 1), ("drive", 3)))
        box.identities = {1: {"vendor": "ACME", "revision": "2.%d" % i}}
        box.answer()
        asset = box.update()["assets/line1/1"]
    assert len(asset["changes"]) == inventory.MAX_CHANGES
    assert asset["changes"][-1]["what"] == "revision: 2.9, was 2.8"
    box.restart((("power-meter", 1),))
    box.answer()
    assert box.update()["assets/line1/1"]["changes"][-1]["what"] == "name: power-meter, was meter"


def test_a_unit_that_does_not_want_to_be_asked_is_not():
    box = Box(identify=False)
    box.identities = {1: {"vendor": "ACME"}}
    box.answer()
    assert box.update()["assets/line1/1"]["identity"] is None


def test_a_full_inventory_gives_up_the_one_seen_longest_ago():
    box = Box(units=[("u%d" % i, i) for i in range(1, inventory.MAX_ASSETS + 1)])
    box.answer()
    box.clock.advance_ms(1000)
    box.answer(*range(1, inventory.MAX_ASSETS))
    assert len(box.update()) == inventory.MAX_ASSETS
    box.restart([("new", 200)])
    box.answer()
    told = box.update()
    assert len(told) == inventory.MAX_ASSETS and "assets/line1/200" in told and "assets/line1/1" not in told
    with open(inventory.FILE) as file:
        assert len(file.read().splitlines()) == inventory.MAX_ASSETS


def test_damage_costs_the_damaged_lines_only():
    box = Box()
    box.answer()
    box.update()
    with open(inventory.FILE) as file:
        lines = file.read().splitlines()
    with open(inventory.FILE, "w") as file:
        file.write('{"torn\n[1]\n{}\nnull\n' + lines[1] + "\n" + "x" * 5000 + "\n")
    box.restart(())
    assert list(box.update()) == ["assets/line1/3"]
    os.remove(inventory.FILE)
    assert box.update() == {}
