"""The Python prompt of chips: a timer feeds the watchdog there, which nothing stops, for at most HOLD_S.

After that the watchdog resets the chip, and the gateway runs again. A soft reset (mpremote does one unless told
`resume`) stops timers: boot.py sees MARK and goes on feeding, for HOLD_S from then on; main.py removes it.
"""

from machine import WDT, Timer, reset

MARK = "prompt.txt"
HOLD_S = 900
_TICK_MS = 1000


class Exit:
    """What `exit` is at the prompt: typing it starts the gateway again."""

    def __repr__(self):
        reset()

    __call__ = __repr__


class Holder:
    """Feeds the watchdog. timer: the port's, not running."""

    def __init__(self, timer):
        self._timer = timer
        self._feed = None
        self._left = 0

    def hold(self, watchdog_ms):
        """From now on for HOLD_S; returns what is to be `exit` at the prompt."""
        with open(MARK, "w") as file:
            file.write("the Python prompt has the box\n")
        self._feed = WDT(timeout=watchdog_ms).feed
        self._left = HOLD_S * 1000 // _TICK_MS
        self._timer.init(period=_TICK_MS, mode=Timer.PERIODIC, callback=self._tick)
        return Exit()

    def _tick(self, timer):
        if self._left > 0:
            self._left -= 1
            self._feed()

    def release(self):
        """The gateway starts: it feeds for itself."""
        self._timer.deinit()


_holders: list[Holder] = []  # the one at work


def hold(watchdog_ms, port):
    """Feed from now on for HOLD_S; returns what is to be `exit` at the prompt. port: "rp2" or "esp32"."""
    number = 3 if port == "esp32" else -1  # an esp32 has four, the first ones drive RS-485
    _holders.append(Holder(Timer(number)))
    return _holders[-1].hold(watchdog_ms)


def release():
    """The gateway starts: it feeds for itself."""
    while _holders:
        _holders.pop().release()
