"""Keeps the house: everything that would disturb the bus, done in pauses between transactions.

Writes blocks and acknowledgements to flash, erases ahead while the bus idles, collects garbage,
feeds the watchdog. The watchdog is fed here and only here, and only while the bus tasks run.
"""

import gc

from gateway import unload
from gateway.heap import COLLECT, LOOK, HeapPlan
from modbus.codes import PAUSE_ERASE, PAUSE_FLASH, PAUSE_GC, PAUSE_MODULE

TICK_MS = 20
ERASE_MS = 60  # a sector erase takes 45 ms typically (W25Q16JV datasheet, 9.6)
ERASE_SOON = 2  # from the log: it does not wait for an idle bus any more
ACK_MS = 1000
LOOK_US = 8000  # a look at the heap takes 7 ms on an RP2040
MOST_TURNS = 100  # of other tasks: so long a moment is waited for
FEW_TURNS = 16  # after them one that is nearly the best seen will do
SOON_US = 2000  # before a reply is due; then a pause is waited for without sleep, for so many turns
SOON_TURNS = 20
FRESH_MS = 500  # so long a collected heap is good for long pieces


class Moment:
    """Finds, turn by turn of the loop, when a task may hold it: one for each wait of a task.

    Best while the lines idle, else right after a request: its reply arrives meanwhile, by interrupts. A sleep instead
    of turns would leave much of a short moment unused."""

    def __init__(self, free_us):
        self._free_us = free_us
        self._turns = self._most = 0

    def come(self, need_us):
        """True when the lines notice least that somebody holds the loop for need_us. Allocates nothing."""
        free, most = self._free_us(), self._most
        turns = self._turns = self._turns + 1
        if free >= need_us or turns > MOST_TURNS or (turns > FEW_TURNS and free > most - (most >> 2)):
            self._turns = self._most = 0
            return True
        if free > most:
            self._most = free
        return False


