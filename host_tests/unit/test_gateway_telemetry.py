"""Telemetry says everything it should and keeps to its budget, even with the largest numbers and 128 units."""

import gc
import json

from clock import Clock, VirtualLoop
from gateway import vitals
from gateway.clock import Uptime
from gateway.keeper import Keeper
from gateway.reports import Reports
from paperboy import Paperboy

LARGEST = (1 << 30) - 1
SETTINGS = {"telemetry_s": 60, "latest_s": 0, "assets_s": 0, "homeassistant": None}
COUNTERS = ("requests", "replies", "timeouts", "crc_errors", "wrong_replies", "exceptions", "retries")
OTHERS = ("resyncs", "late", "stray_bytes", "foreign_requests", "skipped", "busy_permille", "efficiency_permille")
CAUSES = ("gc", "flash", "erase", "tls", "module", "scan", "hold", "console")
if not hasattr(gc, "mem_free"):  # CPython
    gc.mem_free = lambda: LARGEST
HEAD = "0123456789abcdef"
NAME = "a-name-of-thirty-two-characters-"


class Things:
    """An object with the attributes it is given."""

    def __init__(self, **things):
        for name in things:
            setattr(self, name, things[name])


class Bus:
    """What telemetry asks of a bus, at its largest."""

    def __init__(self, number, units):
        self.line = Things(name=NAME[:31] + str(number))
        self.plan = Things(units=[Things(name=NAME[:29] + "%d%02d" % (number, i)) for i in range(units)])

    def stats(self, units):
        assert not units, "64 units at once do not fit a board's memory"
        stats = {"name": self.line.name}
        for name in COUNTERS + OTHERS:
            stats[name] = LARGEST
        stats["exception_codes"] = dict([(str(code), LARGEST) for code in range(12)])
        stats["pause_ms"] = dict([(name, LARGEST) for name in CAUSES])
        return stats

    def unit_stats(self, i, counters=True):
        row = {"unit": self.plan.units[i].name, "unit_id": 247, "state": "silent"}
        if counters:
            row["latency_us"] = [LARGEST] * 3
            for name in COUNTERS + OTHERS[:2]:
                row[name] = LARGEST
        return row


def numbers(*names):
    return Things(**dict([(name, LARGEST) for name in names]))


class Box:
    """A gateway with the largest numbers; `told`: (topic, text)."""

    latest = None

    def __init__(self, units=64, utc_ms=1795312800000):
        self.clock = Clock(utc_ms=utc_ms)
        self.uptime = Uptime(self.clock)
        self.uptime.era = 1000
        self.started_ms = 0
        self.boot = LARGEST
        self.reset_cause = "deep sleep"
        self.halves = ((1000000000, "ffffffff"), (1000000000, "ffffffff"))
        self.keeper = numbers("heap_free_bytes", "heap_low_bytes", "hold_max_ms")
        self.keeper.load = self.load
        self.keeper.do = self.do
        self.full = 0  # so many loads find no room in the heap
        self.buses = [Bus(0, units), Bus(1, units)]
        self.recorder = numbers("records", "dropped_total")
        self.log = numbers("sectors")
        self.log.stats = numbers(
            "erases", "starved", "deferred", "dropped", "retired", "damaged", "wear_max", "wear_sum"
        )  # fmt: skip
        self.log.depth = lambda: LARGEST
        self.session = Paperboy()
        for name in ("connects", "failures", "published", "acked", "resent", "strays"):
            setattr(self.session, name, LARGEST)
        self.edge = numbers("suppressed")
        self.edge.alarms = None
        self.scada = True
        self.reader = numbers("connects", "requests", "exceptions", "refused", "cut")
        self.publisher = Things(notice=None)
        self.net = Things(link=Things(signal_dbm=lambda: -127))
        self.told = []

    def tell_losses(self):
        pass

    async def load(self, importer, sleep_ms):
        self.full -= 1
        return importer() if self.full < 0 else None

    async def do(self, cause, work, need_us, sleep_ms):
        return work()

    async def room(self, sleep_ms):
        await sleep_ms(0)

    async def publish(self, sleep_ms):
        while True:
            if self.publisher.notice:
                self.told.append(self.publisher.notice)
                self.publisher.notice = None
            await sleep_ms(5)

    def run(self, ms):
        loop = VirtualLoop(self.clock)
        loop.spawn(Reports(self, SETTINGS).run(loop.sleep_ms))
        loop.spawn(self.publish(loop.sleep_ms))
        loop.run_ms(ms)


