"""The status LED says the worst fault without a laptop: steady light when all is well, else its code in blinks.

Codes: 5 records were lost since the start, 4 no unit of a line answers, 3 a unit is silent, 2 no broker, 1 no network,
0 (steady) none. Quick blinking is a box without configuration (gateway.blank); dark is a box that does not run. The
words for people stand in console.led and boards/README.md.
"""

STEP_MS = 250  # one step; a blink is one light and one dark
_PAUSE = 6  # dark steps between two codes


class Lamp:
    """led: the port's. `code` is what it shows; `step()` is called every STEP_MS."""

    def __init__(self, led, gateway):
        self.code = 0
        self._led = led
        self._gateway = gateway
        self._phase = 0
        self._dropped = None  # records that the log had given up before the start
        self._lit = None  # as the LED is: on a Pico W every change goes to the radio chip

    def step(self):
        """The next step of the code; a new fault begins with the next code."""
        phase = self._phase
        if not phase:
            if self._dropped is None:
                self._dropped = self._gateway.log.stats.dropped
            self.code = worst(self._gateway, self._dropped)
        lit = not self.code or (phase < 2 * self.code and not phase & 1)
        if lit != self._lit:
            self._lit = lit
            self._led.set(lit)
        self._phase = (phase + 1) % (2 * self.code + _PAUSE) if self.code else 0


def worst(gateway, dropped):
    """The code of the worst fault. dropped: records that the log had given up before the start."""
    if gateway.log.stats.dropped != dropped or gateway.recorder.dropped_total:
        return 5
    code = 0
    for bus in gateway.buses:
        if bus.scheduler.fault:
            return 4
        if bus.scheduler.quarantined:
            code = 3
    if code or gateway.session.ready:
        return code
    return 2 if gateway.net.up() else 1