class Keeper:
    """One per box. buses: the Bus objects; all of them pause for flash and garbage collection."""

    def __init__(self, clock, uptime, buses, log, recorder, publisher, watchdog):
        self._clock = clock
        self._uptime = uptime
        self._buses = buses
        self._log = log
        self._recorder = recorder
        self._publisher = publisher
        self._watchdog = watchdog
        self._wrote = clock.ticks_ms()
        self._heap = HeapPlan(clock)
        self._gc_us = 30000  # the last collection took so long
        self._took_us = 0  # the last work of `do`
        self.heap_free_bytes = 0  # at the last look
        self.schema_to_store = None  # called in a pause when the plan has changed
        self.chore = None  # the same for another file
        self.writing = False  # the log is at work on flash; stays True when that raised (gateway.rescue asks)
        self.hold_max_ms = 0  # longest time that something else kept the loop, pauses included

    async def run(self, sleep_ms):
        """Until the program ends."""
        clock = self._clock
        while True:
            planned = clock.ticks_add(clock.ticks_ms(), TICK_MS)
            await sleep_ms(TICK_MS)
            late_ms = clock.ticks_diff(self._uptime.update(), planned)
            if late_ms > self.hold_max_ms:
                self.hold_max_ms = late_ms
            self._watchdog.feed()
            if self._recorder.due() or self._acknowledge_due():
                await self.pause(PAUSE_FLASH, sleep_ms)
                self._write()
                self.resume(PAUSE_FLASH)
                await sleep_ms(0)  # the lines go on before anything else is looked after
            if self.schema_to_store:
                await self.pause(PAUSE_FLASH, sleep_ms)
                store, self.schema_to_store = self.schema_to_store, None
                store()
                self.resume(PAUSE_FLASH)
            if self.chore:
                await self.pause(PAUSE_FLASH, sleep_ms)
                chore, self.chore = self.chore, None
                chore()
                self.resume(PAUSE_FLASH)
            due = self._log.erase_due()
            if due == ERASE_SOON or (due and self._idle_ms() >= ERASE_MS):
                await self.pause(PAUSE_ERASE, sleep_ms)
                self.writing = True
                self._log.idle()
                self.writing = False
                self.resume(PAUSE_ERASE)
            due = self._heap.due(clock.ticks_ms())
            if due == LOOK:
                await self._look(sleep_ms)
                due = self._heap.due(clock.ticks_ms())
            if due == COLLECT:
                await self._collect(sleep_ms)

    async def room(self, need_us, sleep_ms):
        """Wait, not for long, for the moment to hold the loop for need_us."""
        moment = Moment(self.free_us)
        while not moment.come(need_us):
            await sleep_ms(0)

    async def do(self, cause, work, need_us, sleep_ms):
        """Hold the loop for `work()`, which takes about need_us and so longer than a slice; returns what it returns.

        The lines notice as little of it as can be; only what was longer than they had time counts as a pause."""
        await self.room(need_us, sleep_ms)
        clock, buses = self._clock, self._buses
        for bus in buses:
            bus.expect(cause)
        free = [bus.free_us() for bus in buses]
        start = clock.ticks_us()
        result = work()
        self._took_us = clock.ticks_diff(clock.ticks_us(), start)
        for bus, us in zip(buses, free):
            bus.held(cause, self._took_us, us)
        return result

    async def _collect(self, sleep_ms):
        await self.do(PAUSE_GC, gc.collect, self._gc_us, sleep_ms)
        self._gc_us = self._took_us
        self._heap.collected(self._clock.ticks_ms())

    async def _look(self, sleep_ms):
        free = self.heap_free_bytes = await self.do(PAUSE_GC, gc.mem_free, LOOK_US, sleep_ms)
        self._heap.looked(self._clock.ticks_ms(), free)

    @property
    def heap_low_bytes(self):
        """The least that was free after a collection."""
        return self._heap.low_bytes

    async def write_all(self, sleep_ms):
        """Everything that is still in RAM goes to flash: the run is about to end."""
        await self.pause(PAUSE_FLASH, sleep_ms)
        for _ in range(4):  # the full block, the open one, a time mark, the count of what found no room
            self._write()
        self.resume(PAUSE_FLASH)

    def _write(self):
        self._wrote = self._clock.ticks_ms()
        self._recorder.mark_time()  # not at every tick: UTC in ms is a big int on the boards, and so garbage
        position = self._publisher.acknowledged()
        self.writing = True
        self._recorder.write()
        if position is not None:
            self._log.ack(position)
        self.writing = False

    def _acknowledge_due(self):
        # With no block to write, an acknowledgement alone is worth a write once a second.
        if not self._publisher.acked:
            return False
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._wrote) >= ACK_MS

    async def tidy(self, sleep_ms):
        """Before long pieces are asked for: collect the heap, unless that has just been done."""
        if self._clock.ticks_diff(self._clock.ticks_ms(), self._heap.collected_at) > FRESH_MS:
            await self._collect(sleep_ms)

    def burst(self):
        """Much garbage is about to be made."""
        self._heap.burst(self._clock.ticks_ms())

    def free_us(self):
        """us from now for which no line notices that somebody holds the loop. Allocates nothing."""
        least = 0x3FFFFFFF
        for bus in self._buses:
            us = bus.free_us()
            if us < least:
                least = us
        return least

    def _idle_ms(self):
        return min([bus.idle_ms() for bus in self._buses])

    async def pause(self, cause, sleep_ms):
        """Wait until no reply is awaited on any bus; nothing is sent until `resume`. Counted by cause."""
        for bus in self._buses:
            bus.ask(cause)
        turns = 0
        while not all([bus.ask(cause) for bus in self._buses]):  # again, as another's `resume` may have withdrawn it
            turns += self.free_us() < SOON_US
            await sleep_ms(0 if 0 < turns < SOON_TURNS else 1)  # a sleep takes longer than it says

    async def load(self, importer, sleep_ms, least_bytes=0):
        """What `importer()` imports and returns, loaded in a pause; None where the heap has no room for it now.

        The heap is tidied first: code that comes to lie between garbage leaves it in pieces. None also when fewer
        than least_bytes are free then. Who asks tries again later; polling goes on.
        """
        await self.tidy(sleep_ms)
        await self.pause(PAUSE_MODULE, sleep_ms)
        try:
            if least_bytes and gc.mem_free() < least_bytes:
                gc.collect()  # while it waited for the lines, others made garbage again
                if gc.mem_free() < least_bytes:
                    return None
            return importer()
        except (MemoryError, ImportError):  # no room to look for a module shows as if there were none
            return None
        finally:
            unload.forget_index()
            self.resume(PAUSE_MODULE)
            self._heap.doubt(self._clock.ticks_ms())

    def resume(self, cause):
        """End of the pause."""
        for bus in self._buses:
            bus.done(cause)
