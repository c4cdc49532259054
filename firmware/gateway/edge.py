"""The rules of the box at work: every sample comes by here on its way to the recorder. Loaded where ot.json has rules.

What the rules are lies in lib/edge; this ties them to recorder, latest values, reports and files. `take` is called for
every sample and does what must be done per sample; `run` does in slices what time brings about. What is configured is
put in by gateway.edge_start: `alarms`, `sums`, `timed` stay empty where it is not.
"""

from gateway import words

TICK_MS = 50
ALARM_MS = 250
EXPIRE_MS = 1000


class Edge:
    """One per box. inputs: edge.inputs.Inputs."""

    def __init__(self, gateway, inputs):
        self._gateway = gateway
        self._recorder = gateway.recorder
        self._clock = gateway.clock
        self.inputs = inputs
        self.timed = []  # edge.derived.Derived and edge.windows.Windows
        self.sums = ()  # edge.aggregate.Aggregate
        self.alarms = None  # edge.alarms.Alarms
        self.about = ()  # (severity, text) of each alarm
        self._gears = {}
        self._suppressed = 0  # of groups that a change of schema has ended
        self.kept = []  # what the file of alarms says of latched ones; None: it is to be written
        self._seen = 0  # alarms.changed when that was compared

    def describe(self, lines):
        """The meta lines of the schema that holds from now on; what was known of its points is forgotten."""
        self._suppressed = self.suppressed
        self._gears = self.inputs.bind(lines, _reports)
        alarms = self.alarms.alarms if self.alarms else ()
        for gear in self._gears.values():
            gear.sums = tuple([one for one in self.sums if gear.turns(one.index)])
            gear.alarms = tuple([one for one in alarms if gear.turns(one.index)])
            for one in gear.sums:
                one.gap_ms = gear.holds_ms

    @property
    def suppressed(self):
        """Samples that were not recorded because nothing had moved."""
        count = self._suppressed
        for gear in self._gears.values():
            if gear.reports:
                count += gear.reports.suppressed
        return count

    def take(self, group, quality, ticks_ms, data, nbytes):
        """One sample: record it if it is news, and let the rules see it."""
        gear = self._gears.get(group)
        if gear is None:
            self._recorder.sample(group, quality, ticks_ms, data, nbytes)
            return
        reports = gear.reports
        clock = self._clock
        if reports is None:
            self._recorder.sample(group, quality, ticks_ms, data, nbytes)
        elif reports.wants(clock, quality, ticks_ms, data, nbytes):
            if self._recorder.sample(group, quality, ticks_ms, data, nbytes):
                reports.recorded(quality, ticks_ms, data, nbytes)
        if gear.entries:
            self.inputs.take(gear, quality, ticks_ms, data, nbytes)
            values = self.inputs.values
            for one in gear.sums:
                one.look(clock, values[one.index], ticks_ms)
            if gear.alarms:
                self.alarms.look_all(gear.alarms, values, ticks_ms)

    async def run(self, sleep_ms):
        """Until the program ends."""
        clock, gateway = self._clock, self._gateway
        alarms_at = expire_at = clock.ticks_ms()
        while True:
            await sleep_ms(TICK_MS)
            now = clock.ticks_ms()
            if clock.ticks_diff(now, expire_at) >= 0:
                expire_at = clock.ticks_add(now, EXPIRE_MS)
                self._expire(now)
            for one in self.timed:
                if clock.ticks_diff(clock.ticks_ms(), one.due) >= 0:
                    await gateway.room(sleep_ms)
                    for _ in one.steps(clock, self.inputs):
                        await gateway.room(sleep_ms)
                    gateway.sample(one.group, one.quality, one.at, one.data, len(one.data))
            if self.alarms and clock.ticks_diff(now, alarms_at) >= 0:
                alarms_at = clock.ticks_add(now, ALARM_MS)
                await gateway.room(sleep_ms)
                self.alarms.tick()
                self._keep()

    def _expire(self, now):
        for index in self.inputs.expire(self._clock):
            for alarm in self.alarms.alarms if self.alarms else ():
                if alarm.index == index:
                    self.alarms.look(alarm, None, now)

    # Alarms

    def alarm_event(self, alarm, _value):
        """Tell that an alarm has become active or inactive."""
        raised = alarm.state == 2
        text = "%s: %s" % (alarm.name, self.shown(alarm))
        self._recorder.text_event(words.ALARM_RAISED if raised else words.ALARM_CLEARED, text)

    def events_held(self, count):
        """Tell how many events of alarms were too many."""
        self._recorder.event(words.ALARM_EVENTS_HELD, min(count, 0x3FFFFFFF))

    def shown(self, alarm):
        """What the alarm looks at, as it is now, for people."""
        if alarm.watch and alarm.watch.score is not None:
            return "score %.1f" % alarm.watch.score
        return self.inputs.text_of(alarm.index)

    def acknowledge(self, alarm):
        """Somebody has seen it; True if that changed something."""
        if not self.alarms.acknowledge(alarm):
            return False
        self._recorder.text_event(words.ALARM_ACKNOWLEDGED, alarm.name)
        return True

    def _keep(self):
        # What must survive a restart, when it has changed: written in a pause of the bus; until then tried again.
        alarms = self.alarms
        for alarm in alarms.alarms:
            if alarm.watch and alarm.watch.news:
                alarm.watch.news = False
                self.kept = None
                if alarm.watch.learned():
                    self._recorder.text_event(words.ANOMALY_LEARNED, alarm.name)
        if self.kept is not None and self._seen != alarms.changed:
            self._seen = alarms.changed
            if alarms.latched() != self.kept:
                self.kept = None
        if self.kept is None and not self._gateway.keeper.chore:
            self._gateway.keeper.chore = self._write

    def _write(self):
        from gateway import edge_files, unload

        try:
            edge_files.write(self.alarms.alarms, self.inputs.names)
        except OSError as error:
            print("alarms: cannot be kept over a restart (errno %s): check the file system" % error.args[0])
        self.kept = self.alarms.latched()
        unload.unload("gateway.edge_files")


def _reports(meta):
    from edge.deadband import Reports

    return Reports(meta)
