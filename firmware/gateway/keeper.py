"""Keeps the house: everything that would disturb the bus, done in pauses between transactions.

Writes blocks and acknowledgements to flash, erases ahead while the bus idles, collects garbage,
feeds the watchdog. The watchdog is fed here and only here, and only while the bus tasks run.
"""

import gc

from gateway import unload
from modbus.codes import PAUSE_ERASE, PAUSE_FLASH, PAUSE_GC, PAUSE_MODULE

TICK_MS = 20
ERASE_MS = 60  # a sector erase takes 45 ms typically (W25Q16JV datasheet, 9.6)
ERASE_SOON = 2  # from the log: it does not wait for an idle bus any more
ACK_MS = 1000
GC_FREE_BYTES = 16384  # collect when less than this is left (a collection takes 44 ms on a Pico W) ...
LOOK_MS = 500  # at first and when in doubt; looking takes 7 ms on an RP2040
LOOK_US = 8000
ROOM_TURNS = 100  # of other tasks: so long it waits for a good moment
GC_MS = 10000  # ... and this often anyway, so that the heap's low is known
SOON_US = 2000  # before a reply is due; then a pause is waited for without sleep, for so many turns
SOON_TURNS = 20
BURST = 200000  # bytes per second that a greeting with its terms makes garbage
FRESH_MS = 500  # so long a collected heap is good for long pieces


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
        self._gc_at = self._looked = self._look_at = clock.ticks_ms()  # the start ends with a collection
        self._collected = True  # since the last look
        self._free_bytes = 0  # at the last look
        self._used = BURST  # bytes per second that become garbage
        self._gc_us = 30000  # the last collection took so long
        self.schema_to_store = None  # called in a pause when the plan has changed
        self.chore = None  # the same for another file
        self.writing = False  # the log is at work on flash; stays True when that raised (gateway.rescue asks)
        self.heap_low_bytes = 0x3FFFFFFF  # the least that was free after a collection
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
            if clock.ticks_diff(clock.ticks_ms(), self._look_at) >= 0:
                await self._room(LOOK_US, sleep_ms)
                if self._garbage():
                    await self._collect(sleep_ms)

    async def _room(self, need_us, sleep_ms):
        """Wait, not for long, for the moment at which the lines notice least that the loop is held for need_us.

        Best while they idle, else right after a request: its reply arrives meanwhile, by interrupts.
        """
        most = 0
        for turn in range(ROOM_TURNS):
            free = self.free_us()
            if free > need_us or (turn > ROOM_TURNS // 6 and free > most - (most >> 2)):
                return
            most = max(most, free)
            await sleep_ms(0)  # a sleep would leave much of a short moment unused

    async def _collect(self, sleep_ms):
        await self._room(self._gc_us, sleep_ms)
        clock = self._clock
        for bus in self._buses:
            bus.expect(PAUSE_GC)
        free = [bus.free_us() for bus in self._buses]
        start = clock.ticks_us()
        gc.collect()
        self._gc_us = took = clock.ticks_diff(clock.ticks_us(), start)
        self._gc_at = self._look_at = clock.ticks_ms()
        self._collected = True
        for bus, us in zip(self._buses, free):
            bus.held(PAUSE_GC, took, us)

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

    def _garbage(self):
        """Look at the heap, which takes 7 ms, and plan the next look; True when it is time to collect."""
        clock = self._clock
        now = clock.ticks_ms()
        free = gc.mem_free()
        if self._collected:
            self._collected = False
            self.heap_low_bytes = min(self.heap_low_bytes, free)
        else:
            self._used = (self._free_bytes - free) * 1000 // max(1, clock.ticks_diff(now, self._looked))
        self._free_bytes = free
        self._looked = now
        wait_ms = LOOK_MS
        if self._used > 0:  # look again when three quarters of what may be used are
            wait_ms = min(max(LOOK_MS // 4, (free - GC_FREE_BYTES) * 750 // self._used), 4000)
        self._look_at = clock.ticks_add(now, wait_ms)
        soon = self._used * (LOOK_MS // 4) // 1000  # garbage until the next look at the earliest
        return free < GC_FREE_BYTES + max(0, soon) or clock.ticks_diff(now, self._gc_at) > GC_MS

    async def tidy(self, sleep_ms):
        """Before long pieces are asked for: collect the heap, unless that has just been done."""
        self._used = BURST
        if self._clock.ticks_diff(self._clock.ticks_ms(), self._gc_at) > FRESH_MS:
            await self._collect(sleep_ms)

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

    def resume(self, cause):
        """End of the pause."""
        for bus in self._buses:
            bus.done(cause)
