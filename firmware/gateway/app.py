"""The gateway: builds the parts from board and configuration, then runs them on one event loop.

`start` makes everything that can fail and says clearly what failed; `Gateway.run` never returns
by itself. Tasks: one per bus, the keeper (flash, garbage, watchdog), the uplink, telemetry.
"""

import asyncio
import os
import random

from flashlog.log import FlashLog
from gateway import schema as schemas
from gateway import telemetry, words
from gateway.clock import Uptime
from gateway.errors import ConfigError
from gateway.keeper import Keeper
from gateway.publisher import MAX_META_BYTES, Publisher
from gateway.recorder import Recorder
from modbus import pdu
from modbus.bus import Bus
from modbus.codes import COMM_LOSS_RISK, PAUSE_BOUNDS_MS, PAUSE_HOLD, READ_SPLIT
from modbus.line import Line
from modbus.plan import MAX_GROUPS, Plan
from uplink.session import Session


class Restart(Exception):
    """The gateway has written everything to flash and is to start again, with the configuration that now counts."""


GROUPS_PER_BUS = 128  # group numbers are one byte, and two buses share them
MAX_READS_PER_BUS = 100  # leaves numbers for reads that are split later
SPLITS_FILE = "splits.txt"  # reads that units refused in one piece: unit id, fc, address of the second part


def make_plans(ot):
    """One poll plan per bus. Raises ConfigError with the plan's own words."""
    from modbus.planner import PlanError  # planner is in memory only while plans are made

    plans = []
    try:
        for number, bus in enumerate(ot["buses"]):
            line = Line(bus["name"], bus["baud"], bus["serial_format"], bus["max_busy_percent"] * 10)
            last = number + 1 == len(ot["buses"])
            end = MAX_GROUPS if last else (number + 1) * GROUPS_PER_BUS
            plans.append(Plan(line, bus["units"], _read_splits(number), number * GROUPS_PER_BUS, end))
    except PlanError as error:
        raise ConfigError(["ot.json: %s" % error])
    pdu.release()
    for plan in plans:
        if len(plan.reads) > MAX_READS_PER_BUS:
            line = (
                "ot.json: %s: found %d reads, allowed %d: merge points by a larger max_gap or fewer different periods"
            )
            raise ConfigError([line % (plan.line.name, len(plan.reads), MAX_READS_PER_BUS)])
    for text in schema_texts(plans):
        if len(text) > MAX_META_BYTES - 64:
            raise ConfigError(
                [
                    "ot.json: one read of %d points needs %d bytes of metadata, allowed %d: lower max_registers "
                    "of the unit (%s...)" % (text.count('"at":'), len(text), MAX_META_BYTES - 64, text[:60])
                ]
            )
    return plans


def schema_texts(plans):
    """The canonical text of every group in use."""
    return [
        schemas.group_text(
            plan.line.name,
            read.unit.name,
            read.unit.unit_id,
            read.group,
            read.fc,
            read.address,
            read.count,
            read.period_ms,
            read.points,
        )
        for plan in plans
        for read in plan.reads
        if read.active
    ]


def _read_splits(number):
    splits = []
    try:
        with open(SPLITS_FILE) as file:
            for line in file:
                bus, unit_id, fc, address = [int(word) for word in line.split()]
                if bus == number:
                    splits.append((unit_id, fc, address))
    except (OSError, ValueError):
        pass  # nothing was refused so far, or the file is damaged: then it is learned again
    return splits


def _write_splits(plans):
    with open(SPLITS_FILE + ".new", "w") as file:
        for number, plan in enumerate(plans):
            for split in plan.splits:
                file.write("%d %d %d %d\n" % ((number,) + tuple(split)))
    os.rename(SPLITS_FILE + ".new", SPLITS_FILE)


