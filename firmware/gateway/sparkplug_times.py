"""UTC for what a Sparkplug node tells: of now, and of records of any boot. Times are those of `sparkplug.split`."""

from flashlog.records import TIME_MARK, Block
from gateway.clock import uptime_ms
from uplink import sparkplug as spb

LIVE_MS = 15000  # older records are told as historical
UNKNOWN = -1


class Times:
    """boot: this boot's id; uptime: gateway.clock.Uptime; log: read ahead by `look_ahead` only."""

    def __init__(self, log, clock, uptime, boot):
        self._log = log
        self._clock = clock
        self._uptime = uptime
        self._boot = boot
        self._zero = None  # UTC of uptime zero of this boot
        self._marks = (None, None)  # (another boot, its UTC of uptime zero)

    def known(self):
        """True from the moment on at which the box knows UTC."""
        if self._zero is None:
            utc_ms = self._clock.utc_ms()
            if utc_ms is not None:
                self._uptime.update()
                self._zero = spb.split(utc_ms - self._uptime.ms())
        return self._zero is not None

    def now(self):
        """Only when `known`."""
        ticks = self._uptime.update()
        return spb.later(self._zero, self._uptime.era, ticks)

    def is_live(self, boot, era, ticks):
        """True for a record that is so young that it tells of the present."""
        if boot != self._boot or self._uptime.era - era > 1:
            return False
        return (self._uptime.era - era << 30) + self._uptime.update() - ticks < LIVE_MS

    def of(self, boot, era, ticks):
        """The time of a record. None: that boot never learned it; UNKNOWN: call `look_ahead` first."""
        if boot == self._boot:
            return spb.later(self._zero, era, ticks)
        if boot != self._marks[0]:
            return UNKNOWN
        return self._marks[1] and spb.later(self._marks[1], era, ticks)

    def mark(self, boot, era, ticks, utc_ms):
        """A time mark of the log."""
        zero = spb.split(utc_ms - uptime_ms(era, ticks))
        if boot == self._boot:
            self._zero = zero
        else:
            self._marks = (boot, zero)

    def look_ahead(self, boot, block):
        """Find the first time mark of an older boot from `block` on, as a generator of steps; rewinds the log."""
        rows = iter(block)
        while block.boot == boot:
            for kind, _, _, era, ticks, data in rows:
                if kind == TIME_MARK:
                    self.mark(boot, era, ticks, data)
                    self._log.rewind()
                    return
            yield None
            payload = self._log.read()
            if payload is None:
                break
            try:
                block = Block(payload)
            except ValueError:
                break
            rows = iter(block)
        self._marks = (boot, None)  # only now: this may be given up half way
        self._log.rewind()
