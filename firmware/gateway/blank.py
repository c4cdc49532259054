"""The box without a configuration: no polling, no network, no log; the console, which leads to one.

A Blank is what the verbs see in place of a Gateway: `log` and `session` are None, its lines are silent but can be
searched and asked. It ends by `restart`, when the console has committed a configuration.
"""

import asyncio
import gc

from gateway.app import Restart
from modbus.line import Line


class IdleBus:
    """A line on which nobody polls: it is always ours. `line` is what a search has found, else the default."""

    def __init__(self, number, port):
        self.borrowed = False
        self.units = []
        self.plan = self  # its units
        self._port = port
        self._name = "line%d" % (number + 1)
        self.line = Line(self._name, 19200, "8E1")

    def tune(self, baud, serial_format):
        """Ask at this setting from now on. Raises OSError, ValueError as the port does."""
        self._port.tune(baud, serial_format)
        self.line = Line(self._name, baud, serial_format)

    @staticmethod
    def ask(cause):
        """A pause is granted at once."""
        return True

    granted = ask

    @staticmethod
    def others_wait():
        """Nobody waits."""
        return False

    @staticmethod
    def idle_ms():
        """For how long nothing will be sent."""
        return 60000

    def done(self, cause):
        """Nothing goes on."""

    def tell_all(self, quality):
        """There is nothing to report."""


class Blank:
    """console, clock, led: the seams. ports: one Rs485 per line. make_net(it): the network seam for an IT half.
    chip: what the box's chip calls itself."""

    def __init__(self, console, clock, led, ports, make_net, chip):
        self.console = console
        self.clock = clock
        self.led = led
        self.ports = ports
        self.rs485 = len(ports)
        self.buses = [IdleBus(number, port) for number, port in enumerate(ports)]
        self.make_net = make_net
        self.chip = chip
        self.keeper = self
        self.log = self.session = self.timekeeper = self.net = self.plans = None
        self.tap = None
        self._ending = None  # how the run is to end

    async def run(self):
        """Until there is a configuration to start with."""
        from console import door

        gc.threshold(8192)  # set-up loads much, one thing after the other
        print("this box has no configuration yet: press Enter, then type setup")
        await asyncio.gather(door.run(self.console, self, asyncio.sleep_ms), self._blink())

    async def _blink(self):
        on = False
        while self._ending is None:
            on = not on
            if self.led:
                self.led.set(on)  # quickly: set me up
            await asyncio.sleep_ms(150)
        await asyncio.sleep_ms(300)  # the console's last line
        raise Restart(self._ending)

    def restart(self, prompt=False):
        """End the run soon; see gateway.app."""
        self._ending = prompt

    def trial_over(self):
        """Nothing is on trial."""

    @staticmethod
    async def load(importer, sleep_ms, least_bytes=0):
        """As gateway.keeper's; there is nothing to pause for."""
        gc.collect()
        return importer()

    @staticmethod
    async def load_search():
        """As the Gateway's."""
        from gateway import search

        return search