class Gateway:
    """The running box.

    parts: what main.py made of the board (clock, flash, net, watchdog, led, ports); plans: one per port.
    """

    def __init__(self, parts, plans, ot, it):
        clock = parts.clock
        self.clock = clock
        self.led = parts.led
        self.console = parts.console
        self.rs485 = parts.rs485  # how many ports the board has
        self.box = it["box"]
        self.tap = None  # called with each result while the console shows them
        self.trial_s = 0  # the configuration is on trial for so long, see gateway.revisions
        self._restarting = False
        self.plans = plans
        self.halves = tuple([(half["revision"], half["hash"]) for half in (ot, it)])
        self.log = log = FlashLog(parts.flash, os.urandom(4))
        log.mount()
        self.boot = log.begin_boot()
        self._dropped = log.stats.dropped  # of that, events have told
        self._damaged = 0
        self.uptime = Uptime(clock)
        self.started_ms = self.uptime.ms()
        self.schema = schemas.store(schema_texts(self.plans))
        publish = it["publish"]
        self.recorder = Recorder(log, clock, self.uptime, self.boot, self.schema, publish["flush_ms"])
        self.who = telemetry.identity(it["box"], self.boot, log.log_id)
        base = "/".join([it["place"][part] for part in ("enterprise", "site", "area", "line", "cell", "asset")])
        self.session = self._make_session(parts.net, it, base)
        self.publisher = Publisher(log, self.session, clock, base, publish)
        self.telemetry_ms = publish["telemetry_s"] * 1000
        self.buses = []
        self.ports = parts.ports
        for port, plan, bus in zip(parts.ports, self.plans, ot["buses"]):
            self.buses.append(self._make_bus(port, plan, bus["mode"]))
        self.keeper = Keeper(clock, self.uptime, self.buses, log, self.recorder, self.publisher, parts.watchdog)

    def _make_bus(self, port, plan, mode):
        if mode == "listen":
            from modbus.listenbus import ListeningBus  # only where it is configured

            return ListeningBus(port, self.clock, plan.line, plan, self._on_result, self._on_bus_event)
        return Bus(port, self.clock, plan.line, plan, self._on_result, self._on_bus_event, _below)

    def _make_session(self, net, it, base):
        mqtt = it["mqtt"]
        hosts = [broker["host"] for broker in mqtt["brokers"]]
        if any([host != "localhost" and not host.replace(".", "").isdigit() for host in hosts]):
            from uplink.resolver import Names  # only where there is a name to look up

            net = Names(net, self.clock, random.getrandbits)
        session = Session(
            net,
            self.clock,
            random.getrandbits,
            {
                "client_id": it["box"],
                "brokers": [(broker["host"], broker["port"]) for broker in mqtt["brokers"]],
                "user": mqtt["user"],
                "password": mqtt["password"],
                "keep_alive_s": mqtt["keep_alive_s"],
                "topic_bytes": len(base.encode()) + 48,  # /latest/<name of a unit>/<group>
            },
        )
        session.set_last_will(base + "/status", telemetry.offline(self.who))
        session.on_state = self._on_session
        return session

    async def run(self):
        """Until the program ends."""
        print(
            "fieldgate %s: boot %d, schema %s, %d reads, log of %d sectors with %d records to publish"
            % (
                telemetry.FIRMWARE,
                self.boot,
                schemas.hex_of(self.schema),
                sum([len(plan.reads) for plan in self.plans]),
                self.log.sectors,
                self.log.depth(),
            )
        )
        self.recorder.mark_time()
        self.recorder.event(words.BOOT, self.boot)
        sleep_ms = asyncio.sleep_ms
        tasks = [bus.run(sleep_ms) for bus in self.buses]
        tasks += [self.keeper.run(sleep_ms), self._uplink(sleep_ms), self._telemetry(sleep_ms), self._change(sleep_ms)]
        if self.console:
            from console import door

            tasks.append(door.run(self.console, self, sleep_ms))
        await asyncio.gather(*tasks)

    def restart(self):
        """End the run in good order soon; what was measured is written first."""
        self._restarting = True

    def trial_over(self):
        """The configuration in use was confirmed."""
        self.trial_s = 0

    async def _change(self, sleep_ms):
        # Watches over the trial of a configuration, and ends the run when a restart is wanted.
        while not self._restarting:
            await sleep_ms(250)
            if self.trial_s and self.uptime.ms() - self.started_ms > self.trial_s * 1000:
                from gateway import revisions

                if revisions.roll_back("nobody confirmed it in time"):
                    print("config: not confirmed, the configuration before is back")
                    self._restarting = True
                self.trial_s = 0
        for bus in self.buses:
            if bus.supervision:
                bus.supervision.planned(PAUSE_BOUNDS_MS[PAUSE_HOLD])  # a start takes seconds
        await sleep_ms(300)  # the console's last line
        await self.keeper.write_all(sleep_ms)
        raise Restart

    async def _uplink(self, sleep_ms):
        while True:
            busy = self.session.service()
            busy = self.publisher.step() or busy
            await sleep_ms(0 if busy else 10)

    async def _telemetry(self, sleep_ms):
        while True:
            self._tell_losses()
            uptime_s = (self.uptime.ms() - self.started_ms) // 1000
            text = ""
            for piece in telemetry.report(
                self.boot,
                uptime_s,
                self.clock.utc_ms(),
                self.keeper.hold_max_ms,
                self.buses,
                self.log,
                self.recorder,
                self.session,
            ):
                text += piece
                await sleep_ms(0)
            self.publisher.notice = ("telemetry", text)
            await sleep_ms(self.telemetry_ms)

    def _tell_losses(self):
        """What the flash log had to give up since the last look becomes an event: IT must not find out by counting."""
        stats = self.log.stats
        dropped, damaged = stats.dropped - self._dropped, stats.damaged + stats.retired - self._damaged
        self._dropped += dropped
        self._damaged += damaged
        if dropped > 0:
            self.recorder.event(words.RECORDS_DROPPED, dropped, 1)
        if damaged > 0:
            self.recorder.event(words.LOG_DAMAGED, stats.damaged, stats.retired)

    # Called by the parts

    def _on_result(self, read, quality, ticks_ms, data, nbytes):
        self.recorder.sample(read.group, quality, ticks_ms, data, nbytes, read)
        if self.tap:
            self.tap(read, quality, data, nbytes)

    def _on_bus_event(self, code, a, b):
        self.recorder.event(code, a, b)
        if code == READ_SPLIT:
            self._change_schema()
        elif code == COMM_LOSS_RISK:
            what = "a pause of up to %d ms is planned" % b if b else "polling begins"
            print("unit %d acts when polling stops (comm_loss_ms): %s" % (a, what))

    def _on_session(self, up, text):
        print("uplink: " + text)
        self.led.set(up)
        if text.startswith("broker "):
            text = text[7:]  # an event's text is at most 40 bytes
        self.recorder.text_event(words.BROKER_UP if up else words.BROKER_DOWN, text)
        if up:
            self._greet()

    def _greet(self):
        groups = sum([read.active for plan in self.plans for read in plan.reads])
        self.publisher.greet(telemetry.online(self.who, self.schema, groups, *self.halves), self.schema)

    def _change_schema(self):
        # A unit refused a merged read: the plan has other groups now. The files follow in a pause.
        self.schema = schemas.schema_of(schema_texts(self.plans))
        self.recorder.change_schema(self.schema)
        self.keeper.schema_to_store = self._store_schema

    def _store_schema(self):
        _write_splits(self.plans)
        schemas.store(schema_texts(self.plans))
        self._greet()


def _below(n):
    return random.getrandbits(20) % n if n > 0 else 0
