"""Asked before polling stops for long: a person agrees, in full where a unit acts when it is not asked."""

from console.verbs import STOPPED, Ask, Refused

START_MS = 60000  # a start, and the one that goes back where it fails; 8 s each (host_tests/emulated/README.md)
_NAMED = 2  # units


def agreed(buses, what, stop_ms):
    """Yields lines and the question; returns True if polling of `buses` may stop. what: for the question."""
    word = "yes" if (yield from _warned(buses, stop_ms)) else "y"
    answer = ((yield Ask("%s. Go on? %s: " % (what, word))) or "").strip().lower()
    return answer == word or (answer == "yes" and word == "y")


def sure(gateway, said, stop_ms):
    """Before what ends the run. Nothing is asked where no unit acts, or if `yes` was said ahead. Raises Refused."""
    if (yield from _warned(gateway.buses, stop_ms)) and not said:
        answer = yield Ask("polling stops for up to %d s. Go on? yes: " % (stop_ms // 1000))
        if (answer or "").strip().lower() != "yes":
            raise Refused(STOPPED, "nothing was done: stop the machine first, or type yes")


def _warned(buses, stop_ms):
    """Yields a line for units that act within stop_ms; returns True if there are any."""
    risky = []
    for bus in buses:
        if not hasattr(bus, "learned"):  # else somebody else asks them
            risky += [unit for unit in bus.plan.units if 0 < unit.comm_loss_ms <= stop_ms]
    for unit in risky[:_NAMED]:
        line = "!  %s (%d) acts when nobody asks it for %d ms (comm_loss_ms): is the machine safe?"
        yield line % (unit.name, unit.unit_id, unit.comm_loss_ms)
    if len(risky) > _NAMED:
        yield "!  %d more units act so" % (len(risky) - _NAMED)
    return bool(risky)
