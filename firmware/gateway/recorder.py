"""From the bus to flash: collects samples and events into blocks and writes each block as one log frame.

What is not yet written lies in RAM for at most `flush_ms`, or until a block is full: this one
block is what a power cut or kill -9 can lose. A second block takes what comes while the first
waits for its pause between transactions; when both are full, records are dropped, counted, and
the count itself is recorded as an event.
"""

from flashlog.columns import ORDERS, plan_of
from flashlog.layout import MAX_FRAME_BYTES, frame_bytes
from flashlog.records import BlockBuilder
from flashlog.workspace import Workspace
from gateway import words

MARK_MS = 60000


class Recorder:
    """One per box. `sample` and `event` may be called at any time, `write` only in a pause of the bus."""

    def __init__(self, log, clock, uptime, boot, schema, flush_ms):
        self._log = log
        self._clock = clock
        self._uptime = uptime
        self._boot = boot
        self._schema = schema
        self._flush_ms = flush_ms
        work = Workspace()
        self._plans = work.plans
        self._open = BlockBuilder(MAX_FRAME_BYTES, work)
        self._full = BlockBuilder(MAX_FRAME_BYTES, work)
        self._opened = 0  # ticks_ms of the open block's first record
        self._zero_ms = None  # the last time mark: UTC in ms at uptime zero
        self._marked = 0  # ticks_ms of it
        self.dropped = 0  # records that found no room since the last event about it
        self.dropped_total = 0  # the same since the start
        self.records = 0  # records taken since the start
        self.flash_units = 0  # of 16 bytes that their frames took
        self._stale = False  # the open block belongs to the schema before
        self._reset(self._open)
        self._reset(self._full)

    def know(self, plans):
        """Tell, before their first sample, which registers of groups belong together: {group: columns_of(read)}."""
        self._plans.update(plans)

    def sample(self, group, quality, ticks_ms, data, nbytes):
        """One poll's outcome: data[0:nbytes] as on the wire. Returns whether there was room for it. Allocates nothing
        but for the first good sample of a group that `know` was not told of."""
        if self._ready() and (
            self._open.sample(group, quality, ticks_ms, data, nbytes)
            or (self._turn() and self._open.sample(group, quality, ticks_ms, data, nbytes))
        ):
            self.records += 1
            return True
        self._drop()
        return False

    def event(self, code, a=0, b=0):
        """Something happened now; what a and b mean is said in the glossary."""
        self._put_event(code, a, b, None)

    def text_event(self, code, text):
        """The same with a short text instead of numbers; longer ones are cut."""
        self._put_event(code, 0, 0, text)

    def change_schema(self, schema):
        """What comes from now on has this meaning; what is in the open block keeps the old one."""
        self._schema = schema
        self._stale = self._open.records > 0
        if not self._stale:
            self._begin()

    def due(self):
        """True when a block should be written as soon as the bus allows."""
        if self._full.records:
            return True
        return self._open.records > 0 and (
            self._stale or self._clock.ticks_diff(self._clock.ticks_ms(), self._opened) >= self._flush_ms
        )

    def write(self):
        """Append one block to the log. Only in a pause of the bus; raises what the log raises."""
        block = self._full if self._full.records else self._open
        if block.records:
            payload = block.payload()
            self._log.append(payload, block.records)
            self.flash_units += frame_bytes(len(payload)) >> 4
            self._reset(block)
            if block is self._open:
                self._stale = False
        if self.dropped and not self._open.records:
            dropped, self.dropped = self.dropped, 0
            self.event(words.RECORDS_DROPPED, dropped)

    def waiting(self):
        """The blocks that are still in RAM, the older first."""
        return [block for block in (self._full, self._open) if block.records]

    def mark_time(self):
        """Record how uptime maps to UTC when that is news: at first, when it moved by 20 ms, and every minute.

        Every minute, so that after a restart the mark is near the samples that are still to be published.
        """
        utc_ms = self._clock.utc_ms()
        if utc_ms is None:
            return
        ticks = self._uptime.update()
        zero_ms = utc_ms - self._uptime.ms()
        if self._zero_ms is not None and -20 < zero_ms - self._zero_ms < 20:
            if self._clock.ticks_diff(ticks, self._marked) < MARK_MS:
                return
        if self._ready() and (
            self._open.time_mark(ticks, utc_ms) or (self._turn() and self._open.time_mark(ticks, utc_ms))
        ):
            self.records += 1
            self._zero_ms = zero_ms
            self._marked = ticks

    def _put_event(self, code, a, b, text):
        ticks = self._uptime.update()
        if self._ready() and (
            self._open.event(code, ticks, a, b, text) or (self._turn() and self._open.event(code, ticks, a, b, text))
        ):
            self.records += 1
        else:
            self._drop()

    def _drop(self):
        self.dropped += 1
        self.dropped_total += 1

    def _ready(self):
        # False only while a block of the old schema waits behind another one.
        if self._stale:
            return self._turn()
        if not self._open.records:
            self._begin()
        return True

    def _turn(self):
        # The open block is full: the other one becomes the open one, if it has been written.
        if self._full.records:
            return False
        self._open, self._full = self._full, self._open
        self._stale = False
        self._begin()
        return True

    def _begin(self):
        self._reset(self._open)
        self._opened = self._uptime.ticks

    def _reset(self, block):
        self._uptime.update()
        block.reset(self._boot, self._schema, self._uptime.era, self._uptime.ticks)


def columns_of(read):
    """How the data of a modbus.plan.Read with points are cut into values; there are no 32-bit ones in coils."""
    values = []
    for point in read.points:
        if point["type"].endswith("32"):  # what is stored so loses nothing, whatever it is
            at = 2 * (point["address"] - read.address)
            values.append((at, ORDERS[point["order"]], point["type"] == "float32"))
    return plan_of(read.need - 5, values)
