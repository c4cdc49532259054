"""The rules of the box at work: every sample comes by here on its way to the recorder. Loaded where ot.json has rules.

What is configured lies in lib/edge; this ties it to recorder, latest values, reports and files. `take` is called for
every sample and does what must be done per sample; `run` does the rest in slices.
"""

TICK_MS = 50


class Edge:
    """One per box. inputs: edge.inputs.Inputs. make_reports: makes a group's Reports of its meta."""

    def __init__(self, gateway, inputs):
        self._recorder = gateway.recorder
        self._clock = gateway.clock
        self.inputs = inputs
        self._gears = {}
        self._suppressed = 0  # of groups that a change of schema has ended

    def describe(self, lines):
        """The meta lines of the schema that holds from now on; what was known of its points is forgotten."""
        self._suppressed = self.suppressed
        self._gears = self.inputs.bind(lines, _reports)

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
        if reports is None:
            self._recorder.sample(group, quality, ticks_ms, data, nbytes)
        elif reports.wants(self._clock, quality, ticks_ms, data, nbytes):
            if self._recorder.sample(group, quality, ticks_ms, data, nbytes):
                reports.recorded(quality, ticks_ms, data, nbytes)
        if gear.entries:
            self.inputs.take(gear, quality, ticks_ms, data, nbytes)

    async def run(self, sleep_ms):
        """Until the program ends."""
        while True:
            await sleep_ms(TICK_MS)


def _reports(meta):
    from edge.deadband import Reports

    return Reports(meta)
