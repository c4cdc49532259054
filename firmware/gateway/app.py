"""The gateway: builds the parts from board and configuration, then runs them on one event loop.

`gateway.start` makes everything that can fail and says clearly what failed; `Gateway.run` never returns
by itself. Tasks: one per bus, the keeper (flash, garbage, watchdog), the uplink, the reports.
"""

import asyncio
import gc
import random

from gateway import schema as schemas
from gateway import telemetry, unload, words
from gateway.keeper import Moment
from modbus.codes import COMM_LOSS_RISK, PAUSE_BOUNDS_MS, PAUSE_FLASH, PAUSE_HOLD, READ_SPLIT

SLICE_US = 2500  # most slices of the uplink are shorter
LONG_US = 5000  # a step that is longer counts as a pause as far as the lines had no time for it


_SEARCH_BYTES = 36000  # a search takes 20 KB of a board's heap, 26 KB of the virtual one's


class Restart(Exception):
    """The gateway has written everything to flash and is to start again, with the configuration that now counts.

    Its argument is True where the Python prompt is wanted instead."""


class Gateway:
    """The running box.

    parts: what wiring made of the board (clock, flash, net, watchdog, led, ports); planned: gateway.planned.Planned.
    """

    def __init__(self, parts, planned, it):
        from gateway import start

        start.build(self, parts, planned, it)
        unload.starters()
        machine = planned.ot["machine"]
        if machine:  # only now: what stays of it would lie between what goes, and leave the heap in pieces
            gc.collect()
            from gateway import machine_start

            self.production = machine_start.build(self, machine, parts.watchdog.feed)
            unload.starters()

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
        tasks += [self.keeper.run(sleep_ms), self._uplink(sleep_ms), self.reports.run(sleep_ms), self._change(sleep_ms)]
        if self.edge:
            tasks.append(self.edge.run(sleep_ms))
        if self.reader:
            from gateway import scada_task

            tasks.append(scada_task.run(self, sleep_ms))
        if self.faults:
            tasks.append(self.faults.run(sleep_ms, self.room))
        if self.production:
            tasks.append(self.production.run(sleep_ms, self.room))
        if self.timekeeper:
            tasks.append(self._keep_time(sleep_ms))
        if self.console:
            from console import door

            tasks.append(door.run(self.console, self, sleep_ms))
        await asyncio.gather(*tasks)

    def restart(self, prompt=False):
        """End the run in good order soon; what was measured is written first. prompt: leave the Python prompt."""
        self._ending = prompt

    def trial_over(self):
        """The configuration in use was confirmed."""
        self.trial_s = 0

    async def _change(self, sleep_ms):
        # Watches over the trial of a configuration, and ends the run when a restart is wanted.
        while self._ending is None:
            await sleep_ms(250)
            if self.lamp:
                self.lamp.step()
            if self.trial_s and self.uptime.ms() - self.started_ms > self.trial_s * 1000:
                from gateway import revisions

                if revisions.roll_back("nobody confirmed it in time"):
                    print("config: not confirmed, the configuration before is back")
                    self._ending = False
                self.trial_s = 0
        for bus in self.buses:
            if bus.supervision:
                bus.supervision.planned(PAUSE_BOUNDS_MS[PAUSE_HOLD])  # a start takes seconds
        await sleep_ms(300)  # the console's last line
        if self.production:
            self.production.close()
        await self.keeper.write_all(sleep_ms)
        raise Restart(self._ending)

    async def _uplink(self, sleep_ms):
        keeper, session, publisher = self.keeper, self.session, self.publisher
        moment = Moment(keeper.free_us)
        busy = served = False
        while True:
            need_us = publisher.need_us if served else SLICE_US
            if need_us > LONG_US:
                served = False
                busy = await keeper.do(PAUSE_FLASH, publisher.step, need_us, sleep_ms) or busy
            elif not moment.come(need_us):
                await sleep_ms(0)
                continue
            elif served:
                served = False
                busy = publisher.step() or busy
            else:
                served = True
                busy = session.service()
                if self._greeting:
                    self._greeting = False
                    await keeper.tidy(sleep_ms)  # what the groups mean is said in long pieces
                    keeper.burst()
                    self._greet()
            await sleep_ms(0 if served or busy else 10)

    async def room(self, sleep_ms):
        """Wait for the moment to begin a slice: no line needs the loop before it ends. Not for long."""
        await self.keeper.room(SLICE_US, sleep_ms)

    async def _keep_time(self, sleep_ms):
        while True:
            await sleep_ms(self.timekeeper.step())
            if self.timekeeper.floor_due:
                self.keeper.chore = self.timekeeper.store

    def tell_losses(self):
        """What the flash log had to give up since the last look becomes an event: IT must not find out by counting."""
        stats = self.log.stats
        dropped, damaged = stats.dropped - self._dropped, stats.damaged + stats.retired - self._damaged
        self._dropped += dropped
        self._damaged += damaged
        if dropped > 0:
            self.recorder.event(words.RECORDS_DROPPED, dropped, 1)
        if damaged > 0:
            self.recorder.event(words.LOG_DAMAGED, stats.damaged, stats.retired)

    async def load_search(self):
        """The module gateway.search, loaded in a pause of the bus; its `forget` gives the memory back.

        Raises MemoryError where polling and publishing would be left too little."""
        search = await self.keeper.load(_search, asyncio.sleep_ms, _SEARCH_BYTES)
        if search is None:
            raise MemoryError
        return search

    # Called by the parts

    def sample(self, group, quality, ticks_ms, data, nbytes):
        """One sample on its way: of a read, or of a virtual group by whoever computes it."""
        if self.edge:
            self.edge.take(group, quality, ticks_ms, data, nbytes)
        else:
            self.recorder.sample(group, quality, ticks_ms, data, nbytes)
        if self.production:
            self.production.sample(group, quality, ticks_ms, data, nbytes)
        if self.latest:
            self.latest.note(group, quality, ticks_ms, data, nbytes)
        if self.scada:
            self.scada.note(group, quality, ticks_ms, data, nbytes)

    def _on_result(self, read, quality, ticks_ms, data, nbytes):
        self.sample(read.group, quality, ticks_ms, data, nbytes)
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
        if text.startswith("broker "):  # an event's text is at most 40 bytes: the reason first
            name, reason = text[7:].split(": ", 1)
            text = "%s (%s)" % (reason, name)
        self.recorder.text_event(words.BROKER_UP if up else words.BROKER_DOWN, text)
        self._greeting = up

    def _greet(self):
        groups = self.virtual_groups + sum([read.active for plan in self.plans for read in plan.reads])
        self.publisher.greet(telemetry.online(self.who, self.schema, groups, *self.halves), self.schema)

    def _change_schema(self):
        # A unit refused a merged read: the plan has other groups now. The files follow in a pause.
        from gateway import splits

        self.schema = splits.schema_of(self.plans, self._stored)
        self.recorder.change_schema(self.schema)
        if self.scada:
            for plan in self.plans:
                for read in plan.reads:
                    if read.active:
                        self.scada.know(read)
        self.keeper.schema_to_store = self._store_schema

    def _store_schema(self):
        from gateway import splits

        splits.store(self.plans, self._stored, self.schema)
        self._stored = self.schema
        if self.production:
            from gateway import machine_start

            machine_start.rebuild(self.production, self.schema)
        if self.latest:
            self.latest.describe(schemas.lines(self.schema))
        if self.edge:
            self.edge.describe(schemas.lines(self.schema))
        unload.starters()
        unload.forget_index()
        self._greet()


def _search():
    gc.threshold(4096)  # or its pieces lie scattered between the garbage of loading
    try:
        from gateway import search
    finally:
        gc.threshold(-1)
    return search


def below(n):
    """A random int 0..n-1 (up to 2^20)."""
    return random.getrandbits(20) % n if n > 0 else 0