def test_everything_is_said():
    box = Box()
    found = json.loads("".join(vitals.report(box, HEAD)))
    for key in (
        "format boot reset firmware ot it uptime_s clock utc_ms heap_free_bytes heap_low_bytes hold_max_ms "
        "bus log mqtt net"
    ).split():
        assert key in found, key
    assert found["audit"] == HEAD and found["clock"] == "set"
    assert found["ot"] == {"revision": 1000000000, "hash": "ffffffff"}
    for key in "depth wear_max wear_sum dropped dropped_in_ram retired damaged erases".split():
        assert found["log"][key] == LARGEST
    for key in "connects failures published acked resent".split():
        assert found["mqtt"][key] == LARGEST
    assert found["bus"][0]["timeouts"] == LARGEST
    assert found["net"] == {"signal_dbm": -127}
    box.net.link = None  # a cable, or no network
    assert json.loads("".join(vitals.report(box, HEAD)))["net"] == {"signal_dbm": None}
    assert found["bus"][1]["silent_units"] == 64 and len(found["bus"][1]["silent"]) == vitals.MAX_SILENT


def test_without_a_clock_it_says_so():
    found = json.loads("".join(vitals.report(Box(utc_ms=None), "")))
    assert found["clock"] == "unset" and found["utc_ms"] is None


def test_the_largest_texts_keep_their_limits():
    box = Box()
    report = "".join(vitals.report(box, HEAD))
    unit = "".join(vitals.unit(box.buses[0], 0))
    print("REPORT: telemetry at its largest: box %d B (limit %d), unit %d B (limit %d), per period at most %d B" % (
        len(report), vitals.BOX_BYTES, len(unit), vitals.UNIT_BYTES, vitals.BUDGET_BYTES))  # fmt: skip
    assert len(report) <= vitals.BOX_BYTES and len(unit) <= vitals.UNIT_BYTES
    assert vitals.BOX_BYTES + vitals.UNIT_BYTES <= vitals.BUDGET_BYTES
    assert json.loads(unit)["latency_us"] == [LARGEST] * 3


def test_the_budget_holds_in_every_period_and_every_unit_has_its_turn():
    box = Box(units=3)
    box.run(60000 * 8)
    periods = []
    for topic, text in box.told:
        if topic == "telemetry":
            periods.append(0)
        periods[-1] += len(text)
    assert len(periods) == 8
    assert max(periods) <= vitals.BUDGET_BYTES
    units = [topic for topic, _ in box.told if topic != "telemetry"]
    assert len(units) >= len(periods) and len(set(units)) == 6
    assert all([topic == "telemetry/" + json.loads(text)["unit"] for topic, text in box.told if topic != "telemetry"])


def test_no_room_for_the_code_delays_the_telemetry_and_nothing_else():
    box = Box(units=1)
    box.full = 3
    box.run(2900)
    assert not box.told
    box.run(2000)
    assert box.told[0][0] == "telemetry"


def test_no_room_for_a_text_delays_it_and_ends_nothing():
    box = Box(units=1)
    load, fails = box.load, [3]

    async def full(importer, sleep_ms):
        fails[0] -= 1
        if fails[0] >= 0:
            raise MemoryError
        return await load(importer, sleep_ms)

    box.keeper.load = full
    box.run(2900)
    assert not box.told and fails == [0]
    box.run(2000)
    assert box.told[0][0] == "telemetry"


def test_the_keeper_loads_in_a_pause_and_survives_a_full_heap():
    clock = Clock()
    paused = []
    bus = Things(ask=lambda cause: not paused.append("ask"), done=lambda cause: paused.append("done"))
    keeper = Keeper(clock, None, [bus], None, None, None, None)
    got = []

    def full():
        raise MemoryError

    def hidden():
        raise ImportError  # what MicroPython makes of a MemoryError of the loader

    async def load():
        for importer, least_bytes in ((lambda: "module", 0), (full, 0), (hidden, 0), (lambda: "module", 1 << 60)):
            got.append(await keeper.load(importer, loop.sleep_ms, least_bytes))

    loop = VirtualLoop(clock)
    loop.spawn(load())
    loop.run_ms(10)
    assert got == ["module", None, None, None]
    assert paused.count("done") == 4 and paused[-1] == "done"


def test_without_a_session_nothing_is_made_and_a_connect_brings_it_at_once():
    box = Box(units=1)
    box.session.ready = False
    loop = VirtualLoop(box.clock)
    loop.spawn(Reports(box, SETTINGS).run(loop.sleep_ms))
    loop.spawn(box.publish(loop.sleep_ms))
    loop.run_ms(200000)
    assert not box.told
    box.session.ready = True
    loop.run_ms(1000)
    assert box.told[0][0] == "telemetry"
    count = len(box.told)
    loop.run_ms(30000)
    assert len(box.told) == count
    box.session.connects -= 1  # another session
    loop.run_ms(1000)
    assert len(box.told) > count
